import { type ChildProcess, fork } from "node:child_process";
import { join } from "node:path";
import { Histogram } from "./histogram.ts";
import type { CrowdPlan, CrowdReport, CrowdWord, ParentWord, Work } from "./plan.ts";

/** What all crowds together did since they began; latencies since the last look, in microseconds. */
export interface CrowdCounts {
  readonly sent: number;
  readonly acked: number;
  readonly delivered: number;
  readonly bytesUp: number;
  readonly bytesDown: number;
  readonly latency: Histogram;
  readonly ackLatency: Histogram;
  readonly ackedIn: ReadonlyMap<string, number>;
  readonly faults: readonly string[];
  readonly cpuMs: number;
}

/** People in processes of their own. */
export class Crowds implements AsyncDisposable {
  readonly #children: readonly ChildProcess[];

  private constructor(children: readonly ChildProcess[]) {
    this.#children = children;
  }

  /** Connects all. Throws where somebody is not let in. */
  static async connect(plan: CrowdPlan, processes: number): Promise<Crowds> {
    const shares = Array.from({ length: processes }, (_, index) => ({
      ...plan,
      people: plan.people.filter(({ number }) => number % processes === index),
    }));
    const crowds = new Crowds(shares.map(() => fork(join(import.meta.dirname, "crowd.ts"), { serialization: "advanced" })));
    await Promise.all(
      crowds.#children.map(async (child, index) => {
        const connected = heard(child, "connected");
        say(child, { kind: "plan", plan: shares[index]! });
        await connected;
      }),
    );
    return crowds;
  }

  begin(work: Work): void {
    const share = work.kind === "open" ? { ...work, perSecond: work.perSecond / this.#children.length } : work;
    for (const child of this.#children) say(child, { kind: "begin", work: share });
  }

  stop(): void {
    for (const child of this.#children) say(child, { kind: "stop" });
  }

  async counts(): Promise<CrowdCounts> {
    const reports = await Promise.all(
      this.#children.map((child) => {
        const report = heard(child, "report");
        say(child, { kind: "report" });
        return report;
      }),
    );
    const sum = (of: "sent" | "acked" | "delivered" | "bytesUp" | "bytesDown" | "cpuMs") =>
      reports.reduce((total, report) => total + report[of], 0);
    const merged = (of: "latency" | "ackLatency") => {
      const histogram = new Histogram();
      for (const report of reports) histogram.merge(report[of]);
      return histogram;
    };
    const ackedIn = new Map<string, number>();
    for (const report of reports) for (const [id, count] of report.ackedIn) ackedIn.set(id, (ackedIn.get(id) ?? 0) + count);
    return {
      sent: sum("sent"),
      acked: sum("acked"),
      delivered: sum("delivered"),
      bytesUp: sum("bytesUp"),
      bytesDown: sum("bytesDown"),
      cpuMs: sum("cpuMs"),
      latency: merged("latency"),
      ackLatency: merged("ackLatency"),
      ackedIn,
      faults: reports.flatMap(({ faults }) => faults),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(
      this.#children.map(async (child) => {
        if (child.exitCode !== null || child.signalCode !== null) return;
        const exited = new Promise((resolve) => child.once("exit", resolve));
        if (child.connected) say(child, { kind: "end" });
        await exited;
      }),
    );
  }
}

function say(child: ChildProcess, word: ParentWord): void {
  child.send(word);
}

type WordOf<Kind extends CrowdWord["kind"]> = Kind extends "report" ? CrowdReport : Extract<CrowdWord, { kind: Kind }>;

function heard<Kind extends CrowdWord["kind"]>(child: ChildProcess, kind: Kind): Promise<WordOf<Kind>> {
  return new Promise((resolve, reject) => {
    const listen = (word: CrowdWord) => {
      if (word.kind === "failed") reject(new Error(word.reason));
      else if (word.kind === kind) resolve(word as WordOf<Kind>);
      else return;
      child.off("message", listen);
    };
    child.on("message", listen);
    child.once("exit", () => reject(new Error("a crowd's process ended")));
  });
}
