import { chmodSync, cpSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { type EmbeddedPostgres, startPostgres } from "../server/postgres/index.ts";
import { connect, TestDatabase } from "../server/store/test-database.ts";
import { noFaults, type PostgresFaults, postgresWire } from "./faults/postgres-wire.ts";
import { TcpProxy } from "./faults/tcp-proxy.ts";
import { COMMAND } from "./fastchat.ts";
import { freePort } from "./free-port.ts";
import { TestProcess } from "./process.ts";
import { type ReadyPeople, readyPeople } from "./shared/ready-people.ts";
import { shared, templateIn } from "./shared/shared.ts";
import { TemporaryFolder } from "./temporary-folder.ts";

export interface SystemOptions {
  /** Number of chat servers; default 2. */
  readonly servers?: number;
  /** The address that a chat server tells clients, by its number from 1; default where it listens. */
  readonly advertise?: (index: number) => string;
  /** Proxies before each chat server and between it and PostgreSQL, which can cut, drop and hold back. */
  readonly faults?: boolean;
  /** For all server processes: see server/config.ts. */
  readonly environment?: Readonly<Record<string, string>>;
  /** A PostgreSQL of its own, to do to it what one likes, and where it keeps its data; default in the system's folder. */
  readonly postgres?: "own" | { readonly folder: string };
  /** Nobody is signed up yet. */
  readonly people?: "none";
  /** An existing database, for the system alone. */
  readonly databaseUrl?: string;
}

/**
 * Where its database is, by the options: one with people who are signed up already in the PostgreSQL that all tests share, or an empty one in
 * a PostgreSQL of its own (always so outside Vitest), or the one that is given.
 */
interface Store {
  readonly databaseUrl: string;
  readonly postgres: EmbeddedPostgres | undefined;
  readonly people: ReadyPeople | undefined;
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

/**
 * A FastChat of real processes on free ports in a temporary folder: a gateway, chat servers, and a database. All of it ends, and the folder
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
  /** The gateway's. */
  readonly secretFile: string;
  /** Where the system has one of its own. */
  readonly postgres: EmbeddedPostgres | undefined;
  /** Who is signed up already. */
  readonly people: ReadyPeople | undefined;
  readonly #stack: AsyncDisposableStack;
  readonly #more: (index: number) => Promise<ChatServerPart>;

  constructor(
    parts: Pick<System, "gatewayUrl" | "gateway" | "servers" | "folder" | "home" | "secretFile"> & Store,
    more: (index: number) => Promise<ChatServerPart>,
    stack: AsyncDisposableStack,
  ) {
    this.gatewayUrl = parts.gatewayUrl;
    this.gateway = parts.gateway;
    this.servers = parts.servers;
    this.folder = parts.folder;
    this.home = parts.home;
    this.databaseUrl = parts.databaseUrl;
    this.secretFile = parts.secretFile;
    this.people = parts.people;
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
    if (postgres?.processId === undefined) throw new Error("this system has no PostgreSQL of its own that runs");
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
    await using client = await connect(this.databaseUrl);
    return (await client.query<Record<string, unknown>>(text, values)).rows;
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

  const secretFile = join(data, "secret.json");
  const store = await openStore(options, folder, building);
  if (store.people !== undefined) cpSync(store.people.secretFile, secretFile);
  const { databaseUrl } = store;
  const environment = { FASTCHAT_SECRET_FILE: secretFile, ...options.environment };
  const start = async (name: string, args: readonly string[], url: string, port: number): Promise<TestProcess> =>
    parts.use(
      await TestProcess.start({
        name,
        args: [COMMAND, ...args, "--port", String(port), "--data", data],
        logFile: join(folder, `${name}.log`),
        environment: { ...environment, DATABASE_URL: url },
      }),
    );

  const startChatServer = async (index: number): Promise<ChatServerPart> => {
    const port = await freePort();
    if (options.faults !== true) {
      const url = options.advertise === undefined ? [] : ["--url", options.advertise(index)];
      const process = await start(`chat-${index}`, ["server", "--name", `chat-${index}`, ...url], databaseUrl, port);
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
  return new System({ gatewayUrl, gateway, servers, folder, home, secretFile, ...store }, startChatServer, parts);
}

async function openStore(
  { postgres, people: wanted, databaseUrl }: SystemOptions,
  folder: string,
  building: AsyncDisposableStack,
): Promise<Store> {
  if (databaseUrl !== undefined) return { databaseUrl, postgres: undefined, people: undefined };
  const place = shared();
  if (postgres !== undefined || place === undefined) {
    const dataFolder = typeof postgres === "object" ? postgres.folder : join(folder, "postgres");
    const template = place === undefined ? {} : { templateFolder: templateIn(place.folder) };
    const own = building.use(await startPostgres({ dataFolder, ...template, port: 0, log: () => {} }));
    return { databaseUrl: own.url, postgres: own, people: undefined };
  }
  const people = wanted === "none" ? undefined : await readyPeople(place);
  const database = building.use(await TestDatabase.create(people?.database));
  return { databaseUrl: database.url, postgres: undefined, people };
}
