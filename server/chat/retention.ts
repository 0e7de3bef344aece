import type { ConversationId } from "@fastchat/protocol";
import { type Log, reasonOf } from "../events.ts";
import type { ChatMetrics } from "../metrics.ts";
import type { Database } from "../store/database.ts";
import { conversationsDue, eraseDue } from "../store/retention.ts";
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

/** Erases what conversations' policies do not keep any longer. Every server does; they take turns. */
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
   * Until nothing is due, or another server is at it. One step in each conversation in turn, so that a long log does not hold up the others. What fails
   * in one is left to the next sweep and thrown at the end.
   */
  async sweep(): Promise<void> {
    const { database, now } = this.#options;
    const failed = new Map<ConversationId, unknown>();
    for (;;) {
      const due = (await conversationsDue(database, now())).filter((conversation) => !failed.has(conversation));
      if (due.length === 0) break;
      for (const conversation of due) {
        if (this.isEnding) return;
        try {
          if (!(await this.#step(conversation))) return;
        } catch (error) {
          failed.set(conversation, error);
        }
        await this.pause(PAUSE_MS);
      }
    }
    for (const error of failed.values()) throw error;
  }

  /** False: another server is at it. */
  async #step(conversation: ConversationId): Promise<boolean> {
    const { database, metrics, now } = this.#options;
    const result = await eraseDue(database, conversation, now());
    switch (result.kind) {
      case "erased":
        metrics.erased.inc(result.messages);
        return true;
      case "changed":
        return true;
      case "busy":
        return false;
      default:
        return result satisfies never;
    }
  }
}
