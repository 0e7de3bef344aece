import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { freePort } from "../../testing/free-port.ts";
import { TemporaryFolder } from "../../testing/temporary-folder.ts";
import type { NatsLogin, NatsPlace } from "./bus.ts";

const READY_MS = 30_000;

const isThere = (program: string, ...args: string[]): boolean => spawnSync(program, args, { stdio: "ignore" }).status === 0;

/** For tests: a real `nats-server` on a free port, with what it writes in a folder of its own. It can be killed, stopped and started again. */
export class TestNats implements AsyncDisposable {
  readonly port: number;
  readonly folder: string;
  readonly #temporary: TemporaryFolder;
  readonly #config: string;
  #child: ChildProcess | undefined;

  private constructor(temporary: TemporaryFolder, port: number, config: string) {
    this.#temporary = temporary;
    this.folder = temporary.path;
    this.port = port;
    this.#config = config;
  }

  static isInstalled(): boolean {
    return isThere("nats-server", "--version");
  }

  /** Says loudly what is left out where there is none. */
  static orSkip(skip: (why: string) => never): void {
    if (TestNats.isInstalled()) return;
    console.warn("!!! LEFT OUT: no NATS to test with; apt-get install nats-server !!!");
    skip("no nats-server");
  }

  /** @param config further lines of its configuration, by its folder */
  static async start(config: (folder: string) => string = () => ""): Promise<TestNats> {
    const temporary = new TemporaryFolder();
    const nats = new TestNats(temporary, await freePort(), config(temporary.path));
    // A test run that is cut short leaves nothing behind.
    process.once("exit", nats.#end);
    try {
      await nats.start();
      return nats;
    } catch (error) {
      await nats[Symbol.asyncDispose]();
      throw error;
    }
  }

  readonly #end = () => this.#child?.kill("SIGKILL");

  /** @param port of a proxy in front of it */
  place(change: Partial<NatsPlace> & { readonly login?: NatsLogin; readonly port?: number; readonly host?: string } = {}): NatsPlace {
    const { login, port = this.port, host = "127.0.0.1", ...rest } = change;
    const files = { credentials: undefined, nkey: undefined, ca: undefined, certificate: undefined, key: undefined };
    return { kind: "nats", servers: [{ host, port, login }], mustHaveTls: false, files, ...rest };
  }

  async start(): Promise<void> {
    const file = join(this.folder, "nats.conf");
    writeFileSync(file, `listen: "127.0.0.1:${this.port}"\n${this.#config}\n`);
    const logFile = join(this.folder, "nats.log");
    const log = openSync(logFile, "a");
    const child = spawn("nats-server", ["--config", file], { stdio: ["ignore", log, log] });
    closeSync(log);
    this.#child = child;
    const patience = AbortSignal.timeout(READY_MS);
    for (;;) {
      const socket = connect(this.port, "127.0.0.1");
      const listens = await once(socket, "data").then(
        () => true,
        () => false,
      );
      socket.destroy();
      if (listens) return;
      if (patience.aborted || child.exitCode !== null)
        throw new Error(`NATS does not start: ${readFileSync(logFile, "utf8").slice(-2_000)}`);
      await wait(20);
    }
  }

  /** SIGKILL. */
  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    child.kill("SIGKILL");
    await once(child, "exit");
  }

  /** SIGSTOP: it does nothing any more, and its sockets stay open. */
  freeze(): void {
    this.#child?.kill("SIGSTOP");
  }

  /** SIGCONT. */
  thaw(): void {
    this.#child?.kill("SIGCONT");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    process.off("exit", this.#end);
    this.#temporary[Symbol.dispose]();
  }
}
