import { limits } from "@fastchat/protocol";
import type { Database } from "./database.ts";

/** Somebody tries to sign in as this name, from there. */
export interface SignInAttempt {
  readonly name: string;
  /** Of a fixed length. */
  readonly who: Uint8Array;
}

export type TakenAttempt =
  | { readonly kind: "taken" }
  /** More than there may be for this name from everywhere; it may go on, but later. */
  | { readonly kind: "taken-late" }
  /** More than there may be for this name from there: nothing was counted. */
  | { readonly kind: "refused"; readonly retryAfterMs: number };

/** One more attempt comes back after so many milliseconds, up to `most`. */
const perMinute = (most: number) => ({ most, returnsMs: 60_000 / most });
const FROM_THERE = perMinute(limits.signInsPerMinutePerNameAndAddress);
const FROM_ANYWHERE = perMinute(limits.signInsPerMinutePerName);

const ms = (count: number): string => `interval '${count} milliseconds'`;
const takeOf = ({ most, returnsMs }: typeof FROM_THERE): string => `
  ON CONFLICT (key) DO UPDATE SET full_at = GREATEST(attempt.full_at, clock_timestamp()) + ${ms(returnsMs)}
  WHERE attempt.full_at < clock_timestamp() + ${ms((most - 1) * returnsMs)}
  RETURNING key`;

/** Prepared, as this stands in the way of every sign-in: planning it takes longer than running it. */
const take = {
  name: "take-sign-in-attempt",
  text: `
    WITH there AS (
      INSERT INTO rate AS attempt (key, full_at)
      VALUES ($1, clock_timestamp() + ${ms(FROM_THERE.returnsMs)}) ${takeOf(FROM_THERE)}
    ), anywhere AS (
      INSERT INTO rate AS attempt (key, full_at)
      SELECT $2, clock_timestamp() + ${ms(FROM_ANYWHERE.returnsMs)} FROM there ${takeOf(FROM_ANYWHERE)}
    )
    SELECT EXISTS (SELECT FROM there) AS taken, NOT EXISTS (SELECT FROM anywhere) AS late, (
      SELECT extract(epoch FROM full_at - clock_timestamp())::float8 * 1000 FROM rate WHERE key = $1
    ) AS wait_ms`,
};

const giveBack = {
  name: "give-back-sign-in-attempt",
  text: `
    UPDATE rate SET full_at = full_at - CASE key WHEN $1 THEN ${ms(FROM_THERE.returnsMs)} ELSE ${ms(FROM_ANYWHERE.returnsMs)} END
    WHERE key IN ($1, $2)`,
};

/** From there, and from anywhere. */
const keysOf = ({ name, who }: SignInAttempt) => [`sign-in ${name} ${Buffer.from(who).toString("hex")}`, `sign-in ${name}`];

/**
 * Takes one, if there is one, by the database's clock: of two gateways that ask at once the second waits for the first's row and sees it. Each count
 * is one time (the generic cell rate algorithm): it is full at `full_at`, and allows an attempt while that is less than all but one of them away.
 */
export async function takeSignInAttempt({ pool }: Database, attempt: SignInAttempt): Promise<TakenAttempt> {
  const { rows } = await pool.query<{ taken: boolean; late: boolean; wait_ms: number | null }>({ ...take, values: keysOf(attempt) });
  const { taken, late, wait_ms: waitMs } = rows[0]!;
  if (taken) return { kind: late ? "taken-late" : "taken" };
  // Where the row came only now, somebody else has taken it in this moment.
  return { kind: "refused", retryAfterMs: Math.max(1, Math.ceil((waitMs ?? 0) - (FROM_THERE.most - 1) * FROM_THERE.returnsMs)) };
}

/** It was no guess. */
export async function giveBackSignInAttempt({ pool }: Database, attempt: SignInAttempt): Promise<void> {
  await pool.query({ ...giveBack, values: keysOf(attempt) });
}
