import { limits, type ConversationId } from "@fastchat/protocol";
import type { AppendItem, AppendVerdict } from "./append.ts";

/** The order of one socket's sends to one conversation: after a refusal everything is held until a send resumes. */
export interface SendGate {
  held: boolean;
  /** Looks whether the files of a message are there: what comes behind it waits. */
  looking?: Promise<unknown> | undefined;
}

export interface QueuedItem extends AppendItem {
  readonly gate: SendGate;
  /** Opens the gate for this item and those behind it. */
  readonly resume: boolean;
  /** Called once, in the order of the queue for items of one conversation. */
  readonly answer: (verdict: AppendVerdict) => void;
}

export interface AppendQueueOptions {
  readonly append: (items: readonly AppendItem[]) => Promise<readonly AppendVerdict[]>;
  /** Told of each batch that was answered, so that what was stored is delivered. */
  readonly onStored: (items: readonly QueuedItem[], verdicts: readonly AppendVerdict[]) => void;
  /** Batches in flight at once. */
  readonly parallel: number;
  /** As `limits`; tests lower them. */
  readonly entries?: number;
  readonly waitMs?: number;
  readonly spacingMs?: number;
}

/**
 * Gathers messages into batches. With nothing in flight a batch leaves at the end of the current turn of the event loop, or `spacingMs` after the one
 * before; with one in flight the next leaves when that one is answered, when it is full, or after `waitMs`, whatever comes first. A conversation is in at most one batch in
 * flight, so that the verdict on a message is known before a later one of its conversation is judged: a held gate is seen when the batch is made.
 */
export class AppendQueue {
  readonly #options: Required<AppendQueueOptions>;
  #waiting: QueuedItem[] = [];
  readonly #busy = new Set<ConversationId>();
  #inFlight = 0;
  #timer: NodeJS.Timeout | undefined;
  #scheduled = false;
  /** `performance.now()` when the newest batch left. */
  #leftAt = Number.NEGATIVE_INFINITY;
  #idle: (() => void)[] = [];

  constructor(options: AppendQueueOptions) {
    this.#options = { entries: limits.appendBatchEntries, waitMs: limits.appendBatchMs, spacingMs: limits.appendSpacingMs, ...options };
  }

  /** Items that wait or are in flight. */
  get size(): number {
    return this.#waiting.length + this.#inFlight;
  }

  /** False: the queue is full and the item was not taken. */
  offer(item: QueuedItem): boolean {
    if (this.#waiting.length >= limits.appendQueueEntries) return false;
    this.#waiting.push(item);
    this.#schedule();
    return true;
  }

  /** Resolves when nothing waits and nothing is in flight. */
  async settled(): Promise<void> {
    if (this.#waiting.length === 0 && this.#inFlight === 0) return;
    await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  #schedule(): void {
    if (this.#scheduled || this.#inFlight >= this.#options.parallel) return;
    const isFull = this.#waiting.length >= this.#options.entries;
    const { spacingMs, waitMs } = this.#options;
    const pause = isFull ? 0 : this.#inFlight === 0 ? this.#leftAt + spacingMs - performance.now() : waitMs;
    if (pause <= 0) {
      this.#scheduled = true;
      setImmediate(() => {
        this.#scheduled = false;
        this.#flush();
      });
    } else {
      this.#timer ??= setTimeout(() => {
        this.#timer = undefined;
        this.#flush();
      }, pause);
    }
  }

  #flush(): void {
    if (this.#timer !== undefined) clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#inFlight >= this.#options.parallel) return;
    const batch = this.#takeBatch();
    if (batch.length > 0) {
      this.#leftAt = performance.now();
      void this.#run(batch);
      if (this.#waiting.length > 0) this.#schedule();
    } else this.#wakeIdle();
  }

  #takeBatch(): QueuedItem[] {
    const batch: QueuedItem[] = [];
    const rest: QueuedItem[] = [];
    const keys = new Set<string>();
    // A conversation that waits, or whose earlier item was left for later, must not be overtaken by its own later items.
    const skipped = new Set<ConversationId>();
    let bytes = 0;
    let full = false;
    for (const item of this.#waiting) {
      if (full || this.#busy.has(item.conversation) || skipped.has(item.conversation)) {
        rest.push(item);
        continue;
      }
      if (item.resume) item.gate.held = false;
      if (item.gate.held) {
        item.answer({ kind: "refused", reason: "held" });
        continue;
      }
      const key = item.conversation + item.device + item.clientMessageId;
      if (keys.has(key) || (batch.length > 0 && bytes + item.body.length > limits.appendBatchBytes)) {
        skipped.add(item.conversation);
        rest.push(item);
        continue;
      }
      keys.add(key);
      bytes += item.body.length;
      batch.push(item);
      full = batch.length >= this.#options.entries;
    }
    this.#waiting = rest;
    return batch;
  }

  async #run(batch: QueuedItem[]): Promise<void> {
    this.#inFlight += 1;
    for (const item of batch) this.#busy.add(item.conversation);
    const verdicts = await this.#options.append(batch);
    this.#inFlight -= 1;
    for (const item of batch) this.#busy.delete(item.conversation);
    for (const [index, item] of batch.entries()) {
      const verdict = verdicts[index] ?? { kind: "unknown" };
      if (verdict.kind === "refused" || verdict.kind === "unknown") item.gate.held = true;
      item.answer(verdict);
    }
    this.#options.onStored(batch, verdicts);
    // What was busy is free now: the next need not wait for its time.
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#waiting.length > 0) this.#schedule();
    this.#wakeIdle();
  }

  #wakeIdle(): void {
    if (this.#waiting.length > 0 || this.#inFlight > 0) return;
    for (const wake of this.#idle.splice(0)) wake();
  }
}
