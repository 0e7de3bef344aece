import { afterAll, beforeAll, expect, test } from "vitest";
import { anotherDevice, person, startSystem, type System } from "../testing/index.ts";

let system: System;
beforeAll(async () => {
  system = await startSystem({ servers: 1 });
});
afterAll(() => system[Symbol.asyncDispose]());

test("[H3] [P4] [C5] a revoked device that still reads or writes: it is out, the others go on with new keys, and so do their conversations and vault", async () => {
  await using alice = await person(system, "alice");
  await using bob = await person(system, "bob");
  await using laptop = await anotherDevice(system, bob, { profile: "bob-laptop" });
  const stolen = await anotherDevice(system, bob, { profile: "bob-stolen" });
  const conversation = await alice.say("bob", "before");
  await stolen.hears("alice", "before");
  await laptop.hears("alice", "before");
  await bob.hears("alice", "before");
  await stolen.say("alice", "from the phone");
  await alice.hears("bob", "from the phone");
  await bob.client.setNote("alice", "a friend");
  await expect.poll(async () => (await laptop.client.conversation(conversation))?.peer?.note).toBe("a friend");

  await expect(bob.client.revokeDevices("not the password at all", [stolen.me.device])).rejects.toThrow("Wrong password");
  await bob.client.revokeDevices(bob.password, [stolen.me.device]);
  await expect.poll(() => stolen.client.connection.kind).toBe("ended");
  await stolen.client.close();

  await alice.say("bob", "after");
  await bob.hears("alice", "after");
  await laptop.hears("alice", "after");
  await laptop.say("alice", "still here");
  await alice.hears("bob", "still here");
  const kinds = (await alice.items("bob")).flatMap((item) => (item.kind === "notice" ? [item.notice] : []));
  expect(kinds).toContain("device-ended");
  expect(kinds).toContain("rekeyed");
  expect(kinds.filter((kind) => ["unreadable", "contradiction", "invalid-link", "fork"].includes(kind))).toEqual([]);

  // The vault, sealed again, is written and read by all that remain, and by who comes later.
  await laptop.client.setNote("alice", "a good friend");
  await expect.poll(async () => (await bob.client.conversation(conversation))?.peer?.note).toBe("a good friend");
  await using fresh = await anotherDevice(system, bob, { profile: "bob-fresh" });
  await fresh.hears("alice", "after");
  expect(await fresh.texts("alice")).toEqual(["before", "from the phone", "after", "still here"]);
  await expect.poll(async () => (await fresh.client.conversation(conversation))?.peer?.note).toBe("a good friend");
  for (const { events } of [bob, laptop, fresh]) {
    expect(events.filter((event) => event.kind === "warning" && event.warning === "vault")).toEqual([]);
  }
});
