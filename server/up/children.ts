import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";

/** What a child tells its parent. */
export type ChildMessage = {
  readonly kind: "ready";
  readonly url: string;
  readonly port: number;
  readonly name: string;
  readonly invitation?: string | undefined;
};

/** What the parent tells a child. */
export type ParentMessage = { readonly kind: "stop" };

export interface ChildOptions {
  /** What runs a role, as its first argument says: the `fastchat` command. */
  readonly program: string;
  readonly role: "gateway" | "server";
  /** The first port to try; after a restart the one that it had. */
  readonly port: number;
  readonly dataFolder: string;
  /** Address that a chat server advertises, where it is not its own. */
  readonly url?: string | undefined;
  readonly ready: (message: ChildMessage) => void;
  /** One line of its log, JSON. */
  readonly log: (line: string) => void;
  readonly ended: (how: string, againInMs: number) => void;
}

const BACK_OFF_MS = { first: 100, last: 5_000, settledAfter: 10_000 };
const STOP_MS = 5_000;
/**
 * A child that somebody told to end may be the first of all that a signal reaches: whoever stops a process group, or a service of the system,
 * means its parent too, which hears of it within this time.
 */
const ASKED_MS = 2_000;

/**
 * A role in a process of its own, started again whenever it ends. The channel between us ends with either side: a child whose parent is gone ends
 * itself, however the parent went.
 */
export class Child implements AsyncDisposable {
  readonly #options: ChildOptions;
  #process: ChildProcess | undefined;
  #port: number;
  #pause = BACK_OFF_MS.first;
  #timer: NodeJS.Timeout | undefined;
  #stopping = false;

  constructor(options: ChildOptions) {
    this.#options = options;
    this.#port = options.port;
    this.#start();
  }

  get pid(): number | undefined {
    return this.#process?.pid;
  }

  #start(): void {
    const { program, role, dataFolder, url, log, ready, ended } = this.#options;
    const since = performance.now();
    const advertised = url === undefined ? [] : ["--url", url];
    const child = spawn(process.execPath, [program, role, "--port", String(this.#port), "--data", dataFolder, ...advertised], {
      stdio: ["ignore", "ignore", "pipe", "ipc"],
    });
    this.#process = child;
    createInterface({ input: child.stderr! }).on("line", log);
    child.on("message", (message: ChildMessage) => {
      this.#port = message.port;
      if (!this.#stopping) ready(message);
    });
    let over = false;
    const end = (how: string, wasAsked: boolean) => {
      if (over) return;
      over = true;
      this.#process = undefined;
      if (this.#stopping) return;
      if (performance.now() - since > BACK_OFF_MS.settledAfter) this.#pause = BACK_OFF_MS.first;
      if (wasAsked) {
        this.#timer = setTimeout(() => {
          ended(how, 0);
          this.#start();
        }, ASKED_MS);
        return;
      }
      ended(how, this.#pause);
      this.#timer = setTimeout(() => this.#start(), this.#pause);
      this.#pause = Math.min(2 * this.#pause, BACK_OFF_MS.last);
    };
    child.once("error", (error) => end(error.message, false));
    // 0, or by the signal itself while it started.
    child.once("exit", (code, signal) => end(signal ?? `code ${code}`, code === 0 || signal === "SIGTERM" || signal === "SIGHUP"));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping = true;
    clearTimeout(this.#timer);
    const child = this.#process;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = new Promise((resolve) => child.once("exit", resolve));
    const stop: ParentMessage = { kind: "stop" };
    if (child.connected) child.send(stop, () => undefined);
    const timer = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
    await exited;
    clearTimeout(timer);
  }
}
