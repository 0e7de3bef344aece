import type { ConversationId } from "@fastchat/protocol";
import { type Log, reasonOf } from "../events.ts";
import type { Bus, Head, SparingBus, SparingBusSubscriber } from "./bus.ts";
import { decodeHints, encodeHints, type Hint, type HintMessage, prefixOf, startOf } from "./hint.ts";
import { entryHeadBytes } from "../store/packed-entries.ts";
import { type ToldEntries, toldLogBytes } from "./told-entries.ts";
import { ToldLately } from "./told-lately.ts";

/** What another server last said in its heartbeat. */
export interface HeardRun {
  readonly run: string;
  /** Number of its last notification when it beat. */
  readonly hints: number;
}

export interface HintLineOptions {
  readonly bus: Bus | SparingBus;
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
 * Where the bus knows who wants to hear of which conversations, others are spared heads and entries of those alone, and told that the number is spent. Who begins
 * to want one says which head it has read; what was told since, and spared it, was told lately. Hints are for everybody: nothing repeats them.
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

  readonly #toldLately = new ToldLately();
  /** The same bus, where it spares others something. */
  readonly #sparing: SparingBus | undefined;

  /** Who is in the registry of this database: a copy of it has the same key, and may speak on the same bus. */
  #registered: ReadonlySet<string>;
  readonly #ownStart: string;

  constructor(options: HintLineOptions) {
    this.#options = options;
    this.#ownStart = startOf(options.run);
    this.#sparing = "spare" in options.bus ? options.bus : undefined;
    this.#registered = new Set(options.heard.map(({ run }) => run));
    for (const { run, hints } of options.heard) this.#heard.set(run, hints);
    const subscriber: SparingBusSubscriber = {
      message: (payload, after) => this.#hear(payload, after),
      interrupted: () => {
        options.onInterrupted?.();
        options.onMissed();
      },
      spared: (run, after, upTo) => this.#count(run, after, upTo),
      wanted: (known) => this.#toldBeyond(known),
    };
    options.bus.subscribe(subscriber);
  }

  /** Number of the last notification. */
  get number(): number {
    return this.#number;
  }

  /** The same, for the heartbeat: the others know it by then, or will soon. */
  numberToTell(): number {
    this.#sparing?.keepUp();
    return this.#number;
  }

  tellHead(conversation: ConversationId, head: number): void {
    this.#heads.set(conversation, Math.max(head, this.#heads.get(conversation) ?? 0));
    if (this.#sparing !== undefined) this.#toldLately.add({ prefix: prefixOf(conversation), head });
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

  #toldBeyond(known: readonly Head[]): string | undefined {
    const heads = this.#toldLately.beyond(known);
    // Not counted: it repeats what was.
    return encodeHints({ run: this.#options.run, heads, hints: [], largest: Number.POSITIVE_INFINITY, number: () => 0 })[0];
  }

  /** False: what has this number, and those behind the other one, was heard before. */
  #count(run: string, after: number, upTo: number): boolean {
    const heard = this.#heard.get(run) ?? 0;
    if (upTo <= heard) return false;
    this.#heard.set(run, upTo);
    if (after > heard) this.#options.onMissed();
    return true;
  }

  #hear(payload: string, after?: number): void {
    // The bus gives back what this one said.
    if (payload.startsWith(this.#ownStart)) return;
    const message = decodeHints(payload, this.#options.key);
    if (message === undefined || message.run === this.#options.run) return;
    const { run, number } = message;
    if (number !== 0 && !this.#count(run, after ?? number - 1, number)) return;
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
      const [heads, hints, entries] = [this.#heads, this.#hints, this.#entries];
      this.#heads = new Map();
      this.#hints = [];
      this.#entries = [];
      this.#entryBytes = 0;
      const conversations = this.#sparing === undefined || hints.length > 0 ? undefined : Array.from(heads.keys(), prefixOf);
      if (this.#sparing?.spare({ number: this.#number + 1, conversations }) === true) {
        this.#number += 1;
        continue;
      }
      const first = this.#number + 1;
      const payloads = encodeHints({ run, heads, hints, entries, key, largest: bus.payloadBytes, number: () => (this.#number += 1) });
      for (const [index, payload] of payloads.entries()) {
        try {
          await (this.#sparing === undefined
            ? bus.publish(payload)
            : this.#sparing.publish(payload, { number: first + index, conversations }));
        } catch (error) {
          log.event("debug", "bus-publish-failed", { reason: reasonOf(error) });
          this.#options.onUnsent?.();
        }
      }
    }
    this.#sending = false;
  }
}
