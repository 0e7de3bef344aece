import { existsSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { anotherDevice, changedServerFrame, FrameProxy, person, startSystem, type System } from "../testing/index.ts";
import { openClient, signIn } from "./node.ts";

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
  const warning = () => dave.events.some((event) => event.kind === "warning" && event.warning === "new-device");
  await expect.poll(warning).toBe(true);
});

test("typing and presence are told, and end", async () => {
  await using erin = await person(system, "erin");
  const frank = await person(system, "frank");
  const conversation = await erin.say("frank", "there?");
  await frank.hears("erin", "there?");
  await erin.client.watchPresence([frank.me.account]);
  const isOnline = async () => (await erin.client.conversation(conversation))?.peer.online;
  const isTyping = async () => (await erin.client.conversation(conversation))?.typing;
  await expect.poll(isOnline).toBe(true);
  await frank.client.setTyping(conversation, true);
  await expect.poll(isTyping).toBe(true);
  await frank.client.send(conversation, "yes");
  await expect.poll(isTyping).toBe(false);
  await frank.client.close();
  await expect.poll(isOnline).toBe(false);
});

test("presence names people as found, and leaves out whom nobody named", async () => {
  await using olga = await person(system, "olga");
  const found = await person(system, "petra");
  const stranger = await person(system, "sven");
  expect((await olga.client.people("petra")).map(({ name }) => name)).toEqual(["petra"]);
  await olga.client.watchPresence([found.me.account, stranger.me.account]);
  await stranger.client.close();
  await found.client.close();
  const told = () => olga.events.flatMap((event) => (event.kind === "presence" ? event.people : []));
  await expect.poll(() => told().at(-1)).toMatchObject({ account: found.me.account, online: false });
  expect(new Set(told().map(({ name }) => name))).toEqual(new Set(["petra"]));
});

test("[H1] history gone on a new device: a fresh one reads a long history newest first, and sends at once", async () => {
  await using grace = await person(system, "grace");
  await using heidi = await person(system, "heidi");
  const conversation = await grace.client.openDirect("heidi");
  const texts = Array.from({ length: 1_500 }, (_, index) => `line ${index}`);
  await grace.client.sendAll(conversation, texts);
  await grace.client.sent(conversation, within(60_000));
  await heidi.hears("grace", "line 1499", 60_000);

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
  await using kim = await person(system, "kim");
  await using second = await anotherDevice(system, kim, { profile: "kim-2" });
  const conversation = await kim.say("kim", "remember the milk");
  expect(await kim.client.conversation(conversation)).toMatchObject({ kind: "note-to-self", unread: 0 });
  await second.hears("kim", "remember the milk");
  await Promise.all(
    [kim, second].map(async ({ client }, device) => {
      for (let index = 0; index < 20; index++) await client.send(conversation, `${device}/${index}`);
      await client.sent(conversation, within(20_000));
    }),
  );
  await expect.poll(() => kim.texts("kim").then((texts) => texts.length)).toBe(41);
  await expect.poll(() => second.texts("kim").then((texts) => texts.length)).toBe(41);
  expect(await kim.texts("kim")).toEqual(await second.texts("kim"));
});

test("[C2] both begin the conversation at once: one create counts, and nothing is lost", async () => {
  await using leo = await person(system, "leo");
  await using mia = await person(system, "mia");
  await Promise.all([leo.say("mia", "from leo"), mia.say("leo", "from mia")]);
  await leo.hears("mia", "from mia");
  await mia.hears("leo", "from leo");
  expect(await leo.texts("mia")).toEqual(await mia.texts("leo"));
  const created = (await leo.items("mia")).filter((item) => item.kind === "notice" && item.notice === "created");
  expect(created).toHaveLength(1);
});

test("[A5] safety numbers agree, and a comparison holds on all devices", async () => {
  await using nina = await person(system, "nina");
  await using omar = await person(system, "omar");
  await nina.say("omar", "hi");
  await omar.hears("nina", "hi");
  const [hers, his] = [await nina.client.safetyNumber("omar"), await omar.client.safetyNumber("nina")];
  expect(hers.digits).toBe(his.digits);
  expect(hers.digits).toMatch(/^(\d{5} ){11}\d{5}$/);
  expect(hers.verification).toBe("not-verified");
  await nina.client.setVerified("omar", true);
  await using other = await anotherDevice(system, nina, { profile: "nina-2" });
  await expect.poll(async () => (await other.client.conversations())[0]?.peer.verification).toBe("verified");
});

test("[P4] a fresh device that hears of somebody before it has read the vault changes nothing there", async () => {
  await using proxy = await FrameProxy.start(system.gatewayUrl);
  await using tina = await person(system, "tina");
  await using udo = await person(system, "udo");
  await tina.say("udo", "hi");
  await udo.hears("tina", "hi");
  await tina.client.setVerified("udo", true);
  await tina.client.setNote("udo", "from school");
  const late: (() => void)[] = [];
  proxy.script = {
    toClient: (frame, connection) => {
      if (frame.body.case !== "vault") return frame;
      late.push(() => connection.pass(frame));
      return undefined;
    },
  };
  await using other = await anotherDevice(system, tina, { profile: "tina-2", gateway: proxy.url });
  await expect.poll(async () => (await other.client.conversations())[0]?.peer.contact).toBe(true);
  proxy.script = {};
  for (const pass of late) pass();
  const peerOf = async ({ client }: typeof tina) => (await client.conversations())[0]?.peer;
  const kept = { verification: "verified", note: "from school" };
  await expect.poll(() => peerOf(other)).toMatchObject(kept);
  await other.client.setDraft((await other.client.conversations())[0]!.id, "written to the vault after all that");
  await expect.poll(async () => (await tina.client.conversations())[0]?.draft).toMatch(/written/);
  expect(await peerOf(tina)).toMatchObject(kept);
});

test("[H3] who signs out is gone, from the server and from the disk; messages wait for the next sign-in", async () => {
  await using pete = await person(system, "pete");
  const quinn = await person(system, "quinn");
  await pete.say("quinn", "one");
  await quinn.hears("pete", "one");
  expect(await quinn.client.signOut()).toEqual({ server: "told" });
  expect(existsSync(join(quinn.home, quinn.profile))).toBe(false);
  expect(await openClient(quinn)).toBeUndefined();
  await pete.say("quinn", "two");
  await using back = await anotherDevice(system, quinn, { profile: "quinn-2" });
  await back.hears("pete", "two");
  expect(await back.texts("pete")).toEqual(["one", "two"]);
});

test("a wrong password, an unknown name and a taken one are told apart", async () => {
  await using rosa = await person(system, "rosa");
  const place = { home: system.home, profile: "nobody" };
  const attempt = (name: string, password: string) => signIn(place, { gateway: system.gatewayUrl, name, password });
  expect(await attempt("rosa", "wrong horse battery staple")).toMatchObject({ kind: "refused", sentence: "Wrong password: try again." });
  expect(await attempt("nobody-at-all", "x")).toMatchObject({ kind: "refused", sentence: "No such user: check the name." });
  await expect(person(system, "rosa", { profile: "rosa-again" })).rejects.toThrow("Username already taken");
  await expect(rosa.client.openDirect("nobody-at-all")).rejects.toThrow("No such user");
});
