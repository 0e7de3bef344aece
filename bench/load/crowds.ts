import { type ChildProcess, fork } from "node:child_process";
import { Histogram } from "./histogram.ts";
import type { CrowdPlan, CrowdReport, CrowdWord, EncryptedPlan, ParentWord, ServerShare, Work } from "./plan.ts";
import { crowdProgram, encryptedCrowdProgram } from "./programs.ts";

/** What all crowds together did since they began; latencies since the last look, in microseconds. */
export interface CrowdCounts extends Omit<CrowdReport, "kind" | "latency" | "ackLatency" | "backLatency" | "ackedIn" | "servers"> {
  readonly latency: Histogram;
  readonly ackLatency: Histogram;
  readonly backLatency: Histogram;
  readonly ackedIn: ReadonlyMap<string, number>;
  readonly servers: ReadonlyMap<string, ServerShare>;
}

/** People in processes of their own. */
export class Crowds implements AsyncDisposable {
  readonly #children: readonly ChildProcess[];

  private constructor(children: readonly ChildProcess[]) {
    this.#children = children;
  }

  /** Connects all who are not away. Throws where somebody is not let in. */
  static async connect(plan: CrowdPlan | EncryptedPlan, processes: number): Promise<Crowds> {
    const shares = sharesOf(plan, processes);
    const program = "home" in plan ? encryptedCrowdProgram : crowdProgram;
    await using starting = new AsyncDisposableStack();
    const crowds = starting.use(new Crowds(shares.map(() => fork(program, { serialization: "advanced" }))));
    await Promise.all(crowds.#children.map((child, index) => done(child, { kind: "plan", plan: shares[index]! })));
    starting.move();
    return crowds;
  }

  begin(work: Work): void {
    for (const [place, child] of this.#children.entries()) say(child, { kind: "begin", work: this.#shareOf(work, place) });
  }

  #shareOf(work: Work, place: number): Work {
    const count = this.#children.length;
    if (work.kind === "drain") return { ...work, conversations: work.conversations.filter((_, index) => index % count === place) };
    const leaves = work.leavesPerSecond === undefined ? {} : { leavesPerSecond: work.leavesPerSecond / count };
    return work.kind === "open" ? { ...work, ...leaves, perSecond: work.perSecond / count } : { ...work, ...leaves };
  }

  stop(): void {
    for (const child of this.#children) say(child, { kind: "stop" });
  }

  /** So many of those who are away connect; resolves when they have what they missed. */
  async arrive(count: number): Promise<void> {
    await Promise.all(this.#children.map((child) => done(child, { kind: "arrive", count: Math.ceil(count / this.#children.length) })));
  }

  /** All connections end; resolves when everybody is back and has what they missed. */
  async storm(): Promise<void> {
    await Promise.all(this.#children.map((child) => done(child, { kind: "storm" })));
  }

  /** People whose clients are real come to know each other; `read`: all that they stored is held against what was written. */
  async tell(kind: "catch-up" | "meet" | "read" | "close" | "leave-for-good"): Promise<void> {
    await Promise.all(this.#children.map((child) => done(child, { kind })));
  }

  async signIn(times: number): Promise<void> {
    await Promise.all(this.#children.map((child) => done(child, { kind: "sign-in", times })));
  }

  async counts(): Promise<CrowdCounts> {
    const reports = await Promise.all(this.#children.map((child) => report(child)));
    const sum = (of: "sent" | "acked" | "delivered" | "bytesUp" | "bytesDown" | "cpuMs" | "lost") =>
      reports.reduce((total, each) => total + each[of], 0);
    const merged = (of: "latency" | "ackLatency" | "backLatency") => {
      const histogram = new Histogram();
      for (const each of reports) histogram.merge(each[of]);
      return histogram;
    };
    const ackedIn = new Map<string, number>();
    const servers = new Map<string, ServerShare>();
    for (const each of reports) {
      for (const [id, count] of each.ackedIn) ackedIn.set(id, (ackedIn.get(id) ?? 0) + count);
      for (const [url, { connections, delivered }] of each.servers) {
        const before = servers.get(url) ?? { connections: 0, delivered: 0 };
        servers.set(url, { connections: before.connections + connections, delivered: before.delivered + delivered });
      }
    }
    return {
      sent: sum("sent"),
      acked: sum("acked"),
      delivered: sum("delivered"),
      bytesUp: sum("bytesUp"),
      bytesDown: sum("bytesDown"),
      lost: sum("lost"),
      cpuMs: sum("cpuMs"),
      latency: merged("latency"),
      ackLatency: merged("ackLatency"),
      backLatency: merged("backLatency"),
      ackedIn,
      servers,
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

/** Everybody in one of so many processes. */
function sharesOf<Plan extends CrowdPlan | EncryptedPlan>(plan: Plan, processes: number): Plan[] {
  return Array.from({ length: processes }, (_, index) => ({
    ...plan,
    people: plan.people.filter(({ number }) => number % processes === index),
  }));
}

function say(child: ChildProcess, word: ParentWord): void {
  child.send(word);
}

async function done(child: ChildProcess, word: ParentWord): Promise<void> {
  const answer = heard(child, ({ kind }) => kind === "done");
  say(child, word);
  await answer;
}

function report(child: ChildProcess): Promise<CrowdReport> {
  const answer = heard(child, ({ kind }) => kind === "report");
  say(child, { kind: "report" });
  return answer as Promise<CrowdReport>;
}

function heard(child: ChildProcess, is: (word: CrowdWord) => boolean): Promise<CrowdWord> {
  return new Promise((resolve, reject) => {
    const over = () => {
      child.off("message", listen);
      child.off("exit", ended);
    };
    const listen = (word: CrowdWord) => {
      if (word.kind === "failed") reject(new Error(word.reason));
      else if (is(word)) resolve(word);
      else return;
      over();
    };
    const ended = () => {
      over();
      reject(new Error("a process of the crowd ended"));
    };
    child.on("message", listen);
    child.once("exit", ended);
  });
}
