import { limits } from "@fastchat/protocol";
import { sql } from "kysely";
import type { Database } from "./database.ts";

/** Somebody tries to sign in as this name, from there. */
export interface SignInAttempt {
  readonly name: string;
  /** Of a fixed length, and not empty. */
  readonly who: Uint8Array;
}

export type TakenAttempt =
  | { readonly kind: "taken" }
  /** More than there may be for this name from everywhere; it may go on, but later. */
  | { readonly kind: "taken-late" }
  /** More than there may be for this name from there: nothing was counted. */
  | { readonly kind: "refused"; readonly retryAfterMs: number };

/** One more attempt comes back after so many milliseconds, up to `limits`' number a minute. */
const returnsMs = (perMinute: number): number => 60_000 / perMinute;
const FROM_THERE = { most: limits.signInsPerMinutePerNameAndAddress, returnsMs: returnsMs(limits.signInsPerMinutePerNameAndAddress) };
const FROM_ANYWHERE = { most: limits.signInsPerMinutePerName, returnsMs: returnsMs(limits.signInsPerMinutePerName) };

const ms = (count: number) => sql`${count} * interval '1 millisecond'`;
const EMPTY = Buffer.alloc(0);

/**
 * Takes one, if there is one, by the database's clock: of two gateways that ask at once the second waits for the first's row and sees it. Each count
 * is one time (the generic cell rate algorithm): it is full at `full_at`, and allows an attempt while that is less than all but one of them away.
 */
export async function takeSignInAttempt({ query }: Database, { name, who }: SignInAttempt): Promise<TakenAttempt> {
  const take = (one: { readonly most: number; readonly returnsMs: number }) => sql`
    ON CONFLICT (name, who) DO UPDATE SET full_at = GREATEST(attempt.full_at, clock_timestamp()) + ${ms(one.returnsMs)}
    WHERE attempt.full_at < clock_timestamp() + ${ms((one.most - 1) * one.returnsMs)}
    RETURNING name`;
  const { rows } = await sql<{ taken: boolean; late: boolean; wait_ms: number | null }>`
    WITH there AS (
      INSERT INTO sign_in_attempt AS attempt (name, who, full_at)
      VALUES (${name}, ${Buffer.from(who)}, clock_timestamp() + ${ms(FROM_THERE.returnsMs)}) ${take(FROM_THERE)}
    ), anywhere AS (
      INSERT INTO sign_in_attempt AS attempt (name, who, full_at)
      SELECT name, ${EMPTY}::bytea, clock_timestamp() + ${ms(FROM_ANYWHERE.returnsMs)} FROM there ${take(FROM_ANYWHERE)}
    )
    SELECT EXISTS (SELECT FROM there) AS taken, NOT EXISTS (SELECT FROM anywhere) AS late, (
      SELECT extract(epoch FROM full_at - clock_timestamp())::float8 * 1000 FROM sign_in_attempt WHERE name = ${name} AND who = ${Buffer.from(who)}
    ) AS wait_ms`.execute(query);
  const { taken, late, wait_ms: waitMs } = rows[0]!;
  if (taken) return { kind: late ? "taken-late" : "taken" };
  // Where the row came only now, somebody else has taken it in this moment.
  return { kind: "refused", retryAfterMs: Math.max(1, Math.ceil((waitMs ?? 0) - (FROM_THERE.most - 1) * FROM_THERE.returnsMs)) };
}

/** It was no guess. */
export async function giveBackSignInAttempt({ query }: Database, { name, who }: SignInAttempt): Promise<void> {
  await sql`
    UPDATE sign_in_attempt SET full_at = full_at - CASE who WHEN ${EMPTY}::bytea THEN ${ms(FROM_ANYWHERE.returnsMs)} ELSE ${ms(FROM_THERE.returnsMs)} END
    WHERE name = ${name} AND who IN (${Buffer.from(who)}, ${EMPTY}::bytea)`.execute(query);
}

/** Removes counts that are full again. */
export async function forgetSignInAttempts({ query }: Database): Promise<void> {
  await query
    .deleteFrom("sign_in_attempt")
    .where("full_at", "<", sql<Date>`clock_timestamp()`)
    .execute();
}
