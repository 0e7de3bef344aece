import type { Pace } from "./plan.ts";
import { now } from "./wire.ts";

/** Says to each writer when to write, and when that should have been: what is late is done late, and never left out. */
export class Pacing<Writer> {
  readonly #write: (writer: Writer, intended: number) => void;
  #isClosedLoop = false;
  #timers: NodeJS.Timeout[] = [];

  constructor(write: (writer: Writer, intended: number) => void) {
    this.#write = write;
  }

  begin(pace: Pace, writers: readonly Writer[]): void {
    if (pace.kind === "open") {
      this.steadily(pace.perSecond, (turn, due) => this.#write(writers[turn % writers.length]!, due));
      return;
    }
    this.#isClosedLoop = true;
    for (const writer of writers) for (let count = 0; count < pace.window; count++) this.#write(writer, now());
  }

  /** In a closed loop the next one goes out. */
  answered(writer: Writer): void {
    if (this.#isClosedLoop) this.#write(writer, now());
  }

  stop(): void {
    this.#isClosedLoop = false;
    for (const timer of this.#timers.splice(0)) clearInterval(timer);
  }

  /** So often in a second. */
  steadily(perSecond: number, act: (turn: number, due: number) => void): void {
    const perMicrosecond = perSecond / 1_000_000;
    const begun = now();
    let turn = 0;
    const tick = () => {
      const due = Math.floor((now() - begun) * perMicrosecond);
      for (; turn < due; turn++) act(turn, begun + turn / perMicrosecond);
    };
    this.#timers.push(setInterval(tick, 1));
  }
}
