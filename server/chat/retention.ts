import type { ConversationId } from "@fastchat/protocol";
import { type Log, reasonOf } from "../events.ts";
import type { ChatMetrics } from "../metrics.ts";
import type { Database } from "../store/database.ts";
import { conversationsDue, conversationsWithdrawn, type ErasureResult, eraseDue, eraseWithdrawn } from "../store/retention.ts";
import { Sweeper } from "../sweeper.ts";

/** Between two steps, milliseconds: a policy that makes much due at once must not hold up the messages. */
const PAUSE_MS = 20;

export interface RetentionOptions {
  readonly database: Database;
  readonly log: Log;
  readonly metrics: ChatMetrics;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** From one sweep to the next. */
  readonly everyMs: number;
}

/** Erases what conversations' policies do not keep any longer, and what was withdrawn. Every server does; they take turns. */
export class Retention extends Sweeper {
  readonly #options: RetentionOptions;

  constructor(options: RetentionOptions) {
    super(options.everyMs);
    this.#options = options;
  }

  protected async turn(): Promise<void> {
    try {
      await this.sweep();
    } catch (error) {
      this.#options.log.event("warn", "retention-failed", { reason: reasonOf(error) });
    }
  }

  /**
   * Until nothing is left to erase, or another server is at it. One step in each conversation in turn, so that a long log does not hold up the others. What
   * fails in one is left to the next sweep and thrown at the end.
   */
  async sweep(): Promise<void> {
    const { database, now } = this.#options;
    const failures = [
      ...(await this.#through(
        () => conversationsWithdrawn(database),
        (conversation) => eraseWithdrawn(database, conversation),
      )),
      ...(await this.#through(
        () => conversationsDue(database, now()),
        (conversation) => eraseDue(database, conversation, now()),
      )),
    ];
    if (failures.length > 0) throw failures[0];
  }

  /** Steps until nothing is found; what failed. */
  async #through(
    find: () => Promise<readonly ConversationId[]>,
    step: (conversation: ConversationId) => Promise<ErasureResult>,
  ): Promise<readonly unknown[]> {
    const failed = new Map<ConversationId, unknown>();
    for (;;) {
      const found = (await find()).filter((conversation) => !failed.has(conversation));
      if (found.length === 0) break;
      for (const conversation of found) {
        if (this.isEnding) return [];
        try {
          const result = await step(conversation);
          // Another server is at it.
          if (result.kind === "busy") return [];
          if (result.kind === "erased") this.#options.metrics.erased.inc(result.messages);
        } catch (error) {
          failed.set(conversation, error);
        }
        await this.pause(PAUSE_MS);
      }
    }
    return [...failed.values()];
  }
}
