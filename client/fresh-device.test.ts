import type { ConversationId } from "@fastchat/protocol";
import { anotherDevice, type Person, person, startSystem, type System } from "@fastchat/testing";
import { afterAll, beforeAll, expect, test } from "vitest";

let system: System;
beforeAll(async () => {
  system = await startSystem();
});
afterAll(() => system[Symbol.asyncDispose]());

const texts = (about: string, count: number): string[] => Array.from({ length: count }, (_, number) => `${about} ${number}`);

/** As people see it: who wrote what at which place, and what the list says of it. */
async function listOf({ client }: Person) {
  const all = await client.conversations();
  return all.map(({ id, title, unread, mentions, readUpTo, head, last, draft, mute, pinnedAt, peer }) => ({
    id,
    title,
    unread,
    mentions,
    readUpTo,
    head,
    draft,
    mute,
    pinnedAt,
    last: last?.text,
    verification: peer?.verification,
    note: peer?.note,
  }));
}

/** Back to the very beginning, as somebody scrolls. */
async function historyOf({ client }: Person, id: ConversationId): Promise<string[]> {
  const history: string[] = [];
  for (let before: number | undefined; ;) {
    const { items, more } = await client.items(id, { limit: 60, ...(before !== undefined && { before }) });
    history.unshift(...items.map((item) => `${item.sequence} ${item.kind === "message" ? item.from.name : item.notice} ${item.text}`));
    before = items[0]?.sequence;
    if (!more || before === undefined) return history;
  }
}

async function sends({ client }: Person, id: ConversationId, all: readonly string[]): Promise<void> {
  await client.sendAll(id, all);
  await client.sent(id, AbortSignal.timeout(60_000));
}

const hasAll = (who: Person, id: ConversationId, head: number) =>
  expect.poll(async () => (await who.client.conversation(id))?.head, { timeout: 20_000 }).toBeGreaterThanOrEqual(head);

test("[H1] [P4] a fresh device has list and history as the old one, with nobody else there", async () => {
  await using alice = await person(system, "alice");
  const withBob = await alice.say("bob", "hello bob");
  const withCarol = await alice.say("carol", "hello carol");
  const group = await alice.client.groups.create({ name: "Chess club", members: ["bob", "carol"] });
  {
    await using bob = await person(system, "bob");
    await hasAll(bob, withBob, 2);
    // More than a page each: a fresh device begins with the newest.
    await sends(bob, withBob, texts("from bob", 600));
    await hasAll(bob, group, 1);
    await sends(bob, group, [...texts("chess", 120), "@alice your move"]);
    await using carol = await person(system, "carol");
    await hasAll(carol, withCarol, 2);
    await sends(carol, withCarol, texts("from carol", 30));
  }
  await hasAll(alice, withBob, 602);
  await hasAll(alice, group, 122);
  await hasAll(alice, withCarol, 32);
  await alice.client.markRead(withBob, 40);
  await alice.client.markRead(group, 100);
  await alice.client.setDraft(withBob, "what I wanted to say");
  await alice.client.setDraft(group, "e4");
  await alice.client.setMute(group, "except-mentions");
  await alice.client.setPinned(withCarol, true);
  await alice.client.setPinned(group, true);
  await alice.client.setVerified("bob", true);
  await alice.client.setNote("carol", "plays the violin");
  const list = await listOf(alice);
  expect(list).toMatchObject([
    { title: "carol", unread: 30, note: "plays the violin" },
    { title: "Chess club", unread: 22, mentions: 1, mute: "except-mentions", draft: "e4" },
    { title: "bob", unread: 562, draft: "what I wanted to say", verification: "verified" },
  ]);
  const histories = await Promise.all([withBob, withCarol, group].map((id) => historyOf(alice, id)));
  await alice.client.close();

  await using fresh = await anotherDevice(system, alice, { profile: "alice-fresh" });
  await expect.poll(() => listOf(fresh), { timeout: 20_000 }).toEqual(list);
  expect(await Promise.all([withBob, withCarol, group].map((id) => historyOf(fresh, id)))).toEqual(histories);
  await fresh.say("bob", "from the fresh device");
});

test("[H1] [C4] all devices gone while 1,000 messages and ten changes of members happen: a fresh device reads everything and sends at once", async () => {
  await using alice = await person(system, "erin");
  const group = await alice.client.groups.create({ name: "Long away", members: ["frank", "grace"] });
  await alice.client.groups.setRole(group, ["frank"], "admin");
  await alice.client.signOut();
  const expected: string[] = [];
  await using frank = await person(system, "frank");
  await using grace = await person(system, "grace");
  await hasAll(frank, group, 2);
  await hasAll(grace, group, 2);
  for (let round = 0; round < 10; round++) {
    for (const writer of [frank, grace]) {
      const all = texts(`${writer.name}, round ${round}:`, 50);
      await sends(writer, group, all);
      expected.push(...all.map((text) => `${writer.name} ${text}`));
    }
    const newcomer = ["heidi", "ivan", "judy", "mallory", "niaj"][Math.floor(round / 2)]!;
    await (round % 2 === 0 ? frank.client.groups.add(group, [newcomer]) : frank.client.groups.remove(group, [newcomer]));
    await hasAll(grace, group, (await frank.client.conversation(group))!.head);
  }
  await frank.client.close();
  await grace.client.close();

  await using fresh = await anotherDevice(system, alice, { profile: "erin-fresh" });
  await fresh.client.caughtUp(AbortSignal.timeout(10_000));
  await sends(fresh, group, ["back again"]);
  const { items } = await fresh.client.items(group, { limit: 2_000 });
  const read = items.flatMap((item) => (item.kind === "message" ? [`${item.from.name} ${item.text}`] : []));
  expect(read).toEqual([...expected, "erin back again"]);
  const told = items.flatMap((item) => (item.kind === "notice" && item.notice === "membership" ? [item.text] : []));
  expect(told.filter((text) => text.startsWith("frank added") || text.startsWith("frank removed"))).toHaveLength(10);
  expect(items.filter((item) => item.kind === "notice" && item.notice === "unreadable")).toEqual([]);
});

test("[P4] read positions, drafts, mutes, pins and messages are in step on all devices within a second", async () => {
  await using alice = await person(system, "rupert");
  await using bob = await person(system, "sybil");
  const id = await alice.say("sybil", "hello");
  await bob.hears("rupert", "hello");
  await using tablet = await anotherDevice(system, alice, { profile: "rupert-2" });
  await tablet.client.caughtUp(AbortSignal.timeout(10_000));
  /** From the call on one device until the other one says so. A busy machine may hold one of several turns up. */
  const inStep = async (change: (turn: number) => Promise<unknown>, holds: (turn: number) => Promise<unknown>): Promise<void> => {
    const times: number[] = [];
    for (let turn = 0; turn < 3; turn++) {
      const since = performance.now();
      await change(turn);
      await expect.poll(() => holds(turn), { interval: 10 }).toBe(true);
      times.push(performance.now() - since);
    }
    expect(Math.min(...times)).toBeLessThan(1_000);
  };
  const there = async () => (await tablet.client.conversation(id))!;
  const isOdd = (turn: number) => turn % 2 === 1;
  await inStep(
    (turn) => alice.client.send(id, `and on ${turn}`),
    async (turn) => (await there()).last?.text === `and on ${turn}`,
  );
  await inStep(
    (turn) => alice.client.setDraft(id, `not yet ${turn}`),
    async (turn) => (await there()).draft === `not yet ${turn}`,
  );
  await inStep(
    (turn) => alice.client.setMute(id, isOdd(turn) ? "none" : "all"),
    async (turn) => (await there()).mute === (isOdd(turn) ? "none" : "all"),
  );
  await inStep(
    (turn) => alice.client.setPinned(id, !isOdd(turn)),
    async (turn) => ((await there()).pinnedAt !== undefined) === !isOdd(turn),
  );
  const answers = ["one", "two", "three"];
  for (const answer of answers) await bob.say("rupert", answer);
  for (const device of [tablet, alice]) await device.hears("sybil", "three");
  const { head } = (await alice.client.conversation(id))!;
  await inStep(
    (turn) => alice.client.markRead(id, head - 2 + turn),
    async (turn) => (await there()).unread === 2 - turn,
  );
});
