import type { Conversation } from "./conversation.ts";
import type { Conversations } from "./conversations.ts";
import { pause } from "./pause.ts";
import type { ServerTime } from "./server-clock.ts";
import type { Storage } from "./storage.ts";

/** It is looked at least so often: what the clock says may have changed. */
const LOOK_MS = 30_000;
/** And no more often than so: many messages that are over one after the other are deleted together. */
const TOGETHER_MS = 100;
/** What could not be scrubbed, or not be deleted, is tried again. */
const AGAIN_MS = 1_000;

export interface ExpiryParts {
  readonly conversations: Conversations;
  readonly clock: ServerTime;
  readonly storage: Pick<Storage, "scrub">;
  readonly onTrouble: (error: unknown) => void;
}

/**
 * [H4] Deletes what is over when it is over: messages older than the policy of their conversation keeps them, and those whose own lifetime has passed;
 * whether there is a connection or not. Then it has the storage forget them, too. Killed anywhere between, it does the rest when the profile is
 * opened next; until then nothing that is over is shown.
 */
export class Expiry {
  readonly #parts: ExpiryParts;
  /** What an earlier run deleted may still lie in the files. */
  #isScrubbed = false;
  #wake = new AbortController();

  constructor(parts: ExpiryParts) {
    this.#parts = parts;
  }

  /** Until the signal aborts. */
  async keep(closing: AbortSignal): Promise<void> {
    while (!closing.aborted) {
      this.#wake = new AbortController();
      const wake = AbortSignal.any([closing, this.#wake.signal]);
      const wait = await this.#look(closing).catch((error: unknown) => {
        this.#parts.onTrouble(error);
        return AGAIN_MS;
      });
      await pause(TOGETHER_MS, closing);
      await pause(Math.max(0, wait - TOGETHER_MS), wake);
    }
  }

  /** Something may be over earlier than it was. */
  look(conversation: Conversation): void {
    if (conversation.isTimed) this.#wake.abort();
  }

  /** Something was, otherwise: the storage is to forget it, too. */
  deleted(): void {
    this.#isScrubbed = false;
    this.#wake.abort();
  }

  /** Milliseconds until something is over next. */
  async #look(closing: AbortSignal): Promise<number> {
    const { conversations, clock, storage } = this.#parts;
    let next = Infinity;
    for (const conversation of conversations.all) {
      if (!conversation.isTimed) continue;
      while (!closing.aborted && (await conversation.deleteOver())) this.#isScrubbed = false;
      next = Math.min(next, await conversation.nextEnd());
    }
    if (!this.#isScrubbed && !closing.aborted) this.#isScrubbed = await storage.scrub();
    return Math.min(this.#isScrubbed ? LOOK_MS : AGAIN_MS, Math.max(0, next - clock.now()));
  }
}
