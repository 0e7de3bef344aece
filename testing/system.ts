import { chmodSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import pg from "pg";
import { type EmbeddedPostgres, startPostgres } from "../server/postgres/index.ts";
import { noFaults, type PostgresFaults, postgresWire } from "./faults/postgres-wire.ts";
import { TcpProxy } from "./faults/tcp-proxy.ts";
import { freePort } from "./free-port.ts";
import { TestProcess } from "./process.ts";
import { TemporaryFolder, templateFolder } from "./temporary-folder.ts";

export interface SystemOptions {
  /** Number of chat servers; default 2. */
  readonly servers?: number;
  /** Proxies before each chat server and between it and PostgreSQL, which can cut, drop and hold back. */
  readonly faults?: boolean;
  /** For all server processes: see server/config.ts. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Where the embedded PostgreSQL keeps its data; default in the system's folder. */
  readonly postgresFolder?: string;
  /** A database of one's own, with its faults; default an embedded PostgreSQL. */
  readonly databaseUrl?: string;
}

export interface ChatServerPart {
  readonly process: TestProcess;
  /** Where it listens itself, whatever it advertises. */
  readonly port: number;
  /** Between clients and it; undefined without `faults`. */
  readonly sockets: TcpProxy | undefined;
  /** Between it and PostgreSQL; undefined without `faults`. */
  readonly postgres: PostgresFaults | undefined;
  readonly postgresConnections: TcpProxy | undefined;
}

const MAIN = join(import.meta.dirname, "..", "terminal", "bin", "fastchat.js");

/**
 * A FastChat of real processes on free ports in a temporary folder: PostgreSQL, a gateway, chat servers. All of it ends, and the folder
 * is removed, when it is disposed; PostgreSQL ends with this process however that ends.
 */
export class System implements AsyncDisposable {
  readonly gatewayUrl: string;
  readonly gateway: TestProcess;
  readonly servers: readonly ChatServerPart[];
  readonly folder: string;
  /** Profiles of clients. */
  readonly home: string;
  readonly databaseUrl: string;
  readonly postgres: EmbeddedPostgres | undefined;
  readonly #stack: AsyncDisposableStack;
  readonly #more: (index: number) => Promise<ChatServerPart>;

  constructor(
    parts: Pick<System, "gatewayUrl" | "gateway" | "servers" | "folder" | "home" | "databaseUrl" | "postgres">,
    more: (index: number) => Promise<ChatServerPart>,
    stack: AsyncDisposableStack,
  ) {
    this.gatewayUrl = parts.gatewayUrl;
    this.gateway = parts.gateway;
    this.servers = parts.servers;
    this.folder = parts.folder;
    this.home = parts.home;
    this.databaseUrl = parts.databaseUrl;
    this.postgres = parts.postgres;
    this.#more = more;
    this.#stack = stack;
  }

  /** Every process of the server side that we started, by name, but for PostgreSQL. */
  get processes(): readonly TestProcess[] {
    return [this.gateway, ...this.servers.map(({ process }) => process)];
  }

  /** One more chat server, which joins by itself. */
  async startServer(): Promise<ChatServerPart> {
    const part = await this.#more(this.servers.length + 1);
    (this.servers as ChatServerPart[]).push(part);
    return part;
  }

  /** SIGKILL to PostgreSQL's main process; resolves when it answers again, started by its supervisor. */
  async killPostgres(): Promise<void> {
    const { postgres } = this;
    if (postgres?.processId === undefined) throw new Error("PostgreSQL does not run here");
    const before = postgres.processId;
    process.kill(before, "SIGKILL");
    while (postgres.processId === undefined || postgres.processId === before) await wait(10);
    for (;;) {
      try {
        return await this.query("SELECT 1").then(() => undefined);
      } catch {
        await wait(50);
      }
    }
  }

  /** Asks the database directly, past the servers. */
  async query(text: string, values: unknown[] = []): Promise<Record<string, unknown>[]> {
    const client = new pg.Client({ connectionString: this.databaseUrl });
    client.on("error", () => {});
    await client.connect();
    try {
      return (await client.query<Record<string, unknown>>(text, values)).rows;
    } finally {
      await client.end();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

export async function startSystem(options: SystemOptions = {}): Promise<System> {
  await using building = new AsyncDisposableStack();
  let parts: AsyncDisposableStack = building;
  const folder = building.use(new TemporaryFolder()).path;
  const home = join(folder, "home");
  mkdirSync(home, { mode: 0o700 });
  const data = join(folder, "data");
  mkdirSync(data);
  chmodSync(data, 0o711);

  const postgres =
    options.databaseUrl === undefined
      ? building.use(
          await startPostgres({ dataFolder: options.postgresFolder ?? join(folder, "postgres"), templateFolder, port: 0, log: () => {} }),
        )
      : undefined;
  const databaseUrl = options.databaseUrl ?? postgres!.url;
  const environment = { FASTCHAT_SECRET_FILE: join(data, "secret.json"), ...options.environment };
  const start = async (name: string, args: readonly string[], url: string, port: number): Promise<TestProcess> =>
    parts.use(
      await TestProcess.start({
        name,
        args: [MAIN, ...args, "--port", String(port), "--data", data],
        logFile: join(folder, `${name}.log`),
        environment: { ...environment, DATABASE_URL: url },
        ready: async () => (await fetch(`http://127.0.0.1:${port}/healthz`)).ok,
      }),
    );

  const startChatServer = async (index: number): Promise<ChatServerPart> => {
    const port = await freePort();
    if (options.faults !== true) {
      const process = await start(`chat-${index}`, ["server", "--name", `chat-${index}`], databaseUrl, port);
      return { process, port, sockets: undefined, postgres: undefined, postgresConnections: undefined };
    }
    const database = new URL(databaseUrl);
    const faults = noFaults();
    const target = { host: database.hostname, port: Number(database.port) };
    const postgresConnections = parts.use(await TcpProxy.start(target, postgresWire(faults)));
    const sockets = parts.use(await TcpProxy.start({ host: "127.0.0.1", port }));
    database.port = String(postgresConnections.port);
    const advertised = `ws://127.0.0.1:${sockets.port}`;
    const process = await start(`chat-${index}`, ["server", "--name", `chat-${index}`, "--url", advertised], database.href, port);
    return { process, port, sockets, postgres: faults, postgresConnections };
  };

  const gatewayPort = await freePort();
  const gatewayUrl = `http://127.0.0.1:${gatewayPort}`;
  const [gateway, ...servers] = await Promise.all([
    start("gateway", ["gateway"], databaseUrl, gatewayPort),
    ...Array.from({ length: options.servers ?? 2 }, (_, index) => startChatServer(index + 1)),
  ]);
  // Ready: there is a chat server to offer.
  while (servers.length > 0 && !(await fetch(`${gatewayUrl}/readyz`)).ok) await wait(20);
  parts = building.move();
  return new System({ gatewayUrl, gateway, servers, folder, home, databaseUrl, postgres }, startChatServer, parts);
}
