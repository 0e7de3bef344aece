import { type AccountId, accountId, idBytes, limits } from "@fastchat/protocol";
import { sql } from "kysely";
import type { Database } from "./database.ts";
import { STRATEGY } from "./settings.ts";
import { forgetFullBuckets } from "./shared-rate.ts";

/** What a chat server says of itself once a heartbeat. */
export interface Heartbeat {
  readonly name: string;
  /** Random, new at each start. */
  readonly run: string;
  /** WebSocket address for clients. */
  readonly url: string;
  readonly connections: number;
  readonly bytesPerSecond: number;
  /** Number of its last notification on the bus. */
  readonly hints: number;
  readonly draining: boolean;
}

export interface HeardHeartbeat extends Heartbeat {
  /** Milliseconds since it beat, by the database's clock: the servers' own clocks may differ. */
  readonly ageMs: number;
}

/** `known` false: the registry had forgotten this run (it does not survive a crash of the database); presence must be written again. */
export async function beat(database: Database, heartbeat: Heartbeat): Promise<{ readonly known: boolean }> {
  const { bytesPerSecond, ...rest } = heartbeat;
  const values = { ...rest, bytes_per_second: bytesPerSecond, beat: sql<Date>`clock_timestamp()` };
  const updated = await database.query
    .updateTable("chat_server")
    .set(values)
    .where("name", "=", heartbeat.name)
    .where("run", "=", heartbeat.run)
    .executeTakeFirst();
  if (updated.numUpdatedRows === 1n) return { known: true };
  await database.query
    .insertInto("chat_server")
    .values(values)
    .onConflict((conflict) => conflict.column("name").doUpdateSet(values))
    .execute();
  return { known: false };
}

export async function leaveRegistry(database: Database, run: string): Promise<void> {
  await sql`
    UPDATE account SET last_seen = (extract(epoch FROM clock_timestamp()) * 1000)::bigint
    FROM presence WHERE presence.account = account.account AND presence.run = ${run} AND NOT closed`.execute(database.query);
  await database.query.deleteFrom("presence").where("run", "=", run).execute();
  await database.query.deleteFrom("chat_server").where("run", "=", run).execute();
}

/** What chat servers and gateways go by. */
export interface Registry {
  /** All that beat within the last minute. */
  readonly servers: readonly HeardHeartbeat[];
  /** As it was chosen while the installation ran; undefined: it was not, or there is no server to choose. */
  readonly strategy: string | undefined;
}

/** Prepared: every ticket costs it. */
const REGISTRY = {
  name: "registry",
  text: `
    SELECT name, run, url, connections, bytes_per_second, hints, draining,
      (extract(epoch FROM clock_timestamp() - beat) * 1000)::float8 AS age, (SELECT value FROM setting WHERE name = '${STRATEGY}') AS strategy
    FROM chat_server WHERE beat > clock_timestamp() - interval '1 minute'`,
};

/** One statement. */
export async function readRegistry({ pool }: Database): Promise<Registry> {
  type Row = Omit<Heartbeat, "bytesPerSecond"> & { bytes_per_second: number; age: number; strategy: string | null };
  const { rows } = await pool.query<Row>(REGISTRY);
  const servers = rows.map(({ bytes_per_second: bytesPerSecond, age, strategy: _strategy, ...rest }) => ({
    ...rest,
    bytesPerSecond,
    ageMs: Math.max(0, age),
  }));
  return { servers, strategy: rows[0]?.strategy ?? undefined };
}

/** All that beat within the last minute. */
export const readHeartbeats = async (database: Database): Promise<readonly HeardHeartbeat[]> => (await readRegistry(database)).servers;

export const isFresh = (heartbeat: HeardHeartbeat): boolean => heartbeat.ageMs < limits.heartbeatFreshMs;

/** Removes runs that ended without saying so, with what they had said of people; those were last seen when their server last beat. */
export async function forgetDeadServers(database: Database): Promise<void> {
  const dead = sql<Date>`clock_timestamp() - interval '1 minute'`;
  await sql`
    UPDATE account SET last_seen = GREATEST(last_seen, (extract(epoch FROM s.beat) * 1000)::bigint)
    FROM presence p JOIN chat_server s ON s.run = p.run
    WHERE p.account = account.account AND s.beat < ${dead} AND NOT closed`.execute(database.query);
  await database.query.deleteFrom("chat_server").where("beat", "<", dead).execute();
  await sql`DELETE FROM presence p WHERE NOT EXISTS (SELECT 1 FROM chat_server s WHERE s.run = p.run)`.execute(database.query);
  await database.query
    .deleteFrom("ticket")
    .where("expires", "<", sql<Date>`clock_timestamp()`)
    .execute();
  await forgetFullBuckets(database);
}

// ---------------------------------------------------------------- presence

export async function enterPresence(database: Database, run: string, accounts: readonly AccountId[]): Promise<void> {
  if (accounts.length === 0) return;
  await sql`
    INSERT INTO presence (account, run)
    SELECT each, ${run} FROM unnest(${accounts.map((account) => Buffer.from(idBytes(account)))}::bytea[]) AS each
    ON CONFLICT DO NOTHING`.execute(database.query);
}

/** Of a closed account nothing is noted any more [H7]. @param now milliseconds since 1970 */
export async function leavePresence(database: Database, run: string, account: AccountId, now: number): Promise<void> {
  await database.query.deleteFrom("presence").where("run", "=", run).where("account", "=", idBytes(account)).execute();
  await database.query
    .updateTable("account")
    .set({ last_seen: now })
    .where("account", "=", idBytes(account))
    .where("closed", "=", false)
    .execute();
}

export interface PresenceOf {
  readonly account: AccountId;
  readonly online: boolean;
  /** Milliseconds since 1970; 0: never, or online. */
  readonly lastSeen: number;
}

/** Who is connected to any server whose heartbeat is fresh. Accounts that do not exist are left out. */
export async function readPresence(database: Database, accounts: readonly AccountId[]): Promise<PresenceOf[]> {
  if (accounts.length === 0) return [];
  const { rows } = await sql<{ account: Uint8Array; last_seen: number; online: boolean }>`
    SELECT a.account, a.last_seen, EXISTS (
      SELECT 1 FROM presence p JOIN chat_server s ON s.run = p.run
      WHERE p.account = a.account AND s.beat > clock_timestamp() - ${limits.heartbeatFreshMs} * interval '1 millisecond'
    ) AS online
    FROM account a WHERE a.account = ANY (${accounts.map((account) => Buffer.from(idBytes(account)))}::bytea[])`.execute(database.query);
  return rows.map((row) => ({ account: accountId(row.account), online: row.online, lastSeen: row.online ? 0 : row.last_seen }));
}
