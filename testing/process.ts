import { type ChildProcess, spawn } from "node:child_process";
import { appendFileSync, openSync, closeSync, readFileSync } from "node:fs";
import { setTimeout as wait } from "node:timers/promises";

export interface ProcessOptions {
  /** For messages and logs. */
  readonly name: string;
  /** Program arguments of this Node. */
  readonly args: readonly string[];
  /** Both outputs go there, appended over all lives. */
  readonly logFile: string;
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** What stands before Node: see OwnNetwork. */
  readonly within?: readonly string[];
  readonly cwd?: string;
  readonly readyWithinMs?: number;
}

const STOP_MS = 15_000;

/** One real child process of a test, which only signals to the process it started itself, and can be started again. */
export class TestProcess implements AsyncDisposable {
  readonly name: string;
  readonly logFile: string;
  readonly #options: ProcessOptions;
  #child: ChildProcess | undefined;
  #ended: Promise<void> = Promise.resolve();
  #stopped = false;

  private constructor(options: ProcessOptions) {
    this.name = options.name;
    this.logFile = options.logFile;
    this.#options = options;
  }

  /** Starts it and waits until it tells its parent, by its first message, that it is ready. Throws with the end of its log when it is not in time. */
  static async start(options: ProcessOptions): Promise<TestProcess> {
    const process = new TestProcess(options);
    await process.start();
    return process;
  }

  get pid(): number | undefined {
    return this.running ? this.#child?.pid : undefined;
  }

  get running(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  get log(): string {
    return readFileSync(this.logFile, "utf8");
  }

  async start(): Promise<void> {
    if (this.running) throw new Error(`${this.name} runs already`);
    const { args, environment, cwd, within = [], readyWithinMs = 40_000 } = this.#options;
    const [program, ...more] = [...within, process.execPath, ...args];
    const log = openSync(this.logFile, "a");
    const child = spawn(program!, more, {
      // The channel closes when this process ends, however it ends: a server then ends by itself.
      stdio: ["ignore", log, log, "ipc"],
      env: { ...process.env, ...environment },
      ...(cwd !== undefined && { cwd }),
    });
    closeSync(log);
    this.#child = child;
    this.#ended = new Promise((resolve) => {
      child.once("exit", () => resolve());
      child.once("error", (error) => {
        appendFileSync(this.logFile, `${error.message}\n`);
        resolve();
      });
    });
    const ready = new Promise<"ready">((resolve) => child.once("message", () => resolve("ready")));
    const patience = new AbortController();
    const late = wait(readyWithinMs, "late" as const, { signal: patience.signal }).catch(() => "late" as const);
    const outcome = await Promise.race([ready, this.#ended, late]);
    patience.abort();
    if (outcome === "ready") return;
    const how =
      outcome === "late" ? `is not ready after ${readyWithinMs} ms` : `ended with ${child.signalCode ?? `code ${child.exitCode}`}`;
    await this.kill();
    throw new Error(`${this.name} ${how}: ${this.log.slice(-2_000)}`);
  }

  /** SIGKILL: no chance to do anything. Resolves when it is gone. */
  async kill(): Promise<void> {
    if (this.running) this.#child?.kill("SIGKILL");
    await this.#ended;
  }

  async restart(): Promise<void> {
    await this.kill();
    await this.start();
  }

  /** SIGSTOP: it does nothing any more, and its sockets stay open. */
  freeze(): void {
    if (this.running) this.#child?.kill("SIGSTOP");
    this.#stopped = true;
  }

  /** SIGCONT. */
  thaw(): void {
    if (this.running) this.#child?.kill("SIGCONT");
    this.#stopped = false;
  }

  /** SIGTERM, and SIGKILL when that does not help in time; says which. */
  async stop(): Promise<"ended" | "killed"> {
    if (this.#stopped) this.thaw();
    if (this.running) this.#child?.kill("SIGTERM");
    const patience = new AbortController();
    const outcome = await Promise.race([
      this.#ended.then(() => "ended" as const),
      wait(STOP_MS, "killed" as const, { signal: patience.signal }).catch(() => "ended" as const),
    ]);
    patience.abort();
    if (outcome === "killed") await this.kill();
    return outcome;
  }

  /** Tests end fast: nothing of ours may depend on a graceful end. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }
}
