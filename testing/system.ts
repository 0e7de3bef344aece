import { chmodSync, cpSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { TestNats } from "../server/bus/test-nats.ts";
import { type EmbeddedPostgres, startPostgres } from "../server/postgres/index.ts";
import { connect, TestDatabase } from "../server/store/test-database.ts";
import { type BetweenServers, betweenServers } from "./faults/between-servers.ts";
import { type Cable, OwnNetwork } from "./faults/own-network.ts";
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
  /** Default 1. */
  readonly gateways?: number;
  /** What carries hints; a NATS is the system's own. Default "notify". */
  readonly bus?: "notify" | "nats";
  /** The address that a chat server tells clients, by its number from 1; default where it listens. */
  readonly advertise?: (index: number) => string;
  /** Proxies before each chat server and between it and PostgreSQL and NATS, which can cut, drop and hold back. */
  readonly faults?: boolean;
  /** With `faults`: each chat server in a network of its own. */
  readonly ownNetworks?: boolean;
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
  /** Between it and NATS; undefined without `faults` or without NATS. */
  readonly nats: TcpProxy | undefined;
  /** Of its own network. */
  readonly cables: { readonly postgres: Cable; readonly nats: Cable } | undefined;
  /** What it says to the other chat servers directly. */
  readonly others: BetweenServers | undefined;
}

export interface GatewayPart {
  readonly process: TestProcess;
  readonly url: string;
}

/**
 * A FastChat of real processes on free ports in a temporary folder: gateways, chat servers, and a database. All of it ends, and the folder
 * is removed, when it is disposed; PostgreSQL ends with this process however that ends.
 */
export class System implements AsyncDisposable {
  readonly gateways: readonly GatewayPart[];
  readonly servers: readonly ChatServerPart[];
  readonly folder: string;
  /** Profiles of clients. */
  readonly home: string;
  readonly databaseUrl: string;
  /** The gateways'. */
  readonly secretFile: string;
  /** Where hints go through one. */
  readonly nats: TestNats | undefined;
  /** Where the system has one of its own. */
  readonly postgres: EmbeddedPostgres | undefined;
  /** Who is signed up already. */
  readonly people: ReadyPeople | undefined;
  readonly #stack: AsyncDisposableStack;
  readonly #more: (index: number) => Promise<ChatServerPart>;

  constructor(
    parts: Pick<System, "gateways" | "servers" | "folder" | "home" | "secretFile" | "nats"> & Store,
    more: (index: number) => Promise<ChatServerPart>,
    stack: AsyncDisposableStack,
  ) {
    this.gateways = parts.gateways;
    this.servers = parts.servers;
    this.folder = parts.folder;
    this.home = parts.home;
    this.databaseUrl = parts.databaseUrl;
    this.secretFile = parts.secretFile;
    this.nats = parts.nats;
    this.people = parts.people;
    this.postgres = parts.postgres;
    this.#more = more;
    this.#stack = stack;
  }

  /** The first one's. */
  get gatewayUrl(): string {
    return this.gateways[0]!.url;
  }

  get gateway(): TestProcess {
    return this.gateways[0]!.process;
  }

  /** Every process of the server side that we started, by name, but for PostgreSQL and NATS. */
  get processes(): readonly TestProcess[] {
    return [...this.gateways, ...this.servers].map(({ process }) => process);
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
  const nats = options.bus === "nats" ? building.use(await startNats()) : undefined;
  const natsAt = (port = nats?.port, host = "127.0.0.1") => ({
    NATS_URL: nats === undefined ? "" : `nats://${NATS_USER}:${encodeURIComponent(NATS_PASSWORD)}@${host}:${port}`,
  });
  const environment = { FASTCHAT_SECRET_FILE: secretFile, ...natsAt(), ...options.environment };
  const start = async (name: string, args: readonly string[], url: string, port: number, more = {}, within: readonly string[] = []) =>
    parts.use(
      await TestProcess.start({
        name,
        args: [COMMAND, ...args, "--port", String(port), "--data", data],
        logFile: join(folder, `${name}.log`),
        environment: { ...environment, DATABASE_URL: url, ...more },
        within,
      }),
    );

  const startChatServer = async (index: number): Promise<ChatServerPart> => {
    const port = await freePort();
    if (options.faults !== true) {
      const url = options.advertise === undefined ? [] : ["--url", options.advertise(index)];
      const process = await start(`chat-${index}`, ["server", "--name", `chat-${index}`, ...url], databaseUrl, port);
      return {
        process,
        port,
        sockets: undefined,
        postgres: undefined,
        postgresConnections: undefined,
        nats: undefined,
        cables: undefined,
        others: undefined,
      };
    }
    const database = new URL(databaseUrl);
    const faults = noFaults();
    const target = { host: database.hostname, port: Number(database.port) };
    const network = options.ownNetworks === true ? parts.use(new OwnNetwork(index)) : undefined;
    const [toPostgres, toNats, toClients] = [network?.cable(), network?.cable(), network?.cable()];
    const postgresConnections = parts.use(await TcpProxy.start(target, postgresWire(faults), toPostgres?.near));
    const between = betweenServers();
    const sockets = parts.use(await TcpProxy.start({ host: toClients?.far ?? "127.0.0.1", port }, between.wire));
    database.port = String(postgresConnections.port);
    if (toPostgres !== undefined) database.hostname = toPostgres.near;
    const advertised = `ws://127.0.0.1:${sockets.port}`;
    const natsProxy = nats && parts.use(await TcpProxy.start({ host: "127.0.0.1", port: nats.port }, undefined, toNats?.near));
    const more = { ...natsAt(natsProxy?.port, toNats?.near), ...(toClients && { FASTCHAT_HOST: toClients.far }) };
    const args = ["server", "--name", `chat-${index}`, "--url", advertised];
    const process = await start(`chat-${index}`, args, database.href, port, more, network?.command);
    const cables = toPostgres && toNats && { postgres: toPostgres, nats: toNats };
    return { process, port, sockets, postgres: faults, postgresConnections, nats: natsProxy, cables, others: between.faults };
  };

  const startGateway = async (index: number): Promise<GatewayPart> => {
    const port = await freePort();
    const process = await start(index === 1 ? "gateway" : `gateway-${index}`, ["gateway"], databaseUrl, port);
    return { process, url: `http://127.0.0.1:${port}` };
  };
  const [gateways, servers] = await Promise.all([
    Promise.all(Array.from({ length: options.gateways ?? 1 }, (_, index) => startGateway(index + 1))),
    Promise.all(Array.from({ length: options.servers ?? 2 }, (_, index) => startChatServer(index + 1))),
  ]);
  // Ready: there is a chat server to offer.
  for (const { url } of gateways) while (servers.length > 0 && !(await fetch(`${url}/readyz`)).ok) await wait(20);
  parts = building.move();
  return new System({ gateways, servers, folder, home, secretFile, nats, ...store }, startChatServer, parts);
}

const NATS_USER = "fastchat";
const NATS_PASSWORD = "of/a@test";

const startNats = (): Promise<TestNats> =>
  TestNats.start(() => `authorization: { users: [{ user: "${NATS_USER}", password: "${NATS_PASSWORD}" }] }`);

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
