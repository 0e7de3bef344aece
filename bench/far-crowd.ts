import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type { Received } from "./entries/crowd.ts";

/** Many people, in two processes. */
export class FarCrowd implements AsyncDisposable {
  readonly #children: readonly ChildProcess[];
  /** Rejects when one of them ended by itself. */
  readonly #ended: Promise<never>;

  private constructor(children: readonly ChildProcess[]) {
    this.#children = children;
    this.#ended = Promise.race(
      children.map(async (child) => {
        const [code] = await once(child, "exit");
        throw new Error(`a process of the crowd ended with code ${code}`);
      }),
    );
    this.#ended.catch(() => undefined);
  }

  static async signUp(gateway: string, names: readonly string[]): Promise<FarCrowd> {
    const half = Math.ceil(names.length / 2);
    const program = join(import.meta.dirname, "entries", "crowd.ts");
    const children = [names.slice(0, half), names.slice(half)].map((some, block) => fork(program, [gateway, String(1 + block), ...some]));
    const crowd = new FarCrowd(children);
    await crowd.#answers();
    return crowd;
  }

  /** Opens everybody's socket. */
  connect = (): Promise<Received> => this.#tell("connect");
  /** What all of them received since the last time. */
  count = (): Promise<Received> => this.#tell("count");

  async #tell(what: "connect" | "count"): Promise<Received> {
    const answers = this.#answers();
    for (const child of this.#children) child.send(what);
    const all = (await answers) as Received[];
    return {
      sockets: all.reduce((sum, each) => sum + each.sockets, 0),
      bytes: all.reduce((sum, each) => sum + each.bytes, 0),
      packets: all.reduce((sum, each) => sum + each.packets, 0),
      last: Math.max(...all.map(({ last }) => last)),
    };
  }

  async #answers(): Promise<unknown[]> {
    return Promise.race([this.#ended, Promise.all(this.#children.map(async (child) => (await once(child, "message"))[0] as unknown))]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(
      this.#children.map(async (child) => {
        if (child.exitCode !== null) return;
        const ended = once(child, "exit");
        child.disconnect();
        await ended;
      }),
    );
  }
}
