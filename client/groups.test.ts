import type { ConversationId } from "@fastchat/protocol";
import { type Person, person, startSystem, type System } from "@fastchat/testing";
import { afterAll, beforeAll, expect, test } from "vitest";

const shared = new AsyncDisposableStack();
let system: System;
beforeAll(async () => {
  system = shared.use(await startSystem());
});
afterAll(() => shared.disposeAsync());

const textsOf = async ({ client }: Person, id: ConversationId) =>
  (await client.items(id, { limit: 200 })).items.flatMap((item) => (item.kind === "message" ? [item.text] : []));
const noticesOf = async ({ client }: Person, id: ConversationId) =>
  (await client.items(id, { limit: 200 })).items.flatMap((item) => (item.kind === "notice" ? [item.text] : []));
const hears = (who: Person, id: ConversationId, text: string) => expect.poll(() => textsOf(who, id)).toContain(text);
const rosterOf = async ({ client }: Person, id: ConversationId) =>
  (await client.groups.info(id))?.members.map(({ person: { name }, role }) => `${name} ${role}`);

async function say({ client }: Person, id: ConversationId, text: string): Promise<void> {
  await client.send(id, text);
  await client.sent(id, AbortSignal.timeout(20_000));
}

test("[C2] [C8] a group is made, talked in, grows, and loses somebody who reads no further", async () => {
  await using alice = await person(system, "alice");
  await using bob = await person(system, "bob");
  await using carol = await person(system, "carol");
  await using dave = await person(system, "dave");
  const id = await alice.client.groups.create({ name: "Chess club", members: ["bob", "carol"] });
  await expect.poll(async () => (await bob.client.conversation(id))?.title).toBe("Chess club");
  await say(alice, id, "welcome");
  await hears(bob, id, "welcome");
  await hears(carol, id, "welcome");
  await say(bob, id, "hello, @alice");
  await hears(alice, id, "hello, @alice");
  await expect.poll(async () => (await alice.client.conversation(id))?.mentions).toBe(1);

  await alice.client.groups.add(id, ["dave"]);
  await expect.poll(() => rosterOf(dave, id)).toEqual(["alice admin", "bob member", "carol member", "dave member"]);
  await say(carol, id, "hello dave");
  await hears(dave, id, "hello dave");
  expect(await textsOf(dave, id)).toEqual(["hello dave"]);
  expect((await dave.client.conversation(id))?.title).toBe("Chess club");

  await alice.client.groups.remove(id, ["bob"]);
  await expect.poll(async () => (await bob.client.conversation(id))?.blocked).toBe("out");
  expect(await bob.client.conversation(id)).toMatchObject({ group: { ended: { how: "removed", by: "alice" } } });
  await say(dave, id, "without bob");
  await hears(alice, id, "without bob");
  expect(await textsOf(bob, id)).toEqual(["welcome", "hello, @alice", "hello dave"]);
  await expect.poll(() => noticesOf(carol, id)).toContain("alice removed bob.");
  expect(await noticesOf(carol, id)).toContain("alice added dave.");
});

test("[C4] [C6] what newcomers can read is the policy's word: nothing older, everything, or from now on", async () => {
  await using alice = await person(system, "erin");
  await using bob = await person(system, "frank");
  await using carol = await person(system, "grace");
  await using dave = await person(system, "heidi");
  const id = await alice.client.groups.create({ name: "History", members: ["frank"], policy: { newcomersRead: "everything" } });
  await say(alice, id, "one");
  await expect.poll(async () => (await bob.client.conversation(id))?.title).toBe("History");
  await say(bob, id, "two");
  await alice.client.groups.add(id, ["grace"]);
  await expect.poll(() => textsOf(carol, id)).toEqual(["one", "two"]);
  await say(carol, id, "three");
  await alice.client.groups.setPolicy(id, { newcomersRead: "now" });
  await say(alice, id, "four");
  await alice.client.groups.add(id, ["heidi"]);
  await expect.poll(() => textsOf(dave, id)).toEqual(["four"]);
  expect(await noticesOf(dave, id)).not.toContain("A message cannot be read yet: its key has not arrived. It will be shown when it does.");
  await say(dave, id, "five");
  await hears(carol, id, "five");
  expect(await textsOf(carol, id)).toEqual(["one", "two", "three", "four", "five"]);
  expect((await dave.client.conversation(id))?.unread).toBe(1);
});

test("[C7] by a link somebody is let in at once by an admin's device; asked about, where the policy says so; and never once removed", async () => {
  await using alice = await person(system, "ivan");
  await using bob = await person(system, "judy");
  await using carol = await person(system, "mallory");
  const id = await alice.client.groups.create({ name: "Open house", members: [] });
  const { link } = await alice.client.groups.invite(id, { uses: 2 });
  expect(await bob.client.groups.join(link)).toEqual({ kind: "asked", conversation: id });
  await expect.poll(() => rosterOf(bob, id)).toEqual(["ivan admin", "judy member"]);
  expect(await bob.client.conversation(id)).toMatchObject({ title: "Open house", request: false });
  await expect.poll(() => noticesOf(alice, id)).toContain("judy joined by an invitation.");

  await alice.client.groups.setPolicy(id, { joining: "asks" });
  await carol.client.groups.join(link);
  await expect
    .poll(async () => (await alice.client.groups.joinRequests(id)).map(({ person: { name }, by }) => `${name} ${by}`))
    .toEqual(["mallory invitation"]);
  await expect.poll(() => alice.client.conversation(id)).toMatchObject({ group: { joinRequests: 1 } });
  await alice.client.groups.approve(id, ["mallory"]);
  await expect.poll(() => rosterOf(carol, id)).toEqual(["ivan admin", "judy member", "mallory member"]);
  expect(await alice.client.groups.info(id)).toMatchObject({ invitations: [{ uses: 2, used: 2, state: "used-up" }], joinRequests: 0 });

  await alice.client.groups.remove(id, ["judy"]);
  await expect.poll(async () => (await bob.client.conversation(id))?.blocked).toBe("out");
  await expect(bob.client.groups.join((await alice.client.groups.invite(id)).link)).rejects.toMatchObject({
    row: { name: "forbidden" },
  });
});

test("[C2] [C3] who was away learns why it is out; who is left last is admin; a public name is found and asked", async () => {
  await using alice = await person(system, "niaj");
  await using bob = await person(system, "olivia");
  await using carol = await person(system, "peggy");
  const id = await alice.client.groups.create({ name: "Readers", members: ["olivia", "peggy"], policy: { publicName: "readers" } });
  await expect.poll(() => rosterOf(bob, id)).toHaveLength(3);
  await bob.client.close();
  await say(alice, id, "before");
  await alice.client.groups.remove(id, ["olivia"]);
  await say(alice, id, "after");
  await bob.reopen();
  await expect
    .poll(() => bob.client.conversation(id))
    .toMatchObject({
      blocked: "out",
      group: { ended: { how: "removed", by: "niaj" }, role: undefined },
    });
  expect(await textsOf(bob, id)).toEqual(["before"]);
  await expect(bob.client.groups.add(id, ["niaj"])).rejects.toMatchObject({ row: { name: "not-a-member" } });
  await expect(carol.client.groups.remove(id, ["niaj"])).rejects.toMatchObject({
    row: { name: "forbidden" },
  });

  await alice.client.groups.leave(id);
  await expect.poll(() => rosterOf(carol, id)).toEqual(["peggy admin"]);
  expect(await noticesOf(carol, id)).toContain("You are an admin now: no other was left.");
  expect(await alice.client.groups.find("read")).toMatchObject([{ name: "readers", memberCount: 1 }]);
  await alice.client.groups.join("readers");
  await expect.poll(async () => (await carol.client.groups.joinRequests(id)).map(({ by }) => by)).toEqual(["public-name"]);
  await carol.client.groups.approve(id, ["niaj"]);
  await say(carol, id, "welcome back");
  await hears(alice, id, "welcome back");
});
