export { strategyNames as strategies } from "../../server/gateway/strategies.ts";
export { type BenchOptions, nameOf, runBench } from "./bench.ts";
export { mostOpenFiles } from "./processes.ts";
export { reportOf } from "./report/report.ts";
export type { BenchResult, RunResult, Scenario } from "./result.ts";
export { mostSigningIn } from "./sign-ins.ts";
export { scenarioOf, secondsOf, usualSuite } from "./suite.ts";
export { environmentWords, tableOf } from "./words.ts";
export { usual, type Workload, workloadNames } from "./workloads.ts";
