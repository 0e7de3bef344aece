import { limits } from "@fastchat/protocol";
import { afterAll, beforeAll, expect, test } from "vitest";
import { anotherDevice, type Person, person, startSystem, type System } from "../testing/index.ts";

let system: System;
beforeAll(async () => {
  system = await startSystem();
});
afterAll(() => system[Symbol.asyncDispose]());

const listsOf = async ({ client }: Person) =>
  (await client.broadcastLists()).map(({ name, people }) => [name, ...people.map((each) => each.name)]);

test("a broadcast reaches each of three people as a direct message", async () => {
  await using alice = await person(system, "alice");
  await using bob = await person(system, "bob");
  await using carol = await person(system, "carol");
  await using dave = await person(system, "dave");
  const conversations = await alice.client.broadcast(["bob", "Carol", "dave", "bob"], "the party is at eight");
  expect(conversations).toHaveLength(3);
  expect(new Set(await Promise.all(["bob", "carol", "dave"].map((name) => alice.client.openDirect(name))))).toEqual(new Set(conversations));
  for (const each of [bob, carol, dave]) {
    await each.hears("alice", "the party is at eight");
    expect((await each.client.conversations())[0]).toMatchObject({ kind: "direct", title: "alice" });
  }
  await bob.say("alice", "I am coming");
  await alice.hears("bob", "I am coming");
  expect(await carol.texts("alice")).toEqual(["the party is at eight"]);
});

test("a broadcast to somebody who is nobody, to too many or with too much reaches nobody", async () => {
  await using erin = await person(system, "erin");
  await using frank = await person(system, "frank");
  await expect(erin.client.broadcast(["frank", "nobody-at-all"], "hello")).rejects.toThrow("No such user: nobody-at-all");
  await expect(erin.client.broadcast(["frank"], "x".repeat(limits.messageTextBytes + 1))).rejects.toThrow("too large");
  const many = Array.from({ length: limits.broadcastRecipients + 1 }, (_, place) => `somebody${place}`);
  await expect(erin.client.broadcast(many, "hello")).rejects.toThrow(`${limits.broadcastRecipients} at most`);
  expect(await erin.client.broadcast([], "hello")).toEqual([]);
  expect(await erin.client.conversations()).toEqual([]);
  expect((await frank.client.requests()).count).toBe(0);
});

test("[P4] lists of people are the same on all devices; with nobody in it a list is gone", async () => {
  await using grace = await person(system, "grace");
  await person(system, "heidi").then(({ client }) => client.close());
  await person(system, "ivan").then(({ client }) => client.close());
  await using tablet = await anotherDevice(system, grace, { profile: "grace-2" });
  await grace.client.setBroadcastList("Family", ["ivan", "heidi"]);
  await grace.client.setBroadcastList("  Club ", ["heidi"]);
  const both = [
    ["Club", "heidi"],
    ["Family", "heidi", "ivan"],
  ];
  expect(await listsOf(grace)).toEqual(both);
  await expect.poll(() => listsOf(tablet)).toEqual(both);
  await tablet.client.setBroadcastList("Family", ["ivan"]);
  await expect
    .poll(() => listsOf(grace))
    .toEqual([
      ["Club", "heidi"],
      ["Family", "ivan"],
    ]);
  await grace.client.setBroadcastList("Club", []);
  await expect.poll(() => listsOf(tablet)).toEqual([["Family", "ivan"]]);
  await expect(grace.client.setBroadcastList("Work", ["nobody-at-all"])).rejects.toThrow("No such user: nobody-at-all");
  await expect(grace.client.setBroadcastList(" ", ["ivan"])).rejects.toThrow("A list needs a name");
  await expect(grace.client.setBroadcastList("x".repeat(limits.broadcastListNameBytes + 1), ["ivan"])).rejects.toThrow("too long");
  expect(await listsOf(grace)).toEqual([["Family", "ivan"]]);
  await tablet.reopen();
  expect(await listsOf(tablet)).toEqual([["Family", "ivan"]]);
});
