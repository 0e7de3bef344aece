import { breathe } from "./breathe.ts";
import type { Change } from "./storage.ts";

/** What goes together holds up a screen no longer than a page of messages does. */
const CHANGES_AT_ONCE = 600;

interface Waiting {
  readonly changes: readonly Change[];
  readonly done: PromiseWithResolvers<void>;
}

/**
 * Commits that are asked for at the same time go to the disk together, in order: flushing it costs as much for one as for ten. Each is still
 * applied whole or not at all; where some of them together fail, each is tried by itself.
 */
export class GroupCommit {
  readonly #commit: (changes: readonly Change[]) => Promise<void>;
  readonly #waiting: Waiting[] = [];
  #running: Promise<void> | undefined;

  constructor(commit: (changes: readonly Change[]) => Promise<void>) {
    this.#commit = commit;
  }

  async commit(changes: readonly Change[]): Promise<void> {
    if (changes.length === 0) return;
    const done = Promise.withResolvers<void>();
    this.#waiting.push({ changes, done });
    this.#running ??= this.#run();
    await done.promise;
  }

  /** Resolves when nothing waits any more. */
  async idle(): Promise<void> {
    await this.#running;
  }

  async #run(): Promise<void> {
    // Whoever asks in the same turn comes along.
    await breathe();
    while (this.#waiting.length > 0) await this.#together(this.#next());
    this.#running = undefined;
  }

  #next(): Waiting[] {
    let count = 0;
    const fit = this.#waiting.findIndex(({ changes }, place) => (count += changes.length) > CHANGES_AT_ONCE && place > 0);
    return this.#waiting.splice(0, fit === -1 ? this.#waiting.length : fit);
  }

  async #together(group: readonly Waiting[]): Promise<void> {
    try {
      await this.#commit(group.flatMap(({ changes }) => changes));
      for (const { done } of group) done.resolve();
    } catch (error) {
      if (group.length === 1) group[0]!.done.reject(error);
      else for (const each of group) await this.#together([each]);
    }
  }
}
