import { afterAll, beforeAll, expect, test } from "vitest";
import { person } from "../person.ts";
import { startSystem, type System } from "../system.ts";
import { agree } from "./group-talk.ts";

const shared = new AsyncDisposableStack();
let system: System;
beforeAll(async () => {
  system = shared.use(await startSystem({ servers: 1 }));
});
afterAll(() => shared.disposeAsync());

test("[C7] who asked while the only admin was away is let in by whoever becomes one", async () => {
  await using alice = await person(system, "alice");
  await using bob = await person(system, "bob");
  await using carol = await person(system, "carol");
  const id = await alice.client.groups.create({ name: "Admission", members: ["bob"], policy: { joining: "asks" } });
  const { link } = await alice.client.groups.invite(id);
  await agree([alice, bob], id);
  expect((await carol.client.groups.join(link)).kind).toBe("asked");
  await expect.poll(async () => (await alice.client.groups.info(id))!.joinRequests).toBe(1);
  await alice.client.groups.setPolicy(id, { joining: "at-once" });
  // Strangers' groups do nothing by themselves.
  await bob.client.accept(id);
  await alice.client.groups.leave(id, "bob");
  await expect.poll(async () => (await bob.client.groups.info(id))!.role).toBe("admin");
  await expect.poll(async () => (await bob.client.groups.info(id))!.members.map((member) => member.person.name)).toEqual(["bob", "carol"]);
});

test("[C7] who waits to be let in is, once nobody wants to be asked any more", async () => {
  await using alice = await person(system, "dave");
  await using carol = await person(system, "erin");
  const id = await alice.client.groups.create({ name: "Admission", members: ["bob"], policy: { joining: "asks" } });
  const { link } = await alice.client.groups.invite(id);
  await carol.client.groups.join(link);
  await expect.poll(async () => (await alice.client.groups.info(id))!.joinRequests).toBe(1);
  await alice.client.groups.setPolicy(id, { joining: "at-once" });
  await expect.poll(async () => (await alice.client.groups.info(id))!.memberCount).toBe(3);
});
