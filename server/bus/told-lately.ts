import type { Head } from "./bus.ts";
import type { ConversationPrefix } from "./hint.ts";

/**
 * Longer than it takes from the read of a head until the others know that it is wanted: a statement of the database is given up after 20 s, and who does not
 * answer the others for four beats begins anew.
 */
export const TOLD_LATELY_MS = 30_000;

/** The heads that were told in the last `TOLD_LATELY_MS`, and some that were told in the time before that. */
export class ToldLately {
  readonly #now: () => number;
  #heads = new Map<ConversationPrefix, number>();
  #before = new Map<ConversationPrefix, number>();
  #since: number;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
    this.#since = now();
  }

  add({ prefix, head }: Head): void {
    this.#turn();
    this.#heads.set(prefix, Math.max(head, this.#heads.get(prefix) ?? 0));
  }

  /** Those that are newer than what somebody knows. */
  beyond(known: readonly Head[]): Map<ConversationPrefix, number> {
    const heads = new Map<ConversationPrefix, number>();
    for (const { prefix, head } of known) {
      const told = this.#heads.get(prefix) ?? this.#before.get(prefix);
      if (told !== undefined && told > head) heads.set(prefix, told);
    }
    return heads;
  }

  #turn(): void {
    const now = this.#now();
    if (now - this.#since < TOLD_LATELY_MS) return;
    this.#before = this.#heads;
    this.#heads = new Map();
    this.#since = now;
  }
}
