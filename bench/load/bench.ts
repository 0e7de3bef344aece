import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { cpus, loadavg, release, tmpdir, totalmem, type } from "node:os";
import { join } from "node:path";
import { Baseline } from "../baseline/baseline.ts";
import { Crowds } from "./crowds.ts";
import { runIdle } from "./idle.ts";
import { layoutOf, writesTo } from "./layout.ts";
import { runMessages } from "./messages.ts";
import { echoes, nothing, syncs } from "./noise.ts";
import type { CrowdPlan, EncryptedPlan } from "./plan.ts";
import type { BenchResult, Environment, RunResult, Scenario } from "./result.ts";
import { removeSeeded, seedConversations, seedUsers } from "./seed.ts";
import { runSignIns } from "./sign-ins.ts";
import { type BenchSystem, processesOf, startOwnSystem, useRunningSystem } from "./system.ts";

export interface BenchOptions {
  /** What is driven: a system of its own for each strategy, or one that runs. */
  readonly target:
    | { readonly kind: "own"; readonly program: string; readonly servers: number }
    | { readonly kind: "running"; readonly gateway: string; readonly databaseUrl: string | undefined };
  readonly scenarios: readonly Scenario[];
  /** Processes that play the people. */
  readonly processes: number;
  /** The bare baseline, beside each that it can do. */
  readonly baseline: boolean;
  readonly show: (line: string) => void;
  /** A run is over. */
  readonly done: (run: RunResult) => void | Promise<void>;
  readonly signal: AbortSignal;
}

/** What is told of each run before it begins. */
export function nameOf({ workload, pace, body, strategy }: Scenario): string {
  const how = pace.kind === "closed" ? `window ${pace.window}` : `${pace.perSecond.toLocaleString("en-GB")}/s`;
  const paced = workload === "idle" || workload === "sign-ins" ? "" : `, ${how}`;
  return `${workload}${paced}${body === "encrypted" ? ", encrypted" : ""}${strategy === undefined ? "" : `, ${strategy}`}`;
}

/** Runs all scenarios, one after the other. Throws what keeps them from being run; what a run finds broken is in its faults. */
export async function runBench(options: BenchOptions): Promise<BenchResult> {
  const { target, scenarios, show } = options;
  const started = new Date().toISOString();
  const loadBefore = loadavg()[0]!;
  show("looking how busy this machine is");
  const noise = await noiseNow();
  const runs: RunResult[] = [];
  let facts: Pick<Environment, "postgres" | "fsync" | "servers" | "storage"> | undefined;
  for (const strategy of new Set(scenarios.map((scenario) => scenario.strategy))) {
    show("FastChat starts");
    await using system =
      target.kind === "own"
        ? await startOwnSystem({ ...target, strategy, signal: options.signal })
        : await useRunningSystem(target.gateway, target.databaseUrl);
    facts ??= await factsOf(system);
    for (const scenario of scenarios) {
      if (scenario.strategy !== strategy) continue;
      for (const each of options.baseline && hasBaseline(scenario) ? [{ ...scenario, isBaseline: true }, scenario] : [scenario]) {
        for (const run of await runScenario(options, system, each)) {
          runs.push(run);
          await options.done(run);
        }
      }
    }
  }
  const [cpu] = cpus();
  return {
    type: "fastchat-bench",
    version: 1,
    started,
    environment: {
      cpu: cpu?.model.trim() ?? "unknown",
      cores: cpus().length,
      memoryBytes: totalmem(),
      system: `${type()} ${release()}`,
      node: process.versions.node,
      target: target.kind,
      ...facts!,
      load: [loadBefore, loadavg()[0]!],
      noise,
    },
    runs,
  };
}

/** It has no gateway, keeps nothing for those who are away, and knows no encryption. */
const hasBaseline = ({ workload, body }: Scenario): boolean =>
  body === "opaque" && ["pairs", "all-to-one", "all-to-all", "mix"].includes(workload);

const median = (samples: readonly number[]): number => samples.toSorted((one, other) => one - other)[Math.floor(samples.length / 2)]!;

async function noiseNow(): Promise<Environment["noise"]> {
  const processes: number[] = [];
  for (let time = 0; time < 3; time++) {
    const since = performance.now();
    await nothing();
    processes.push(performance.now() - since);
  }
  return { process: median(processes), roundTrip: median(await echoes()), sync: median(syncs(tmpdir())) };
}

async function factsOf({ database, storage }: BenchSystem): Promise<Pick<Environment, "postgres" | "fsync" | "servers" | "storage">> {
  if (database === undefined) return { servers: undefined, storage };
  const { rows } = await database.query<{ readonly version: string; readonly fsync: string; readonly servers: string }>(
    `SELECT current_setting('server_version') AS version, current_setting('fsync') AS fsync,
       (SELECT count(*) FROM chat_server WHERE NOT draining) AS servers`,
  );
  return { postgres: rows[0]!.version, fsync: rows[0]!.fsync, servers: Number(rows[0]!.servers), storage };
}

const runScenario = (options: BenchOptions, system: BenchSystem, scenario: Scenario): Promise<RunResult[]> =>
  scenario.body === "encrypted" ? runEncrypted(options, system, scenario) : runOpaque(options, system, scenario);

/** Real clients, in a folder that is gone afterwards. */
async function runEncrypted(options: BenchOptions, system: BenchSystem, scenario: Scenario): Promise<RunResult[]> {
  const { show, signal } = options;
  const name = nameOf(scenario);
  const layout = layoutOf(scenario.workload, scenario.people, scenario.groupSize);
  const mark = randomBytes(4).toString("hex");
  const conversations = layout.conversations.map((each, place) => ({ ...each, key: `bench ${mark} ${place}` }));
  const places = writesTo(scenario.workload, conversations, scenario.people);
  const names = places.map((_, number) => `bench-${mark}-${number}`);
  using profiles = new TemporaryProfiles();
  const plan: EncryptedPlan = {
    gateway: system.gateway,
    home: profiles.path,
    people: names.map((each, number) => ({ number, name: each, writesTo: places[number]!.map((place) => conversations[place]!.key) })),
    names,
    conversations,
    textBytes: scenario.bytes,
    pictureBytes: scenario.workload === "pictures" ? PICTURE_BYTES : 0,
  };
  show(`${name}: ${scenario.people} people sign up`);
  await using crowds = await Crowds.connect(plan, options.processes);
  show(`${name}: they get to know each other`);
  if (scenario.workload !== "sign-ins") await crowds.tell("meet");
  const others = new Map(conversations.map(({ key, members }) => [key, members.length - 1]));
  const run = { scenario, others, system, show, signal, name, crowds, processes: await processesOf(system) };
  const results = await (scenario.workload === "sign-ins" ? runSignIns(run) : runMessages(run));
  if (system.target === "running") await crowds.tell("leave-for-good");
  return results;
}

/** As a phone takes it. */
const PICTURE_BYTES = 3_500_000;

class TemporaryProfiles implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), "fastchat-bench-people-"));

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  }
}

/** People by SQL, with raw sockets. */
async function runOpaque(options: BenchOptions, system: BenchSystem, scenario: Scenario): Promise<RunResult[]> {
  const { show, signal } = options;
  const { database } = system;
  const name = nameOf(scenario);
  if (database === undefined) throw new Error("Opaque messages need the database: their people are made by SQL.");
  show(`${name}: making ${scenario.people.toLocaleString("en-GB")} people`);
  const layout = layoutOf(scenario.workload, scenario.people, scenario.groupSize);
  const users = await seedUsers(database, scenario.people);
  const direct = layout.conversations.filter(({ kind }) => kind === "direct");
  const groups = layout.conversations.filter(({ kind }) => kind === "group");
  const conversations = [
    ...(await seedConversations(
      database,
      users,
      direct.map(({ members }) => members),
      "direct",
    )),
    ...(await seedConversations(
      database,
      users,
      groups.map(({ members }) => members),
      "group",
    )),
  ];
  await using stack = new AsyncDisposableStack();
  if (system.target === "running") stack.defer(() => removeSeeded(database, users, conversations));
  const keys = conversations.map(({ id }) => Buffer.from(id).toString("hex"));
  const places = writesTo(scenario.workload, conversations, scenario.people);
  const people = users.map(({ device, signingSeed }, number): CrowdPlan["people"][number] => ({
    number,
    way: { kind: "gateway", device: Buffer.from(device).toString("hex"), signingSeed: Buffer.from(signingSeed).toString("hex") },
    writesTo: places[number]!.map((place) => keys[place]!),
    isAway: layout.away.has(number),
  }));
  const others = new Map(conversations.map(({ members }, index) => [keys[index]!, members.length - 1]));
  const common = { scenario, others, system, show, signal, name: scenario.isBaseline ? `${name}, baseline` : name };
  if (scenario.isBaseline) {
    const hears = people.map(
      ({ number }) => [randomBytes(32).toString("hex"), keys.filter((_, index) => conversations[index]!.members.includes(number))] as const,
    );
    await using beside = await openBaselineDatabase(system);
    await using baseline = await Baseline.start(beside.url, hears);
    const way = (number: number) => ({ kind: "ticket", url: baseline.url, ticket: hears[number]![0] }) as const;
    const plan = { people: people.map((person) => ({ ...person, way: way(person.number) })), bodyBytes: scenario.bytes, isBare: true };
    await using crowds = await Crowds.connect(plan, options.processes);
    const processes = {
      ...(await processesOf(system)),
      chatServers: [{ name: "baseline", url: baseline.url, pid: baseline.pid }],
      gateway: undefined,
    };
    return await runMessages({ ...common, crowds, processes });
  }
  const processes = await processesOf(system);
  show(`${name}: ${scenario.people.toLocaleString("en-GB")} people connect`);
  await using crowds = await Crowds.connect({ people, bodyBytes: scenario.bytes, gateway: system.gateway }, options.processes);
  const run = { ...common, crowds, processes };
  return await (scenario.workload === "idle" ? runIdle(run) : runMessages(run));
}

/** A database of its own beside FastChat's, on the same PostgreSQL, and gone afterwards. */
async function openBaselineDatabase({ database, databaseUrl }: BenchSystem): Promise<{ readonly url: string } & AsyncDisposable> {
  const name = `fastchat_bench_${randomBytes(4).toString("hex")}`;
  await database!.query(`CREATE DATABASE ${name}`);
  return {
    url: Object.assign(new URL(databaseUrl!), { pathname: `/${name}` }).href,
    [Symbol.asyncDispose]: async () => void (await database!.query(`DROP DATABASE ${name} WITH (FORCE)`)),
  };
}
