import { afterAll, beforeAll, expect, test } from "vitest";
import { anotherDevice, type Person, person, startSystem, type System } from "../testing/index.ts";

let system: System;
beforeAll(async () => {
  system = await startSystem({ servers: 1 });
});
afterAll(() => system[Symbol.asyncDispose]());

test("[P4] what is muted is so on all devices, and what was set about requests stays as it is", async () => {
  await using alice = await person(system, "alice");
  await using bob = await person(system, "bob");
  await bob.say("alice", "from a stranger");
  await expect.poll(() => alice.texts("bob")).toEqual(["from a stranger"]);
  await alice.client.decline(undefined);
  const id = await alice.say("carol", "hello");
  await using tablet = await anotherDevice(system, alice, { profile: "alice-2" });
  const muteAt = async ({ client }: Person) => (await client.conversation(id))?.mute;
  await expect.poll(() => muteAt(tablet)).toBe("none");
  const told = tablet.events.length;
  await alice.client.setMute(id, "all");
  expect(await muteAt(alice)).toBe("all");
  await expect.poll(() => muteAt(tablet)).toBe("all");
  const hasHeard = () => tablet.events.slice(told).some((event) => event.kind === "conversations" && event.conversations.includes(id));
  await expect.poll(hasHeard).toBe(true);
  await tablet.client.setMute(id, "except-mentions");
  await expect.poll(() => muteAt(alice)).toBe("except-mentions");
  await alice.client.setMute(id, "none");
  await expect.poll(() => muteAt(tablet)).toBe("none");
  // The first one that is pinned stays the first.
  const dave = await alice.say("dave", "hello");
  const order = async ({ client }: Person) => (await client.conversations()).map(({ title }) => title);
  await expect.poll(() => order(tablet)).toEqual(["dave", "carol"]);
  await alice.client.setPinned(id, true);
  await expect.poll(() => order(tablet)).toEqual(["carol", "dave"]);
  await tablet.client.setPinned(dave, true);
  await expect.poll(() => order(alice)).toEqual(["carol", "dave"]);
  await alice.client.setPinned(id, false);
  await expect.poll(() => order(tablet)).toEqual(["dave", "carol"]);
  expect(await order(alice)).toEqual(["dave", "carol"]);
  // Requests that were put away are in another entry, and stay away.
  for (const { client } of [alice, tablet]) expect((await client.requests()).count).toBe(0);
  await tablet.reopen();
  expect([await muteAt(tablet), (await tablet.client.requests()).count]).toEqual(["none", 0]);
});
