import { type AccountId, type DeviceId, idBytes, limits } from "@fastchat/protocol";
import { Kysely, PostgresDialect, sql } from "kysely";
import pg from "pg";
import type { Tables } from "./tables.ts";

/**
 * Everything that talks to PostgreSQL gets it from here. `append` is a small pool of its own, so that a burst of reads never holds up
 * the appends.
 */
export interface Database extends AsyncDisposable {
  readonly url: string;
  readonly query: Kysely<Tables>;
  readonly pool: pg.Pool;
  readonly append: pg.Pool;
}

export interface DatabaseOptions {
  readonly url: string;
  /** Connections for reads and rare writes; two more append. */
  readonly connections: number;
  /** Told of errors on idle connections (the database went away); the pools reconnect by themselves. */
  readonly onIdleError: (error: Error) => void;
}

/** Appends in flight at once; each holds its own conversations. */
export const appendConnections = 2;

const int8 = 20;

/** Numbers of 64 bits become numbers: sequence numbers and times stay far below 2^53. */
const types: pg.CustomTypesConfig = {
  getTypeParser: ((id: number, format?: "text" | "binary") =>
    id === int8 && format !== "binary" ? Number : pg.types.getTypeParser(id, format as "text")) as pg.CustomTypesConfig["getTypeParser"],
};

export const connectionOptions = (url: string) => ({
  connectionString: url,
  types,
  keepAlive: true,
  connectionTimeoutMillis: 5_000,
  // A database that hangs must not hang us: what was asked is then of unknown outcome.
  query_timeout: 20_000,
  application_name: "fastchat",
});

/** A server that hangs in the middle of a transaction must not hold up the others for longer than this, milliseconds. */
const patience = { lock_timeout: 8_000, idle_in_transaction_session_timeout: 5_000 };

/** A batch is planned once, and walks indexes in their order, however small or unknown the tables are. */
const appendPlans =
  "-c plan_cache_mode=force_generic_plan -c enable_seqscan=off -c enable_bitmapscan=off -c enable_hashjoin=off -c enable_mergejoin=off -c jit=off";

export function openDatabase({ url, connections, onIdleError }: DatabaseOptions): Database {
  const pool = new pg.Pool({ ...connectionOptions(url), ...patience, max: connections });
  const append = new pg.Pool({
    ...connectionOptions(url),
    ...patience,
    lock_timeout: 3_000,
    options: appendPlans,
    max: appendConnections,
    idleTimeoutMillis: 0,
  });
  for (const each of [pool, append]) {
    each.on("error", onIdleError);
    // Between two statements of whoever holds it a connection is not idle, and an error without a listener would end the process; the
    // next statement fails by it.
    each.on("connect", (client) => client.on("error", () => undefined));
  }
  return {
    url,
    pool,
    append,
    query: new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) }),
    async [Symbol.asyncDispose]() {
      await Promise.all([pool.end(), append.end()]);
    },
  };
}

/** Of an integer column; the wire's numbers have 32 bits without a sign. */
export const largestInteger = limits.largestStoredNumber;

/** For `where(column, "=", …)`: any of these ids. */
export const anyOf = (ids: Iterable<AccountId | DeviceId>) =>
  sql<Uint8Array>`ANY(${Array.from(ids, (id) => Buffer.from(idBytes(id)))}::bytea[])`;

/** What is known about a statement that failed. */
export type Failure =
  /** The database said no: nothing of the statement or transaction was kept. */
  | { readonly kind: "refused"; readonly full: boolean }
  /** The connection was lost while it ran: it may have been committed or not. */
  | { readonly kind: "unknown" };

/**
 * An error with an SQLSTATE is the database's own answer (PostgreSQL manual, appendix A), but for 57P01 to 57P05 and class 08: then the server
 * process was ended, perhaps between its commit and its answer. 53100: disk full.
 */
export function failureOf(error: unknown): Failure {
  // Errors of Node have codes, too ("EPIPE"): only those that PostgreSQL sent are its answer.
  const code = error instanceof pg.DatabaseError ? error.code : undefined;
  if (code === undefined || code.startsWith("57P") || code.startsWith("08") || code === "40003") return { kind: "unknown" };
  return { kind: "refused", full: code === "53100" };
}
