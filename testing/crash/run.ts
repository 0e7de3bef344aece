import { type ChildProcess, fork } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import type { Cable } from "../faults/own-network.ts";
import type { TcpProxy } from "../faults/tcp-proxy.ts";
import { signUpPeople } from "../person.ts";
import { startSystem, type System } from "../system.ts";
import { checkConversation, type Fault, type SideLog } from "./checker.ts";
import type { KillPoint } from "./kill-points.ts";
import { randomFrom } from "./random.ts";
import { type FromWorker, reportFile, type ToWorker, type WorkerTask } from "./task.ts";

export interface CrashOptions {
  readonly seed: number;
  /** Each pair writes to each other; both sides of a pair live in different processes. */
  readonly pairs: number;
  /** Of all pairs together, at least. */
  readonly messages: number;
  readonly freezeMs: number;
  readonly hintlessMs: number;
  /** Only these, for what needs no others; undefined: each once. */
  readonly faults?: readonly FaultName[];
  readonly pauseMs: number;
  /** Default "notify"; "nats" is needed for what breaks that. */
  readonly bus?: "notify" | "nats";
  /** Default 2. */
  readonly servers?: number;
  /** Default 1; the two processes of people come by different ones where there are. */
  readonly gateways?: number;
  /** Each chat server in a network of its own, whose cables are pulled; otherwise proxies pass nothing on. */
  readonly ownNetworks?: boolean;
  readonly log?: (line: string) => void;
  /** Where both sides' logs and those of the servers go when there are faults; default nowhere. */
  readonly keepIn?: string;
}

export type FaultName =
  | "kill-chat-servers"
  | "kill-gateway"
  | "freeze-chat-server"
  | "kill-postgres"
  | "cut-commits"
  | "drop-hints"
  | NatsFaultName
  | "cut-sockets"
  | "part-postgres"
  | "restart-all"
  | "kill-client-before-send"
  | "kill-client-before-store"
  | "kill-client-after-store";

/** Of a system whose hints go through NATS. */
export type NatsFaultName = "kill-nats" | "freeze-nats" | "part-nats";

export const everyNatsFault: readonly NatsFaultName[] = ["kill-nats", "freeze-nats", "part-nats"];

/** Of any, but for what takes a cluster to be survived at leisure. */
export const everyFault: readonly FaultName[] = [
  "kill-client-before-send",
  "kill-client-before-store",
  "kill-client-after-store",
  "cut-commits",
  "kill-chat-servers",
  "drop-hints",
  "kill-postgres",
  "kill-gateway",
  "freeze-chat-server",
  "cut-sockets",
];

export const everyClusterFault: readonly FaultName[] = [
  ...everyFault.filter((fault) => fault !== "drop-hints"),
  ...everyNatsFault,
  "part-postgres",
  "restart-all",
];

export interface CrashResult {
  readonly faults: readonly Fault[];
  readonly counts: {
    readonly accepted: number;
    readonly acknowledged: number;
    readonly arrived: number;
    readonly shown: number;
    readonly clientsKilled: number;
    readonly commitsCut: number;
    readonly notificationsDropped: number;
    readonly socketsCut: number;
    readonly processesKilled: number;
  };
}

const APPEND = /append_(together|messages)\(/;
/** Nothing gets through for so long only if it never will. */
const CALM_MS = 60_000;
/** What all have is read, which says nothing meanwhile. */
const REPORT_MS = 600_000;

/** Nothing passes for so long, and nobody is told. */
async function withoutWord(cable: Cable | undefined, proxy: TcpProxy, milliseconds: number): Promise<void> {
  if (cable === undefined) proxy.hold();
  else cable.unplug();
  await wait(milliseconds);
  if (cable === undefined) proxy.release();
  else cable.plug();
}

/**
 * Pairs talk through chat servers while everything that can break is broken, one thing after the other; then all calms down, and
 * each conversation is judged by what fresh processes show of both sides (checker.ts). Everything random follows from the seed, but
 * for what the operating system decides.
 */
export async function runCrashTest(options: CrashOptions): Promise<CrashResult> {
  const { seed, log = () => {} } = options;
  const random = randomFrom(seed);
  const { bus = "notify", servers = 2, gateways = 1, ownNetworks } = options;
  await using system = await startSystem({ postgres: "own", servers, gateways, faults: true, bus, ...(ownNetworks && { ownNetworks }) });
  const pairs = Array.from({ length: options.pairs }, (_, index) => [`anna${index}`, `bert${index}`] as const);
  await signUpPeople(system, pairs.flat());
  log(`seed ${seed}: ${options.pairs} pairs signed up`);

  const base = {
    gateway: system.gatewayUrl,
    home: system.home,
    folder: system.folder,
    messages: Math.ceil(options.messages / (2 * options.pairs)),
    pauseMs: options.pauseMs,
    killPoint: undefined,
  };
  const left = new Worker(system, "left", { ...base, mode: "talk", seed, people: pairs.map(([name, peer]) => ({ name, peer })) });
  const right = new Worker(system, "right", {
    ...base,
    gateway: system.gateways.at(-1)!.url,
    mode: "talk",
    seed: seed + 1_000,
    people: pairs.map(([peer, name]) => ({ name, peer })),
  });
  await using _left = left;
  await using _right = right;
  left.start();
  right.start();
  await left.progress((acknowledged) => acknowledged >= options.pairs);
  await right.progress((acknowledged) => acknowledged >= options.pairs);

  using _logs = new DisposableStack();
  _logs.defer(() => {
    if (!calm) for (const { name, log: text } of system.processes) log(`${name}: ${text.slice(-1_500)}`);
  });
  let calm = false;
  const counts = { socketsCut: 0, processesKilled: 0 };
  for (const fault of options.faults ?? everyFault) {
    const since = performance.now();
    await break_(fault);
    // Between two faults something must get through, or the next one would find nothing to break.
    await left.progress((acknowledged, before) => acknowledged > before);
    await right.progress((acknowledged, before) => acknowledged > before);
    log(`seed ${seed}: ${fault} survived, ${Math.round(performance.now() - since)} ms`);
  }

  async function break_(fault: FaultName): Promise<void> {
    switch (fault) {
      case "kill-chat-servers":
        for (const server of system.servers) {
          await server.process.kill();
          counts.processesKilled += 1;
          await wait(random() * 500);
          await server.process.start();
        }
        return;
      case "kill-gateway":
        for (const { process } of system.gateways) await process.kill();
        counts.processesKilled += system.gateways.length;
        // Who loses its socket meanwhile needs the gateway, and must wait for it.
        for (const { sockets } of system.servers) counts.socketsCut += sockets!.cut(() => random() < 0.3);
        await wait(500 + random() * 500);
        for (const { process } of system.gateways) await process.start();
        return;
      case "freeze-chat-server": {
        const server = system.servers[Math.floor(random() * system.servers.length)]!;
        server.process.freeze();
        await wait(options.freezeMs);
        server.process.thaw();
        return;
      }
      case "kill-postgres":
        for (let time = 0; time < 2; time++) {
          await system.killPostgres();
          counts.processesKilled += 1;
          await wait(random() * 500);
        }
        return;
      case "cut-commits":
        for (const { postgres, sockets } of system.servers) {
          const before = postgres!.counts.commitsCut;
          postgres!.cutAfterCommitOf = APPEND;
          // Where all talk through the other server there is no commit to cut: its clients are sent away, and the emptier one gets some.
          if (sockets!.connections === 0) {
            for (const other of system.servers) if (other.sockets !== sockets) counts.socketsCut += other.sockets!.cut();
          }
          for (const end = Date.now() + 10_000; postgres!.counts.commitsCut === before && Date.now() < end;) await wait(10);
          postgres!.cutAfterCommitOf = undefined;
        }
        return;
      case "drop-hints":
        for (const { postgres, others } of system.servers) postgres!.dropNotifications = others!.apart = true;
        await wait(options.hintlessMs);
        for (const { postgres, others } of system.servers) postgres!.dropNotifications = others!.apart = false;
        return;
      case "kill-nats":
        await system.nats!.kill();
        counts.processesKilled += 1;
        await wait(options.hintlessMs);
        await system.nats!.start();
        return undefined;
      case "freeze-nats":
        system.nats!.freeze();
        await wait(options.freezeMs);
        system.nats!.thaw();
        return undefined;
      case "part-nats":
        // One server after the other hears and says nothing any more, and is told so or not.
        for (const [index, { nats, cables }] of system.servers.entries()) {
          if (index === 0) nats!.cut();
          await withoutWord(cables?.nats, nats!, index === 0 ? options.hintlessMs : options.freezeMs);
        }
        return;
      case "part-postgres":
        // One server after the other hears nothing of the database any more, nor is told so.
        for (const { postgresConnections, cables } of system.servers)
          await withoutWord(cables?.postgres, postgresConnections!, options.freezeMs);
        return;
      case "restart-all":
        // As a new version is rolled out, and then the database's.
        for (const process of system.processes) {
          if ((await process.stop()) === "killed") throw new Error(`${process.name} did not end by itself`);
          await process.start();
        }
        await system.nats?.kill();
        await system.nats?.start();
        await system.killPostgres();
        counts.processesKilled += system.nats === undefined ? 1 : 2;
        return;
      case "cut-sockets":
        for (let time = 0; time < 5; time++) {
          for (const { sockets } of system.servers) counts.socketsCut += sockets!.cut(() => random() < 0.5);
          await wait(random() * 400);
        }
        return;
      case "kill-client-before-send":
        return left.killAt({ at: "before-send", time: 1 + Math.floor(random() * 3) });
      case "kill-client-before-store":
        return right.killAt({ at: "before-store", time: 1 + Math.floor(random() * 3) });
      case "kill-client-after-store":
        return left.killAt({ at: "after-store", time: 1 + Math.floor(random() * 3) });
      default:
        fault satisfies never;
    }
  }

  await Promise.all([left.finish(), right.finish()]);
  calm = true;
  log(`seed ${seed}: calm`);

  const reporter = new Worker(system, "report", { ...base, mode: "report", seed, people: [...left.task.people, ...right.task.people] });
  await using _reporter = reporter;
  reporter.start();
  await reporter.finish(REPORT_MS);
  const sides = new Map<string, SideLog>(
    pairs.flat().map((name) => [name, JSON.parse(readFileSync(reportFile(system.folder, name), "utf8")) as SideLog]),
  );
  const faults = pairs.flatMap(([one, other]) => checkConversation(sides.get(one)!, sides.get(other)!));
  if (faults.length > 0 && options.keepIn !== undefined) {
    mkdirSync(options.keepIn, { recursive: true });
    for (const [name, side] of sides) writeFileSync(join(options.keepIn, `${name}.json`), JSON.stringify(side));
    for (const { name, log: text } of system.processes) writeFileSync(join(options.keepIn, `${name}.log`), text);
  }
  const sum = (part: (side: SideLog) => readonly unknown[]): number =>
    [...sides.values()].reduce((total, side) => total + part(side).length, 0);
  return {
    faults,
    counts: {
      accepted: sum(({ accepted }) => accepted),
      acknowledged: sum(({ acknowledged }) => acknowledged),
      arrived: sum(({ arrived }) => arrived),
      shown: sum(({ shown }) => shown),
      clientsKilled: left.killed + right.killed,
      commitsCut: system.servers.reduce((total, { postgres }) => total + postgres!.counts.commitsCut, 0),
      notificationsDropped: system.servers.reduce((total, { postgres }) => total + postgres!.counts.notificationsDropped, 0),
      ...counts,
    },
  };
}

/** One process of people that talk; starts again where it was when it is killed. */
class Worker implements AsyncDisposable {
  readonly task: WorkerTask;
  killed = 0;
  readonly #name: string;
  readonly #system: System;
  readonly #acknowledged = new Map<string, number>();
  readonly #state: Record<string, string> = {};
  #child: ChildProcess | undefined;
  #ended: Promise<{ signal: string | null; failure: string | undefined }> = Promise.resolve({ signal: null, failure: undefined });
  #failure: string | undefined;

  constructor(system: System, name: string, task: WorkerTask) {
    this.#system = system;
    this.#name = name;
    this.task = task;
  }

  start(killPoint?: KillPoint): void {
    const file = join(this.#system.folder, `${this.#name}.task.json`);
    writeFileSync(file, JSON.stringify({ ...this.task, killPoint, seed: this.task.seed + this.killed }));
    const child = fork(join(import.meta.dirname, "worker.ts"), [file], { execArgv: [], stdio: ["ignore", "inherit", "inherit", "ipc"] });
    this.#child = child;
    this.#failure = undefined;
    child.on("message", (message: FromWorker) => {
      if (message.kind === "progress") {
        this.#acknowledged.set(message.name, message.acknowledged);
        this.#state[message.name] = `${message.accepted} accepted, ${message.acknowledged} acknowledged, ${message.stage}`;
      } else if (message.kind === "failed") this.#failure = message.error;
    });
    this.#ended = new Promise((resolve) => {
      child.once("exit", (code, signal) => {
        if (code !== 0 && signal === null) this.#failure ??= `it ended with code ${code}`;
        resolve({ signal, failure: this.#failure });
      });
    });
  }

  get #total(): number {
    return this.#acknowledged.values().reduce((total, count) => total + count, 0);
  }

  /** Waits until so many of its messages are acknowledged. */
  async progress(enough: (acknowledged: number, before: number) => boolean): Promise<void> {
    const before = this.#total;
    const end = Date.now() + CALM_MS;
    while (!enough(this.#total, before)) {
      if (this.#failure !== undefined) throw new Error(`worker ${this.#name}: ${this.#failure}`);
      if (Date.now() > end) throw new Error(`worker ${this.#name} got nothing through for ${CALM_MS} ms`);
      await wait(10);
    }
  }

  /** Starts its process anew with a point at which it kills itself, waits for that, and starts it again without. */
  async killAt(point: KillPoint): Promise<void> {
    this.#child?.kill("SIGKILL");
    await this.#ended;
    this.start(point);
    const end = await this.#endedWithin(CALM_MS);
    if (end?.signal !== "SIGKILL") throw new Error(`worker ${this.#name} did not come by ${point.at}: ${end?.failure ?? "it still runs"}`);
    this.killed += 2;
    this.start();
  }

  /** For as long as something gets through. */
  async finish(patienceMs = CALM_MS): Promise<void> {
    this.#child?.send({ kind: "finish" } satisfies ToWorker);
    let before = -1;
    let end = await this.#endedWithin(patienceMs);
    for (; end === undefined; end = await this.#endedWithin(patienceMs)) {
      if (this.#total === before) throw new Error(`worker ${this.#name} does not come to an end: ${JSON.stringify(this.#state)}`);
      before = this.#total;
    }
    if (end.failure !== undefined || end.signal !== null) throw new Error(`worker ${this.#name}: ${end.failure ?? end.signal}`);
  }

  /** Undefined: it still runs. */
  async #endedWithin(ms: number) {
    const patience = new AbortController();
    const late = wait(ms, undefined, { signal: patience.signal }).catch(() => undefined);
    const end = await Promise.race([this.#ended, late]);
    patience.abort();
    return end;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child?.kill("SIGKILL");
    await this.#ended;
  }
}
