import { afterAll, beforeAll, expect, test } from "vitest";
import { join } from "node:path";
import {
  type CommandOptions,
  type CommandResult,
  enter,
  fastchat,
  fastchatJson,
  type RunningCommand,
  startFastchat,
  startSystem,
  type System,
} from "../testing/index.ts";

// The commands as scripts run them, against a real server.

let system: System;
let password: string;

beforeAll(async () => {
  system = await startSystem();
  const place = { home: system.home, gateway: system.gatewayUrl };
  password = await enter(system, "alice", { ...place, profile: "alice" });
  await enter(system, "bob", { ...place, profile: "bob" });
});

afterAll(async () => {
  await system?.[Symbol.asyncDispose]();
});

const run = (args: readonly string[], options?: CommandOptions): Promise<CommandResult> => fastchat(system, args, options);
const json = (args: readonly string[], options?: CommandOptions): Promise<Record<string, unknown>[]> => fastchatJson(system, args, options);
const start = (args: readonly string[]): RunningCommand => startFastchat(system, args);
const as = (profile: string, ...args: string[]): string[] => [...args, "--profile", profile];
const textsOf = (objects: readonly Record<string, unknown>[]): unknown[] =>
  objects.filter(({ type }) => type === "message").map(({ text }) => text);

test("each answer to signing up and in has its words and its code", async () => {
  const home = join(system.folder, "elsewhere");
  const withPassword = (given: string): CommandOptions => ({ home, environment: { FASTCHAT_PASSWORD: given } });
  const other = withPassword(password);
  const secrets = new RegExp(`${password}|qwertyuiop|not it`);
  const taken = await run(["signup", "alice"], other);
  expect([taken.code, taken.errors]).toEqual([4, "fastchat: Username already taken: choose another.\n"]);
  const weak = await run(["signup", "eve"], withPassword("qwertyuiop-alice"));
  expect([weak.code, weak.errors]).toEqual([
    4,
    expect.stringMatching(/too easy to guess: take a longer one, for example "\w+( [\w-]+)+"/u),
  ]);
  const wrong = await run(["signin", "alice", "--password-stdin"], { ...other, input: "not it\n" });
  expect([wrong.code, wrong.errors]).toEqual([4, "fastchat: Wrong password: try again.\n"]);
  const unknown = await run(["signin", "nobody", "--json"], other);
  expect([unknown.code, JSON.parse(unknown.output)]).toEqual([
    4,
    { type: "error", code: "no-such-user", message: expect.any(String), exit: 4 },
  ]);
  const nobody = await run(["whoami"], other);
  expect([nobody.code, nobody.output]).toEqual([3, ""]);
  const welcome = await run(["signin", "ALICE"], other);
  expect([welcome.code, welcome.output]).toEqual([0, `Welcome, alice! You are signed in at ${system.gatewayUrl}.\n`]);
  const again = await run(["signin", "alice"], other);
  expect([again.code, again.errors]).toEqual([4, expect.stringContaining("is signed in with the profile alice already")]);
  for (const { output, errors } of [taken, weak, wrong, unknown, welcome, again]) expect(output + errors).not.toMatch(secrets);
  const out = await json(["signout"], other);
  expect(out).toEqual([{ type: "signed-out", name: "alice", server: "told" }]);
  expect((await run(["whoami"], other)).code).toBe(3);
});

test("no services: scripts get their own code after their patience", async () => {
  const nowhere = { gateway: "http://127.0.0.1:9", home: join(system.folder, "elsewhere"), environment: { FASTCHAT_PASSWORD: password } };
  const { code, errors } = await run(["signin", "alice", "--timeout", "1s"], nowhere);
  expect([code, errors]).toEqual([5, expect.stringContaining("127.0.0.1:9")]);
});

test("an option of a role that was written wrongly has the code of a command that was", async () => {
  const { code, errors } = await run(["up", "--port", "x"]);
  expect([code, errors]).toEqual([2, 'fastchat: --port is "x"; it must be a whole number.\n']);
});

test("unread messages are shown once by two tails after each other", async () => {
  await json(as("alice", "send", "bob", "one"));
  // Nobody has heard of alice until then.
  await json(as("bob", "accept", "alice"));
  await json(as("alice", "send", "bob", "two"));
  await using tailing = start(as("bob", "tail", "--json"));
  const texts = () => tailing.objects.map(({ text }) => text);
  await expect.poll(texts).toEqual(["one", "two"]);
  await json(as("alice", "send", "bob", "three"));
  await expect.poll(texts).toEqual(["one", "two", "three"]);
  // What was printed is marked as read in passing: give that its moment before the end.
  await expect.poll(async () => (await json(as("bob", "conversations")))[0]!["unread"]).toBe(0);
  tailing.kill("SIGTERM");
  await tailing.ended;
  expect(texts()).toEqual(["one", "two", "three"]);
  const waited = await run(as("bob", "wait", "--from", "alice", "--timeout", "500ms"));
  expect([waited.code, waited.output]).toEqual([7, ""]);
});

test("read shows what was asked for", async () => {
  expect((await run(["send", "--profile", "alice", "bob", "--", "-dash", "and", "more"])).code).toBe(0);
  expect(textsOf(await json(as("bob", "read", "alice", "--last", "2")))).toEqual(["three", "-dash and more"]);
  expect(textsOf(await json(as("bob", "read", "alice", "--since", "1d"))).at(-1)).toBe("-dash and more");
  const both = await run(as("bob", "read", "alice", "--all", "--last", "2"));
  expect(both.code).toBe(2);
});

test("wait gives the message that comes, and a text cannot pass for another message", async () => {
  const waiting = run(as("bob", "wait", "--from", "alice", "--timeout", "20s"));
  await json(as("alice", "send", "bob", "-"), { input: "first\n2026-01-01 00:00 alice: forged \u001b[31m\n" });
  const { code, output } = await waiting;
  expect(code).toBe(0);
  expect(output).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d alice: first\n {4}2026-01-01 00:00 alice: forged ␛\[31m\n$/u);
});

test("while another FastChat of the profile runs, it does the sending", async () => {
  await using tailing = start(as("alice", "tail", "--json"));
  // It holds the profile as soon as another one is beside it.
  await expect.poll(async () => (await json(as("alice", "whoami")))[0]!["role"]).toBe("beside");
  const [besideIt] = await json(as("alice", "whoami"));
  expect(besideIt).toMatchObject({ role: "beside", connection: "online", server: expect.stringMatching(/./u) });
  expect(await json(as("alice", "send", "bob", "beside"))).toMatchObject([{ type: "sent", status: "sent" }]);
  expect(textsOf(await json(as("bob", "read", "alice", "--last", "1")))).toEqual(["beside"]);
  tailing.kill("SIGTERM");
  await tailing.ended;
});

test("what cannot be sent now is kept, said with its own code, and sent by the next command", async () => {
  const nowhere = { gateway: "http://127.0.0.1:9" };
  const kept = await run(as("alice", "send", "bob", "later", "--timeout", "500ms"), nowhere);
  expect([kept.code, kept.output, kept.errors]).toEqual([6, "", expect.stringContaining("is kept here")]);
  await json(as("alice", "send", "bob", "now"));
  expect(textsOf(await json(as("bob", "read", "alice", "--last", "2")))).toEqual(["later", "now"]);
});

test("a note to oneself is a conversation like any other", async () => {
  await json(as("alice", "send", "alice", "milk"));
  expect(textsOf(await json(as("alice", "read", "alice")))).toEqual(["milk"]);
  expect(await json(as("alice", "conversations"))).toContainEqual(expect.objectContaining({ kind: "note-to-self", with: "alice" }));
});

test("safety numbers are the same for both, and a compared one is remembered", async () => {
  const [mine] = await json(as("alice", "verify", "bob"));
  const [theirs] = await json(as("bob", "verify", "alice", "--yes"));
  expect(mine).toMatchObject({ verification: "not-verified" });
  expect(theirs).toMatchObject({ digits: mine!["digits"], words: mine!["words"], verification: "verified" });
  expect(await json(as("bob", "people", "alice"))).toMatchObject([{ name: "alice", verification: "verified" }]);
});

test("what is written wrongly is said in one sentence, with code 2", async () => {
  for (const args of [
    ["dance"],
    ["send"],
    ["read", "bob", "--bogus"],
    ["send", "bob"],
    ["whoami", "extra"],
    ["read", "bob", "--last", "none"],
    ["wait"],
  ]) {
    const { code, output, errors } = await run(as("alice", ...args));
    expect([args, code, output]).toEqual([args, 2, ""]);
    expect(errors).toMatch(/^fastchat: [^\n]+\n$/u);
  }
});

test.each<[environment: Readonly<Record<string, string>>, typed: string]>([
  [{ npm_command: "exec" }, "npx fastchat"],
  [{}, "fastchat"],
])("where the environment has %o, %s is what sentences say to type", async (environment, typed) => {
  const { code, output, errors } = await run(["read", "--json"], { environment });
  expect([code, errors]).toEqual([2, `fastchat: Say with whom: ${typed} read bob.\n`]);
  expect(JSON.parse(output)).toEqual({ type: "error", code: "usage", message: `Say with whom: ${typed} read bob.`, exit: 2 });
});

test("10,000 lines arrive once each, in order", async () => {
  const lines = Array.from({ length: 10_000 }, (_, index) => `line ${index + 1}`);
  const [sent] = await json(as("alice", "send", "bob", "-", "--lines"), { input: lines.join("\n") });
  expect(sent).toMatchObject({ type: "sent-lines", count: lines.length, with: "bob", status: "sent" });
  const read = textsOf(await json(as("bob", "read", "alice", "--all"))).filter((text) => String(text).startsWith("line "));
  expect(read).toEqual(lines);
}, 120_000);
