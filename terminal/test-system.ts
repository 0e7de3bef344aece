import { type ChildProcess, spawn } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { command } from "./test-screen.ts";

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

export interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export interface RunOptions {
  readonly input?: string;
  readonly environment?: Readonly<Record<string, string | undefined>>;
}

/** A password that nobody guesses. */
export const password = "crablike coaster superman storeroom scoreless";

/** `fastchat up` in a folder of its own, as a person starts it, and what people run beside it. */
export class TestSystem implements AsyncDisposable {
  readonly folder: string;
  readonly home: string;
  readonly gateway: string;
  readonly #up: ChildProcess;

  private constructor(folder: string, gateway: string, up: ChildProcess) {
    this.folder = folder;
    this.home = join(folder, "home");
    this.gateway = gateway;
    this.#up = up;
  }

  static async start(): Promise<TestSystem> {
    const folder = mkdtempSync(join(tmpdir(), "fastchat-terminal-"));
    chmodSync(folder, 0o711);
    const port = await freePort();
    const up = spawn(process.execPath, [command, "up", "--port", String(port), "--data", join(folder, "data")], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    let said = "";
    const ready = Promise.withResolvers<string>();
    const hear = (chunk: Buffer): void => {
      said += chunk.toString();
      const gateway = /^Gateway on (\S+)$/mu.exec(said)?.[1];
      if (gateway !== undefined && said.includes("FastChat is ready")) ready.resolve(gateway);
    };
    up.stdout.on("data", hear);
    up.stderr.on("data", hear);
    up.once("exit", (code) => ready.reject(new Error(`fastchat up ended with ${code}: ${said}`)));
    try {
      return new TestSystem(folder, await ready.promise, up);
    } catch (error) {
      rmSync(folder, { recursive: true, force: true });
      throw error;
    }
  }

  get environment(): Readonly<Record<string, string>> {
    return { FASTCHAT_HOME: this.home, FASTCHAT_GATEWAY: this.gateway, FASTCHAT_PASSWORD: password };
  }

  /** Runs a command to its end. */
  async run(args: readonly string[], { input, environment }: RunOptions = {}): Promise<Ended> {
    const child = this.spawn(args, environment);
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout!.on("data", (chunk: Buffer) => out.push(chunk));
    child.stderr!.on("data", (chunk: Buffer) => err.push(chunk));
    child.stdin!.on("error", () => undefined);
    child.stdin!.end(input ?? "");
    const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
    return { code, out: Buffer.concat(out).toString(), err: Buffer.concat(err).toString() };
  }

  spawn(args: readonly string[], environment: Readonly<Record<string, string | undefined>> = {}): ChildProcess {
    return spawn(process.execPath, [command, ...args], { stdio: "pipe", env: { ...process.env, ...this.environment, ...environment } });
  }

  /** Runs a command with --json; gives its objects. Throws when it fails. */
  async json(args: readonly string[], options: RunOptions = {}): Promise<Record<string, unknown>[]> {
    const { code, out, err } = await this.run([...args, "--json"], options);
    if (code !== 0) throw new Error(`fastchat ${args.join(" ")} ended with ${code}: ${err}`);
    return out
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = new Promise((resolve) => this.#up.once("exit", resolve));
    if (this.#up.exitCode === null && this.#up.signalCode === null) {
      this.#up.kill("SIGTERM");
      await ended;
    }
    rmSync(this.folder, { recursive: true, force: true });
  }
}
