import type { ConversationId } from "@fastchat/protocol";
import type { Head } from "./bus.ts";
import { type ConversationPrefix, prefixOf } from "./hint.ts";

/**
 * Longer than it takes from the read of a head until the others know that it is wanted: a statement of the database is given up after 20 s, and who does not
 * answer the others for four beats begins anew.
 */
export const TOLD_LATELY_MS = 30_000;

interface Told {
  readonly conversation: ConversationId;
  readonly head: number;
}

/** The heads that were told in the last `TOLD_LATELY_MS`, and some that were told in the time before that. */
export class ToldLately {
  readonly #now: () => number;
  #heads = new Map<ConversationPrefix, Told>();
  #before = new Map<ConversationPrefix, Told>();
  #since: number;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
    this.#since = now();
  }

  add(conversation: ConversationId, head: number): void {
    this.#turn();
    const prefix = prefixOf(conversation);
    this.#heads.set(prefix, { conversation, head: Math.max(head, this.#heads.get(prefix)?.head ?? 0) });
  }

  /** Those that are newer than what somebody knows. */
  beyond(known: readonly Head[]): Map<ConversationId, number> {
    const heads = new Map<ConversationId, number>();
    for (const { prefix, head } of known) {
      const told = this.#heads.get(prefix) ?? this.#before.get(prefix);
      if (told !== undefined && told.head > head) heads.set(told.conversation, told.head);
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
