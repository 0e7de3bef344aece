import { afterAll, beforeAll, expect, test } from "vitest";
import { person, startSystem, type System } from "../testing/index.ts";

let system: System;
beforeAll(async () => {
  system = await startSystem();
});
afterAll(() => system[Symbol.asyncDispose]());

test("two people sign up, talk and read back", async () => {
  await using alice = await person(system, "alice");
  await using bob = await person(system, "bob");
  await alice.say("bob", "hello bob");
  await bob.hears("alice", "hello bob");
  await bob.say("alice", "hello alice");
  await alice.hears("bob", "hello alice");
  expect(await alice.texts("bob")).toEqual(["hello bob", "hello alice"]);
  expect(await bob.texts("alice")).toEqual(["hello bob", "hello alice"]);
});
