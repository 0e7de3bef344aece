import { type ConversationId, type DeviceId, limits } from "@fastchat/protocol";
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
  readonly gatherMs?: number;
}

/** So many others, on average, are worth waiting for. */
const WORTH_OTHERS = 0.4;
/** How much the newest window counts. */
const NEWEST = 1 / 8;
/** Without a message for so long, what came before says nothing of what will come. */
const LULL_MS = 50;

/**
 * Gathers messages into batches. With nothing in flight a batch leaves at the end of the current turn of the event loop, or, while others are likely to
 * come, `gatherMs` after its first message did; with one in flight, `waitMs` after. One that is full waits for nothing. A conversation is in at most one batch
 * in flight, so that the verdict on a message is known before a later one of its conversation is judged: a held gate is seen when the batch is made.
 *
 * Whether others are likely to come is told by those that came within `gatherMs` behind one, lately. Those of its own device do not count: who writes the
 * next when the last is acknowledged would only be slowed down.
 */
export class AppendQueue {
  readonly #options: Required<AppendQueueOptions>;
  #waiting: QueuedItem[] = [];
  readonly #busy = new Set<ConversationId>();
  #inFlight = 0;
  #timer: NodeJS.Timeout | undefined;
  #scheduled = false;
  /** `performance.now()` when the first of what waits came, or was left for later. */
  #waitsSince = 0;
  /** The newest `gatherMs` behind a message: from when, and how many others came in it. */
  #window: { readonly since: number; readonly device: DeviceId; others: number } | undefined;
  /** How many others come within such a time. */
  #others = 0;
  #idle: (() => void)[] = [];

  constructor(options: AppendQueueOptions) {
    this.#options = { entries: limits.appendBatchEntries, waitMs: limits.appendBatchMs, gatherMs: limits.appendGatherMs, ...options };
  }

  /** Items that wait or are in flight. */
  get size(): number {
    return this.#waiting.length + this.#inFlight;
  }

  /** False: the queue is full and the item was not taken. */
  offer(item: QueuedItem): boolean {
    if (this.#waiting.length >= limits.appendQueueEntries) return false;
    const now = performance.now();
    if (this.#waiting.length === 0) this.#waitsSince = now;
    this.#waiting.push(item);
    this.#notice(item.device, now);
    this.#schedule();
    return true;
  }

  /** Resolves when nothing waits and nothing is in flight. */
  async settled(): Promise<void> {
    if (this.#waiting.length === 0 && this.#inFlight === 0) return;
    await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  #notice(device: DeviceId, now: number): void {
    const { gatherMs } = this.#options;
    if (this.#window !== undefined && now < this.#window.since + gatherMs) {
      if (device !== this.#window.device) this.#window.others += 1;
      return;
    }
    const { since, others } = this.#window ?? { since: 0, others: 0 };
    this.#others = now - since > gatherMs + LULL_MS ? 0 : this.#others + NEWEST * (others - this.#others);
    this.#window = { since: now, device, others: 0 };
  }

  #schedule(): void {
    if (this.#scheduled || this.#inFlight >= this.#options.parallel) return;
    const { entries, gatherMs, waitMs } = this.#options;
    const wait = this.#inFlight > 0 ? waitMs : this.#others < WORTH_OTHERS ? 0 : gatherMs;
    const pause = this.#waiting.length >= entries ? 0 : this.#waitsSince + wait - performance.now();
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
      this.#waitsSince = performance.now();
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
    // What was busy is free now, and there is one less in flight.
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
