import type { Pace } from "./plan.ts";
import { now } from "./wire.ts";

/** Says to each writer when to write, and when that should have been: what is late is done late, and never left out. */
export class Pacing<Writer> {
  readonly #write: (writer: Writer, intended: number) => void;
  /** Of a closed loop: what each may write yet. */
  readonly #left = new Map<Writer, number>();
  #timers: NodeJS.Timeout[] = [];

  constructor(write: (writer: Writer, intended: number) => void) {
    this.#write = write;
  }

  begin(pace: Pace, writers: readonly Writer[]): void {
    if (pace.kind === "open") {
      this.steadily(pace.perSecond, (turn, due) => this.#write(writers[turn % writers.length]!, due));
      return;
    }
    for (const writer of writers) {
      this.#left.set(writer, pace.each ?? Number.POSITIVE_INFINITY);
      for (let count = 0; count < pace.window; count++) this.answered(writer);
    }
  }

  /** In a closed loop the next one goes out. */
  answered(writer: Writer): void {
    const left = this.#left.get(writer) ?? 0;
    if (left === 0) return;
    this.#left.set(writer, left - 1);
    this.#write(writer, now());
  }

  stop(): void {
    this.#left.clear();
    for (const timer of this.#timers.splice(0)) clearInterval(timer);
  }

  /** So often in a second. */
  steadily(perSecond: number, act: (turn: number, due: number) => void): void {
    const perMicrosecond = perSecond / 1_000_000;
    const begun = now();
    let turn = 0;
    const tick = () => {
      // The first at once: each is done when it is due, not when the next one is.
      const due = (now() - begun) * perMicrosecond;
      for (; turn <= due; turn++) act(turn, begun + turn / perMicrosecond);
    };
    this.#timers.push(setInterval(tick, 1));
  }
}
