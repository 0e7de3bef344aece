import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { ChatItem, ChatMessage, MessagePlace } from "@fastchat/client";
import { fileSink, openClient } from "@fastchat/client/node";
import { type ConversationId, ErrorCode, FastChatError, limits } from "@fastchat/protocol";
import { afterAll, beforeAll, expect, test } from "vitest";
import { keys, put, read, schemas } from "../client/records.ts";
import { openSqliteStorage } from "../client/storage-sqlite.ts";
import { Retention } from "../server/chat/retention.ts";
import { silentLog } from "../server/events.ts";
import { openChatMetrics } from "../server/metrics.ts";
import { openDatabase } from "../server/store/database.ts";
import { fastchatJson } from "./fastchat.ts";
import { anotherDevice, type Person, person } from "./person.ts";
import { startSystem, type System } from "./system.ts";

let system: System;
beforeAll(async () => {
  system = await startSystem({ servers: 2 });
});
afterAll(() => system[Symbol.asyncDispose]());

let count = 0;
/** Two people who know each other, and where they talk. */
async function acquaintances() {
  count++;
  const [alice, bob] = [await person(system, `ann${count}`), await person(system, `ben${count}`)];
  const id = await alice.say(bob.name, "begin");
  await bob.hears(alice.name, "begin");
  return { alice, bob, id };
}

const isMessage = (item: ChatItem): item is ChatMessage => item.kind === "message";
const messagesIn = async ({ client }: Pick<Person, "client">, id: ConversationId) =>
  (await client.items(id, { limit: 200 })).items.filter(isMessage);
/** What is seen of it: the words, or that they were deleted. */
const shown = async (of: Pick<Person, "client">, id: ConversationId) =>
  (await messagesIn(of, id)).map(({ text, deleted }) => (deleted ? "(deleted)" : text));
const noticesIn = async ({ client }: Person, id: ConversationId) =>
  (await client.items(id, { limit: 200 })).items.flatMap((item) =>
    item.kind === "notice" && (item.notice === "contradiction" || item.notice === "unreadable") ? [item.text] : [],
  );

async function findIn(of: Person, id: ConversationId, text: string): Promise<MessagePlace> {
  const found = async () => (await messagesIn(of, id)).find((message) => message.text === text && message.sequence !== undefined);
  await expect.poll(found).toBeDefined();
  return placed((await found())!);
}
const placed = ({ sequence, id }: ChatMessage): MessagePlace => ({ sequence: sequence!, id });
const placeOf = async (of: Person, id: ConversationId, text: string): Promise<number> => (await findIn(of, id, text)).sequence;

const deletes = async (of: Person, id: ConversationId, ...texts: readonly string[]): Promise<void> =>
  of.client.deleteMessages(id, await Promise.all(texts.map((text) => findIn(of, id, text))));

/** Whether any file of a profile holds these words. */
function isInFiles({ home, profile }: Person, words: string): boolean {
  const files = readdirSync(join(home, profile), { recursive: true, withFileTypes: true });
  return files.some((each) => each.isFile() && readFileSync(join(each.parentPath, each.name)).includes(words));
}

/** Bodies of this conversation that the database has, of any kind. */
const bodiesIn = async (id: ConversationId): Promise<Buffer[]> =>
  (await system.query("SELECT body FROM entry WHERE conversation = decode($1, 'hex') ORDER BY sequence", [id])).map(
    ({ body }) => body as Buffer,
  );

/** What a chat server does every minute. */
async function sweep(): Promise<void> {
  await using database = openDatabase({ url: system.databaseUrl, connections: 2, onIdleError: () => undefined });
  await new Retention({ database, log: silentLog, metrics: openChatMetrics(), now: Date.now, everyMs: 1 }).sweep();
}

const sourceOf = (name: string, bytes: Uint8Array) => ({
  name,
  size: bytes.length,
  async *stream() {
    yield bytes;
  },
});

test("[S5] a message that is deleted goes from every device of everybody, from their disks, and from the server; that there was one stays", async () => {
  const { alice, bob, id } = await acquaintances();
  await using _alice = alice;
  await using _bob = bob;
  await using second = await anotherDevice(system, alice, { profile: `${alice.name}-2` });
  await alice.say(bob.name, "said too fast");
  await alice.say(bob.name, "said well");
  const place = await placeOf(bob, id, "said too fast");
  await second.hears(bob.name, "said well");
  const [before] = [(await bodiesIn(id))[place - 1]!];
  await deletes(alice, id, "said too fast");
  for (const each of [alice, second, bob]) {
    await expect.poll(() => shown(each, id)).toEqual(["begin", "(deleted)", "said well"]);
    await expect.poll(() => isInFiles(each, "said too fast"), { timeout: 10_000 }).toBe(false);
    expect(await noticesIn(each, id)).toEqual([]);
  }
  const [gone] = (await messagesIn(bob, id)).filter(({ deleted }) => deleted);
  expect(gone).toMatchObject({ sequence: place, from: { name: alice.name }, mine: false, text: "", files: [], status: "delivered" });
  // The deletion itself is no message.
  expect((await bob.client.conversation(id))!.last?.text).toBe("said well");
  await sweep();
  expect((await bodiesIn(id))[place - 1]!.length).toBe(34);
  expect(before.length).toBeGreaterThan(100);
  // Who comes later, by whatever way, learns the same.
  await using late = await anotherDevice(system, bob, { profile: `${bob.name}-2` });
  await expect.poll(() => shown(late, id)).toEqual(["begin", "(deleted)", "said well"]);
  await expect.poll(() => noticesIn(late, id)).toEqual([]);
});

test("[S5] its files go with it: they are given to nobody from then on, and the clean-up removes them", async () => {
  const { alice, bob, id } = await acquaintances();
  await using _alice = alice;
  await using _bob = bob;
  await alice.client.files.send(id, [{ source: sourceOf("plan.pdf", randomBytes(100_000)) }], { text: "the plan" });
  await alice.client.sent(id, AbortSignal.timeout(20_000));
  await bob.hears(alice.name, "the plan");
  const place = { conversation: id, sequence: await placeOf(bob, id, "the plan"), place: 0 };
  const fetched = async (name: string) => bob.client.files.fetch(place, await fileSink(join(system.folder, name)));
  await fetched("before.pdf");
  const blobsOf = () => system.query("SELECT 1 FROM blob WHERE conversation = decode($1, 'hex')", [id]);
  expect(await blobsOf()).toHaveLength(1);
  await deletes(alice, id, "the plan");
  await expect.poll(() => shown(bob, id)).toEqual(["begin", "(deleted)"]);
  await expect(fetched("after.pdf")).rejects.toMatchObject({ code: ErrorCode.NOT_FOUND });
  const environment = { DATABASE_URL: system.databaseUrl, FASTCHAT_DATA: join(system.folder, "data") };
  const [report] = await fastchatJson(system, ["admin", "files", "--clean-up"], { environment });
  expect(report).toMatchObject({ type: "files-clean-up", files: 1, reasons: { erased: { files: 1 } } });
  expect(await blobsOf()).toEqual([]);
});

test("[S5] what was unread counts no more, and what was the newest says so; a device that was away catches up with both", async () => {
  const { alice, bob, id } = await acquaintances();
  await using _alice = alice;
  await using _bob = bob;
  await bob.client.markRead(id, (await bob.client.conversation(id))!.head);
  for (const text of ["one", "two", "three"]) await alice.say(bob.name, text);
  await bob.hears(alice.name, "three");
  const counted = async () => {
    const { unread, last } = (await bob.client.conversation(id))!;
    return { unread, last: last?.deleted === true ? "(deleted)" : last?.text };
  };
  expect(await counted()).toEqual({ unread: 3, last: "three" });
  await deletes(alice, id, "two", "three");
  await expect.poll(counted).toEqual({ unread: 1, last: "(deleted)" });
  await bob.client.close();
  await alice.say(bob.name, "four");
  await deletes(alice, id, "four");
  await alice.say(bob.name, "five");
  await bob.reopen();
  await bob.hears(alice.name, "five");
  await expect.poll(counted).toEqual({ unread: 2, last: "five" });
  expect(await shown(bob, id)).toEqual(["begin", "one", "(deleted)", "(deleted)", "(deleted)", "five"]);
  expect(await noticesIn(bob, id)).toEqual([]);
});

test("[S5] many at once, in a long log that a fresh device reads from its newest page back", { timeout: 60_000 }, async () => {
  const { alice, bob, id } = await acquaintances();
  await using _alice = alice;
  await using _bob = bob;
  const texts = Array.from({ length: limits.withdrawsPerMessage + 8 }, (_, index) => `number ${index}`);
  await alice.client.sendAll(id, [...texts, "the last one"]);
  await alice.client.sent(id, AbortSignal.timeout(20_000));
  await bob.hears(alice.name, "the last one");
  await findIn(alice, id, "the last one");
  await alice.client.deleteMessages(id, (await messagesIn(alice, id)).filter(({ text }) => texts.includes(text)).map(placed));
  const expected = ["begin", ...texts.map(() => "(deleted)"), "the last one"];
  await expect.poll(() => shown(alice, id)).toEqual(expected);
  await expect.poll(() => shown(bob, id)).toEqual(expected);
  await using fresh = await anotherDevice(system, bob, { profile: `${bob.name}-2` });
  await expect.poll(() => shown(fresh, id), { timeout: 10_000 }).toEqual(expected);
  await expect.poll(() => noticesIn(fresh, id)).toEqual([]);
});

test("[S5] only one's own, only what is there, and only where one may write", async () => {
  const { alice, bob, id } = await acquaintances();
  await using _alice = alice;
  await using _bob = bob;
  await bob.say(alice.name, "bob's");
  const his = await findIn(alice, id, "bob's");
  const refused = (promise: Promise<void>) =>
    promise.then(
      () => "deleted",
      (error: unknown) => (error instanceof FastChatError ? [error.code, error.row.sentence] : error),
    );
  expect(await refused(alice.client.deleteMessages(id, [his]))).toEqual([
    ErrorCode.FORBIDDEN,
    "Only who wrote a message can delete it for everybody.",
  ]);
  const nothing = [ErrorCode.NOT_FOUND, "There is no such message here, or it is gone already."];
  expect(await refused(alice.client.deleteMessages(id, [{ ...his, sequence: 1_000 }]))).toEqual(nothing);
  // A link of the chain is no message.
  expect(await refused(alice.client.deleteMessages(id, [{ ...his, sequence: 1 }]))).toEqual(nothing);
  await deletes(alice, id, "begin");
  const [gone] = (await messagesIn(alice, id)).filter(({ deleted }) => deleted);
  expect(await refused(alice.client.deleteMessages(id, [placed(gone!)]))).toEqual(nothing);
  const group = await alice.client.groups.create({ name: "Only admins write", members: [bob.name] });
  await bob.client.accept(group).catch(() => undefined);
  await expect.poll(async () => (await bob.client.conversation(group))?.kind).toBe("group");
  await bob.client.send(group, "while I may");
  await bob.client.sent(group, AbortSignal.timeout(20_000));
  const place = await findIn(bob, group, "while I may");
  await alice.client.groups.setPolicy(group, { mayWrite: "admins" });
  await expect.poll(async () => (await bob.client.conversation(group))!.blocked).toBe("announce-only");
  expect(await refused(bob.client.deleteMessages(group, [place]))).toEqual([ErrorCode.FORBIDDEN, "Only admins write here."]);
});

test("[S5] [H4] what would have disappeared by itself leaves no trace that it was deleted", async () => {
  const { alice, bob, id } = await acquaintances();
  await using _alice = alice;
  await using _bob = bob;
  await alice.client.send(id, "for an hour", { expiresAfter: 3_600 });
  await alice.client.send(id, "for good");
  await bob.hears(alice.name, "for good");
  await deletes(alice, id, "for an hour");
  for (const each of [alice, bob]) {
    await expect.poll(() => shown(each, id)).toEqual(["begin", "for good"]);
    expect(each.events.some((event) => event.kind === "expired" && event.conversation === id)).toBe(true);
  }
  await using fresh = await anotherDevice(system, bob, { profile: `${bob.name}-2` });
  await expect.poll(() => shown(fresh, id)).toEqual(["begin", "for good"]);
  expect(await noticesIn(fresh, id)).toEqual([]);
});

test("[D1] [S5] a deletion that was asked for goes on after a crash, from whatever process of the profile it was asked", async () => {
  const { alice, bob, id } = await acquaintances();
  await using _alice = alice;
  await using _bob = bob;
  for (const text of ["first", "second", "third"]) await alice.say(bob.name, text);
  await bob.hears(alice.name, "third");
  const place = await findIn(alice, id, "first");
  // Without a connection it waits, and the process ends.
  await alice.client.close();
  const offline = (await openClient({ home: alice.home, profile: alice.profile }, { gateway: alice.gateway, offline: true }))!;
  const asked = offline.deleteMessages(id, [place]).catch((error: unknown) => error);
  await expect.poll(() => offline.sent(id, AbortSignal.timeout(50)).then(String, () => "waits")).toBe("waits");
  await offline.close();
  expect(await asked).toMatchObject({ code: ErrorCode.UNAVAILABLE });
  await alice.reopen();
  await expect.poll(() => shown(bob, id)).toEqual(["begin", "(deleted)", "second", "third"]);
  // From beside: it is carried out by the process that holds the profile, and both show it.
  await using beside = (await openClient({ home: alice.home, profile: alice.profile }, { gateway: alice.gateway }))!;
  expect(beside.role).toBe("beside");
  const events: ChatItem[] = [];
  beside.subscribe((event) => events.push(...(event.kind === "items" ? event.items : [])));
  await beside.deleteMessages(id, [await findIn(alice, id, "second")]);
  for (const each of [alice, bob, { client: beside }])
    await expect.poll(() => shown(each, id)).toEqual(["begin", "(deleted)", "(deleted)", "third"]);
  await expect.poll(() => events.some((item) => item.kind === "message" && item.deleted)).toBe(true);
  // What deletes is shown nowhere, nor while it waits.
  expect(events.filter((item) => item.kind === "message" && item.text === "" && !item.deleted)).toEqual([]);
});

test(
  "[S5] [S3] who joined later sees nothing of what was deleted before, and nobody is said to have withheld it",
  { timeout: 60_000 },
  async () => {
    const { alice, bob } = await acquaintances();
    await using _alice = alice;
    await using _bob = bob;
    await using carol = await person(system, `cat${count}`);
    const id = await alice.client.groups.create({ name: "Later", members: [bob.name] });
    const say = async (text: string): Promise<void> => {
      await alice.client.send(id, text);
      await alice.client.sent(id, AbortSignal.timeout(20_000));
    };
    for (const text of ["gone early", "gone late", "kept"]) await say(text);
    await deletes(alice, id, "gone early");
    await alice.client.groups.add(id, [carol.name]);
    await say("welcome");
    await expect.poll(() => shown(carol, id)).toEqual(["welcome"]);
    await expect.poll(() => noticesIn(carol, id)).toEqual([]);
    // What goes after she came is no different for who was not to read it.
    await deletes(alice, id, "gone late", "welcome");
    await expect.poll(() => shown(carol, id)).toEqual(["(deleted)"]);
    await using fresh = await anotherDevice(system, carol, { profile: `${carol.name}-2` });
    await expect.poll(() => shown(fresh, id)).toContain("(deleted)");
    for (const each of [carol, fresh, bob]) expect(await noticesIn(each, id)).toEqual([]);
  },
);

test("[H6] [S5] what is shown beside a message, and is not the server's any more, is not deleted in its place", async () => {
  const { alice, bob, id } = await acquaintances();
  await using _alice = alice;
  await using _bob = bob;
  for (const text of ["one", "two"]) await alice.say(bob.name, text);
  await bob.hears(alice.name, "two");
  const [one, two] = [await placeOf(alice, id, "one"), await placeOf(alice, id, "two")];
  await alice.client.close();
  // As a restored server leaves what it lost: beside what came next.
  const storage = openSqliteStorage(join(alice.home, alice.profile));
  const lost = (await read(storage, keys.entry(id, one), schemas.entry))!;
  const beside = (await read(storage, keys.entry(id, two), schemas.entry))!;
  if (lost.body.case === "message") Object.assign(lost.body.value, { clientMessageId: randomBytes(16), doubt: "lost" });
  beside.others.push(lost);
  await storage.commit([put(keys.entry(id, two), schemas.entry, beside)]);
  await storage.close();
  await alice.reopen();
  const found = (await messagesIn(alice, id)).filter(({ sequence }) => sequence === two);
  expect(found.map(({ text, doubt }) => [text, doubt])).toEqual([
    ["two", "none"],
    ["one", "lost"],
  ]);
  const deleting = alice.client.deleteMessages(id, [{ sequence: two, id: found[1]!.id }]);
  await expect(deleting).rejects.toMatchObject({ code: ErrorCode.NOT_FOUND });
  expect(await shown(bob, id)).toEqual(["begin", "one", "two"]);
});

test("[S5] [H4] what is over on its author's device before the deletion is on its way is deleted for the others all the same", async () => {
  const { alice, bob, id } = await acquaintances();
  await using _alice = alice;
  await using _bob = bob;
  await alice.client.send(id, "brief", { expiresAfter: 4 });
  await alice.client.send(id, "for good");
  await bob.hears(alice.name, "for good");
  const place = await findIn(alice, id, "brief");
  await alice.client.close();
  const offline = (await openClient({ home: alice.home, profile: alice.profile }, { gateway: alice.gateway, offline: true }))!;
  const asked = offline.deleteMessages(id, [place]).catch((error: unknown) => error);
  await expect.poll(() => shown({ client: offline }, id), { timeout: 10_000 }).toEqual(["begin", "for good"]);
  await offline.close();
  expect(await asked).toMatchObject({ code: ErrorCode.UNAVAILABLE });
  // It lives with who has not read it.
  expect(await shown(bob, id)).toEqual(["begin", "brief", "for good"]);
  await alice.reopen();
  await expect.poll(() => shown(bob, id), { timeout: 10_000 }).toEqual(["begin", "for good"]);
});
