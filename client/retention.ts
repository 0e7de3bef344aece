import type { Conversation } from "./conversation.ts";
import type { Conversations } from "./conversations.ts";
import { pause } from "./pause.ts";

const LOOK_MS = 30_000;

/** Deletes messages that are older than the policy of their conversation says, whether there is a connection or not. */
export class Retention {
  readonly #conversations: Conversations;

  constructor(conversations: Conversations) {
    this.#conversations = conversations;
  }

  /** Until the signal aborts. */
  async keep(closing: AbortSignal): Promise<void> {
    while (!closing.aborted) {
      for (const conversation of this.#conversations.all) await this.look(conversation);
      await pause(LOOK_MS, closing);
    }
  }

  async look(conversation: Conversation): Promise<void> {
    const { retentionSeconds } = conversation.record;
    if (retentionSeconds === 0) return;
    while (await conversation.deleteBefore(Date.now() - 1_000 * retentionSeconds));
  }
}
