import { afterAll, beforeAll, expect, test } from "vitest";
import { type Person, person } from "../person.ts";
import { startSystem, type System } from "../system.ts";
import { agree, hears, say, textsOf, whileAway } from "./group-talk.ts";

const shared = new AsyncDisposableStack();
let system: System;
beforeAll(async () => {
  system = shared.use(await startSystem({ servers: 1 }));
});
afterAll(() => shared.disposeAsync());

test("[C4] [L53] who was removed and is added again reads what the policy gives and what was theirs before", async () => {
  await using alice = await person(system, "alice");
  await using bob = await person(system, "bob");
  const { groups } = alice.client;
  const id = await groups.create({ name: "Again", members: ["bob", "carol"] });
  await agree([alice, bob], id);
  await say(alice, id, "first");
  await hears(bob, id, "first");
  await groups.remove(id, ["bob"]);
  await say(alice, id, "without bob");
  await groups.setPolicy(id, { newcomersRead: "everything" });
  await groups.add(id, ["bob"]);
  await say(alice, id, "with bob again");
  await hears(bob, id, "with bob again");
  await agree([alice, bob], id);
  await expect.poll(() => textsOf(bob, id)).toEqual(["first", "without bob", "with bob again"]);
});

test("[C4] [L53] who is away while being removed and added again reads both times, and not what lies between", async () => {
  await using alice = await person(system, "dave");
  await using bob: Person = await person(system, "erin");
  const { groups } = alice.client;
  const id = await groups.create({ name: "Between", members: ["erin", "carol"] });
  await agree([alice, bob], id);
  await whileAway([bob], async () => {
    await say(alice, id, "unheard, but for erin");
    await groups.remove(id, ["erin"]);
    await say(alice, id, "without erin");
    await groups.add(id, ["erin"]);
    await say(alice, id, "with erin again");
  });
  await agree([alice, bob], id);
  await expect.poll(() => textsOf(bob, id)).toEqual(["unheard, but for erin", "with erin again"]);
});

test("[C4] [L53] who is away while being added again reads what the policy gives now of what it did not give before", async () => {
  await using alice = await person(system, "frank");
  await using bob = await person(system, "grace");
  const { groups } = alice.client;
  const id = await groups.create({ name: "Later given", members: ["carol"] });
  await say(alice, id, "before grace");
  await groups.add(id, ["grace"]);
  await say(alice, id, "with grace");
  await hears(bob, id, "with grace");
  await groups.remove(id, ["grace"]);
  await whileAway([bob], async () => {
    await groups.setPolicy(id, { newcomersRead: "everything" });
    await groups.add(id, ["grace"]);
    await say(alice, id, "with grace again");
  });
  await expect.poll(() => textsOf(bob, id)).toEqual(["before grace", "with grace", "with grace again"]);
});
