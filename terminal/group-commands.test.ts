import { randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { limits } from "@fastchat/protocol";
import { afterAll, beforeAll, expect, test } from "vitest";
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
import { bombPng } from "../testing/pictures.ts";

// Groups by the commands, as scripts use them, against a real server: alice makes them, mallory is a stranger to all.

let system: System;

const people = ["alice", "bob", "carol", "dave", "mallory"];

beforeAll(async () => {
  system = await startSystem();
  const place = { home: system.home, gateway: system.gatewayUrl };
  for (const name of people) await enter(system, name, { ...place, profile: name });
  // All but mallory know each other.
  for (const [from, to] of [
    ["alice", "bob"],
    ["alice", "carol"],
    ["alice", "dave"],
  ] as const) {
    await json(as(from, "send", to, "hello"));
    await json(as(to, "accept", from));
  }
}, 60_000);

afterAll(async () => {
  await system?.[Symbol.asyncDispose]();
});

const run = (args: readonly string[], options?: CommandOptions): Promise<CommandResult> => fastchat(system, args, options);
const json = (args: readonly string[], options?: CommandOptions): Promise<Record<string, unknown>[]> => fastchatJson(system, args, options);
const start = (args: readonly string[]): RunningCommand => startFastchat(system, args);
const as = (profile: string, ...args: string[]): string[] => [...args, "--profile", profile];
const textsOf = (objects: readonly Record<string, unknown>[]): unknown[] =>
  objects.filter(({ type }) => type === "message").map(({ text }) => text);

interface Info {
  readonly conversation: string;
  readonly name: string;
  readonly description: string;
  readonly role: string | null;
  readonly ended: unknown;
  readonly members: readonly { readonly name: string; readonly role: string }[];
  readonly policy: Readonly<Record<string, unknown>>;
  readonly invitations: readonly { readonly id: string; readonly used: number; readonly state: string }[];
  readonly epoch: number;
  readonly head: { readonly index: number; readonly hash: string };
}

const infoOf = async (profile: string, group: string): Promise<Info> =>
  (await json(as(profile, "group", "info", group)))[0] as unknown as Info;
const rolesIn = async (profile: string, group: string): Promise<string[]> =>
  (await infoOf(profile, group)).members.map(({ name, role }) => `${name} ${role}`);

/** A group of alice's, with bob and carol in it; its id as commands take it. */
async function makeGroup(name: string, ...args: string[]): Promise<string> {
  const [made] = await json(as("alice", "group", "create", name, "bob", "carol", ...args));
  return `group:${String(made!["conversation"])}`;
}

/** Ends with code 4 and one sentence. */
async function refused(args: readonly string[]): Promise<string> {
  const { code, output, errors } = await run(args);
  expect([args, code, output]).toEqual([args, 4, ""]);
  expect(errors).toMatch(/^fastchat: [^\n]+\n$/u);
  return errors;
}

test("[C1] a group is made, talked in, and its chain has one head for all", async () => {
  const made = await run(as("alice", "group", "create", "Chess club", "bob", "carol", "--admin", "carol", "--description", "Thursdays"));
  expect([made.code, made.errors, made.output]).toEqual([0, "", "Made Chess club: alice (admin), carol (admin) and bob.\n"]);
  expect((await json(as("alice", "send", "chess CLUB", "hello @bob")))[0]).toMatchObject({
    type: "sent",
    with: "Chess club",
    kind: "group",
    status: "sent",
  });
  expect(await json(as("bob", "read", "Chess club"))).toContainEqual(
    expect.objectContaining({ type: "message", with: "Chess club", kind: "group", from: "alice", text: "hello @bob", mentionsMe: true }),
  );
  const said = await run(as("carol", "read", "group:chess club"));
  expect(said.output).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d \[Chess club\] alice: hello @bob$/mu);
  const infos = await Promise.all(["alice", "bob", "carol"].map((name) => infoOf(name, "Chess club")));
  expect(infos.map(({ head }) => head)).toEqual(infos.map(() => infos[0]!.head));
  expect(infos[0]!.head.hash).toMatch(/^[0-9a-f]{64}$/u);
  expect(infos[1]).toMatchObject({ name: "Chess club", description: "Thursdays", role: "member", epoch: 1 });
  const [listed] = await json(as("bob", "group", "list"));
  expect(listed).toMatchObject({ type: "group", with: "Chess club", memberCount: 3, role: "member" });
});

test("[C2] only an admin adds, removes and gives roles; the others are told so", async () => {
  const group = await makeGroup("Roles");
  expect(await refused(as("bob", "group", "add", group, "dave"))).toBe("fastchat: Only an admin can add or remove members.\n");
  expect(await refused(as("bob", "group", "remove", group, "carol"))).toBe("fastchat: Only an admin can add or remove members.\n");
  expect(await refused(as("bob", "group", "promote", group, "bob"))).toContain("Only an admin");
  expect(await refused(as("bob", "group", "policy", group, "--add", "members"))).toContain("Only an admin");
  await json(as("alice", "group", "promote", group, "bob"));
  expect((await run(as("bob", "group", "add", group, "dave"))).output).toBe("Added dave to Roles.\n");
  await json(as("alice", "group", "demote", group, "bob"));
  expect((await run(as("alice", "group", "remove", group, "CAROL"))).output).toBe("Removed carol from Roles.\n");
  expect(await rolesIn("bob", group)).toEqual(["alice admin", "bob member", "dave member"]);
  expect(await refused(as("alice", "group", "remove", group, "carol"))).toBe("fastchat: carol is not in Roles: nothing was changed.\n");
  expect(await refused(as("alice", "group", "add", group, "bob"))).toBe("fastchat: bob is in Roles already: nothing was changed.\n");
  expect(await refused(as("carol", "send", group, "still here?"))).toContain("You are not in this group any more");
  expect((await infoOf("carol", group)).ended).toEqual({ how: "removed", by: "alice" });
});

test("[C2] who leaves may say who is admin then", async () => {
  const group = await makeGroup("Leaving");
  expect((await run(as("alice", "group", "leave", group, "--successor", "carol"))).output).toBe(
    "You left Leaving. carol is its admin now.\n",
  );
  expect(await refused(as("alice", "group", "leave", group))).toContain("You are not in this group any more");
  expect(await rolesIn("bob", group)).toEqual(["carol admin", "bob member"]);
  expect((await json(as("alice", "group", "list"))).map((each) => each["with"])).not.toContain("Leaving");
});

test("[C8] name, description and picture are everybody's, and a picture is what its bytes say", async () => {
  const group = await makeGroup("Before");
  const file = (name: string, bytes: Uint8Array): string => {
    const path = join(system.folder, name);
    writeFileSync(path, bytes);
    return path;
  };
  const picture = bombPng(limits.groupPictureSide, 64);
  expect((await run(as("alice", "group", "rename", group, "After"))).output).toBe("Before is called After now.\n");
  await json(as("alice", "group", "describe", group, "two", "words"));
  await json(as("alice", "group", "picture", group, file("any.txt", picture)));
  expect(await infoOf("bob", group)).toMatchObject({ name: "After", description: "two words", pictureBytes: picture.length });
  const saved = join(system.folder, "saved");
  const [told] = await json(as("bob", "group", "picture", "After", "--save", saved));
  expect(told).toMatchObject({ type: "group-picture", file: saved, bytes: picture.length, format: "PNG" });
  expect(readFileSync(saved)).toEqual(picture);
  for (const [path, why] of [
    [file("page.png", Buffer.from("<html>")), "is no picture that FastChat knows: take a PNG, JPEG, WebP or GIF."],
    [file("large.png", Buffer.concat([picture, Buffer.alloc(limits.groupPictureBytes)])), "is too large"],
    [file("bomb.png", bombPng(64, limits.groupPictureSide + 1)), "at most 2048 pixels on each side"],
    [file("cut.png", picture.subarray(0, 20)), "is broken or not complete"],
    [join(system.folder, "nothing.png"), "cannot be read: there is no such file or folder."],
  ] as const) {
    const { code, errors } = await run(as("alice", "group", "picture", group, path));
    expect([code, errors]).toEqual([2, expect.stringContaining(why)]);
  }
  await json(as("alice", "group", "picture", group, "--none"));
  expect(await infoOf("bob", group)).toMatchObject({ pictureBytes: 0 });
});

test("a policy is set by words, shown in words, and kept by everybody", async () => {
  const group = await makeGroup("Rules");
  const set = ["--add", "members", "--write", "admins", "--edit", "members", "--newcomers", "everything", "--retention", "30d"];
  const shown = await run(as("alice", "group", "policy", group, ...set, "--public", "rules-club", "--joining", "asks"));
  expect([shown.code, shown.output]).toEqual([
    0,
    [
      "Every member adds others; only admins remove them.",
      "Only admins write.",
      "Every member changes name, description and picture.",
      "Newcomers read everything that was written before them.",
      "Messages are deleted after 30 days.",
      'Public name "rules-club": everybody on this server can find it and ask to join.',
      "Who comes with an invitation is let in when an admin approves.",
      "",
    ].join("\n"),
  ]);
  expect(shown.errors).toBe(
    'fastchat: The public name "rules-club" can be read by the server and by everybody on it; the group\'s own name still cannot.\n',
  );
  // He has not heard of it yet.
  expect(await refused(as("bob", "send", group, "may I?"))).toContain("Only admins write here.");
  expect((await json(as("bob", "group", "policy", group)))[0]).toMatchObject({ mayWrite: "admins", retentionSeconds: 2_592_000 });
  expect(await refused(as("bob", "send", group, "may I?"))).toContain("Only admins write here.");
  await json(as("bob", "group", "add", group, "dave"));
  await json(as("bob", "group", "rename", group, "Rules of bob"));
  expect(await infoOf("dave", group)).toMatchObject({ name: "Rules of bob", role: "member" });
  expect(await json(as("mallory", "group", "find", "rules"))).toMatchObject([{ type: "found-group", name: "rules-club", memberCount: 4 }]);
  await json(as("alice", "group", "policy", group, "--public", "none", "--newcomers", "nothing", "--retention", "never"));
  expect(await json(as("mallory", "group", "find", "rules"))).toEqual([]);
});

test("[C7] a link lets in while an admin's client runs, and not when it was taken back", async () => {
  const group = await makeGroup("By link");
  const made = await run(as("alice", "group", "link", group, "--uses", "5", "--days", "2"));
  const link = made.output.trim();
  expect([made.code, made.output]).toEqual([0, expect.stringMatching(/^\S+\n$/u)]);
  expect(made.errors).toMatch(
    /^fastchat: The link is shown only now\. Whoever has it is let into By link, up to 5 times and until \d{4}-/u,
  );
  const asked = await run(as("dave", "group", "join", link, "--timeout", "1s", "--json"));
  expect([asked.code, JSON.parse(asked.output)]).toEqual([8, expect.objectContaining({ type: "group-joined", status: "asked" })]);
  const elsewhere = `https://chat.example/join#${Buffer.concat([Buffer.of(1), randomBytes(64)]).toString("base64url")}`;
  expect(await refused(as("dave", "group", "join", elsewhere))).toContain(
    "the link is of https://chat.example, and you are signed in at http://",
  );
  await using admin = start(as("alice", "tail", "--peek"));
  const joined = await run(as("dave", "group", "join", link));
  expect([joined.code, joined.output]).toEqual([0, "You are in By link.\n"]);
  admin.kill("SIGTERM");
  await admin.ended;
  expect(await rolesIn("bob", group)).toContain("dave member");
  const [invitation] = (await infoOf("alice", group)).invitations;
  expect(invitation).toMatchObject({ used: 1, state: "good" });
  await json(as("alice", "group", "link", group, "--revoke", invitation!.id.slice(0, 8)));
  expect((await infoOf("bob", group)).invitations).toMatchObject([{ state: "revoked" }]);
  expect(await refused(as("mallory", "group", "join", link))).toContain("was taken back");
});

test("[C7] who asks by a public name is approved, or turned down", async () => {
  const group = await makeGroup("Open");
  await json(as("alice", "group", "policy", group, "--public", "open-club"));
  for (const name of ["dave", "mallory"]) {
    const { code, output, errors } = await run(as(name, "group", "join", "open-club", "--timeout", "500ms"));
    expect([code, output, errors]).toEqual([8, "", expect.stringContaining("You asked to join")]);
  }
  const asking = await json(as("alice", "group", "requests", group));
  expect(asking).toMatchObject([
    { type: "join-request", name: "dave", by: "public-name" },
    { type: "join-request", name: "mallory", by: "public-name" },
  ]);
  expect((await run(as("alice", "group", "reject", group, "mallory"))).output).toBe("mallory will not join Open.\n");
  expect((await run(as("alice", "group", "approve", group, "dave"))).output).toBe("Let dave into Open.\n");
  expect(await json(as("alice", "group", "requests", group))).toEqual([]);
  expect(await rolesIn("dave", "Open")).toEqual(["alice admin", "bob member", "carol member", "dave member"]);
  expect(await refused(as("bob", "group", "requests", group))).toContain("Only an admin can add or remove members.");
  // The policy may let members answer, though not turn down.
  await json(as("alice", "group", "policy", group, "--add", "members"));
  expect((await run(as("mallory", "group", "join", "open-club", "--timeout", "500ms"))).code).toBe(8);
  expect(await json(as("bob", "group", "requests", group))).toMatchObject([{ type: "join-request", name: "mallory" }]);
  expect(await refused(as("bob", "group", "reject", group, "mallory"))).toBe("fastchat: Only an admin can turn down who asks to join.\n");
  expect((await run(as("bob", "group", "approve", group, "mallory"))).output).toBe("Let mallory into Open.\n");
});

test("a word that could mean two is refused, and each has a name of its own", async () => {
  const group = await makeGroup("dave");
  const both = await run(as("alice", "send", "dave", "which?"));
  expect([both.code, both.errors]).toEqual([
    2,
    'fastchat: "dave" is the name of a person and of a group: write person:dave or group:dave.\n',
  ]);
  expect((await json(as("alice", "send", "group:dave", "all")))[0]).toMatchObject({ kind: "group" });
  expect((await json(as("alice", "send", "person:dave", "you")))[0]).toMatchObject({ kind: "direct", with: "dave" });
  expect((await run(as("alice", "send", "group:dave", "said"))).output).toBe("Sent to the group [dave].\n");
  const other = await makeGroup("Dave");
  const twins = await run(as("alice", "read", "group:dave"));
  expect([twins.code, twins.errors]).toEqual([2, expect.stringContaining(group.slice(0, 14))]);
  expect(twins.errors).toContain(`${other.slice(0, 14)} (3 members: bob, carol)`);
  expect(textsOf(await json(as("alice", "read", group.slice(0, 14))))).toEqual(["all", "said"]);
});

test("tail and wait show the group; what is muted still arrives", async () => {
  const group = await makeGroup("Follow ]me[");
  expect((await run(as("bob", "mute", group, "--except-mentions"))).output).toBe("Muted, except where you are mentioned: Follow ]me[.\n");
  await using tailing = start(as("bob", "tail"));
  await json(as("alice", "send", group, "one"));
  await expect.poll(() => tailing.output).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d \[Follow \)me\(\] alice: one$/mu);
  // What was shown is read, also when it ends at that moment.
  tailing.kill("SIGTERM");
  await tailing.ended;
  const [conversation] = (await json(as("bob", "conversations"))).filter((each) => `group:${String(each["conversation"])}` === group);
  expect(conversation).toMatchObject({ with: "Follow ]me[", kind: "group", mute: "except-mentions", unread: 0 });
  const waiting = json(as("bob", "wait", "--from", group, "--timeout", "20s"));
  await json(as("carol", "send", group, "two"));
  expect(await waiting).toMatchObject([{ with: "Follow ]me[", kind: "group", from: "carol", text: "two" }]);
  await json(as("bob", "unmute", group));
});

test("who is put out while following a group is told by whom", async () => {
  const group = await makeGroup("Out");
  await using tailing = start(as("bob", "tail", group));
  await json(as("alice", "send", group, "last words"));
  await expect.poll(() => tailing.output).toContain("last words");
  await json(as("alice", "group", "remove", group, "bob"));
  await expect.poll(() => tailing.errors).toContain("fastchat: alice removed you from Out: what was written before can still be read.\n");
  tailing.kill("SIGTERM");
  await tailing.ended;
  // What is over there is over there only.
  expect(textsOf(await json(as("bob", "read", group)))).toEqual(["last words"]);
  expect((await run(as("bob", "conversations"))).output).toMatch(/^\[Out\] .*\(removed\) alice: last words$/mu);
  expect(await refused(as("bob", "group", "leave", group))).toContain("You are not in this group any more");
  expect(textsOf(await json(as("bob", "read", "alice")))).toContain("hello");
});

test("strangers wait quietly: counted, read without a trace, accepted, declined, blocked", async () => {
  await json(as("mallory", "send", "carol", "psst"));
  await json(as("mallory", "group", "create", "Trap", "carol"));
  const own = await run(as("carol", "conversations"));
  expect(own.output).not.toMatch(/mallory|Trap/u);
  expect(own.errors).toBe('fastchat: 2 requests wait for you to accept or decline: see "fastchat requests".\n');
  expect(await json(as("carol", "requests"))).toMatchObject([
    { type: "requests", count: 2, shown: 2 },
    { type: "conversation", with: "Trap", kind: "group", request: true },
    { type: "conversation", with: "mallory", kind: "direct", request: true },
  ]);
  expect((await run(as("carol", "requests"))).output).toMatch(/^\[Trap\] .*mallory added you$/mu);
  expect(textsOf(await json(as("carol", "read", "mallory")))).toEqual(["psst"]);
  expect(await json(as("mallory", "read", "carol"))).toContainEqual(expect.objectContaining({ text: "psst", status: "sent" }));
  await using tailing = start(as("carol", "tail"));
  await expect.poll(() => tailing.errors).toContain("2 requests wait");
  tailing.kill("SIGTERM");
  await tailing.ended;
  expect(tailing.output).not.toMatch(/psst/u);
  expect((await run(as("carol", "decline", "group:trap"))).output).toBe("Declined Trap.\n");
  expect((await json(as("carol", "requests")))[0]).toMatchObject({ count: 1 });
  expect(await refused(as("carol", "accept", "Trap"))).toContain('No request of "Trap" waits');
  expect((await run(as("carol", "send", "mallory", "yes?"))).output).toBe("You accepted mallory's request.\nSent to mallory.\n");
  expect(await json(as("carol", "send", "mallory", "what is it?"))).toMatchObject([{ status: "sent", accepted: false }]);
  expect((await json(as("carol", "requests")))[0]).toMatchObject({ count: 0 });
  expect((await json(as("carol", "conversations"))).map((each) => each["with"])).toContain("mallory");
  expect((await run(as("carol", "block", "mallory"))).output).toContain("Blocked mallory");
  expect((await json(as("carol", "people", "mallory")))[0]).toMatchObject({ blocked: true });
  await json(as("mallory", "send", "carol", "hear me"));
  await json(as("mallory", "group", "create", "Trap again", "carol"));
  expect((await json(as("carol", "requests")))[0]).toMatchObject({ count: 0 });
  await json(as("mallory", "send", "Trap again", "hear me there"));
  await using deaf = start(as("carol", "tail"));
  await json(as("alice", "send", "carol", "heard"));
  await expect.poll(() => deaf.output).toContain("heard");
  expect(deaf.output).not.toContain("hear me");
  deaf.kill("SIGTERM");
  await deaf.ended;
  expect((await json(as("carol", "conversations"))).map((each) => each["with"])).not.toContain("mallory");
  expect(await refused(as("carol", "send", "mallory", "no"))).toContain(
    'You blocked mallory, and would hear no answer: run "fastchat unblock mallory"',
  );
  await json(as("carol", "unblock", "mallory"));
  expect(textsOf(await json(as("carol", "read", "mallory")))).toContain("hear me");
});

test("a broadcast reaches each by themselves", async () => {
  expect((await run(as("alice", "broadcast", "make", "friends", "bob", "carol"))).output).toBe(
    "friends: bob and carol. Each hears from you alone, and not who else does.\n",
  );
  expect(await json(as("alice", "broadcast", "list"))).toEqual([{ type: "broadcast-list", name: "friends", people: ["bob", "carol"] }]);
  expect((await run(as("alice", "broadcast", "send", "Friends", "to", "all"))).output).toBe("Sent to bob and carol, each by themselves.\n");
  await json(as("alice", "broadcast", "send", "bob,dave", "-"), { input: "two of you\n" });
  const last = async (name: string) => (await json(as(name, "read", "alice", "--last", "1")))[0];
  expect(await Promise.all(["bob", "carol", "dave"].map(last))).toMatchObject([
    { kind: "direct", text: "two of you" },
    { kind: "direct", text: "to all" },
    { kind: "direct", text: "two of you" },
  ]);
  await json(as("alice", "broadcast", "delete", "friends"));
  expect(await refused(as("alice", "broadcast", "send", "friends", "gone"))).toContain('There is no list "friends"');
});

test("who does not exist changes nothing, and is named", async () => {
  const group = await makeGroup("Whole");
  const before = await infoOf("alice", group);
  expect(await refused(as("alice", "group", "add", group, "dave", "nobody.here"))).toContain("nobody.here");
  expect((await infoOf("alice", group)).head).toEqual(before.head);
  expect(await refused(as("alice", "group", "create", "Never", "bob", "nobody.here"))).toContain("nobody.here");
  expect((await json(as("alice", "group", "list"))).map((each) => each["with"])).not.toContain("Never");
  expect(await refused(as("alice", "group", "info", "Never"))).toBe(
    'fastchat: There is no group "Never" here: see "fastchat group list".\n',
  );
  expect(await refused(as("alice", "send", "No one", "hello"))).toContain('No person and no group is called "No one"');
});

test("beside another FastChat of the profile changes are made, and refused, in the same words", async () => {
  const group = await makeGroup("Beside");
  await using tailing = start(as("alice", "tail"));
  await expect.poll(async () => (await json(as("alice", "whoami")))[0]!["role"]).toBe("beside");
  expect((await run(as("alice", "group", "add", group, "dave"))).output).toBe("Added dave to Beside.\n");
  expect(await refused(as("alice", "group", "add", group, "nobody.here"))).toContain("nobody.here");
  expect((await json(as("alice", "send", group, "from beside")))[0]).toMatchObject({ status: "sent" });
  tailing.kill("SIGTERM");
  await tailing.ended;
});

test("what is written wrongly is said in one sentence, with code 2", async () => {
  const group = await makeGroup("Words");
  for (const args of [
    ["group"],
    ["group", "dance"],
    ["group", "create"],
    ["group", "create", "Alone"],
    ["group", "create", " ", "bob"],
    ["group", "create", "x".repeat(limits.groupNameBytes + 1), "bob"],
    ["group", "create", "Two\nlines", "bob"],
    ["group", "create", "Chess", "bob", "--bogus"],
    ["group", "add", group],
    ["group", "info"],
    ["group", "info", "Chess", "club"],
    ["group", "info", "person:bob"],
    ["group", "remove", group, "alice"],
    ["group", "policy", group, "--add", "everybody"],
    ["group", "policy", group, "--newcomers", "yesterday"],
    ["group", "policy", group, "--newcomers", "2999-01-01"],
    ["group", "policy", group, "--retention", "soon"],
    ["group", "policy", group, "--retention", "99999999d"],
    ["group", "policy", group, "--joining", "never"],
    ["group", "link", group, "--uses", "0"],
    ["group", "link", group, "--uses", "1", "--revoke", "1a2b"],
    ["group", "picture", group],
    ["group", "leave", group, "--successor", "alice"],
    ["broadcast"],
    ["broadcast", "make", "a,b", "bob"],
    ["broadcast", "make", "friends"],
    ["broadcast", "send", ",", "hello"],
    ["decline"],
    ["decline", "bob", "--all"],
    ["accept"],
    ["block"],
    ["mute"],
  ]) {
    const { code, output, errors } = await run(as("alice", ...args));
    expect([args, code, output]).toEqual([args, 2, ""]);
    expect(errors).toMatch(/^fastchat: [^\n]+\n$/u);
  }
});

test("help is there at both levels", async () => {
  const all = await run(["group", "--help"]);
  expect([all.code, all.errors]).toEqual([0, ""]);
  for (const name of ["create", "promote", "policy", "join", "leave"]) expect(all.output).toMatch(new RegExp(`^ +${name} {4}\\w`, "mu"));
  const one = await run(["group", "create", "--help"]);
  expect([one.code, one.output]).toEqual([0, expect.stringContaining("fastchat group create [OPTIONS] <NAME> <MEMBER…>")]);
});

test("no services: a change of a group is not made later", async () => {
  const { code, errors } = await run(as("alice", "group", "create", "Nowhere", "bob", "--timeout", "500ms"), {
    gateway: "http://127.0.0.1:9",
  });
  expect([code, errors]).toEqual([5, expect.stringContaining("127.0.0.1:9")]);
  expect((await json(as("alice", "group", "list"))).map((each) => each["with"])).not.toContain("Nowhere");
});
