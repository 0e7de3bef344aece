import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { closeScreens, enter, environmentIn, fastchat, fastchatJson, startSystem, type System, TestScreen } from "../testing/index.ts";

// Messages that disappear, by command and at a terminal, against a real server.

let system: System;
beforeAll(async () => {
  system = await startSystem();
  for (const name of ["alice", "bob", "carol"]) await enter(system, name, { home: system.home, gateway: system.gatewayUrl, profile: name });
  await json("alice", "send", "bob", "hello");
  await json("bob", "accept", "alice");
});
afterAll(async () => {
  await closeScreens();
  await system?.[Symbol.asyncDispose]();
});

const run = (profile: string, ...args: string[]) => fastchat(system, [...args, "--profile", profile]);
const json = (profile: string, ...args: string[]) => fastchatJson(system, [...args, "--profile", profile]);
const textsOf = (objects: readonly Record<string, unknown>[]) => objects.flatMap(({ type, text }) => (type === "message" ? [text] : []));

function isInFiles(profile: string, words: string): boolean {
  const folder = join(system.home, profile);
  return readdirSync(folder).some((file) => readFileSync(join(folder, file)).includes(words));
}

test("[H4] one message has a lifetime: shown with it, and gone from the reader's files after it", async () => {
  const [sent] = await json("alice", "send", "bob", "for two seconds", "--expire", "2s");
  expect(sent).toMatchObject({ type: "sent", status: "sent" });
  const peeked = await json("bob", "read", "alice", "--last", "1", "--peek");
  expect(peeked).toMatchObject([{ text: "for two seconds", expiresAfter: 2, expires: null }]);
  expect((await run("bob", "read", "alice", "--last", "1")).output).toMatch(/ alice: \[for 2 seconds once read\] for two seconds\n$/u);
  // Nobody runs here: what is over is deleted when somebody does, and never shown.
  await expect.poll(async () => textsOf(await json("bob", "read", "alice")), { timeout: 20_000 }).not.toContain("for two seconds");
  // It may have been over after the one that did not show it looked what is.
  const isLeftBehind = async (reader: string, of: string) => (await json(reader, "read", of), isInFiles(reader, "for two seconds"));
  await expect.poll(() => isLeftBehind("bob", "alice")).toBe(false);
  expect(textsOf(await json("alice", "read", "bob"))).toEqual(["hello"]);
  await expect.poll(() => isLeftBehind("alice", "bob")).toBe(false);

  await json("bob", "send", "alice", "for an hour", "--expire", "1h");
  const [own] = await json("bob", "read", "alice", "--last", "1");
  expect(Date.parse(String(own!["expires"])) - Date.parse(String(own!["time"]))).toBe(3_600_000);
  expect((await run("bob", "read", "alice", "--last", "1")).output).toMatch(/ bob: \[until \d{4}-\d\d-\d\d \d\d:\d\d\] for an hour\n$/u);
  for (const wrong of ["30", "soon", "366d"]) {
    const refused = await run("bob", "send", "alice", "x", "--expire", wrong);
    expect([refused.code, refused.errors]).toEqual([2, `fastchat: --expire is "${wrong}": write a time from 1s to 365d, as 1h, or off.\n`]);
  }
});

test("[C2] [H4] expire sets it for a chat, for everybody or for what one writes; a group's is the same as its policy", async () => {
  expect((await run("bob", "expire", "alice")).output).toBe("Messages to and from alice are kept on the server and here.\n");
  const [set] = await json("bob", "expire", "alice", "1d");
  expect(set).toMatchObject({ type: "expiry", with: "alice", kind: "direct", retentionSeconds: 86_400, timerSeconds: 0 });
  await expect.poll(async () => (await json("alice", "conversations"))[0]).toMatchObject({ retentionSeconds: 86_400, timerSeconds: 0 });
  expect(await json("alice", "read", "bob")).toContainEqual(
    expect.objectContaining({ type: "notice", notice: "policy", text: "bob set messages to disappear after 1 day." }),
  );
  const mine = await run("alice", "expire", "bob", "1h", "--mine");
  expect([mine.code, mine.output]).toEqual([
    0,
    "Messages to and from bob disappear 1 day after they were sent, for everybody and on the server.\n" +
      "What you write there disappears 1 hour after it was read.\n",
  ]);
  await json("alice", "send", "bob", "by the timer");
  await json("alice", "send", "bob", "not by it", "--expire", "off");
  expect((await json("bob", "read", "alice", "--last", "2")).map(({ expiresAfter }) => expiresAfter)).toEqual([3_600, 0]);
  expect(await json("alice", "expire", "bob", "off", "--mine")).toMatchObject([{ retentionSeconds: 86_400, timerSeconds: 0 }]);
  expect(await json("alice", "expire", "bob", "off")).toMatchObject([{ retentionSeconds: 0 }]);

  await json("alice", "group", "create", "Short-lived", "bob");
  await json("alice", "expire", "Short-lived", "7d");
  expect(await json("bob", "group", "policy", "Short-lived")).toMatchObject([{ retentionSeconds: 604_800 }]);
  const refused = await run("bob", "expire", "Short-lived", "1s");
  expect([refused.code, refused.errors]).toEqual([4, expect.stringContaining("Only an admin can change")]);
  // With oneself, before anything was written.
  expect(await json("carol", "expire", "carol", "30d")).toMatchObject([{ kind: "note-to-self", retentionSeconds: 2_592_000 }]);
  const wrong = await run("bob", "expire", "alice", "30");
  expect([wrong.code, wrong.errors]).toEqual([2, 'fastchat: "30" is no such time: write a time from 1s to 49710d, as 1h, or off.\n']);
});

const ENTER = "\r";

test("[H4] at two terminals: set with a question, shown in the header and beside each message, and gone from both screens in time", async () => {
  const open = (profile: string) => new TestScreen({ args: ["--profile", profile], environment: environmentIn(system) });
  await using alice = open("alice");
  await using bob = open("bob");
  for (const [screen, other] of [
    [alice, "bob"],
    [bob, "alice"],
  ] as const) {
    await screen.shows("Type a name to talk to somebody");
    screen.type(`/open ${other}${ENTER}`);
    await screen.shows(`Message to ${other}`);
  }
  alice.type(`/expire 1d${ENTER}`);
  await alice.shows("y  yes");
  alice.type("y");
  for (const screen of [alice, bob]) await screen.shows("disappear after 1 day");
  await bob.shows("alice set messages to disappear after 1 day.");
  alice.type(`/expire mine 1h${ENTER}`);
  await alice.shows("What you write here disappears 1 hour after it was read.");
  alice.type(`by the timer${ENTER}`);
  await bob.until(({ rows }) => rows.some((row) => /by the timer +◔ (1h|59m)/u.test(row)), "how long it lives");
  alice.type(`/expire 3s gone in a moment${ENTER}`);
  await bob.shows("gone in a moment");
  await bob.hides("gone in a moment");
  await alice.hides("gone in a moment");
  await bob.shows("by the timer");
});

test("read --last N shows N messages, and beside them what was set since", async () => {
  await json("carol", "send", "alice", "before");
  await json("alice", "accept", "carol");
  await json("carol", "expire", "alice", "1d");
  await json("carol", "send", "alice", "after");
  await json("carol", "expire", "alice", "off");
  const shown = async (...last: string[]) => (await json("alice", "read", "carol", ...last)).map(({ type, text }) => [type, text]);
  const set = ["notice", "carol set messages to disappear after 1 day."];
  const off = ["notice", expect.stringContaining("carol")];
  await expect.poll(() => shown("--last", "1")).toEqual([["message", "after"], off]);
  expect(await shown("--last", "2")).toEqual([["message", "before"], set, ["message", "after"], off]);
  expect(await shown("--last", "3")).toEqual(await shown("--all"));
});
