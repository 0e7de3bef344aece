/**
 * Does anything grow that should not? README.md says the method and what came out: `node bench/soak.ts [minutes]`. Ends with 1 where a process grows by a
 * megabyte a minute or more, or a load finds a fault.
 */
import { setTimeout as wait } from "node:timers/promises";
import pg from "pg";
import { runBench } from "./load/bench.ts";
import { slope } from "./load/idle.ts";
import { open, type Pace } from "./load/plan.ts";
import { memoryOf, ownMemoryOfTree } from "./load/processes.ts";
import { scenarioOf } from "./load/suite.ts";
import { tableOf } from "./load/words.ts";
import type { Workload } from "./load/workloads.ts";
import { noise } from "./measure.ts";
import { startSystem } from "./on-disk.ts";

const minutes = Number(process.argv[2] ?? 20);
const MEGABYTE = 1_048_576;
const SAMPLE_MS = 10_000;
/** Until what is compiled, cached and gathered for the first time is. */
const SETTLED_MINUTES = Math.min(5, minutes / 4);
const MOST_GROWTH = 1;

/** All at the same time, for as long. */
const loads: readonly (readonly [Workload, { readonly pace: Pace; readonly people?: number; readonly isEncrypted?: boolean }])[] = [
  ["mix", { pace: open(200) }],
  ["churn", { pace: open(100) }],
  ["pairs", { pace: open(10), people: 8, isEncrypted: true }],
  ["pictures", { pace: open(0.1), people: 4 }],
];

await noise();
await using fastchat = await startSystem({ postgres: "own", servers: 2 });
const { gatewayUrl: gateway, databaseUrl } = fastchat;
const client = new pg.Client(databaseUrl);
await client.connect();
const postmaster = fastchat.postgres!.processId!;

type Sample = readonly [minute: number, value: number];
const memory = new Map<string, Sample[]>();
const tables = new Map<string, Sample[]>();
const started = performance.now();
const note = (into: Map<string, Sample[]>, name: string, value: number): void => {
  const samples = into.get(name) ?? [];
  into.set(name, samples);
  samples.push([(performance.now() - started) / 60_000, value]);
};

async function look(): Promise<void> {
  for (const { name, pid } of fastchat.processes) note(memory, name, memoryOf(pid!) / MEGABYTE);
  note(memory, "PostgreSQL, its own memory", ownMemoryOfTree(postmaster) / MEGABYTE);
  const { rows } = await client.query<{ readonly name: string; readonly bytes: string }>(
    "SELECT relname AS name, pg_total_relation_size(relid) AS bytes FROM pg_stat_user_tables",
  );
  for (const { name, bytes } of rows) note(tables, name, Number(bytes) / 1_024);
}

const ended = new AbortController();
const looking = (async () => {
  while (!ended.signal.aborted) {
    await look();
    await wait(SAMPLE_MS, undefined, { signal: ended.signal }).catch(() => undefined);
  }
})();
const results = await Promise.all(
  loads.map(([workload, asked]) =>
    runBench({
      target: { kind: "running", gateway, databaseUrl },
      scenarios: [scenarioOf(workload, { ...asked, seconds: minutes * 60 })],
      processes: 1,
      baseline: false,
      show: () => undefined,
      done: (run) => console.log(tableOf([run]).slice(1).join("\n")),
      signal: ended.signal,
    }),
  ),
);
ended.abort();
await looking;
await client.end();

const faults = results.flatMap(({ runs }) => runs.flatMap((run) => run.faults));
/** Over the time that counts; undefined: there are too few samples of it. */
function growthOf(all: readonly Sample[]) {
  const samples = all.filter(([minute]) => minute >= SETTLED_MINUTES && minute <= minutes);
  if (samples.length < 2) return undefined;
  const values = samples.map(([, value]) => value);
  return { from: values[0]!, to: values.at(-1)!, most: Math.max(...values), aMinute: slope(samples) };
}

console.log(`\nmemory in MiB, from minute ${SETTLED_MINUTES} to ${minutes}`);
for (const [name, all] of memory) {
  const growth = growthOf(all);
  if (growth === undefined) continue;
  const { from, to, most, aMinute } = growth;
  console.log(
    `${name.padEnd(28)}${from.toFixed(0).padStart(8)} to ${to.toFixed(0)}, most ${most.toFixed(0)}: ${aMinute.toFixed(2)} a minute`,
  );
  if (aMinute >= MOST_GROWTH) faults.push(`${name} grows by ${aMinute.toFixed(2)} MiB a minute`);
}
console.log("\ntables that grew after that, in KiB");
for (const [name, all] of tables) {
  const growth = growthOf(all);
  if (growth === undefined || growth.to <= growth.from) continue;
  const { from, to, aMinute } = growth;
  console.log(`${name.padEnd(28)}${from.toFixed(0).padStart(8)} to ${to.toFixed(0)}: ${aMinute.toFixed(1)} a minute`);
}
await noise();
for (const fault of faults.slice(0, 20)) console.log(`FAULT ${fault}`);
if (faults.length > 0) process.exitCode = 1;
