import { afterAll, beforeAll, expect, test } from "vitest";
import { spawn } from "node:child_process";
import { command } from "./test-screen.ts";
import { TestSystem } from "./test-system.ts";

// The commands as scripts run them, against a real server.

let system: TestSystem;

beforeAll(async () => {
  system = await TestSystem.start();
  for (const name of ["alice", "bob"]) await system.json(["signup", name]);
});

afterAll(async () => {
  await system?.[Symbol.asyncDispose]();
});

const as = (profile: string, ...args: string[]): string[] => [...args, "--profile", profile];
const textsOf = (objects: readonly Record<string, unknown>[]): unknown[] =>
  objects.filter(({ type }) => type === "message").map(({ text }) => text);

test("each answer to signing up and in has its words and its code", async () => {
  const other = { environment: { FASTCHAT_HOME: `${system.folder}/elsewhere` } };
  const taken = await system.run(["signup", "alice"], other);
  expect([taken.code, taken.err]).toEqual([4, "fastchat: Username already taken: choose another.\n"]);
  const weak = await system.run(["signup", "eve"], { environment: { ...other.environment, FASTCHAT_PASSWORD: "secret" } });
  expect([weak.code, weak.err]).toEqual([4, expect.stringMatching(/too easy to guess: take a longer one, for example "\w+( [\w-]+)+"/u)]);
  const wrong = await system.run(["signin", "alice", "--password-stdin"], { ...other, input: "not it\n" });
  expect([wrong.code, wrong.err]).toEqual([4, "fastchat: Wrong password: try again.\n"]);
  const unknown = await system.run(["signin", "nobody", "--json"], other);
  expect([unknown.code, JSON.parse(unknown.out)]).toEqual([
    4,
    { type: "error", code: "no-such-user", message: expect.any(String), exit: 4 },
  ]);
  const nobody = await system.run(["whoami"], other);
  expect([nobody.code, nobody.out]).toEqual([3, ""]);
  const welcome = await system.run(["signin", "ALICE"], other);
  expect([welcome.code, welcome.out]).toEqual([0, `Welcome, alice! You are signed in at ${system.gateway}.\n`]);
  const again = await system.run(["signin", "alice"], other);
  expect([again.code, again.err]).toEqual([4, expect.stringContaining("is signed in with the profile alice already")]);
  const out = await system.json(["signout"], other);
  expect(out).toEqual([{ type: "signed-out", name: "alice", server: "told" }]);
  expect((await system.run(["whoami"], other)).code).toBe(3);
});

test("no services: scripts get their own code after their patience", async () => {
  const nowhere = { environment: { FASTCHAT_GATEWAY: "http://127.0.0.1:9", FASTCHAT_HOME: `${system.folder}/elsewhere` } };
  const { code, err } = await system.run(["signin", "alice", "--timeout", "1s"], nowhere);
  expect([code, err]).toEqual([5, expect.stringContaining("127.0.0.1:9")]);
});

test("an option of a role that was written wrongly has the code of a command that was", async () => {
  const { code, err } = await system.run(["up", "--port", "x"]);
  expect([code, err]).toEqual([2, 'fastchat: --port is "x"; it must be a whole number.\n']);
});

test("a message from a pipe arrives, and a tail ends with its reader", async () => {
  const sent = await system.run(as("alice", "send", "bob", "-"), { input: "hi\n" });
  expect([sent.code, sent.out]).toEqual([0, "Sent to bob.\n"]);
  const shell = spawn("bash", ["-c", `"$0" "$1" tail --json --profile bob | head -1`, process.execPath, command], {
    env: { ...process.env, ...system.environment },
    stdio: ["ignore", "pipe", "inherit"],
  });
  let out = "";
  shell.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()));
  expect(await new Promise((resolve) => shell.once("close", resolve))).toBe(0);
  expect(JSON.parse(out)).toMatchObject({ type: "message", with: "alice", from: "alice", mine: false, text: "hi" });
});

test("unread messages are shown once by two tails after each other", async () => {
  for (const text of ["one", "two"]) await system.json(as("alice", "send", "bob", text));
  const tailing = system.spawn(as("bob", "tail", "--json"));
  let out = "";
  await new Promise<void>((resolve) =>
    tailing.stdout!.on("data", (chunk: Buffer) => (out += chunk.toString()).includes('"two"') && resolve()),
  );
  await system.json(as("alice", "send", "bob", "three"));
  await new Promise<void>((resolve) =>
    out.includes('"three"') ? resolve() : tailing.stdout!.on("data", () => out.includes('"three"') && resolve()),
  );
  // What was printed is marked as read in passing: give that its moment before the end.
  while ((await system.json(as("bob", "conversations")))[0]!["unread"] !== 0) await new Promise((resolve) => setTimeout(resolve, 50));
  tailing.kill("SIGTERM");
  await new Promise((resolve) => tailing.once("close", resolve));
  expect(
    out
      .trim()
      .split("\n")
      .map((line) => (JSON.parse(line) as { text: string }).text),
  ).toEqual(["one", "two", "three"]);
  const waited = await system.run(as("bob", "wait", "--from", "alice", "--timeout", "500ms"));
  expect([waited.code, waited.out]).toEqual([7, ""]);
});

test("many lines arrive once each, in order", async () => {
  const lines = Array.from({ length: 10_000 }, (_, index) => `line ${index + 1}`);
  const [sent] = await system.json(as("alice", "send", "bob", "-", "--lines"), { input: lines.join("\n") });
  expect(sent).toMatchObject({ type: "sent-lines", count: lines.length, with: "bob", status: "sent" });
  const read = textsOf(await system.json(as("bob", "read", "alice", "--all"))).filter((text) => String(text).startsWith("line "));
  expect(read).toEqual(lines);
}, 120_000);

test("read shows what was asked for", async () => {
  expect((await system.run(["send", "--profile", "alice", "bob", "--", "-dash", "and", "more"])).code).toBe(0);
  expect(textsOf(await system.json(as("bob", "read", "alice", "--last", "2")))).toEqual(["line 10000", "-dash and more"]);
  expect(textsOf(await system.json(as("bob", "read", "alice", "--since", "1d"))).at(-1)).toBe("-dash and more");
  const both = await system.run(as("bob", "read", "alice", "--all", "--last", "2"));
  expect(both.code).toBe(2);
});

test("wait gives the message that comes, and a text cannot pass for another message", async () => {
  const waiting = system.run(as("bob", "wait", "--from", "alice", "--timeout", "20s"));
  await system.json(as("alice", "send", "bob", "-"), { input: "first\n2026-01-01 00:00 alice: forged \u001b[31m\n" });
  const { code, out } = await waiting;
  expect(code).toBe(0);
  expect(out).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d alice: first\n {4}2026-01-01 00:00 alice: forged ␛\[31m\n$/u);
});

test("while another FastChat of the profile runs, it does the sending", async () => {
  const tailing = system.spawn(as("alice", "tail", "--json"));
  let out = "";
  tailing.stdout!.on("data", (chunk: Buffer) => (out += chunk.toString()));
  // It holds the profile as soon as another one is beside it.
  const role = async (): Promise<unknown> => (await system.json(as("alice", "whoami")))[0]!["role"];
  while ((await role()) !== "beside") await new Promise((resolve) => setTimeout(resolve, 50));
  const [besideIt] = await system.json(as("alice", "whoami"));
  expect(besideIt).toMatchObject({ role: "beside", connection: "online", server: expect.stringMatching(/./u) });
  expect(await system.json(as("alice", "send", "bob", "beside"))).toMatchObject([{ type: "sent", status: "sent" }]);
  expect(textsOf(await system.json(as("bob", "read", "alice", "--last", "1")))).toEqual(["beside"]);
  tailing.kill("SIGTERM");
  await new Promise((resolve) => tailing.once("close", resolve));
});

test("what cannot be sent now is kept, said with its own code, and sent by the next command", async () => {
  const nowhere = { environment: { FASTCHAT_GATEWAY: "http://127.0.0.1:9" } };
  const kept = await system.run(as("alice", "send", "bob", "later", "--timeout", "500ms"), nowhere);
  expect([kept.code, kept.out, kept.err]).toEqual([6, "", expect.stringContaining("is kept here")]);
  await system.json(as("alice", "send", "bob", "now"));
  expect(textsOf(await system.json(as("bob", "read", "alice", "--last", "2")))).toEqual(["later", "now"]);
});

test("a note to oneself is a conversation like any other", async () => {
  await system.json(as("alice", "send", "alice", "milk"));
  expect(textsOf(await system.json(as("alice", "read", "alice")))).toEqual(["milk"]);
  expect(await system.json(as("alice", "conversations"))).toContainEqual(expect.objectContaining({ kind: "note-to-self", with: "alice" }));
});

test("safety numbers are the same for both, and a compared one is remembered", async () => {
  const [mine] = await system.json(as("alice", "verify", "bob"));
  const [theirs] = await system.json(as("bob", "verify", "alice", "--yes"));
  expect(mine).toMatchObject({ verification: "not-verified" });
  expect(theirs).toMatchObject({ digits: mine!["digits"], words: mine!["words"], verification: "verified" });
  expect(await system.json(as("bob", "people", "alice"))).toMatchObject([{ name: "alice", verification: "verified" }]);
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
    const { code, out, err } = await system.run(as("alice", ...args));
    expect([args, code, out]).toEqual([args, 2, ""]);
    expect(err).toMatch(/^fastchat: [^\n]+\n$/u);
  }
});

test.each([
  [{ npm_command: "exec" }, "npx fastchat"],
  [{ npm_command: undefined }, "fastchat"],
])("where the environment has %o, %s is what sentences say to type", async (environment, typed) => {
  const { code, out, err } = await system.run(["read", "--json"], { environment });
  expect([code, err]).toEqual([2, `fastchat: Say with whom: ${typed} read bob.\n`]);
  expect(JSON.parse(out)).toEqual({ type: "error", code: "usage", message: `Say with whom: ${typed} read bob.`, exit: 2 });
});
