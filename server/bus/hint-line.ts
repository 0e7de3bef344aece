import type { ConversationId } from "@fastchat/protocol";
import { type Log, reasonOf } from "../events.ts";
import type { Bus } from "./bus.ts";
import { decodeHints, encodeHints, type Hint, type HintMessage, startOf } from "./hint.ts";
import { entryHeadBytes } from "../store/packed-entries.ts";
import { type ToldEntries, toldLogBytes } from "./told-entries.ts";

/** What another server last said in its heartbeat. */
export interface HeardRun {
  readonly run: string;
  /** Number of its last notification when it beat. */
  readonly hints: number;
}

export interface HintLineOptions {
  readonly bus: Bus;
  readonly run: string;
  /** The same for all servers of the installation: see `busKeyOf`. */
  readonly key: Uint8Array;
  /** The others that were there before this one listened: what they had said is in the heads that sessions here begin with. */
  readonly heard: readonly HeardRun[];
  readonly log: Log;
  /** Another server's hints. */
  readonly onHints: (message: HintMessage) => void;
  /** Hints were missed: read the heads of what is watched here, once. */
  readonly onMissed: () => void;
  /** The bus was away and is back; `onMissed` follows. */
  readonly onInterrupted?: () => void;
  /** The bus did not take a notification. */
  readonly onUnsent?: () => void;
}

/**
 * A server's end of the bus: gathers, numbers and sends its hints, hears those of the others, and notices when some got lost.
 *
 * Sending: while one notification is on its way the next ones gather, so that there is at most one in flight and one a flush. A number is
 * spent whether the notification arrives or not; so every loss is a gap to the others. A gap shows in two ways: a later notification skips
 * numbers, or the sender's heartbeat names a number that did not arrive by the next look (the tail was lost, or everything). Of a server that was not
 * there when this one began all numbers are awaited, from the first on.
 *
 * What comes after a later one was a gap before, and what it says was read; what comes twice was heard. Neither is heard again: a push (somebody types)
 * would be shown after the one that ended it.
 */
export class HintLine {
  readonly #options: HintLineOptions;
  #heads = new Map<ConversationId, number>();
  #entries: ToldEntries[] = [];
  /** What those take at least; more than a payload holds is read by who wants it. */
  #entryBytes = 0;
  #hints: Hint[] = [];
  #sending = false;
  #number = 0;
  readonly #heard = new Map<string, number>();
  /** Numbers that heartbeats named at the last look and that had not arrived. */
  #owed = new Map<string, number>();
  /** What was heard beyond the heartbeats at the last look. */
  #ahead = new Map<string, number>();

  /** Who is in the registry of this database: a copy of it has the same key, and may speak on the same bus. */
  #registered: ReadonlySet<string>;
  readonly #ownStart: string;

  constructor(options: HintLineOptions) {
    this.#options = options;
    this.#ownStart = startOf(options.run);
    this.#registered = new Set(options.heard.map(({ run }) => run));
    for (const { run, hints } of options.heard) this.#heard.set(run, hints);
    options.bus.subscribe({
      message: (payload) => this.#hear(payload),
      interrupted: () => {
        options.onInterrupted?.();
        options.onMissed();
      },
    });
  }

  /** Number of the last notification, for the heartbeat. */
  get number(): number {
    return this.#number;
  }

  tellHead(conversation: ConversationId, head: number): void {
    this.#heads.set(conversation, Math.max(head, this.#heads.get(conversation) ?? 0));
    this.#send();
  }

  /** Messages that were just stored. */
  tellStored(told: ToldEntries): void {
    const { conversation, entries } = told;
    this.#entryBytes = entries.reduce((sum, { body }) => sum + entryHeadBytes + body.length, this.#entryBytes + toldLogBytes);
    if (this.#entryBytes <= this.#options.bus.payloadBytes) this.#entries.push(told);
    else this.#entries = [];
    this.tellHead(conversation, entries.at(-1)!.sequence);
  }

  tell(...hints: readonly Hint[]): void {
    this.#hints.push(...hints);
    this.#send();
  }

  /** Called once a heartbeat with the others' numbers. */
  compare(runs: readonly HeardRun[]): void {
    let missed = false;
    const owed = new Map<string, number>();
    const ahead = new Map<string, number>();
    for (const { run, hints } of runs) {
      if (run === this.#options.run) continue;
      const heard = this.#heard.get(run) ?? 0;
      if (heard > hints) {
        // What was heard by the last look stands in this heartbeat: else somebody spoke in its name.
        if ((this.#ahead.get(run) ?? 0) > hints) {
          missed = true;
          this.#heard.set(run, hints);
        } else ahead.set(run, heard);
      }
      if (heard >= hints) continue;
      if ((this.#owed.get(run) ?? 0) > heard) {
        missed = true;
        this.#heard.set(run, hints);
      } else owed.set(run, hints);
    }
    const known = new Set(runs.map(({ run }) => run));
    for (const run of this.#heard.keys()) if (!known.has(run)) this.#heard.delete(run);
    this.#registered = known;
    this.#owed = owed;
    this.#ahead = ahead;
    if (missed) this.#options.onMissed();
  }

  #hear(payload: string): void {
    // The bus gives back what this one said.
    if (payload.startsWith(this.#ownStart)) return;
    const message = decodeHints(payload, this.#options.key);
    if (message === undefined || message.run === this.#options.run) return;
    if (message.number !== 0) {
      const heard = this.#heard.get(message.run) ?? 0;
      if (message.number <= heard) return;
      this.#heard.set(message.run, message.number);
      if (message.number > heard + 1) this.#options.onMissed();
    }
    this.#options.onHints(this.#registered.has(message.run) ? message : { ...message, entries: [] });
  }

  #send(): void {
    if (this.#sending) return;
    this.#sending = true;
    // At the end of the turn, so that everything of one flush goes together.
    setImmediate(() => void this.#drain());
  }

  async #drain(): Promise<void> {
    const { bus, run, key, log } = this.#options;
    while (this.#heads.size > 0 || this.#hints.length > 0) {
      const payloads = encodeHints({
        run,
        heads: this.#heads,
        hints: this.#hints,
        entries: this.#entries,
        key,
        largest: bus.payloadBytes,
        number: () => (this.#number += 1),
      });
      this.#heads = new Map();
      this.#hints = [];
      this.#entries = [];
      this.#entryBytes = 0;
      for (const payload of payloads) {
        try {
          await bus.publish(payload);
        } catch (error) {
          log.event("debug", "bus-publish-failed", { reason: reasonOf(error) });
          this.#options.onUnsent?.();
        }
      }
    }
    this.#sending = false;
  }
}
