import { afterAll, beforeAll, expect, test } from "vitest";
import { person } from "../person.ts";
import { startSystem, type System } from "../system.ts";
import { agree, hears, say, textsOf, whileAway } from "./group-talk.ts";

const shared = new AsyncDisposableStack();
let system: System;
beforeAll(async () => {
  system = shared.use(await startSystem({ servers: 1 }));
});
afterAll(() => shared.disposeAsync());

test("[C4] [L53] whoever adds gives every key that the policy gives and that is theirs, also those that they had no use for", async () => {
  await using alice = await person(system, "alice");
  await using bob = await person(system, "bob");
  await using carol = await person(system, "carol");
  const id = await alice.client.groups.create({ name: "Given on", members: ["bob", "dave"], policy: { newcomersRead: "everything" } });
  await agree([alice, bob], id);
  // While bob is away an epoch passes in which nobody says anything, and he comes back in one that is derived from it.
  await whileAway([bob], async () => {
    await alice.client.groups.remove(id, ["bob"]);
    await alice.client.groups.add(id, ["bob"], "admin");
    await say(alice, id, "welcome back, bob");
  });
  await hears(bob, id, "welcome back, bob");
  await bob.client.groups.add(id, ["carol"]);
  await say(bob, id, "welcome, carol");
  await hears(carol, id, "welcome, carol");
  expect(await textsOf(carol, id)).toEqual(["welcome back, bob", "welcome, carol"]);
});
