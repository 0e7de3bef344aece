import type { Bus, BusSubscriber } from "../../server/bus/bus.ts";

/** How likely each payload is to suffer what. */
export interface Chaos {
  readonly drop: number;
  readonly duplicate: number;
  /** Also what reorders: others overtake it. */
  readonly delay: number;
  readonly longestDelayMs: number;
}

/**
 * A bus on which what is published is lost, comes late, twice, or after what was published later, as a seeded generator says; its publisher hears of nothing.
 * It does more than a bus may: none of ours doubles anything.
 */
export class ChaosBus implements Bus {
  /** Undefined: nothing happens any more. */
  chaos: Chaos | undefined;
  readonly counts = { dropped: 0, duplicated: 0, delayed: 0 };
  readonly #bus: Bus;
  readonly #random: () => number;
  readonly #delayed = new Set<NodeJS.Timeout>();

  constructor(bus: Bus, random: () => number, chaos: Chaos) {
    this.#bus = bus;
    this.#random = random;
    this.chaos = chaos;
  }

  get payloadBytes(): number {
    return this.#bus.payloadBytes;
  }

  /** Payloads that are still held back. */
  get delayed(): number {
    return this.#delayed.size;
  }

  async publish(payload: string): Promise<void> {
    const { chaos } = this;
    if (chaos === undefined) return this.#bus.publish(payload);
    if (this.#random() < chaos.drop) {
      this.counts.dropped += 1;
      return undefined;
    }
    const twice = this.#random() < chaos.duplicate;
    if (twice) this.counts.duplicated += 1;
    for (let copy = 0; copy < (twice ? 2 : 1); copy++) {
      if (this.#random() < chaos.delay) this.#later(payload, this.#random() * chaos.longestDelayMs);
      else await this.#bus.publish(payload);
    }
    return undefined;
  }

  subscribe(subscriber: BusSubscriber): void {
    this.#bus.subscribe(subscriber);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const timer of this.#delayed) clearTimeout(timer);
    this.#delayed.clear();
    await this.#bus[Symbol.asyncDispose]();
  }

  #later(payload: string, afterMs: number): void {
    this.counts.delayed += 1;
    const timer = setTimeout(() => {
      this.#delayed.delete(timer);
      void this.#bus.publish(payload).catch(() => undefined);
    }, afterMs);
    this.#delayed.add(timer);
  }
}
