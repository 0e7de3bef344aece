import { ErrorCode, FastChatError } from "@fastchat/protocol";
import { sql } from "kysely";
import { TokenBuckets } from "../token-bucket.ts";
import type { Database } from "./database.ts";

/**
 * A bucket stands in the table as the time when it will be full (the generic cell rate algorithm): each token puts that off by the time in which one
 * comes, and there is none where it would be further off than an empty bucket's. Prepared: it stands in the way of what people do.
 */
const TAKE = {
  name: "take-of-rate",
  text: `
    INSERT INTO rate (key, full_at) VALUES ($1, statement_timestamp() + $2::float8 * interval '1 second')
    ON CONFLICT (key) DO UPDATE SET full_at = GREATEST(rate.full_at, statement_timestamp()) + $2::float8 * interval '1 second'
      WHERE GREATEST(rate.full_at, statement_timestamp()) + $2::float8 * interval '1 second'
        <= statement_timestamp() + $3::integer * ($2::float8 * interval '1 second')`,
};

/**
 * Buckets, one for each key, that all servers take from: for what costs others than the server, and so must not be had several times by connecting
 * to several. One statement each, of one row; who is over the rate at this server alone does not come so far.
 */
export class SharedRate {
  readonly #database: Database;
  readonly #name: string;
  readonly #options: { readonly perSecond: number; readonly burst: number };
  readonly #here: TokenBuckets;

  /** @param name tells its keys from those of other rates */
  constructor(database: Database, name: string, options: { readonly perSecond: number; readonly burst: number }) {
    this.#database = database;
    this.#name = name;
    this.#options = options;
    this.#here = new TokenBuckets(options);
  }

  /** Takes one. Throws RATE_LIMITED, with the time to wait, where the bucket is empty. */
  async takeOrThrow(key: string): Promise<void> {
    this.#here.takeOrThrow(key);
    if (!(await this.#take(key)))
      throw new FastChatError(ErrorCode.RATE_LIMITED, { retryAfterMs: Math.ceil(1_000 / this.#options.perSecond) });
  }

  async tryTake(key: string): Promise<boolean> {
    return this.#here.tryTake(key) && this.#take(key);
  }

  async #take(key: string): Promise<boolean> {
    const { perSecond, burst } = this.#options;
    const { rowCount } = await this.#database.pool.query({ ...TAKE, values: [`${this.#name} ${key}`, 1 / perSecond, burst] });
    return rowCount === 1;
  }
}

/** Full buckets say nothing. */
export async function forgetFullBuckets(database: Database): Promise<void> {
  await sql`DELETE FROM rate WHERE full_at < statement_timestamp()`.execute(database.query);
}
