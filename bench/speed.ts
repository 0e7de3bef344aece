/**
 * What does a delivered message cost beside a bare baseline, and on one server beside across two? README.md says the method and what came out:
 * `node bench/speed.ts [seconds] [part of a name…]`. With PROFILES=folder each server writes a profile of all there, to be opened in the browser's tools.
 */
import { startSystem } from "./on-disk.ts";
import { nameOf, runBench } from "./load/bench.ts";
import { closed, open } from "./load/plan.ts";
import type { RunResult } from "./load/result.ts";
import { type Asked, scenarioOf } from "./load/suite.ts";
import { environmentWords, tableOf } from "./load/words.ts";
import type { Workload } from "./load/workloads.ts";
import { runPlaced } from "./placed.ts";

const seconds = Number(process.argv[2] ?? 10);
const wanted = process.argv.slice(3);
const isWanted = (name: string): boolean => wanted.length === 0 || wanted.some((part) => name.includes(part));

const works: readonly (readonly [Workload, Asked])[] = [
  // First: what a load leaves behind in the servers' memory would hide what a socket takes.
  ["idle", { people: 5_000 }],
  ["pairs", { pace: closed(4) }],
  ["pairs", { pace: open(500) }],
  ["pairs", { pace: open(2_000) }],
  ["pairs", { pace: open(5_000) }],
  ["all-to-all", { people: 100, groupSize: 100 }],
  ["all-to-all", { people: 500, groupSize: 500 }],
  ["offline", {}],
];

const { PROFILES } = process.env;
await using fastchat = await startSystem({
  servers: 2,
  environment: PROFILES === undefined ? {} : { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${PROFILES}` },
});
const { gatewayUrl: gateway, databaseUrl } = fastchat;
const done = (run: RunResult): void => console.log(tableOf([run]).slice(1).join("\n"));
const scenarios = works.map(([workload, asked]) => scenarioOf(workload, { seconds, ...asked })).filter((each) => isWanted(nameOf(each)));
console.log(tableOf([]).join("\n"));
const { environment, runs } = await runBench({
  target: { kind: "running", gateway, databaseUrl },
  scenarios,
  processes: 1,
  baseline: true,
  show: () => undefined,
  done,
  signal: new AbortController().signal,
});
const faults = runs.flatMap((run) => run.faults);
for (const [name, serverOf] of [
  ["pairs, window 4, on one server", (number: number) => Math.floor(number / 2)],
  ["pairs, window 4, across servers", (number: number) => number],
] as const)
  if (isWanted(name)) {
    const run = await runPlaced(fastchat, { name, scenario: scenarioOf("pairs", { seconds, pace: closed(4) }), serverOf });
    done(run);
    faults.push(...run.faults);
  }
console.log(environmentWords(environment).join("\n"));
if (PROFILES !== undefined) await Promise.all(fastchat.processes.map((each) => each.stop()));
if (faults.length > 0) process.exitCode = 1;
