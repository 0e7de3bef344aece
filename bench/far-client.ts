import { type ChildProcess, fork } from "node:child_process";
import { join } from "node:path";
import type { Answered, Asked, Calls } from "./entries/client.ts";
import type { Reading } from "./meter.ts";

type Value<Name extends keyof Calls> = Awaited<ReturnType<Calls[Name]>>;

export interface Done<T> {
  readonly value: T;
  /** Milliseconds since 1970. */
  readonly since: number;
  readonly until: number;
}

/** A client in a process of its own: what the bench does meanwhile does not hold it up. */
export class FarClient implements AsyncDisposable {
  readonly name: string;
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, PromiseWithResolvers<Answered>>();
  #next = 0;

  /** @param profile its folder in `home` */
  constructor(name: string, { home, profile, gateway }: { readonly home: string; readonly profile: string; readonly gateway: string }) {
    this.name = name;
    const { PROFILES } = process.env;
    this.#child = fork(join(import.meta.dirname, "entries", "client.ts"), [home, profile, gateway], {
      serialization: "advanced",
      ...(PROFILES !== undefined && { env: { ...process.env, PROFILES: join(PROFILES, name) } }),
    });
    this.#child.on("message", (answer: Answered) => {
      this.#waiting.get(answer.number)?.resolve(answer);
      this.#waiting.delete(answer.number);
    });
    this.#child.once("exit", (code) => {
      for (const { reject } of this.#waiting.values()) reject(new Error(`${name}'s process ended with code ${code}`));
    });
  }

  get pid(): number {
    return this.#child.pid!;
  }

  async call<Name extends keyof Calls>(call: Name, ...values: Parameters<Calls[Name]>): Promise<Done<Value<Name>>> {
    const number = this.#next++;
    const answer = Promise.withResolvers<Answered>();
    this.#waiting.set(number, answer);
    this.#child.send({ number, call, values } satisfies Asked);
    const { since, until, value, error } = await answer.promise;
    if (error !== undefined) throw new Error(`${this.name}, ${call}: ${error}`);
    return { value: value as Value<Name>, since, until };
  }

  /** From now on it looks out for something; what comes back waits for it, and gives when that was. */
  async looksOut(...[call, ...values]: Expectation): Promise<() => Promise<number>> {
    const { value: number } = await this.call(call, ...(values as Parameters<Calls[typeof call]>));
    return async () => (await this.call("came", number as number)).value;
  }

  begin = () => this.call("begin");
  end = async (step: string): Promise<Reading> => (await this.call("end", step)).value;

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once("exit", resolve));
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.disconnect();
    await ended;
  }
}

type Expectation = {
  [Name in keyof Calls]: Name extends `expect${string}` ? [Name, ...Parameters<Calls[Name]>] : never;
}[keyof Calls];
