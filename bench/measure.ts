import { spawn } from "node:child_process";
import { fdatasyncSync, openSync, readFileSync, rmSync, writeSync, closeSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

// Tests may lie in memory; here what a message costs on a disk, synced, is the question.
process.env["TMPDIR"] ??= tmpdir();

/** Clock ticks of /proc/PID/stat: 100 a second on every Linux that Node runs on (sysconf(_SC_CLK_TCK)). */
const TICK_MS = 10;

/** Fields of /proc/PID/stat behind the command's name, which may hold spaces; none when the process is gone. */
function processFields(pid: number | "self"): string[] | undefined {
  try {
    return readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)!.split(" ");
  } catch {
    return undefined;
  }
}

/** User and system time of a process so far, in milliseconds; 0 when it is gone. */
export function cpuOf(pid: number): number {
  const fields = processFields(pid);
  return fields === undefined ? 0 : (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

/** User and system time of all child processes that have ended, in milliseconds. */
export function cpuOfEndedChildren(pid: number | "self" = "self"): number {
  const fields = processFields(pid)!;
  return (Number(fields[13]) + Number(fields[14])) * TICK_MS;
}

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

const ECHO = 'require("node:net").createServer((s) => s.pipe(s)).listen(0, "127.0.0.1", function () { console.log(this.address().port); })';
const ROUND_TRIPS = 200;

/** What this machine needs, right now, for nothing at all: every other figure is to be read beside these. */
export async function noise(): Promise<void> {
  const nothing = await wholeProcess(7, () => new Promise((resolve) => spawn(process.execPath, ["-e", "0"]).once("close", resolve)));
  console.log(`noise: a process that does nothing (node -e 0): ${nothing}`);
  console.log(`noise: 400 bytes to another process and back, over loopback: ${spread(await echoes())}`);
  console.log(`noise: 4 KiB written and synced: ${spread(syncs())}`);
}

async function echoes(): Promise<number[]> {
  const child = spawn(process.execPath, ["-e", ECHO], { stdio: ["ignore", "pipe", "inherit"] });
  const ended = new Promise((resolve) => child.once("close", resolve));
  try {
    const port = await new Promise<number>((resolve) => child.stdout.once("data", (text) => resolve(Number(text))));
    const socket = connect(port, "127.0.0.1").setNoDelay();
    const times: number[] = [];
    for (let turn = 0; turn < ROUND_TRIPS; turn++) {
      const heard = new Promise((resolve) => socket.once("data", resolve));
      const since = performance.now();
      socket.write(Buffer.alloc(400));
      await heard;
      times.push(performance.now() - since);
    }
    socket.destroy();
    return times;
  } finally {
    child.kill();
    await ended;
  }
}

function syncs(): number[] {
  const path = join(tmpdir(), `fastchat-bench-${process.pid}`);
  const file = openSync(path, "w", 0o600);
  try {
    return Array.from({ length: ROUND_TRIPS }, () => {
      const since = performance.now();
      writeSync(file, Buffer.alloc(4_096), 0, 4_096, 0);
      fdatasyncSync(file);
      return performance.now() - since;
    });
  } finally {
    closeSync(file);
    rmSync(path);
  }
}
