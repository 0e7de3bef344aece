import type { Bus, BusPlace } from "../bus/bus.ts";
import { openBus } from "../bus/open-bus.ts";
import { type Config, ConfigError } from "../config.ts";
import { type Log, reasonOf } from "../events.ts";
import { untilDone } from "../patience.ts";
import { type Database, failureOf, openDatabase } from "../store/database.ts";
import { migrate } from "../store/migrate.ts";
import { readDatabaseState } from "./state-file.ts";

export interface OpenedStore extends AsyncDisposable {
  readonly database: Database;
  readonly bus: Bus;
}

/** The database that a role uses: DATABASE_URL, or that of the `up` which runs on the same data folder. Throws ConfigError. */
export async function findDatabaseUrl(config: Config): Promise<string> {
  const url = config.databaseUrl ?? (await readDatabaseState(config.dataFolder))?.url;
  if (url === undefined) {
    throw new ConfigError(
      `No FastChat runs on ${config.dataFolder}: start it with "${config.command} up", name its folder with --data, or set DATABASE_URL to its PostgreSQL.`,
    );
  }
  return url;
}

export interface StoreOptions {
  readonly url: string;
  readonly place: BusPlace;
  /** Whether it hears what others say on the bus. */
  readonly listens: boolean;
  readonly log: Log;
}

/** Connects, migrates, opens the bus. Throws ConfigError with one sentence when the database is newer, or it or the bus does not answer in time. */
export async function openStore({ url, place, listens, log }: StoreOptions): Promise<OpenedStore> {
  await using stack = new AsyncDisposableStack();
  await migrateInTime(url, log);
  const onIdleError = (error: Error) => log.event("warn", "database-connection-lost", { reason: reasonOf(error) });
  const database = stack.use(openDatabase({ url, connections: 8, onIdleError }));
  const bus = stack.use(await openBus({ place, database, listens, log }));
  const owned = stack.move();
  return { database, bus, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** Brings the database to this version's tables, waiting for it while it starts. Throws ConfigError. */
export async function migrateInTime(url: string, log: Log): Promise<void> {
  const result = await untilDone(() => migrate(url), {
    // What the database itself refuses (password, rights) will not change by waiting.
    refusal: (error) => (failureOf(error).kind === "refused" ? `The database refuses: ${reasonOf(error)}.` : undefined),
    late: (error) => `The database does not answer: ${reasonOf(error)}.`,
    onFailure: (error) => log.event("debug", "database-connection-lost", { reason: reasonOf(error) }),
  });
  if (result.kind === "newer") throw new ConfigError(result.sentence);
  if (result.from !== result.to) log.event("info", "database-migrated", { from: result.from, to: result.to });
}
