import { type ChildProcess, fork } from "node:child_process";
import { baselineProgram } from "../load/programs.ts";

/** The bare baseline in a process of its own, on a database of its own. */
export class Baseline implements AsyncDisposable {
  readonly url: string;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, url: string) {
    this.#child = child;
    this.url = url;
  }

  /** @param hears by which ticket one hears which conversations, in hexadecimal */
  static async start(
    databaseUrl: string,
    hears: readonly (readonly [ticket: string, conversations: readonly string[]])[],
  ): Promise<Baseline> {
    const child = fork(baselineProgram, [databaseUrl]);
    const url = await new Promise<string>((resolve, reject) => {
      child.once("message", (word: { readonly url: string }) => resolve(word.url));
      child.once("exit", () => reject(new Error("the baseline ended")));
    });
    child.send(hears);
    return new Baseline(child, url);
  }

  get pid(): number {
    return this.#child.pid!;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const exited = new Promise((resolve) => this.#child.once("exit", resolve));
    if (this.#child.connected) this.#child.disconnect();
    await exited;
  }
}
