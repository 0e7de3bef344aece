/**
 * What does a delivered message cost beside a bare baseline? README.md says the method and what came out:
 * `node bench/speed.ts [seconds] [work…]`. With PROFILES=folder each server writes a profile of all there, to be opened in the browser's tools.
 */
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { setTimeout as wait } from "node:timers/promises";
import { startSystem, type System } from "@fastchat/testing";
import pg from "pg";
import { processTree } from "../testing/canary/memory.ts";
import { Baseline } from "./baseline/baseline.ts";
import { Crowds, type CrowdCounts } from "./load/crowds.ts";
import type { CrowdPlan, Work } from "./load/plan.ts";
import { type LoadConversation, type LoadUser, seedConversations, seedTickets, seedUsers, serverPlaces } from "./load/seed.ts";
import { cpuOf, cpuOfEndedChildren, noise } from "./measure.ts";

const BODY_BYTES = 300;
const WARM_MS = 3_000;
const USERS = 200;

interface Load {
  readonly name: string;
  readonly groupSize: number;
  /** Of each group; undefined: all. */
  readonly writers?: number;
  readonly users: number;
  readonly work: Work;
  readonly placed?: "same" | "cross" | "mixed";
}

const loads: readonly Load[] = [
  { name: "direct, closed loop, window 4", groupSize: 2, users: USERS, work: { kind: "closed", window: 4 } },
  { name: "direct, same server, window 4", groupSize: 2, users: USERS, work: { kind: "closed", window: 4 }, placed: "same" },
  { name: "direct, across servers, window 4", groupSize: 2, users: USERS, work: { kind: "closed", window: 4 }, placed: "cross" },
  { name: "direct, open loop 500/s", groupSize: 2, users: USERS, work: { kind: "open", perSecond: 500 } },
  { name: "direct, open loop 2000/s", groupSize: 2, users: USERS, work: { kind: "open", perSecond: 2_000 } },
  { name: "direct, open loop 5000/s", groupSize: 2, users: USERS, work: { kind: "open", perSecond: 5_000 } },
  { name: "group of 100", groupSize: 100, writers: 10, users: 100, work: { kind: "closed", window: 4 } },
  { name: "group of 500", groupSize: 500, writers: 10, users: 500, work: { kind: "closed", window: 1 } },
];

const seconds = Number(process.argv[2] ?? 10);
const wanted = process.argv.slice(3);
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

await noise();
const { PROFILES } = process.env;
await using system = await startSystem({
  servers: 2,
  environment: PROFILES === undefined ? {} : { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${PROFILES}` },
});
const client = new pg.Client(system.databaseUrl);
client.on("error", () => undefined);
await client.connect();
await client.query("CREATE DATABASE baseline");
const baselineUrl = Object.assign(new URL(system.databaseUrl), { pathname: "/baseline" }).href;
await wait(1_000);
const idle = await idleCost(system);
console.log(`idle: chat servers ${idle.servers.toFixed(1)} ms/s, PostgreSQL ${idle.postgres.toFixed(1)} ms/s`);
for (const load of loads) {
  if (wanted.length > 0 && !wanted.some((part) => load.name.includes(part))) continue;
  const users = await seedUsers(client, load.users);
  const groups = Array.from({ length: load.users / load.groupSize }, (_, group) =>
    Array.from({ length: load.groupSize }, (_each, member) => group * load.groupSize + member),
  );
  const conversations = await seedConversations(client, users, groups, load.groupSize === 2 ? "direct" : "group");
  if (!process.env["NO_BASELINE"]) await onBaseline(load, users, conversations);
  await onFastChat(load, users, conversations);
}
if (wanted.length === 0 || wanted.includes("idle")) await idleSockets(5_000);
if (wanted.length === 0 || wanted.includes("offline")) await offline(100, 200);
await client.end();
if (PROFILES !== undefined) await Promise.all(system.processes.map((each) => each.stop()));

function planOf(
  load: Load,
  users: readonly LoadUser[],
  conversations: readonly LoadConversation[],
  where: readonly { url: string; ticket: string }[],
): CrowdPlan {
  const writesTo = users.map((): string[] => []);
  for (const { id, members } of conversations) for (const member of members.slice(0, load.writers)) writesTo[member]!.push(hex(id));
  return {
    bodyBytes: BODY_BYTES,
    people: users.map((_, number) => ({ number, way: { kind: "ticket", ...where[number]! }, writesTo: writesTo[number]! })),
  };
}

async function onBaseline(load: Load, users: readonly LoadUser[], conversations: readonly LoadConversation[]): Promise<void> {
  const hears = users.map(
    (_, number) =>
      [hex(randomBytes(32)), conversations.filter(({ members }) => members.includes(number)).map(({ id }) => hex(id))] as const,
  );
  await using baseline = await Baseline.start(baselineUrl, hears);
  const where = hears.map(([ticket]) => ({ url: baseline.url, ticket }));
  const plan = { ...planOf(load, users, conversations, where), isBare: true };
  await measure(`${load.name}: baseline`, load, plan, conversations, () => [baseline.pid]);
}

async function onFastChat(load: Load, users: readonly LoadUser[], conversations: readonly LoadConversation[]): Promise<void> {
  const places = await serverPlaces(client);
  const at = (number: number): number => {
    const pair = Math.floor(number / 2);
    if (load.groupSize > 2) return number % 2;
    const isCross = load.placed === "cross" || (load.placed !== "same" && Math.floor(pair / 2) % 2 === 0);
    return isCross ? number % 2 : pair % 2;
  };
  const servers = users.map((_, number) => places[at(number)]!);
  const tickets = await seedTickets(client, users, servers);
  const where = tickets.map((ticket, number) => ({ url: servers[number]!.url, ticket: hex(ticket) }));
  await measure(`${load.name}: FastChat`, load, planOf(load, users, conversations, where), conversations, () =>
    system.processes.map(({ pid }) => pid!),
  );
}

async function measure(
  name: string,
  load: Load,
  plan: CrowdPlan,
  conversations: readonly LoadConversation[],
  servers: () => readonly number[],
): Promise<void> {
  await using crowds = await Crowds.connect(plan, Number(process.env["CROWDS"] ?? 1));
  crowds.begin(load.work);
  await wait(WARM_MS);
  const before = { counts: await crowds.counts(), cpu: await cpu(servers()), at: performance.now() };
  await wait(seconds * 1_000);
  const after = { counts: await crowds.counts(), cpu: await cpu(servers()), at: performance.now() };
  crowds.stop();
  const end = await settled(crowds, conversations);
  const delivered = after.counts.delivered - before.counts.delivered;
  const acked = after.counts.acked - before.counts.acked;
  const perDelivery = (ms: number) => ((1_000 * ms) / delivered).toFixed(1).padStart(7);
  const rate = (delivered * 1_000) / (after.at - before.at);
  const ms = (histogram: CrowdCounts["latency"], share: number) => (histogram.quantile(share) / 1_000).toFixed(1).padStart(6);
  const servers_ = after.cpu.servers - before.cpu.servers;
  const postgres = after.cpu.postgres - before.cpu.postgres;
  console.log(
    `${name.padEnd(44)} ${perDelivery(servers_ + postgres)} µs (servers ${perDelivery(servers_)}, PostgreSQL ${perDelivery(postgres)}) ` +
      `${Math.round(rate).toString().padStart(7)} deliveries/s, p50 ${ms(after.counts.latency, 0.5)} p99 ${ms(after.counts.latency, 0.99)} ms; ` +
      `${acked} acked, crowd ${perDelivery(after.counts.cpuMs - before.counts.cpuMs)} µs, ` +
      `wire ${((after.counts.bytesDown - before.counts.bytesDown) / delivered).toFixed(0)} B down, ${((after.counts.bytesUp - before.counts.bytesUp) / acked).toFixed(0)} B up`,
  );
  for (const fault of [...end.faults, ...after.counts.faults]) console.log(`  FAULT ${fault}`);
  if (end.faults.length > 0) process.exitCode = 1;
}

/** Waits until all that was sent is acknowledged and all that was acknowledged is delivered to every other member. */
async function settled(crowds: Crowds, conversations: readonly LoadConversation[]): Promise<CrowdCounts> {
  const others = new Map(conversations.map(({ id, members }) => [hex(id), members.length - 1]));
  for (let tries = 0; ; tries++) {
    const counts = await crowds.counts();
    const due = counts.ackedIn.entries().reduce((sum, [id, count]) => sum + count * others.get(id)!, 0);
    if (counts.acked === counts.sent && counts.delivered === due) return counts;
    if (tries > 300)
      throw new Error(
        `${counts.sent} sent, ${counts.acked} acknowledged, ${counts.delivered} of ${due} delivered; ${counts.faults.join("; ")}`,
      );
    await wait(100);
  }
}

async function cpu(pids: readonly number[]): Promise<{ readonly servers: number; readonly postgres: number }> {
  const root = system.postgres!.processId!;
  return {
    servers: pids.reduce((sum, pid) => sum + cpuOf(pid), 0),
    postgres: (await processTree(root)).reduce((sum, pid) => sum + cpuOf(pid), cpuOfEndedChildren(root)),
  };
}

async function idleCost({ processes }: System): Promise<{ readonly servers: number; readonly postgres: number }> {
  const pids = processes.map(({ pid }) => pid!);
  const before = await cpu(pids);
  await wait(5_000);
  const after = await cpu(pids);
  return { servers: (after.servers - before.servers) / 5, postgres: (after.postgres - before.postgres) / 5 };
}

/** Memory of sockets on which nothing happens. */
async function idleSockets(count: number): Promise<void> {
  const users = await seedUsers(client, count);
  const pairs = Array.from({ length: count / 2 }, (_, pair) => [2 * pair, 2 * pair + 1]);
  await seedConversations(client, users, pairs, "direct");
  const places = await serverPlaces(client);
  const servers = users.map((_, number) => places[number % places.length]!);
  const resident = () => system.servers.reduce((sum, { process }) => sum + residentOf(process.pid!), 0);
  const before = resident();
  const tickets = await seedTickets(client, users, servers);
  const people = tickets.map((ticket, number) => ({
    number,
    way: { kind: "ticket" as const, url: servers[number]!.url, ticket: hex(ticket) },
    writesTo: [],
  }));
  await using crowds = await Crowds.connect({ bodyBytes: BODY_BYTES, people }, 1);
  const connected = resident();
  await wait(10_000);
  console.log(
    `${count} idle connections: ${((resident() - before) / count / 1_024).toFixed(1)} KiB each of resident memory (${((connected - before) / count / 1_024).toFixed(1)} right after they came)`,
  );
  void crowds;
}

function residentOf(pid: number): number {
  return 1_024 * Number(/^VmRSS:\s+(\d+)/mu.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0);
}

/** What it costs to write to people who are not there, and what they then fetch. */
async function offline(pairs: number, each: number): Promise<void> {
  const users = await seedUsers(client, 2 * pairs);
  const conversations = await seedConversations(
    client,
    users,
    Array.from({ length: pairs }, (_, pair) => [2 * pair, 2 * pair + 1]),
    "direct",
  );
  const places = await serverPlaces(client);
  const servers = users.map((_, number) => places[Math.floor(number / 2) % places.length]!);
  const pids = system.processes.map(({ pid }) => pid!);
  const tickets = await seedTickets(client, users, servers);
  const planFor = (side: 0 | 1) => ({
    bodyBytes: BODY_BYTES,
    people: conversations.map(({ id }, pair) => {
      const number = 2 * pair + side;
      const way = { kind: "ticket", url: servers[number]!.url, ticket: hex(tickets[number]!) } as const;
      return { number, way, writesTo: side === 0 ? [hex(id)] : [] };
    }),
  });
  {
    await using writers = await Crowds.connect(planFor(0), 1);
    const before = await cpu(pids);
    writers.begin({ kind: "closed", window: 4, each });
    await until(writers, ({ acked }) => acked === pairs * each);
    tellCost("to offline people, sent", before, await cpu(pids), pairs * each);
  }
  await using readers = await Crowds.connect(planFor(1), 1);
  const before = await cpu(pids);
  readers.begin({ kind: "drain", conversations: conversations.map(({ id }) => hex(id)) });
  await until(readers, ({ delivered }) => delivered === pairs * each);
  tellCost("to offline people, drained", before, await cpu(pids), pairs * each);
}

type Cpu = Awaited<ReturnType<typeof cpu>>;
function tellCost(name: string, before: Cpu, after: Cpu, messages: number): void {
  const per = (ms: number) => ((1_000 * ms) / messages).toFixed(1);
  const servers = after.servers - before.servers;
  const postgres = after.postgres - before.postgres;
  console.log(`${name}: ${per(servers + postgres)} µs (servers ${per(servers)}, PostgreSQL ${per(postgres)})`);
}

async function until(crowds: Crowds, holds: (counts: CrowdCounts) => boolean): Promise<void> {
  for (let tries = 0; ; tries++) {
    const counts = await crowds.counts();
    if (holds(counts)) return;
    if (tries > 1_200 || counts.faults.length > 0)
      throw new Error(`${counts.sent} sent, ${counts.acked} acknowledged, ${counts.delivered} delivered; ${counts.faults.join("; ")}`);
    await wait(50);
  }
}
