import { afterAll, beforeAll, expect, test } from "vitest";
import { anotherDevice, FrameProxy, person, startSystem, type System } from "../testing/index.ts";

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

test("[P4] [H3] a device that hears of the vault before it hears of the revocation that sealed it anew is not warned", async () => {
  await using proxy = await FrameProxy.start(system.gatewayUrl);
  await using carol = await person(system, "carol", { gateway: proxy.url });
  await using dave = await person(system, "dave");
  // No conversation tells her what became of her own account.
  await carol.client.openDirect(dave.name);
  await using tablet = await anotherDevice(system, carol, { profile: "carol-tablet" });
  await using lost = await anotherDevice(system, carol, { profile: "carol-lost" });
  await carol.client.caughtUp();
  await tablet.client.caughtUp();
  proxy.script = { toClient: (frame) => (frame.body.case === "accountMoved" ? undefined : frame) };
  await tablet.client.revokeDevices(carol.password, [lost.me.device]);
  await tablet.client.setNote("dave", "under the new key");
  await expect.poll(async () => (await carol.client.people()).find(({ name }) => name === "dave")?.note).toBe("under the new key");
  expect(carol.events.filter((event) => event.kind === "warning" && event.warning === "vault")).toEqual([]);
});

test("[C6] [H3] entries that come before the account's own new keys are opened when these are there, those of earlier epochs, too", async () => {
  await using proxy = await FrameProxy.start(system.gatewayUrl);
  await using erin = await person(system, "erin", { gateway: proxy.url });
  await using frank = await person(system, "frank");
  const id = await erin.say("frank", "before");
  await frank.hears("erin", "before");
  await using tablet = await anotherDevice(system, erin, { profile: "erin-tablet" });
  const lost = [await anotherDevice(system, erin, { profile: "erin-lost" }), await anotherDevice(system, erin, { profile: "erin-stolen" })];
  await expect.poll(() => tablet.texts("frank")).toEqual(["before"]);
  await erin.client.caughtUp();
  const late: (() => void)[] = [];
  proxy.script = {
    toClient: (frame, connection) => {
      if (frame.body.case !== "account" || frame.body.value.copies.length === 0) return frame;
      late.push(() => connection.pass(frame));
      return undefined;
    },
  };
  for (const [place, { me, client }] of lost.entries()) {
    await tablet.client.revokeDevices(erin.password, [me.device]);
    await client.close();
    await tablet.say("frank", `under key ${place + 2}`);
  }
  const unreadable = async () =>
    (await erin.client.items(id, { limit: 100 })).items.filter((item) => item.kind === "notice" && item.notice === "unreadable");
  await expect.poll(unreadable).toHaveLength(2);
  proxy.script = {};
  for (const pass of late) pass();
  await expect.poll(() => erin.texts("frank")).toEqual(["before", "under key 2", "under key 3"]);
  expect(await unreadable()).toEqual([]);
});
