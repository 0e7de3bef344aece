import { afterAll, beforeAll, expect, test } from "vitest";
import { anotherDevice, changedServerFrame, FrameProxy, person, startSystem, type System } from "../testing/index.ts";
import { openClient } from "./node.ts";

let system: System;
beforeAll(async () => {
  system = await startSystem();
});
afterAll(() => system[Symbol.asyncDispose]());

const within = (milliseconds: number) => AbortSignal.timeout(milliseconds);

test("two people sign up, talk and read back", async () => {
  await using alice = await person(system, "alice");
  await using bob = await person(system, "bob");
  await alice.say("bob", "hello bob");
  await bob.hears("alice", "hello bob");
  await bob.say("alice", "hello alice");
  await alice.hears("bob", "hello alice");
  expect(await alice.texts("bob")).toEqual(["hello bob", "hello alice"]);
  expect(await bob.texts("alice")).toEqual(["hello bob", "hello alice"]);

  // What is stored is there without a connection too.
  await alice.client.close();
  await using offline = (await openClient(alice, { offline: true }))!;
  const [summary] = await offline.conversations();
  expect(summary).toMatchObject({ title: "bob", kind: "direct", blocked: "none", last: { text: "hello alice" } });
  expect(offline.connection.kind).toBe("offline");
});

test("[S5] a message is sent, delivered and read; unread ones are counted", async () => {
  await using carol = await person(system, "carol");
  await using dave = await person(system, "dave");
  const conversation = await carol.say("dave", "one");
  await carol.client.send(conversation, "two");
  await dave.hears("carol", "two");
  const status = async () => (await carol.messages("dave")).map((message) => message.status);
  await expect.poll(status).toEqual(["delivered", "delivered"]);
  expect((await dave.client.conversation(conversation))?.unread).toBe(2);
  const [first] = await dave.messages("carol");
  await dave.client.markRead(conversation, first!.sequence!);
  await expect.poll(status).toEqual(["read", "delivered"]);
  expect((await dave.client.conversation(conversation))?.unread).toBe(1);

  // What was read is read on every device, and so are drafts and notes.
  await dave.client.setDraft(conversation, "half a thought");
  await dave.client.setNote("carol", "met at work");
  await using other = await anotherDevice(system, dave, { profile: "dave-2" });
  await expect
    .poll(() => other.client.conversation(conversation))
    .toMatchObject({ unread: 1, draft: "half a thought", peer: { note: "met at work", contact: true } });
  const told = () => dave.events.filter((event) => event.kind === "warning" && event.warning === "new-device");
  const named = { device: other.me.device, text: expect.stringContaining("signed in to your account.") };
  await expect.poll(told).toMatchObject([named]);
});

test("typing and presence are told, and end", async () => {
  await using erin = await person(system, "erin");
  const frank = await person(system, "frank");
  const conversation = await erin.say("frank", "there?");
  await frank.hears("erin", "there?");
  await erin.client.watchPresence([frank.me.account]);
  const isOnline = async () => (await erin.client.conversation(conversation))?.peer?.online;
  const isTyping = async () => (await erin.client.conversation(conversation))?.typing;
  await expect.poll(isOnline).toBe(true);
  await frank.client.accept(conversation);
  await frank.client.setTyping(conversation, true);
  await expect.poll(isTyping).toEqual(["frank"]);
  await frank.client.send(conversation, "yes");
  await expect.poll(isTyping).toEqual([]);
  await frank.client.close();
  await expect.poll(isOnline).toBe(false);
});

test("presence names people as found, and leaves out whom nobody named", async () => {
  await using mallory = await person(system, "mallory");
  const found = await person(system, "niaj");
  const stranger = await person(system, "olivia");
  expect((await mallory.client.people("niaj")).map(({ name }) => name)).toEqual(["niaj"]);
  await mallory.client.watchPresence([found.me.account, stranger.me.account]);
  await stranger.client.close();
  await found.client.close();
  const told = () => mallory.events.flatMap((event) => (event.kind === "presence" ? event.people : []));
  await expect.poll(() => told().at(-1)).toMatchObject({ account: found.me.account, online: false });
  expect(new Set(told().map(({ name }) => name))).toEqual(new Set(["niaj"]));
});

test("[H1] history gone on a new device: a fresh one reads a long history newest first, and sends at once", async () => {
  await using grace = await person(system, "grace");
  await using heidi = await person(system, "heidi");
  const conversation = await grace.client.openDirect("heidi");
  // More than a page has.
  const count = process.env["SIZE"] === "large" ? 1_500 : 700;
  const texts = Array.from({ length: count }, (_, index) => `line ${index}`);
  await grace.client.sendAll(conversation, texts);
  await grace.client.sent(conversation, within(60_000));
  await heidi.hears("grace", `line ${count - 1}`, 60_000);

  await using fresh = await anotherDevice(system, heidi, { profile: "heidi-2" });
  await fresh.client.caughtUp(within(20_000));
  const newest = await fresh.client.items(conversation, { limit: 20 });
  expect(newest.items.flatMap((item) => (item.kind === "message" ? [item.text] : []))).toEqual(texts.slice(-20));
  await fresh.say("grace", "from a new device");
  await grace.hears("heidi", "from a new device");

  const all: string[] = [];
  for (let before: number | undefined, more = true; more;) {
    const page = await fresh.client.items(conversation, { limit: 400, ...(before !== undefined && { before }) });
    all.unshift(...page.items.flatMap((item) => (item.kind === "message" ? [item.text] : [])));
    expect(page.items.filter((item) => item.kind === "notice" && ["contradiction", "unreadable", "fork"].includes(item.notice))).toEqual(
      [],
    );
    before = page.items[0]?.sequence;
    ({ more } = page);
  }
  expect(all).toEqual([...texts, "from a new device"]);
});

test("[S4] a gap in what arrives is fetched, never skipped", async () => {
  await using proxy = await FrameProxy.start(system.gatewayUrl);
  await using ivan = await person(system, "ivan");
  await using judy = await person(system, "judy", { gateway: proxy.url });
  const conversation = await ivan.say("judy", "begin");
  await judy.hears("ivan", "begin");
  let dropped = 0;
  proxy.script = {
    // Of what the server says by itself, two of three frames get lost, and the others lose their first entry.
    toClient: (frame) => {
      if (frame.body.case !== "entries" || frame.request !== 0) return frame;
      if (++dropped % 3 !== 0) return undefined;
      return changedServerFrame(frame, { case: "entries", value: { ...frame.body.value, entries: frame.body.value.entries.slice(1) } });
    },
  };
  const texts = Array.from({ length: 60 }, (_, index) => `n${index}`);
  for (const text of texts) {
    await ivan.client.send(conversation, text);
    await ivan.client.sent(conversation, within(20_000));
  }
  expect(dropped).toBeGreaterThan(10);
  proxy.script = {};
  await ivan.client.send(conversation, "end");
  await judy.hears("ivan", "end");
  expect(await judy.texts("ivan", 1_000)).toEqual(["begin", ...texts, "end"]);
});

test("a note to self, several devices, and the same order everywhere", async () => {
  await using peggy = await person(system, "peggy");
  await using second = await anotherDevice(system, peggy, { profile: "peggy-2" });
  const conversation = await peggy.say("peggy", "remember the milk");
  expect(await peggy.client.conversation(conversation)).toMatchObject({ kind: "note-to-self", unread: 0 });
  await second.hears("peggy", "remember the milk");
  await Promise.all(
    [peggy, second].map(async ({ client }, device) => {
      for (let index = 0; index < 20; index++) await client.send(conversation, `${device}/${index}`);
      await client.sent(conversation, within(20_000));
    }),
  );
  await expect.poll(() => peggy.texts("peggy").then((texts) => texts.length)).toBe(41);
  await expect.poll(() => second.texts("peggy").then((texts) => texts.length)).toBe(41);
  expect(await peggy.texts("peggy")).toEqual(await second.texts("peggy"));
});

test("[C2] both begin the conversation at once: one create counts, and nothing is lost", async () => {
  await using rupert = await person(system, "rupert");
  await using sybil = await person(system, "sybil");
  await Promise.all([rupert.say("sybil", "from rupert"), sybil.say("rupert", "from sybil")]);
  await rupert.hears("sybil", "from sybil");
  await sybil.hears("rupert", "from rupert");
  expect(await rupert.texts("sybil")).toEqual(await sybil.texts("rupert"));
  const created = (await rupert.items("sybil")).filter((item) => item.kind === "notice" && item.notice === "created");
  expect(created).toHaveLength(1);
});
