import { tmpdir } from "node:os";
import { echoes, nothing, syncs } from "./load/noise.ts";
import { cpuOfEndedChildren } from "./load/processes.ts";

// Tests may lie in memory; here what a message costs on a disk, synced, is the question.
process.env["TMPDIR"] ??= tmpdir();

export { cpuOf, cpuOfEndedChildren } from "./load/processes.ts";

export const milliseconds = (value: number): string => `${value.toFixed(value < 10 ? 2 : 0)} ms`;

export const size = (bytes: number): string =>
  bytes < 1_024 ? `${bytes} B` : bytes < 1_048_576 ? `${(bytes / 1_024).toFixed(1)} KiB` : `${(bytes / 1_048_576).toFixed(2)} MiB`;

/** Samples in milliseconds, put into words. */
export function spread(samples: readonly number[]): string {
  const sorted = samples.toSorted((one, other) => one - other);
  const at = (share: number) => milliseconds(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!);
  return `median ${at(0.5)}, p95 ${at(0.95)}, best ${at(0)}, worst ${at(1)} (n = ${sorted.length})`;
}

export async function timed<Value>(work: () => Promise<Value>): Promise<[milliseconds: number, value: Value]> {
  const since = performance.now();
  const value = await work();
  return [performance.now() - since, value];
}

/** Wall time of each run of something that starts one process and waits for its end, and their mean CPU time. */
export async function wholeProcess(runs: number, run: () => Promise<unknown>): Promise<string> {
  const times: number[] = [];
  const before = cpuOfEndedChildren();
  for (let time = 0; time < runs; time++) times.push((await timed(run))[0]);
  return `${spread(times)}; CPU ${milliseconds((cpuOfEndedChildren() - before) / runs)} a run`;
}

/** What this machine needs, right now, for nothing at all: every other figure is to be read beside these. */
export async function noise(): Promise<void> {
  console.log(`noise: a process that does nothing (node -e 0): ${await wholeProcess(7, nothing)}`);
  console.log(`noise: 400 bytes to another process and back, over loopback: ${spread(await echoes())}`);
  console.log(`noise: 4 KiB written and synced: ${spread(syncs())}`);
}
