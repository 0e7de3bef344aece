import { create, fromBinary } from "@bufbuild/protobuf";
import type { ConversationId } from "@fastchat/protocol";
import { keys, prefixes, put, remove, schemas, sequenceOfKey } from "./records.ts";
import { type Change, prefixRange, type Storage } from "./storage.ts";

/** What a commit changes of timers, and how that is remembered once it is done. */
interface TimerDraft {
  readonly changes: Change[];
  readonly done: (() => void)[];
}

/** [H4] The messages with a lifetime of one conversation that are stored here: sequence number, and when each is over; 0: it was not read yet. */
export class Timers {
  readonly #id: ConversationId;
  readonly #ends = new Map<number, number>();

  constructor(id: ConversationId) {
    this.#id = id;
  }

  async load(storage: Storage): Promise<void> {
    for (const { key, value } of await storage.range(prefixRange(prefixes.timers(this.#id)))) {
      this.#ends.set(sequenceOfKey(key), Number(fromBinary(schemas.timer, value).ends));
    }
  }

  /** When the next of them is over, server's time; Infinity: none is counting. */
  get next(): number {
    let next = Infinity;
    for (const ends of this.#ends.values()) if (ends !== 0 && ends < next) next = ends;
    return next;
  }

  /** Those that are over at this time, ascending. */
  over(now: number): number[] {
    return this.#where((_, ends) => ends !== 0 && ends <= now);
  }

  /** Those up to this number that were not read yet, ascending. */
  waiting(upTo: number): number[] {
    return this.#where((sequence, ends) => ends === 0 && sequence <= upTo);
  }

  /** Those behind this number, ascending. */
  behind(from: number): number[] {
    return this.#where((sequence) => sequence > from);
  }

  set({ changes, done }: TimerDraft, sequence: number, ends: number): void {
    changes.push(put(keys.timer(this.#id, sequence), schemas.timer, create(schemas.timer, { ends: BigInt(ends) })));
    done.push(() => this.#ends.set(sequence, ends));
  }

  remove({ changes, done }: TimerDraft, sequence: number): void {
    if (!this.#ends.has(sequence)) return;
    changes.push(remove(keys.timer(this.#id, sequence)));
    done.push(() => this.#ends.delete(sequence));
  }

  #where(isMeant: (sequence: number, ends: number) => boolean): number[] {
    const found: number[] = [];
    for (const [sequence, ends] of this.#ends) if (isMeant(sequence, ends)) found.push(sequence);
    return found.sort((one, other) => one - other);
  }
}
