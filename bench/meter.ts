import { readdirSync, statSync } from "node:fs";
import { Session } from "node:inspector/promises";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { traffic } from "./traffic.ts";

/** What one step cost the process that measures itself. */
export interface Reading {
  /** User and system time. */
  readonly cpuMs: number;
  /** The longest time in which nothing else had its turn, as a clock on the wall saw it: also what the machine took away. */
  readonly blockedMs: number;
  /** The longest such time that this thread itself computed. */
  readonly blockedCpuMs: number;
  /** Bodies of packets and HTTP requests, without headers and frames. */
  readonly bytesUp: number;
  readonly bytesDown: number;
  readonly packetsUp: number;
  readonly memoryMiB: number;
  readonly profileKiB: number;
}

const SAMPLE_MS = 2;

/** Measures this process between `begin` and `end`. */
export class Meter {
  readonly #profileFolder: string | undefined;
  #before = { cpu: process.cpuUsage(), ...traffic };
  #blockedMs = 0;
  #blockedCpuMs = 0;
  /** When that was, as profiles count: microseconds. */
  #blockedAt = { from: 0, to: 0 };
  #sampling: ReturnType<typeof setInterval> | undefined;
  #profiler: Session | undefined;

  /** @param profileFolder where a profile of each step is to be written; undefined: none */
  constructor(profileFolder: string | undefined) {
    this.#profileFolder = profileFolder;
  }

  async begin(): Promise<void> {
    if (this.#profileFolder !== undefined) {
      this.#profiler = new Session();
      this.#profiler.connect();
      await this.#profiler.post("Profiler.enable");
      await this.#profiler.post("Profiler.start");
    }
    this.#before = { cpu: process.cpuUsage(), ...traffic };
    this.#blockedMs = 0;
    this.#blockedCpuMs = 0;
    let last = performance.now();
    let lastCpu = threadCpuMs();
    this.#sampling = setInterval(() => {
      const now = performance.now();
      const cpu = threadCpuMs();
      this.#blockedMs = Math.max(this.#blockedMs, now - last - SAMPLE_MS);
      if (cpu - lastCpu > this.#blockedCpuMs) {
        this.#blockedCpuMs = cpu - lastCpu;
        const to = Number(process.hrtime.bigint() / 1_000n);
        this.#blockedAt = { from: to - (now - last) * 1_000, to };
      }
      last = now;
      lastCpu = cpu;
    }, SAMPLE_MS);
  }

  async end(step: string, profile: string): Promise<Reading> {
    // What holds the loop up right now is seen by the next sample.
    await new Promise((resolve) => setTimeout(resolve, 2 * SAMPLE_MS));
    clearInterval(this.#sampling);
    const { user, system } = process.cpuUsage(this.#before.cpu);
    const reading = {
      cpuMs: (user + system) / 1_000,
      blockedMs: this.#blockedMs,
      blockedCpuMs: this.#blockedCpuMs,
      bytesUp: traffic.bytesUp - this.#before.bytesUp,
      bytesDown: traffic.bytesDown - this.#before.bytesDown,
      packetsUp: traffic.packetsUp - this.#before.packetsUp,
      memoryMiB: process.memoryUsage.rss() / 1_048_576,
      profileKiB: sizeOf(profile) / 1_024,
    };
    if (this.#profiler !== undefined) {
      const { profile: taken } = await this.#profiler.post("Profiler.stop");
      this.#profiler.disconnect();
      await writeFile(
        join(this.#profileFolder!, `${step.replaceAll(/\W+/g, "-")}.cpuprofile`),
        JSON.stringify({ ...taken, blockedAt: this.#blockedAt }),
      );
    }
    return reading;
  }
}

function threadCpuMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1_000;
}

function sizeOf(folder: string): number {
  try {
    return readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
  } catch {
    return 0;
  }
}
