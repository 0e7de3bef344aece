/**
 * What does a fresh device see, and when? README.md says the method and what came out: `node bench/fresh.ts [messages]`. With PROFILES=folder each
 * client writes a profile of each step there, to be opened in the browser's tools.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ConversationId } from "@fastchat/protocol";
import { openBrowserPage, newPassword, signUpPeople } from "@fastchat/testing";
import { startSystem } from "./on-disk.ts";
import type { PageCalls } from "./entries/fresh.page.ts";
import { FarClient } from "./far-client.ts";
import type { Listed, Read } from "./fresh-device.ts";
import { noise, size, spread } from "./measure.ts";
import { usageOf, usageSince } from "./usage.ts";

const messages = Number(process.argv[2] ?? 100_000);
const FRIENDS = 50;
const GROUPS = 10;
const GROUP_MEMBERS = 6;
const PINNED = 20;
const VERIFIED = 10;
/** Alice writes so much of each. */
const OWN_SHARE = 0.2;

const { PROFILES } = process.env;
await using system = await startSystem({ servers: 2 });
await noise();

const clients = new AsyncDisposableStack();
await using _ = clients;
const newClient = (profile: string): FarClient => {
  if (PROFILES !== undefined) mkdirSync(join(PROFILES, profile), { recursive: true });
  return clients.use(new FarClient(profile, { home: system.home, profile, gateway: system.gatewayUrl }));
};
const seconds = (since: number): string => `${((performance.now() - since) / 1_000).toFixed(1)} s`;

// ------------------------------------------------------------------ 50 people and 10 groups, with whom alice talks

interface Talk {
  readonly id: ConversationId;
  /** Who writes besides alice. */
  readonly writers: readonly string[];
  readonly size: number;
}

/** One long conversation, a few of some thousand messages, many short ones. */
function sizes(count: number): number[] {
  const weights = Array.from({ length: count }, (_, place) => (place === 0 ? 20 : place < 10 ? 4 : place < 30 ? 1.5 : 0.466));
  const all = weights.reduce((sum, weight) => sum + weight, 0);
  return weights.map((weight) => Math.round((weight / all) * messages));
}

const friends = Array.from({ length: FRIENDS }, (_, number) => `friend-${number}`);
let since = performance.now();
await signUpPeople(system, friends);
const password = newPassword();
const alice = newClient("alice");
await alice.call("signUp", "alice", password);
await alice.call("open");
const talks: Talk[] = [];
const allSizes = sizes(FRIENDS + GROUPS);
for (const [place, friend] of friends.entries()) {
  const { value: id } = await alice.call("openDirect", friend);
  await alice.call("send", id, `hello ${friend}`);
  talks.push({ id, writers: [friend], size: allSizes[place < 1 ? 0 : place + GROUPS]! - 1 });
}
for (let number = 0; number < GROUPS; number++) {
  const members = Array.from({ length: GROUP_MEMBERS - 1 }, (_, place) => friends[(number * (GROUP_MEMBERS - 1) + place) % FRIENDS]!);
  const { value: id } = await alice.call("create", `Group ${number}`, members);
  talks.push({ id, writers: members.slice(0, 2), size: allSizes[1 + number]! });
}
console.log(`${FRIENDS} people and ${GROUPS} groups made in ${seconds(since)}`);

since = performance.now();
const own = talks.map(({ size: count }) => Math.round(count * OWN_SHARE));
const aliceWrites = async () => {
  for (const [place, { id }] of talks.entries()) await alice.call("write", id, "alice", own[place]!);
};
const half = (writer: FarClient, some: readonly string[]) => async () => {
  for (const friend of some) {
    const writing = talks.filter(({ writers }) => writers.includes(friend));
    await writer.call("openAs", friend);
    for (const talk of writing) {
      const rest = talk.size - own[talks.indexOf(talk)]!;
      await writer.call(
        "write",
        talk.id,
        friend,
        talk.writers.indexOf(friend) === 0
          ? rest - Math.floor(rest / talk.writers.length) * (talk.writers.length - 1)
          : Math.floor(rest / talk.writers.length),
      );
    }
  }
};
const writers = [newClient(friends[0]!), newClient(friends[FRIENDS / 2]!)] as const;
await Promise.all([aliceWrites(), half(writers[0], friends.slice(0, FRIENDS / 2))(), half(writers[1], friends.slice(FRIENDS / 2))()]);
console.log(`${messages} messages written in ${seconds(since)}`);

since = performance.now();
// Heads: what the first writer of each has, and whom alice's hash is held against.
const expectedHashes = new Map<ConversationId, string>();
for (const [index, writer] of writers.entries()) {
  for (const friend of index === 0 ? friends.slice(0, FRIENDS / 2) : friends.slice(FRIENDS / 2)) {
    const first = talks.filter((talk) => talk.writers[0] === friend).map(({ id }) => id);
    await writer.call("openAs", friend);
    const { value } = await writer.call("readAll", first, messages);
    for (const [id, hash] of value.hashes) expectedHashes.set(id, hash);
    for (const row of (await writer.call("heads", first)).value) await alice.call("reaches", row.id, row.head);
  }
  await writer[Symbol.asyncDispose]();
}
const { value: heads } = await alice.call(
  "heads",
  talks.map(({ id }) => id),
);
for (const [place, { id, head }] of heads.entries()) {
  // Everything read; or all but the last; or half; or nothing.
  const read = [head, head - 3, Math.ceil(head / 2), 0][place % 4]!;
  await alice.call("setUp", id, {
    read,
    draft: `draft ${place}`,
    mute: place % 3 === 0 ? "all" : "except-mentions",
    pinned: place < PINNED,
  });
}
for (const [place, friend] of friends.entries()) await alice.call("know", friend, `note about ${friend}`, place < VERIFIED);
const { value: expected } = await alice.call("list");
await alice[Symbol.asyncDispose]();
const total = (await system.query("SELECT count(*)::int AS count FROM entry"))[0]!["count"] as number;
console.log(`their hashes taken, drafts, pins, mutes and notes set in ${seconds(since)}; ${total} entries on the server\n`);

// ------------------------------------------------------------------ the fresh device

interface Phase {
  readonly ms: number;
  readonly blockedMs: number;
  readonly blockedCpuMs?: number;
  readonly cpuMs?: number;
  readonly bytesUp: number;
  readonly bytesDown: number;
}
const line = (
  name: string,
  { ms, blockedMs, blockedCpuMs, cpuMs, bytesUp, bytesDown }: Phase,
  usage: { chatServers: number; postgres: number },
): void =>
  console.log(
    `| ${[name, `${ms.toFixed(0)} ms`, `${blockedMs.toFixed(0)}${blockedCpuMs === undefined ? "" : `, ${blockedCpuMs.toFixed(0)}`} ms`, `${size(bytesUp)}, ${size(bytesDown)}`, `${cpuMs === undefined ? "" : `${cpuMs.toFixed(0)} ms`}`, `${usage.chatServers} ms`, `${usage.postgres} ms`].join(" | ")} |`,
  );
const head = ["step", "time", "longest block: wall, CPU", "up, down", "CPU: client", "chat servers", "PostgreSQL"];

function judge({ messages: read, hashes, tenths }: Read): void {
  const wrong = hashes.filter(([id, hash]) => expectedHashes.get(id) !== hash);
  console.log(`all ${read} messages of ${hashes.length} conversations; with another hash than at who wrote them: ${wrong.length}`);
  console.log(`each further tenth of them after ${tenths.map((ms) => (ms / 1_000).toFixed(1)).join(", ")} s\n`);
  if (wrong.length > 0) process.exitCode = 1;
}
const ids = expected.map(({ id }) => id);

console.log(`Node:\n| ${head.join(" | ")} |\n|${"---|".repeat(head.length)}`);
const fresh = newClient("alice-fresh");
async function step<Value>(
  name: string,
  work: () => Promise<{ since: number; until: number; value: Value }>,
): Promise<{ ms: number; value: Value }> {
  const before = usageOf(system);
  await fresh.begin();
  const done = await work();
  const reading = await fresh.end(name);
  const ms = done.until - done.since;
  line(name, { ...reading, ms }, usageSince(before, usageOf(system)));
  return { ms, value: done.value };
}
const signedIn = await step("sign in", () => fresh.call("signIn", "alice", password));
const listed = await step("until all unread messages are counted", () => fresh.call("openFresh", expected));
const readBack = await step("all messages", () => fresh.call("readAll", ids, messages));
const told = (signInMs: number, { usableMs, exactMs, pages }: { usableMs: number; exactMs: number; pages: readonly number[] }): void => {
  console.log(
    `list right: ${(signInMs + usableMs).toFixed(0)} ms after the password; unread counts, too: ${(signInMs + exactMs).toFixed(0)} ms`,
  );
  console.log(`each conversation's newest page, as soon as the list is right: ${spread(pages)}`);
};
console.log("");
told(signedIn.ms, listed.value);
judge(readBack.value);
await fresh[Symbol.asyncDispose]();

console.log(`Chromium:\n| ${head.join(" | ")} |\n|${"---|".repeat(head.length)}`);
await inBrowser();
await inStep();
await noise();

async function inBrowser(): Promise<void> {
  await using browser = await openBrowserPage(join(import.meta.dirname, "entries", "fresh.page.ts"), system.gatewayUrl);
  const profiler = PROFILES === undefined ? undefined : await browser.page.context().newCDPSession(browser.page);
  await profiler?.send("Profiler.enable");
  type Metered<Name extends keyof PageCalls> = Awaited<ReturnType<PageCalls[Name]>>;
  async function call<Name extends "signIn" | "list" | "readAll">(
    step: string,
    name: Name,
    ...given: Parameters<PageCalls[Name]>
  ): Promise<Metered<Name>> {
    const before = usageOf(system);
    await profiler?.send("Profiler.start");
    const result = (await browser.page.evaluate(`calls.${name}(...${JSON.stringify(given)})`)) as Metered<Name>;
    line(step, result as Phase, usageSince(before, usageOf(system)));
    if (profiler !== undefined) {
      const { profile } = await profiler.send("Profiler.stop");
      writeFileSync(join(PROFILES!, `chromium-${name}.cpuprofile`), JSON.stringify(profile));
    }
    return result;
  }
  const entered = await call("sign in", "signIn", system.gatewayUrl, "alice", password);
  const shown = await call("until all unread messages are counted", "list", expected);
  const all = await call("all messages", "readAll", ids, messages);
  console.log("");
  told(entered.ms, shown.value);
  judge(all.value);
  await browser.page.evaluate("calls.close()");
  if (browser.faults.length > 0) throw new Error(browser.faults.join("\n"));
}

/** One device changes something, until another shows it. */
async function inStep(): Promise<void> {
  const one = newClient("alice-fresh");
  await one.call("open");
  const other = newClient("alice-other");
  await other.call("signIn", "alice", password);
  await other.call("open");
  const row = (place: number): Listed => expected[place]!;
  const both = async (what: string, work: (turn: number) => Promise<[shown: () => Promise<number>, since: number]>): Promise<void> => {
    const times: number[] = [];
    for (let turn = 0; turn < 10; turn++) {
      const [shown, changedAt] = await work(turn);
      times.push((await shown()) - changedAt);
    }
    console.log(`${what}, from the call on one device to the event on another: ${spread(times)}`);
  };
  const { id } = row(0);
  await both("a draft", async (turn) => {
    const shown = await other.looksOut("expectSummary", id, "draft", `in step ${turn}`);
    return [shown, (await one.call("setDraft", id, `in step ${turn}`)).since];
  });
  await both("mute", async (turn) => {
    const mute = turn % 2 === 0 ? "none" : "all";
    const shown = await other.looksOut("expectSummary", id, "mute", mute);
    return [shown, (await one.call("setMute", id, mute)).since];
  });
  await both("pin", async (turn) => {
    const { id: pinned } = expected.at(-1)!;
    const shown = await other.looksOut("expectSummary", pinned, "pinnedAt", turn % 2 === 0);
    return [shown, (await one.call("setPinned", pinned, turn % 2 === 0)).since];
  });
  await both("a message", async (turn) => {
    const shown = await other.looksOut("expectMessage", id, `in step, message ${turn}.`);
    return [shown, (await one.call("send", id, `in step, message ${turn}.`)).since];
  });
  const unread = expected.filter((each) => each.unread > 10).slice(0, 10);
  await both("read", async (turn) => {
    const shown = await other.looksOut("expectSummary", unread[turn]!.id, "unread", 0);
    return [shown, (await one.call("read", unread[turn]!.id)).since];
  });
  console.log("");
  await other[Symbol.asyncDispose]();
}
