import type { Pace } from "./plan.ts";
import type { Workload } from "./workloads.ts";

// What a bench found out, as its JSON holds it. Times are milliseconds where nothing else is said, rates are per second.

export interface BenchResult {
  readonly type: "fastchat-bench";
  readonly version: 1;
  /** ISO 8601. */
  readonly started: string;
  readonly environment: Environment;
  readonly runs: readonly RunResult[];
}

export interface Environment {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryBytes: number;
  readonly system: string;
  readonly node: string;
  /** Undefined: the database was not asked. */
  readonly postgres?: string | undefined;
  readonly fsync?: string | undefined;
  readonly servers: number | undefined;
  /** Whose FastChat it was: its own, started for this alone, or one that ran. */
  readonly target: "own" | "running";
  /** Whether the database of one's own lay on a disk or in memory, where syncing costs nothing. */
  readonly storage: "disk" | "memory" | "unknown";
  /** Of one minute, when it began and when it ended. */
  readonly load: readonly [number, number];
  /** What the machine needs for nothing: a process, a round trip over loopback, 4 KiB synced; medians. */
  readonly noise: { readonly process: number; readonly roundTrip: number; readonly sync: number };
}

/** What was asked for. */
export interface Scenario {
  readonly workload: Workload;
  readonly people: number;
  readonly groupSize: number;
  readonly pace: Pace;
  readonly seconds: number;
  /** Of a body. */
  readonly bytes: number;
  readonly body: "opaque" | "encrypted";
  readonly strategy: string | undefined;
  /** The bare baseline in the place of FastChat. */
  readonly isBaseline: boolean;
}

export interface Latency {
  readonly p50: number;
  readonly p90: number;
  readonly p95: number;
  readonly p99: number;
  readonly max: number;
  /** Share of all, and how long those took at most. */
  readonly curve: readonly (readonly [share: number, milliseconds: number])[];
}

/** Microseconds of user and system time; undefined: not a process of this machine that may be looked at. */
export interface Cpu {
  readonly chatServers: number | undefined;
  readonly gateway: number | undefined;
  readonly postgres: number | undefined;
  /** Of who plays the people. */
  readonly driver: number;
}

export interface RunResult {
  readonly name: string;
  readonly scenario: Scenario;
  readonly seconds: number;
  /** Within those. */
  readonly sent: number;
  readonly acknowledged: number;
  readonly delivered: number;
  /** Deliveries a second. */
  readonly rate: number;
  /** From when a message was meant to be sent until another person had it. */
  readonly latency?: Latency | undefined;
  /** Until its sender knew that it is stored. */
  readonly acknowledgement?: Latency | undefined;
  /** From the end of a connection until a new one was there with all that was missed. */
  readonly back?: Latency | undefined;
  /** A delivery, or what else is counted (`per`). */
  readonly cpu: Cpu;
  readonly per: "delivery" | "message sent" | "sign-in" | "connection";
  /** Bytes of packets: up for each message that was sent, down for each delivery. */
  readonly wire?: { readonly up: number; readonly down: number } | undefined;
  /** Bytes for each message in the database's files, and in its write-ahead log. */
  readonly disk?: { readonly stored: number; readonly log: number } | undefined;
  /** Bytes of resident memory of the chat servers for each connection. */
  readonly memory?:
    | { readonly perConnection: number; readonly steps: readonly (readonly [connections: number, bytes: number])[] }
    | undefined;
  readonly servers: readonly { readonly name: string; readonly connections: number; readonly delivered: number }[];
  readonly timeline: readonly { readonly at: number; readonly rate: number; readonly p50: number; readonly p99: number }[];
  /** Connections that ended unasked. */
  readonly lost: number;
  readonly remarks: readonly string[];
  /** Sentences of what is broken; none: everything came exactly once, in order. */
  readonly faults: readonly string[];
}
