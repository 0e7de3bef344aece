import { setTimeout as wait } from "node:timers/promises";

/** Works through what has come up, again and again, and ends behind the step under way. */
export abstract class Sweeper {
  readonly #everyMs: number;
  readonly #ending = new AbortController();
  #keeping: Promise<void> | undefined;

  /** @param everyMs from the end of one sweep to the next, milliseconds */
  constructor(everyMs: number) {
    this.#everyMs = everyMs;
  }

  start(): void {
    this.#keeping ??= this.#keep();
  }

  /** Resolves when the step under way has ended. */
  async stop(): Promise<void> {
    this.#ending.abort();
    await this.#keeping;
  }

  /** One sweep, with what is logged of it. Does not throw. */
  protected abstract turn(): Promise<void>;

  protected get isEnding(): boolean {
    return this.#ending.signal.aborted;
  }

  /** Ends early when all does. */
  protected async pause(milliseconds: number): Promise<void> {
    await wait(milliseconds, undefined, { signal: this.#ending.signal }).catch(() => undefined);
  }

  async #keep(): Promise<void> {
    while (!this.isEnding) {
      await this.turn();
      await this.pause(this.#everyMs);
    }
  }
}
