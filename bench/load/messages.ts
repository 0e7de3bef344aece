import { setTimeout as wait } from "node:timers/promises";
import type { CrowdCounts, Crowds } from "./crowds.ts";
import { Histogram } from "./histogram.ts";
import type { Cpu, Latency, RunResult, Scenario } from "./result.ts";
import { type BenchSystem, type CpuReading, type Processes, readCpu, readDisk } from "./system.ts";

/** Until caches are warm and a pace has settled. */
const WARM_SHARE = 0.2;
const MOST_WARM_SECONDS = 3;
const SAMPLES = 20;
const SHORTEST_SAMPLE_MS = 250;
/** So long nothing more comes, and not all is there. */
const PATIENCE_MS = 5_000;
const LOOK_MS = 100;

/** One run that is under way. */
export interface Run {
  readonly scenario: Scenario;
  readonly name: string;
  readonly crowds: Crowds;
  /** To how many others a message of a conversation goes. */
  readonly others: ReadonlyMap<string, number>;
  readonly system: BenchSystem;
  readonly processes: Processes;
  readonly show: (line: string) => void;
  readonly signal: AbortSignal;
}

/** A look at everything. */
export interface Look {
  readonly at: number;
  readonly counts: CrowdCounts;
  readonly cpu: CpuReading;
}

export async function look({ crowds, processes }: Run): Promise<Look> {
  return { counts: await crowds.counts(), cpu: readCpu(processes), at: performance.now() };
}

/** People write for the scenario's time; then all that was sent must be everywhere. */
export async function runMessages(run: Run): Promise<RunResult[]> {
  const { scenario, crowds, name, show, signal } = run;
  const { pace, seconds, workload } = scenario;
  const remarks = unseen(run);
  const begun = await diskOf(run);
  const leaves = workload === "churn" ? { leavesPerSecond: Math.max(1, scenario.people / 5) } : {};
  show(`${name}: warming up`);
  crowds.begin({ ...pace, ...leaves });
  await wait(1_000 * Math.min(MOST_WARM_SECONDS, seconds * WARM_SHARE), undefined, { signal });
  const before = await look(run);
  const timeline: RunResult["timeline"][number][] = [];
  const latency = new Histogram();
  const acknowledgement = new Histogram();
  const back = new Histogram();
  const sampleMs = Math.max(SHORTEST_SAMPLE_MS, (1_000 * seconds) / SAMPLES);
  let last = before;
  let storm: Promise<void> | undefined;
  while (last.at - before.at < 1_000 * seconds) {
    const passed = last.at - before.at;
    if (workload === "reconnect" && storm === undefined && passed >= 500 * seconds) storm = crowds.storm();
    await wait(Math.min(sampleMs, 1_000 * seconds - passed + 1), undefined, { signal });
    const now = await look(run);
    const rate = (1_000 * (now.counts.delivered - last.counts.delivered)) / (now.at - last.at);
    const [p50, p99] = [now.counts.latency.quantile(0.5) / 1_000, now.counts.latency.quantile(0.99) / 1_000];
    timeline.push({ at: (now.at - before.at) / 1_000, rate, p50, p99 });
    latency.merge(now.counts.latency.taken());
    acknowledgement.merge(now.counts.ackLatency.taken());
    back.merge(now.counts.backLatency.taken());
    show(`${name}: ${Math.round((now.at - before.at) / 1_000)} of ${seconds} s, ${Math.round(rate).toLocaleString("en-GB")} deliveries/s`);
    last = now;
  }
  crowds.stop();
  await storm;
  if (workload === "offline") return [...(await offline(run, before, last, acknowledgement))];
  show(`${name}: waiting until all is there`);
  const end = await settled(run);
  back.merge(end.counts.backLatency.taken());
  const delivered = last.counts.delivered - before.counts.delivered;
  const acked = last.counts.acked - before.counts.acked;
  const after = await diskOf(run);
  return [
    {
      name,
      scenario,
      seconds: (last.at - before.at) / 1_000,
      sent: last.counts.sent - before.counts.sent,
      acknowledged: acked,
      delivered,
      rate: (1_000 * delivered) / (last.at - before.at),
      latency: latencyOf(latency),
      acknowledgement: latencyOf(acknowledgement),
      back: latencyOf(back),
      cpu: cpuPer(before, last, delivered),
      per: "delivery",
      wire: wirePer(before.counts, last.counts, acked, delivered),
      disk: begun && after && { stored: (after.stored - begun.stored) / end.counts.acked, log: (after.log - begun.log) / end.counts.acked },
      servers: serversOf(run, end.counts),
      timeline,
      lost: end.counts.lost,
      remarks,
      faults: end.faults,
    },
  ];
}

/** Who was away comes, and gets everything. */
async function offline(run: Run, before: Look, last: Look, acknowledgement: Histogram): Promise<RunResult[]> {
  const { scenario, crowds, name, show } = run;
  show(`${name}: waiting until all is stored`);
  await until(run, (counts) => counts.acked === counts.sent);
  const acked = last.counts.acked - before.counts.acked;
  const common = { scenario, timeline: [], lost: 0, remarks: unseen(run), servers: [] };
  const sending: RunResult = {
    ...common,
    name: `${name}, sending`,
    seconds: (last.at - before.at) / 1_000,
    sent: last.counts.sent - before.counts.sent,
    acknowledged: acked,
    delivered: 0,
    rate: (1_000 * acked) / (last.at - before.at),
    acknowledgement: latencyOf(acknowledgement),
    cpu: cpuPer(before, last, acked),
    per: "message sent",
    wire: wirePer(before.counts, last.counts, acked, acked),
    faults: [],
  };
  show(`${name}: those who were away come`);
  const from = await look(run);
  await crowds.arrive(scenario.people);
  const { counts, faults } = await settled(run);
  const to = await look(run);
  const delivered = to.counts.delivered - from.counts.delivered;
  return [
    sending,
    {
      ...common,
      name: `${name}, draining`,
      seconds: (to.at - from.at) / 1_000,
      sent: 0,
      acknowledged: 0,
      delivered,
      rate: (1_000 * delivered) / (to.at - from.at),
      cpu: cpuPer(from, to, delivered),
      per: "delivery",
      wire: wirePer(from.counts, to.counts, delivered, delivered),
      servers: serversOf(run, to.counts),
      lost: counts.lost,
      faults,
    },
  ];
}

/**
 * Waits until everything that was sent is acknowledged, and everything acknowledged is delivered to every other member. What does not come by itself is
 * asked for at the end: then it is late, otherwise lost; either is a fault.
 */
async function settled(run: Run): Promise<{ readonly counts: CrowdCounts; readonly faults: readonly string[] }> {
  const due = ({ ackedIn }: CrowdCounts) => ackedIn.entries().reduce((sum, [id, count]) => sum + count * run.others.get(id)!, 0);
  const isWhole = (counts: CrowdCounts) => counts.acked === counts.sent && counts.delivered === due(counts);
  let counts = await until(run, isWhole);
  const faults: string[] = [];
  if (counts.acked < counts.sent) faults.push(`${counts.sent - counts.acked} of ${counts.sent} messages were never acknowledged`);
  const missing = due(counts) - counts.delivered;
  if (missing > 0) {
    await run.crowds.tell("catch-up");
    counts = await until(run, isWhole);
    const lost = due(counts) - counts.delivered;
    if (lost > 0) faults.push(`${lost} of ${due(counts)} acknowledged messages were never delivered`);
    if (missing > lost) faults.push(`${missing - lost} messages were delivered only when they were asked for`);
  }
  if (run.scenario.body === "encrypted") {
    await run.crowds.tell("read");
    counts = await run.crowds.counts();
  }
  if (missing < 0) faults.push(`${-missing} messages more were delivered than were acknowledged`);
  return { counts, faults: [...faults, ...counts.faults] };
}

/** The last counts, when they are as wanted or nothing more comes. */
async function until({ crowds, signal }: Run, is: (counts: CrowdCounts) => boolean): Promise<CrowdCounts> {
  let counts = await crowds.counts();
  for (let since = performance.now(); !is(counts) && performance.now() - since < PATIENCE_MS;) {
    await wait(LOOK_MS, undefined, { signal });
    const now = await crowds.counts();
    if (now.acked !== counts.acked || now.delivered !== counts.delivered) since = performance.now();
    counts = now;
  }
  return counts;
}

/** Undefined: clients do not tell. */
function wirePer(before: CrowdCounts, after: CrowdCounts, sent: number, delivered: number): RunResult["wire"] {
  const [up, down] = [after.bytesUp - before.bytesUp, after.bytesDown - before.bytesDown];
  return up + down === 0 ? undefined : { up: up / sent, down: down / delivered };
}

/** What cannot be measured, in words. */
export function unseen({ processes: { chatServers, postgres } }: Pick<Run, "processes">): string[] {
  const left = [
    ...(chatServers.length === 0 || chatServers.some(({ pid }) => pid === undefined) ? ["the servers"] : []),
    ...(postgres === undefined ? ["the database"] : []),
  ];
  return left.length === 0 ? [] : [`the CPU time of ${left.join(" and ")} is left out: not to be seen from here`];
}

/** The database is not the baseline's, which has one beside it. */
const diskOf = async ({ system, scenario }: Run) =>
  system.database === undefined || scenario.isBaseline ? undefined : readDisk(system.database);

export function cpuPer(before: Pick<Look, "counts" | "cpu">, after: Pick<Look, "counts" | "cpu">, count: number): Cpu {
  const per = (from: number | undefined, to: number | undefined) =>
    from === undefined || to === undefined || count === 0 ? undefined : (1_000 * Math.max(0, to - from)) / count;
  return {
    chatServers: per(before.cpu.chatServers, after.cpu.chatServers),
    gateway: per(before.cpu.gateway, after.cpu.gateway),
    postgres: per(before.cpu.postgres, after.cpu.postgres),
    driver: per(before.counts.cpuMs, after.counts.cpuMs) ?? 0,
  };
}

const CURVE = [0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9995, 0.9999, 1];

/** Undefined where there is nothing. */
export function latencyOf(histogram: Histogram): Latency | undefined {
  if (histogram.count === 0) return undefined;
  const at = (share: number) => histogram.quantile(share) / 1_000;
  const curve = CURVE.filter((share) => share === 1 || (1 - share) * histogram.count >= 1).map((share) => [share, at(share)] as const);
  return { p50: at(0.5), p90: at(0.9), p95: at(0.95), p99: at(0.99), max: at(1), curve };
}

export function serversOf({ processes }: Pick<Run, "processes">, { servers }: CrowdCounts): RunResult["servers"] {
  const names = new Map(processes.chatServers.map(({ url, name }) => [url, name]));
  return [...servers]
    .map(([url, share]) => ({ name: names.get(url) ?? url, ...share }))
    .sort((one, other) => (one.name < other.name ? -1 : 1));
}
