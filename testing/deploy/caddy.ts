import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { closeSync, existsSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { freePort } from "../free-port.ts";
import { TemporaryFolder } from "../temporary-folder.ts";

const CONFIGURATION = join(import.meta.dirname, "..", "..", "deploy", "caddy", "Caddyfile");
const READY_MS = 60_000;

/** A real Caddy (Debian's `caddy`) with the configuration that deploy/ has, for "localhost", with a certificate of its own. */
export class Caddy implements AsyncDisposable {
  readonly port: number;
  readonly #folder = new TemporaryFolder();
  #child: ChildProcess | undefined;
  #ended: Promise<void> = Promise.resolve();

  private constructor(port: number) {
    this.port = port;
  }

  static isInstalled(): boolean {
    return spawnSync("sh", ["-c", "command -v caddy"]).status === 0;
  }

  /** Not running yet: the systems behind it tell clients its port. */
  static async create(): Promise<Caddy> {
    return new Caddy(await freePort());
  }

  get url(): string {
    return `https://localhost:${this.port}`;
  }

  /** Its root certificate, which clients have to be told to trust. */
  get rootFile(): string {
    return join(this.#folder.path, "caddy", "pki", "authorities", "local", "root.crt");
  }

  /** @param behind values of the configuration's variables; resolves when it answers */
  async start(behind: Readonly<Record<"CHAT_SERVER_1" | "CHAT_SERVER_2" | "GATEWAYS", string>>): Promise<void> {
    const { path } = this.#folder;
    const logFile = join(path, "caddy.log");
    const log = openSync(logFile, "a");
    const child = spawn("caddy", ["run", "--config", CONFIGURATION, "--adapter", "caddyfile"], {
      stdio: ["ignore", log, log],
      env: {
        PATH: process.env["PATH"],
        HOME: path,
        XDG_DATA_HOME: path,
        XDG_CONFIG_HOME: path,
        CADDY_ADMIN: `127.0.0.1:${await freePort()}`,
        HTTP_PORT: String(await freePort()),
        HTTPS_PORT: String(this.port),
        CHAT_HOST: "localhost",
        ...behind,
      },
    });
    closeSync(log);
    // A test run that is cut short leaves nothing behind.
    process.once("exit", () => child.kill("SIGKILL"));
    this.#child = child;
    this.#ended = new Promise((resolve) => {
      child.once("exit", () => resolve()).once("error", () => resolve());
    });
    for (const until = performance.now() + READY_MS; !(existsSync(this.rootFile) && this.#answers());) {
      if (child.exitCode !== null || performance.now() > until) throw new Error(`Caddy does not run: ${readFileSync(logFile, "utf8")}`);
      await wait(50);
    }
  }

  /** By a program of its own, since Node reads what it trusts when it starts. */
  #answers(): boolean {
    const ask = `fetch("${this.url}/healthz").then((response) => process.exit(response.ok ? 0 : 1), () => process.exit(1))`;
    return spawnSync(process.execPath, ["-e", ask], { env: { ...process.env, NODE_EXTRA_CA_CERTS: this.rootFile } }).status === 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child?.kill("SIGTERM");
    const timer = setTimeout(() => this.#child?.kill("SIGKILL"), 10_000);
    await this.#ended;
    clearTimeout(timer);
    this.#folder[Symbol.dispose]();
  }
}
