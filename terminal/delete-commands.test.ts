import { afterAll, beforeAll, expect, test } from "vitest";
import {
  closeScreens,
  enter,
  environmentIn,
  fastchat,
  fastchatJson,
  objectsIn,
  startFastchat,
  startSystem,
  type System,
  TestScreen,
} from "../testing/index.ts";

// Deletion for everybody, by command and at a terminal, against a real server.

let system: System;
beforeAll(async () => {
  system = await startSystem();
  for (const name of ["alice", "bob"]) await enter(system, name, { home: system.home, gateway: system.gatewayUrl, profile: name });
  await json("alice", "send", "bob", "hello");
  await json("bob", "accept", "alice");
});
afterAll(async () => {
  await closeScreens();
  await system?.[Symbol.asyncDispose]();
});

const run = (profile: string, ...args: string[]) => fastchat(system, [...args, "--profile", profile]);
const json = (profile: string, ...args: string[]) => fastchatJson(system, [...args, "--profile", profile]);

test("[S5] delete takes the newest of one's own, or the one that is named, and says what it does; read says that it is gone", async () => {
  for (const text of ["one", "two", "three"]) await json("alice", "send", "bob", text);
  await json("bob", "send", "alice", "mine");
  const [, two] = (await json("alice", "read", "bob", "--last", "5")).filter(({ type }) => type === "message").slice(1);
  const [deleted] = await json("alice", "delete", "bob", "--last", "1");
  expect(deleted).toMatchObject({ type: "deleted", with: "bob", kind: "direct", id: expect.stringMatching(/^[0-9a-f]{32}$/u) });
  const named = await run("alice", "delete", "bob", "--message", String(two!["id"]));
  expect(named).toMatchObject({
    code: 0,
    output: "",
    errors: "fastchat: Deleted for everybody: 1 message. Who has read it may have kept it.\n",
  });
  const read = await json("bob", "read", "alice");
  const said = read.flatMap(({ type, text, deleted: gone }) => (type === "message" ? [gone === true ? "(deleted)" : text] : []));
  expect(said).toEqual(["hello", "one", "(deleted)", "(deleted)", "mine"]);
  const lines = (await run("bob", "read", "alice")).output.split("\n").filter((line) => line.includes("deleted"));
  expect(lines).toEqual([expect.stringMatching(/ alice: \(This message was deleted\.\)$/u), lines[1]]);
  expect((await run("alice", "read", "bob")).output).toMatch(/ alice: \(You deleted this message\.\)\n/u);
});

test("[S5] delete says what is missing, what is not there, and whose it is", async () => {
  for (const args of [[], ["--last", "1", "--message", "x"]])
    expect(await run("alice", "delete", "bob", ...args)).toMatchObject({
      code: 2,
      errors: "fastchat: Say which of your messages: --message ID, or --last N for the newest ones.\n",
    });
  expect(await run("alice", "delete", "bob", "--message", "0".repeat(32))).toMatchObject({
    code: 4,
    errors: "fastchat: There is no such message with bob among the last 1,000.\n",
  });
  const his = (await json("alice", "read", "bob")).find(({ text }) => text === "mine")!;
  expect(await run("alice", "delete", "bob", "--message", String(his["id"]))).toMatchObject({
    code: 4,
    errors: "fastchat: Only who wrote a message can delete it for everybody.\n",
  });
});

test("[S5] tail tells what was deleted of what it has printed", async () => {
  await using tail = startFastchat(system, ["tail", "--json", "--profile", "bob"]);
  const lines = () => objectsIn(tail.output);
  await json("alice", "send", "bob", "printed");
  await expect.poll(() => lines().at(-1), { timeout: 10_000 }).toMatchObject({ text: "printed" });
  const { id } = lines().at(-1)!;
  await json("alice", "delete", "bob", "--last", "1");
  await expect.poll(() => lines().at(-1), { timeout: 10_000 }).toMatchObject({ type: "deleted", with: "alice", id });
});

test("[S5] on the screen: ↑ d asks, y deletes, and both screens show that there was a message", async () => {
  await using alice = new TestScreen({ args: ["--profile", "alice"], rows: 24, environment: environmentIn(system) });
  await using bob = new TestScreen({ args: ["--profile", "bob"], rows: 24, environment: environmentIn(system) });
  for (const [screen, other] of [
    [alice, "bob"],
    [bob, "alice"],
  ] as const) {
    await screen.shows("Welcome");
    screen.type(`${other}\r`);
    await screen.shows(`Message to ${other}`);
  }
  alice.type("not what I meant\r");
  await bob.shows("not what I meant");
  await alice.shows("✓");
  alice.type("\u001b[A");
  await alice.shows("d delete");
  alice.type("d");
  await alice.shows("Delete this message for everybody, here and on the server?");
  alice.type("y");
  await alice.shows("Deleted for everybody.");
  await alice.shows("You deleted this message.");
  await bob.shows("This message was deleted.");
  // In the list, too.
  for (const screen of [alice, bob]) await expect.poll(() => screen.rows.join("\n")).not.toContain("not what I meant");
});
