import { breathe } from "./breathe.ts";
import type { Conversation } from "./conversation.ts";
import { pause } from "./pause.ts";

/** Conversations that are completed at the same time. */
const AT_ONCE = 2;
/** Whoever just waited for something looks at it, and mostly at more; but not for ever. */
const UNDISTURBED_MS = 250;
const UNDISTURBED_AT_MOST_MS = 2_000;

/**
 * What a device that began with the newest page of each conversation does once all those pages are here: it counts what is unread, and
 * fetches and checks short logs as a whole. Newest conversations first.
 */
export class Completion {
  readonly #quietly: (work: Promise<unknown>) => void;
  readonly #waiting = new Set<Conversation>();
  readonly #working = new Set<Conversation>();
  #session: AbortSignal | undefined;
  /** What somebody waits for right now. */
  readonly #urgent = new Set<Promise<unknown>>();
  #urgentUntil = -Infinity;

  constructor(quietly: (work: Promise<unknown>) => void) {
    this.#quietly = quietly;
  }

  /** The newest pages are here; until this session ends. */
  begin(session: AbortSignal, conversations: readonly Conversation[]): void {
    this.#session = session;
    this.#waiting.clear();
    for (const conversation of conversations) this.#waiting.add(conversation);
    this.#goOn();
  }

  /** Something of it came that may leave it incomplete. */
  add(conversation: Conversation): void {
    this.#waiting.add(conversation);
    this.#goOn();
  }

  /** Somebody waits for this: nothing more is begun meanwhile, and for a moment after it. */
  async first<T>(work: Promise<T>): Promise<T> {
    this.#urgent.add(work);
    try {
      return await work;
    } finally {
      this.#urgent.delete(work);
      this.#urgentUntil = performance.now() + UNDISTURBED_MS;
    }
  }

  async #turn(session: AbortSignal): Promise<void> {
    const patience = performance.now() + UNDISTURBED_AT_MOST_MS;
    while (!session.aborted) {
      await Promise.allSettled(this.#urgent);
      if (this.#urgent.size > 0) continue;
      const undisturbed = Math.min(this.#urgentUntil, patience) - performance.now();
      if (undisturbed <= 0) break;
      await pause(undisturbed, session);
    }
    await breathe();
  }

  #goOn(): void {
    while (this.#session?.aborted === false && this.#working.size < AT_ONCE) {
      const next = this.#next();
      if (next === undefined) return;
      this.#waiting.delete(next);
      this.#working.add(next);
      this.#quietly(this.#complete(next, this.#session));
    }
  }

  #next(): Conversation | undefined {
    for (const conversation of this.#waiting) if (conversation.isComplete) this.#waiting.delete(conversation);
    const free = [...this.#waiting].filter((conversation) => !this.#working.has(conversation));
    return free.reduce<Conversation | undefined>(
      (newest, each) => (newest === undefined || each.record.time > newest.record.time ? each : newest),
      undefined,
    );
  }

  async #complete(conversation: Conversation, session: AbortSignal): Promise<void> {
    try {
      await conversation.complete(session, () => this.#turn(session));
    } finally {
      this.#working.delete(conversation);
      this.#goOn();
    }
  }
}
