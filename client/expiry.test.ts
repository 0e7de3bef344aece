import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { ConversationId } from "@fastchat/protocol";
import { afterAll, beforeAll, expect, test } from "vitest";
import { anotherDevice, type Person, person, startSystem, type System } from "../testing/index.ts";
import type { ChatItem, ChatMessage } from "./api.ts";
import { openClient } from "./node.ts";

let system: System;
beforeAll(async () => {
  system = await startSystem();
});
afterAll(() => system[Symbol.asyncDispose]());

const HOUR_MS = 3_600_000;
const patience = () => AbortSignal.timeout(20_000);
const isMessage = (item: ChatItem): item is ChatMessage => item.kind === "message";

/** Two people who know each other. */
async function acquaintances(one: string, other: string) {
  const [first, second] = [await person(system, one), await person(system, other)];
  const id = await first.say(other, "begin");
  await second.hears(one, "begin");
  await readAll(second, id);
  return { first, second, id };
}

async function sayFor(from: Person, id: ConversationId, text: string, expiresAfter: number): Promise<void> {
  await from.client.send(id, text, { expiresAfter });
  await from.client.sent(id, patience());
}

async function messagesIn({ client }: Pick<Person, "client">, id: ConversationId): Promise<ChatMessage[]> {
  return (await client.items(id, { limit: 200 })).items.filter(isMessage);
}

const textsIn = async (of: Pick<Person, "client">, id: ConversationId): Promise<string[]> =>
  (await messagesIn(of, id)).map(({ text }) => text);

async function contradictionsIn({ client }: Person, id: ConversationId): Promise<string[]> {
  const { items } = await client.items(id, { limit: 200 });
  return items.flatMap((item) => (item.kind === "notice" && ["contradiction", "fork"].includes(item.notice) ? [item.text] : []));
}

async function has(of: Person, id: ConversationId, text: string): Promise<void> {
  await expect.poll(() => textsIn(of, id)).toContain(text);
}

async function readAll({ client }: Person, id: ConversationId): Promise<void> {
  await client.markRead(id, (await client.conversation(id))!.head);
}

/** Whether any file of a profile holds these words: its database, and the log of changes beside it. */
function isInFiles({ home, profile }: Pick<Person, "home" | "profile">, words: string): boolean {
  const folder = join(home, profile);
  return readdirSync(folder, { recursive: true, withFileTypes: true }).some(
    (each) => each.isFile() && readFileSync(join(each.parentPath, each.name)).includes(words),
  );
}

/** Nothing of it is left, on the screen or on the disk. */
async function isGone(of: Person, id: ConversationId, text: string): Promise<void> {
  await expect.poll(() => textsIn(of, id)).not.toContain(text);
  await expect.poll(() => isInFiles(of, text)).toBe(false);
}

const program = `
  import { openClient } from ${JSON.stringify(new URL("node.ts", import.meta.url).href)};
  const [home, profile, gateway, script] = process.argv.slice(1);
  const client = await openClient({ home, profile }, { gateway });
  await new Function("client", "return (async () => {" + script + "})()")(client);
`;

/** Another process that opens a profile and runs a script with \`client\`, perhaps with a clock that is wrong. Killed at the end. */
class Other implements AsyncDisposable {
  readonly process: ChildProcess;
  readonly lines: string[] = [];

  constructor({ home, profile, gateway }: Pick<Person, "home" | "profile" | "gateway">, script: string, clockAheadMs = 0) {
    const clock = join(import.meta.dirname, "..", "testing", "entries", "shifted-clock.ts");
    const args = [`--import=${clock}`, "--input-type=module", "-e", program, home, profile, gateway, script];
    const env = { ...process.env, SHIFT_CLOCK_MS: String(clockAheadMs) };
    this.process = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"], env });
    createInterface({ input: this.process.stdout! }).on("line", (line) => this.lines.push(line));
  }

  async says(line: string): Promise<void> {
    await expect.poll(() => this.lines, { timeout: 30_000, interval: 20 }).toContain(line);
  }

  async kill(): Promise<void> {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return;
    const ended = once(this.process, "exit");
    this.process.kill("SIGKILL");
    await ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }
}

test("[H4] a message with a lifetime: its sender's devices count from when it was sent, its reader's from when it was read on any of them", async () => {
  const { first: alice, second: bob, id } = await acquaintances("alice", "bob");
  await using _ = alice;
  await using __ = bob;
  await using laptop = await anotherDevice(system, alice, { profile: "alice-laptop" });
  await using tablet = await anotherDevice(system, bob, { profile: "bob-tablet" });
  const secret = "burn after reading, please";
  await sayFor(alice, id, secret, 2);
  for (const each of [bob, tablet]) await has(each, id, secret);
  const [received] = (await messagesIn(bob, id)).filter(({ text }) => text === secret);
  expect(received).toMatchObject({ expiresAfter: 2, expires: undefined });
  for (const each of [alice, laptop]) await isGone(each, id, secret);
  // Nobody has read it yet.
  for (const each of [bob, tablet]) expect(await textsIn(each, id)).toContain(secret);
  expect((await bob.client.conversation(id))!).toMatchObject({ unread: 1, last: { text: secret } });

  const before = bob.client.serverTime;
  await readAll(bob, id);
  const ends = async (of: Person) => (await messagesIn(of, id)).find(({ text }) => text === secret)?.expires;
  expect(await ends(bob)).toBeGreaterThanOrEqual(before + 2_000);
  expect(await ends(bob)).toBeLessThanOrEqual(bob.client.serverTime + 2_000);
  const onBob = await ends(bob);
  await expect.poll(() => ends(tablet)).toBe(onBob);
  for (const each of [bob, tablet]) {
    await isGone(each, id, secret);
    expect(each.events.some(({ kind }) => kind === "expired")).toBe(true);
    expect(await each.client.conversation(id)).toMatchObject({ unread: 0, mentions: 0, last: { text: "begin" } });
  }

  // The log is whole and true for all, and goes on.
  await bob.say("alice", "and?");
  await alice.say("bob", "gone");
  for (const each of [alice, laptop, bob, tablet]) {
    await expect.poll(() => textsIn(each, id)).toEqual(["begin", "and?", "gone"]);
    expect(await contradictionsIn(each, id)).toEqual([]);
  }
});

test("[H4] [H1] a fresh device, and one that was away, show and store nothing of what is over; an unread one stays", async () => {
  const { first: carol, second: dave, id } = await acquaintances("carol", "dave");
  await using _ = carol;
  await using __ = dave;
  await using tablet = await anotherDevice(system, dave, { profile: "dave-tablet" });
  await has(tablet, id, "begin");
  await tablet.client.close();
  await sayFor(carol, id, "over before anybody comes", 1);
  await has(dave, id, "over before anybody comes");
  await readAll(dave, id);
  await sayFor(carol, id, "for an hour", 3_600);
  await has(dave, id, "for an hour");
  for (const each of [carol, dave]) await isGone(each, id, "over before anybody comes");

  await tablet.reopen();
  await using fresh = await anotherDevice(system, dave, { profile: "dave-fresh" });
  await using anotherFresh = await anotherDevice(system, carol, { profile: "carol-fresh" });
  for (const each of [tablet, fresh, anotherFresh]) {
    await has(each, id, "for an hour");
    const heard = each.events.flatMap((event) => (event.kind === "items" ? event.items.filter(isMessage).map(({ text }) => text) : []));
    expect([...heard, ...(await textsIn(each, id))]).not.toContain("over before anybody comes");
    expect(isInFiles(each, "over before anybody comes")).toBe(false);
    // It was not even stored.
    expect(each.events.map(({ kind }) => kind)).not.toContain("expired");
    expect(await contradictionsIn(each, id)).toEqual([]);
  }
  for (const each of [tablet, fresh]) expect((await each.client.conversation(id))!.unread).toBe(1);
  // What it did not see does not hinder it: its counters and its hashes are right.
  await anotherFresh.say("dave", "from a new device");
  await fresh.say("carol", "and from mine");
  for (const each of [carol, dave, fresh, anotherFresh]) {
    await has(each, id, "from a new device");
    await has(each, id, "and from mine");
    expect(await contradictionsIn(each, id)).toEqual([]);
  }
});

test("[H4] devices whose clocks are five hours off, either way, delete nothing too early and keep nothing longer", async () => {
  const { first: erin, second: frank, id } = await acquaintances("erin", "frank");
  await using _ = erin;
  const devices = [frank, await anotherDevice(system, frank, { profile: "frank-slow" })];
  for (const each of devices) await each.client.close();
  await sayFor(erin, id, "for an hour", 3_600);
  await sayFor(erin, id, "for three seconds", 3);
  const script = `
    const texts = async () => (await client.items("${id}", { limit: 50 })).items.flatMap((item) => (item.kind === "message" ? [item.text] : []));
    const gone = new Promise((resolve) => client.subscribe((event) => event.kind === "expired" && resolve()));
    await client.caughtUp();
    const before = await texts();
    await client.markRead("${id}", (await client.conversation("${id}")).head);
    console.log("read", JSON.stringify(before));
    const started = performance.now();
    while ((await texts()).includes("for three seconds")) await new Promise((resolve) => setTimeout(resolve, 50));
    if (before.includes("for three seconds")) await gone;
    console.log("took", Math.floor((performance.now() - started) / 1_000), JSON.stringify(await texts()));
    await client.close();
  `;
  await using ahead = new Other(devices[0]!, script, 5 * HOUR_MS);
  await ahead.says(`read ["begin","for an hour","for three seconds"]`);
  await expect.poll(() => ahead.lines.at(-1), { timeout: 20_000 }).toMatch(/^took [23] \["begin","for an hour"\]$/u);
  await expect.poll(() => isInFiles(devices[0]!, "for three seconds")).toBe(false);
  // It was read on the other one.
  await using behind = new Other(devices[1]!, script, -5 * HOUR_MS);
  await behind.says(`read ["begin","for an hour"]`);
  await behind.says(`took 0 ["begin","for an hour"]`);
});

test("[H4] killed between its end and its deletion: nothing of it is shown, and the rest is done at the next start, without a connection", async () => {
  const { first: grace, second: heidi, id } = await acquaintances("grace", "heidi");
  await using _ = grace;
  await heidi.client.close();
  const secret = "gone with the process";
  await sayFor(grace, id, secret, 1);
  const script = `
    await client.caughtUp();
    await client.markRead("${id}", (await client.conversation("${id}")).head);
    console.log("read");
    // Nothing is done here any more.
    await new Promise((resolve) => setTimeout(resolve, 100));
    console.log("stands");
    for (;;);
  `;
  await using holder = new Other(heidi, script);
  await holder.says("stands");
  // A second after it was read it is over, whoever looks.
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  const beside = (await openClient(heidi, { gateway: heidi.gateway }))!;
  expect(beside.role).toBe("beside");
  expect(await textsIn({ client: beside }, id)).toEqual(["begin"]);
  expect((await beside.conversation(id))!.last).toBeUndefined();
  await beside.close();
  await holder.kill();
  expect(isInFiles(heidi, secret)).toBe(true);
  await using offline = (await openClient(heidi, { gateway: heidi.gateway, offline: true }))!;
  expect(await textsIn({ client: offline }, id)).toEqual(["begin"]);
  await expect.poll(() => isInFiles(heidi, secret)).toBe(false);
});

test("[H4] [S7] beside the holder the same is seen, told and hidden", async () => {
  const { first: ivan, second: judy, id } = await acquaintances("ivan", "judy");
  await using _ = ivan;
  await judy.client.close();
  await using holder = new Other(judy, "console.log(client.role); await new Promise(() => setInterval(() => undefined, 1_000));");
  await holder.says("holder");
  await using beside = (await openClient(judy, { gateway: judy.gateway }))!;
  expect(beside.role).toBe("beside");
  const events: string[] = [];
  beside.subscribe((event) => events.push(event.kind));
  await beside.setTimer(id, 3_600);
  expect((await beside.conversation(id))!.timerSeconds).toBe(3_600);
  await beside.send(id, "by the chat's timer");
  await ivan.hears("judy", "by the chat's timer");
  expect((await messagesIn(ivan, id)).at(-1)).toMatchObject({ text: "by the chat's timer", expiresAfter: 3_600 });
  await sayFor(ivan, id, "for a second", 1);
  await expect.poll(() => textsIn({ client: beside }, id)).toContain("for a second");
  await beside.markRead(id, (await beside.conversation(id))!.head);
  await expect.poll(() => textsIn({ client: beside }, id)).not.toContain("for a second");
  await expect.poll(() => events).toContain("expired");
  await expect.poll(() => isInFiles(judy, "for a second")).toBe(false);
  await holder.kill();
});

test("[H4] [P4] what one writes in a chat lives as long as this account set it there, on all its devices, unless a message says otherwise", async () => {
  const { first: kim, second: leo, id } = await acquaintances("kim", "leo");
  await using _ = kim;
  await using __ = leo;
  await using laptop = await anotherDevice(system, kim, { profile: "kim-laptop" });
  await has(laptop, id, "begin");
  await kim.client.setTimer(id, 600);
  await expect.poll(async () => (await laptop.client.conversation(id))?.timerSeconds).toBe(600);
  await laptop.client.send(id, "by the timer");
  await laptop.client.send(id, "for ever", { expiresAfter: 0 });
  await laptop.client.send(id, "for an hour", { expiresAfter: 3_600 });
  await laptop.client.sent(id, patience());
  await kim.client.broadcast(["leo"], "to many");
  await has(leo, id, "to many");
  const lifetimes = async (of: Person) =>
    Object.fromEntries((await messagesIn(of, id)).map(({ text, expiresAfter }) => [text, expiresAfter]));
  expect(await lifetimes(leo)).toEqual({ begin: 0, "by the timer": 600, "for ever": 0, "for an hour": 3_600, "to many": 600 });
  // It is kim's own affair.
  expect((await leo.client.conversation(id))!).toMatchObject({ timerSeconds: 0, retentionSeconds: 0 });
  await expect(kim.client.setTimer(id, -1)).rejects.toThrow(RangeError);
  await expect(kim.client.send(id, "x", { expiresAfter: 1e10 })).rejects.toThrow(RangeError);
});

test("[C2] [H4] either of two sets after which time their messages are deleted, and in a note to self one does", async () => {
  const { first: mia, second: noah, id } = await acquaintances("mia", "noah");
  await using _ = mia;
  await using __ = noah;
  const noticesOf = async ({ client }: Person) =>
    (await client.items(id, { limit: 100 })).items.flatMap((item) =>
      item.kind === "notice" && item.notice === "policy" ? [item.text] : [],
    );
  await noah.client.setRetention(id, 86_400);
  await expect.poll(() => noticesOf(mia)).toEqual(["noah set messages to disappear after 1 day."]);
  expect(await noticesOf(noah)).toEqual(["You set messages to disappear after 1 day."]);
  expect((await mia.client.conversation(id))!.retentionSeconds).toBe(86_400);
  const [begin] = await messagesIn(mia, id);
  expect(begin!.expires).toBe(begin!.time + 86_400_000);

  await mia.client.setRetention(id, 2);
  await mia.say("noah", "for two seconds, read or not");
  for (const each of [mia, noah]) {
    await isGone(each, id, "for two seconds, read or not");
    expect(await textsIn(each, id)).toEqual([]);
    expect((await each.client.conversation(id))!).toMatchObject({ unread: 0, last: undefined });
  }
  await mia.client.setRetention(id, 0);
  await noah.say("mia", "kept again");
  await has(mia, id, "kept again");
  expect((await messagesIn(mia, id)).at(-1)).toMatchObject({ expires: undefined });
  for (const each of [mia, noah]) expect(await contradictionsIn(each, id)).toEqual([]);

  // Also before anything was written there.
  const self = await mia.client.openDirect("mia");
  await mia.client.setRetention(self, 1);
  await mia.say("mia", "a note for a second");
  await isGone(mia, self, "a note for a second");
});
