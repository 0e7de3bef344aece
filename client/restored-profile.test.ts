import { cp } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { person, startSystem, type System } from "../testing/index.ts";
import { Person } from "../testing/person.ts";
import { openClient } from "./node.ts";

/** Both copies read a counter before either hears of the other's message: nearly always at the first attempt. */
const ATTEMPTS = 20;

let system: System;
beforeAll(async () => {
  system = await startSystem({ servers: 1 });
});
afterAll(() => system[Symbol.asyncDispose]());

test("[S2] an older copy of a profile, alone: it is noticed, has everything again, and goes on under counters that were not used", async () => {
  await using vera = await person(system, "vera");
  await using theo = await person(system, "theo");
  await vera.say("theo", "before");
  await theo.hears("vera", "before");
  await vera.client.close();
  await cp(join(vera.home, "vera"), join(vera.home, "vera-copy"), { recursive: true });
  await vera.reopen();
  for (const text of ["two", "three"]) await vera.say("theo", text);
  await theo.say("vera", "four");
  await vera.hears("theo", "four");
  expect(vera.events.filter((event) => event.kind === "warning")).toEqual([]);
  await vera.client.close();

  const client = (await openClient({ home: vera.home, profile: "vera-copy" }, { gateway: vera.gateway, agent: "fastchat-test" }))!;
  const { name, password, me, home, gateway } = vera;
  await using copy = new Person({ name, password, me, home, gateway, profile: "vera-copy", client });
  await copy.client.caughtUp();
  expect(await copy.texts("theo")).toEqual(["before", "two", "three", "four"]);
  await expect.poll(() => copy.events.filter((event) => event.kind === "warning").map(({ warning }) => warning)).toEqual(["older-copy"]);
  await copy.say("theo", "five");
  await theo.hears("vera", "five");
  expect(await theo.texts("vera")).toEqual(["before", "two", "three", "four", "five"]);
  for (const at of [copy, theo]) {
    const notices = (await at.items(at === theo ? "vera" : "theo")).flatMap((item) => (item.kind === "notice" ? [item.notice] : []));
    expect(notices.filter((notice) => notice === "device-runs-twice" || notice === "contradiction")).toEqual([]);
  }
});

test("[S2] a restored profile that sends: nothing is lost, both copies go through, and it shows that the device runs twice", async () => {
  await using alice = await person(system, "alice");
  await using bob = await person(system, "bob");
  const conversation = await alice.say("bob", "before");
  await bob.hears("alice", "before");

  await alice.client.close();
  await cp(join(alice.home, "alice"), join(alice.home, "restored"), { recursive: true });
  await alice.reopen();
  const client = (await openClient({ home: alice.home, profile: "restored" }, { gateway: alice.gateway, agent: "fastchat-test" }))!;
  const { name, password, me, home, gateway } = alice;
  await using restored = new Person({ name, password, me, home, gateway, profile: "restored", client });
  expect(client.me).toEqual(alice.me);

  const copies = [alice, restored];
  const people = [...copies, bob];
  const texts = ["before"];
  const runsTwice = async (at: Person) =>
    (await at.items(at === bob ? "alice" : "bob")).some((item) => item.kind === "notice" && item.notice === "device-runs-twice");
  for (let attempt = 1; attempt <= ATTEMPTS && !(await runsTwice(bob)); attempt++) {
    const round = copies.map(({ profile }) => `${attempt} from ${profile}`);
    await Promise.all(copies.map(({ client: copy }, place) => copy.send(conversation, round[place]!)));
    await Promise.all(copies.map(({ client: copy }) => copy.sent(conversation, AbortSignal.timeout(20_000))));
    texts.push(...round);
    for (const text of round) for (const at of people) await at.hears(at === bob ? "alice" : "bob", text);
  }

  for (const at of people) {
    const read = await at.texts(at === bob ? "alice" : "bob");
    expect(read.toSorted()).toEqual(texts.toSorted());
    await expect.poll(() => runsTwice(at)).toBe(true);
  }
  await bob.say("alice", "after");
  for (const copy of copies) await copy.hears("bob", "after");
});
