import type { ConversationId } from "@fastchat/protocol";
import { setTimeout as wait } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { anotherDevice, FrameProxy, type Person, person, startSystem, type System } from "../testing/index.ts";

let system: System;
beforeAll(async () => {
  system = await startSystem();
});
afterAll(() => system[Symbol.asyncDispose]());

/** Receipts go together within this time, and are there. */
const RECEIPTS_MS = 400;

/** What somebody's client says that tells others something, as it passes a proxy. */
function overheard(proxy: FrameProxy): string[] {
  const said: string[] = [];
  proxy.script = {
    toServer: (frame) => {
      if (frame.body.case === "writeSlot" || frame.body.case === "sendSignal") said.push(frame.body.case);
      return frame;
    },
  };
  return said;
}

const requestsOf = async ({ client }: Person) => {
  const { count, conversations } = await client.requests();
  return { count, titles: conversations.map(({ title }) => title) };
};
const titlesOf = async ({ client }: Person) => (await client.conversations()).map(({ title }) => title);
const statusOf = async (sender: Person, to: string) => (await sender.messages(to)).map(({ status }) => status);
const summaryOf = ({ client }: Person, id: ConversationId) => client.conversation(id);
const liveTexts = ({ events }: Person) =>
  events.flatMap((event) =>
    event.kind === "items" && event.live ? event.items.flatMap((item) => (item.kind === "message" && !item.mine ? [item.text] : [])) : [],
  );

test("[C8] a stranger's first message is a request, and the stranger hears nothing until it is accepted", async () => {
  await using proxy = await FrameProxy.start(system.gatewayUrl);
  const said = overheard(proxy);
  await using alice = await person(system, "alice", { gateway: proxy.url });
  await using bob = await person(system, "bob");
  const id = await bob.say("alice", "hello, you do not know me");
  await expect.poll(() => requestsOf(alice)).toEqual({ count: 1, titles: ["bob"] });
  expect(await titlesOf(alice)).toEqual([]);
  expect(await summaryOf(alice, id)).toMatchObject({ request: true, peer: { name: "bob", contact: false, verification: "not-verified" } });
  await expect.poll(() => alice.texts("bob")).toEqual(["hello, you do not know me"]);
  await expect.poll(() => alice.events).toContainEqual({ kind: "requests", count: 1 });
  await alice.client.markRead(id, 2);
  await alice.client.setTyping(id, true);
  await alice.client.caughtUp(AbortSignal.timeout(5_000));
  await alice.reopen();
  await alice.client.caughtUp(AbortSignal.timeout(5_000));
  await wait(RECEIPTS_MS);
  expect(said).toEqual([]);
  expect(liveTexts(alice)).toEqual([]);
  expect(await statusOf(bob, "alice")).toEqual(["sent"]);

  await alice.client.accept(id);
  expect(await titlesOf(alice)).toEqual(["bob"]);
  expect(await requestsOf(alice)).toEqual({ count: 0, titles: [] });
  expect(await summaryOf(alice, id)).toMatchObject({ request: false, unread: 1, peer: { contact: true } });
  await expect.poll(() => statusOf(bob, "alice")).toEqual(["delivered"]);
  await alice.client.markRead(id, 2);
  await expect.poll(() => statusOf(bob, "alice")).toEqual(["read"]);
  await bob.say("alice", "thank you");
  await expect.poll(() => liveTexts(alice)).toEqual(["thank you"]);
  await expect.poll(() => alice.events.findLast((event) => event.kind === "requests")).toEqual({ kind: "requests", count: 0 });
});

test("[C8] who writes into a request accepts it; it holds on all devices", async () => {
  await using carol = await person(system, "carol");
  await using dave = await person(system, "dave");
  const id = await dave.say("carol", "lunch?");
  await expect.poll(() => requestsOf(carol)).toEqual({ count: 1, titles: ["dave"] });
  await using tablet = await anotherDevice(system, carol, { profile: "carol-2" });
  await expect.poll(() => requestsOf(tablet)).toEqual({ count: 1, titles: ["dave"] });
  await carol.client.send(id, "who are you?");
  await expect.poll(() => titlesOf(carol)).toEqual(["dave"]);
  await expect.poll(() => statusOf(dave, "carol")).toEqual(["delivered", "delivered"]);
  await expect.poll(() => titlesOf(tablet)).toEqual(["dave"]);
  expect(await requestsOf(tablet)).toEqual({ count: 0, titles: [] });
});

test("[C8] a request that was put away comes back when something is written there from here; all that wait can be put away", async () => {
  await using proxy = await FrameProxy.start(system.gatewayUrl);
  const said = overheard(proxy);
  await using erin = await person(system, "erin", { gateway: proxy.url });
  await using frank = await person(system, "frank");
  await using grace = await person(system, "grace");
  const id = await frank.say("erin", "buy this");
  await expect.poll(() => requestsOf(erin)).toEqual({ count: 1, titles: ["frank"] });
  await erin.client.decline(id);
  expect(await requestsOf(erin)).toEqual({ count: 0, titles: [] });
  await frank.say("erin", "buy this, too");
  await expect.poll(async () => (await summaryOf(erin, id))?.head).toBe(3);
  expect([await requestsOf(erin), await titlesOf(erin)]).toEqual([{ count: 0, titles: [] }, []]);

  await grace.say("erin", "one");
  await expect.poll(() => erin.texts("grace")).toEqual(["one"]);
  expect(await requestsOf(erin)).toEqual({ count: 1, titles: ["grace"] });
  await erin.client.decline(undefined);
  expect(await requestsOf(erin)).toEqual({ count: 0, titles: [] });
  await using tablet = await anotherDevice(system, erin, { profile: "erin-2" });
  await tablet.client.caughtUp(AbortSignal.timeout(10_000));
  expect(await requestsOf(tablet)).toEqual({ count: 0, titles: [] });
  // What comes later is another matter.
  await grace.say("erin", "two");
  await expect.poll(() => requestsOf(erin)).toEqual({ count: 1, titles: ["grace"] });
  await expect.poll(() => requestsOf(tablet)).toEqual({ count: 1, titles: ["grace"] });
  await wait(RECEIPTS_MS);
  expect(said).toEqual([]);
  expect(await statusOf(grace, "erin")).toEqual(["sent", "sent"]);

  await erin.client.send(id, "no, thank you");
  await expect.poll(() => titlesOf(erin)).toEqual(["frank"]);
  await expect.poll(() => statusOf(frank, "erin")).toEqual(["delivered", "delivered", "delivered"]);
  await expect(erin.client.decline("00".repeat(32) as ConversationId)).rejects.toThrow("There is no such thing");
});

test("[C8] who is blocked is not seen and hears nothing, until they are not any more", async () => {
  await using proxy = await FrameProxy.start(system.gatewayUrl);
  const said = overheard(proxy);
  await using heidi = await person(system, "heidi", { gateway: proxy.url });
  await using ivan = await person(system, "ivan");
  const id = await heidi.say("ivan", "hello");
  await ivan.hears("heidi", "hello");
  const common = await ivan.client.groups.create({ name: "Common", members: ["heidi"] });
  await expect.poll(async () => new Set(await titlesOf(heidi))).toEqual(new Set(["ivan", "Common"]));
  await using tablet = await anotherDevice(system, heidi, { profile: "heidi-2" });
  await expect.poll(async () => (await titlesOf(tablet)).length).toBe(2);

  await heidi.client.setBlocked("ivan", true);
  // In what they have in common already, who is blocked is a member like others.
  expect(await titlesOf(heidi)).toEqual(["Common"]);
  await expect.poll(() => titlesOf(tablet)).toEqual(["Common"]);
  await wait(RECEIPTS_MS);
  said.length = 0;
  await ivan.say("heidi", "are you there?");
  await ivan.client.setTyping(id, true);
  const other = await ivan.client.groups.create({ name: "Another", members: ["heidi"] });
  await expect.poll(async () => (await summaryOf(heidi, id))?.head).toBe(3);
  await expect.poll(async () => (await summaryOf(heidi, other))?.title).toBe("Another");
  await heidi.client.setTyping(id, true);
  await heidi.client.markRead(id, 3);
  await heidi.client.caughtUp(AbortSignal.timeout(5_000));
  await wait(RECEIPTS_MS);
  expect(await summaryOf(heidi, id)).toMatchObject({ unread: 0, typing: [], peer: { blocked: true } });
  expect([await titlesOf(heidi), await requestsOf(heidi)]).toEqual([["Common"], { count: 0, titles: [] }]);
  expect(said).toEqual([]);
  expect(liveTexts(heidi)).toEqual([]);
  expect(await statusOf(ivan, "heidi")).toEqual(["delivered", "sent"]);
  await ivan.client.send(common, "in public");
  await expect.poll(() => liveTexts(heidi)).toEqual(["in public"]);

  await heidi.client.setBlocked("ivan", false);
  expect(new Set(await titlesOf(heidi))).toEqual(new Set(["ivan", "Common", "Another"]));
  expect(await summaryOf(heidi, id)).toMatchObject({ unread: 1, peer: { blocked: false } });
  await expect.poll(() => statusOf(ivan, "heidi")).toEqual(["delivered", "delivered"]);
  await expect(heidi.client.setBlocked("nobody-at-all", true)).rejects.toThrow("No such user");
});

test("[C8] a group into which a stranger brings one is an invitation: no receipts, no notices, until it is accepted", async () => {
  await using proxy = await FrameProxy.start(system.gatewayUrl);
  const said = overheard(proxy);
  await using judy = await person(system, "judy", { gateway: proxy.url });
  await using kevin = await person(system, "kevin");
  const id = await kevin.client.groups.create({ name: "Prizes", members: ["judy"] });
  await kevin.client.send(id, "you have won");
  await expect.poll(() => requestsOf(judy)).toEqual({ count: 1, titles: ["Prizes"] });
  await expect.poll(async () => (await summaryOf(judy, id))?.head).toBe(2);
  await judy.client.caughtUp(AbortSignal.timeout(5_000));
  await wait(RECEIPTS_MS);
  expect([said, liveTexts(judy), await titlesOf(judy)]).toEqual([[], [], []]);
  await judy.client.accept(id);
  expect(await titlesOf(judy)).toEqual(["Prizes"]);
  const statuses = async () =>
    (await kevin.client.items(id, { limit: 10 })).items.flatMap((item) => (item.kind === "message" ? [item.status] : []));
  await expect.poll(statuses).toEqual(["delivered"]);
  // To be in a group with somebody makes no contact of them.
  expect((await judy.client.people()).filter(({ contact }) => contact)).toEqual([]);
  // Whom one knows may bring one in.
  await judy.client.openDirect("kevin");
  const another = await kevin.client.groups.create({ name: "Friends", members: ["judy"] });
  await expect.poll(async () => (await summaryOf(judy, another))?.request).toBe(false);
});
