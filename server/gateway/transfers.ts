import type { Writable } from "node:stream";
import { ErrorCode, FastChatError } from "@fastchat/protocol";

/** When it is worth asking again, milliseconds: nobody knows when one of them ends. */
const RETRY_MS = 1_000;

/** Counts what is under way of each account: what comes in slowly, or goes out to who does not read, is held here meanwhile. */
export class Transfers {
  readonly #most: number;
  readonly #counts = new Map<string, number>();

  /** @param most of one account at once */
  constructor(most: number) {
    this.#most = most;
  }

  /** One more, until its answer is closed. Throws RATE_LIMITED where there are as many as may be. */
  beginOrThrow(account: string, answer: Writable): void {
    const count = this.#counts.get(account) ?? 0;
    if (count >= this.#most) throw new FastChatError(ErrorCode.RATE_LIMITED, { retryAfterMs: RETRY_MS });
    // Who asked is gone already: nothing would tell of the end.
    if (answer.closed) return;
    this.#counts.set(account, count + 1);
    answer.once("close", () => {
      const left = this.#counts.get(account)! - 1;
      if (left === 0) this.#counts.delete(account);
      else this.#counts.set(account, left);
    });
  }
}
