import { type ChildProcess, spawn } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { readUpState } from "@fastchat/protocol/local";
import pg from "pg";
import { readDatabaseState } from "../../server/up/state-file.ts";
import { cpuOf, cpuOfTree, listenerOn, memoryOf, parentOf } from "./processes.ts";
import type { Environment } from "./result.ts";
import { type ServerPlace, serverPlaces } from "./seed.ts";

/** A FastChat that is measured. */
export interface BenchSystem extends AsyncDisposable {
  readonly gateway: string;
  readonly target: Environment["target"];
  readonly storage: Environment["storage"];
  /** Undefined: only what needs no database can be done. */
  readonly database: pg.Client | undefined;
  readonly databaseUrl: string | undefined;
}

const START_MS = 120_000;
const LOOK_MS = 50;
const STOP_MS = 20_000;
const TMPFS = 0x0102_1994;

export interface OwnSystemOptions {
  /** What runs a role, as its first argument says: the `fastchat` command. */
  readonly program: string;
  readonly servers: number;
  /** Undefined: the usual one. */
  readonly strategy: string | undefined;
  readonly signal: AbortSignal;
}

/** FastChat in a temporary folder, as `fastchat up` starts it; stopped and removed when it is disposed. Killed with this process, it stops by itself. */
export async function startOwnSystem({ program, servers, strategy, signal }: OwnSystemOptions): Promise<BenchSystem> {
  await using starting = new AsyncDisposableStack();
  const folder = mkdtempSync(join(tmpdir(), "fastchat-bench-"));
  starting.defer(() => rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 }));
  // PostgreSQL's own user must get through.
  chmodSync(folder, 0o711);
  const ours = Object.entries(process.env).filter(([name]) => !/^(FASTCHAT_|DATABASE_URL|BLOB_URL|NATS_URL)/.test(name));
  const environment = {
    ...Object.fromEntries(ours),
    FASTCHAT_SIGN_UP: "open",
    ...(strategy !== undefined && { FASTCHAT_STRATEGY: strategy }),
  };
  const child = spawn(process.execPath, [program, "up", "--data", folder, "--port", "0", "--servers", String(servers)], {
    stdio: ["ignore", "pipe", "pipe", "ipc"],
    env: environment,
  });
  let said = "";
  for (const stream of [child.stdout!, child.stderr!])
    stream.on("data", (text: Buffer) => (said = `${said}${text.toString()}`.slice(-2_000)));
  starting.defer(() => stop(child));
  for (const until = performance.now() + START_MS; ; await wait(LOOK_MS, undefined, { signal })) {
    if (child.exitCode !== null || child.signalCode !== null || performance.now() > until)
      throw new Error(`FastChat could not be started: ${said.trim().split("\n").at(-1) ?? "it said nothing"}`);
    const [up, database] = [await readUpState(folder), await readDatabaseState(folder)];
    if (up === undefined || database === undefined) continue;
    const client = await connect(database.url);
    starting.defer(() => client.end());
    while ((await serverPlaces(client)).length < servers || !(await isReady(up.gateway))) await wait(LOOK_MS, undefined, { signal });
    const owned = starting.move();
    return {
      gateway: up.gateway,
      target: "own",
      storage: statfsSync(folder).type === TMPFS ? "memory" : "disk",
      database: client,
      databaseUrl: database.url,
      [Symbol.asyncDispose]: () => owned.disposeAsync(),
    };
  }
}

/** One that runs already. Throws where it does not answer. */
export async function useRunningSystem(gateway: string, databaseUrl: string | undefined): Promise<BenchSystem> {
  if (!(await isReady(gateway)))
    throw new Error(`No FastChat that is ready answers at ${gateway}: check the address, and that a chat server runs.`);
  const client = databaseUrl === undefined ? undefined : await connect(databaseUrl);
  return {
    gateway,
    target: "running",
    storage: "unknown",
    database: client,
    databaseUrl,
    [Symbol.asyncDispose]: async () => client?.end(),
  };
}

const isReady = (gateway: string): Promise<boolean> =>
  fetch(`${gateway}/readyz`).then(
    ({ ok }) => ok,
    () => false,
  );

async function connect(url: string): Promise<pg.Client> {
  const client = new pg.Client(url);
  // It may end before us.
  client.on("error", () => undefined);
  await client.connect();
  return client;
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = new Promise((resolve) => child.once("exit", resolve));
  if (child.connected) child.disconnect();
  const timer = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
  await exited;
  clearTimeout(timer);
}

/** The processes of a system, as far as they run on this machine and may be looked at. */
export interface Processes {
  readonly chatServers: readonly (ServerPlace & { readonly pid: number | undefined })[];
  readonly gateway: number | undefined;
  /** PostgreSQL's main process. */
  readonly postgres: number | undefined;
}

const HERE = /^(127\.|localhost$|\[::1\]$)/;

function listenerAt(address: string): number | undefined {
  const { hostname, port, protocol } = new URL(address);
  return HERE.test(hostname) ? listenerOn(Number(port) || (/^(https|wss):$/.test(protocol) ? 443 : 80)) : undefined;
}

export async function processesOf({ gateway, database }: BenchSystem): Promise<Processes> {
  const places = database === undefined ? [] : await serverPlaces(database);
  return {
    chatServers: places.map((place) => ({ ...place, pid: listenerAt(place.url) })),
    gateway: listenerAt(gateway),
    postgres: database === undefined ? undefined : await postmasterOf(database),
  };
}

/** A backend's parent, if the database runs on this machine. */
async function postmasterOf(client: pg.Client): Promise<number | undefined> {
  if (!HERE.test(client.host)) return undefined;
  const { rows } = await client.query<{ readonly pid: number }>("SELECT pg_backend_pid() AS pid");
  return parentOf(rows[0]!.pid);
}

/** Milliseconds of user and system time so far. */
export interface CpuReading {
  readonly chatServers: number | undefined;
  readonly gateway: number | undefined;
  readonly postgres: number | undefined;
}

export function readCpu({ chatServers, gateway, postgres }: Processes): CpuReading {
  return {
    chatServers: sumOf(
      chatServers.map(({ pid }) => pid),
      cpuOf,
    ),
    gateway: gateway === undefined ? undefined : cpuOf(gateway),
    postgres: postgres === undefined ? undefined : cpuOfTree(postgres),
  };
}

/** Resident bytes of the chat servers together. */
export const readMemory = ({ chatServers }: Processes): number | undefined =>
  sumOf(
    chatServers.map(({ pid }) => pid),
    memoryOf,
  );

/** Undefined: there is none, or one of them is not to be seen. */
function sumOf(pids: readonly (number | undefined)[], of: (pid: number) => number): number | undefined {
  const known = pids.filter((pid) => pid !== undefined);
  return known.length === 0 || known.length < pids.length ? undefined : known.reduce((sum, pid) => sum + of(pid), 0);
}

/** Bytes of the database's files, and how far its write-ahead log is. */
export async function readDisk(client: pg.Client): Promise<{ readonly stored: number; readonly log: number }> {
  const { rows } = await client.query<{ readonly stored: string; readonly log: string }>(
    "SELECT pg_total_relation_size('entry') AS stored, pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0') AS log",
  );
  return { stored: Number(rows[0]!.stored), log: Number(rows[0]!.log) };
}
