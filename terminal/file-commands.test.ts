import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { fastchat, fastchatJson, objectsIn, person, startSystem, type System } from "../testing/index.ts";

// Pictures and files by command, with a real server behind.

let system: System;
let folder: string;
const as = (name: string) => ["--profile", name];
const send = (...args: string[]) => fastchat(system, ["send", "bob", ...args, ...as("alice")]);

beforeAll(async () => {
  system = await startSystem({ servers: 1 });
  folder = join(system.folder, "files");
  mkdirSync(folder);
  for (const [name, text] of Object.entries({ one: "1", two: "two", three: "three" })) writeFileSync(join(folder, `${name}.txt`), text);
  const [alice, bob] = [await person(system, "alice"), await person(system, "bob")];
  await alice.say("bob", "before");
  await bob.hears("alice", "before");
  for (const { client } of [alice, bob]) await client.close();
}, 180_000);
afterAll(() => system?.[Symbol.asyncDispose]());

test("[S6] what is no file that could be sent is named as what it is, whichever way it was to go", { timeout: 90_000 }, async () => {
  const pipe = join(folder, "pipe");
  expect(spawnSync("mkfifo", [pipe]).status).toBe(0);
  const expected: readonly (readonly [path: string, sentence: RegExp])[] = [
    [folder, /is a folder/u],
    [pipe, /is a pipe or a device/u],
    ["/dev/null", /is a pipe or a device/u],
    ["-", /named by its path: write what comes from a pipe/u],
    [join(folder, "nothing.txt"), /There is no file/u],
  ];
  for (const [path, sentence] of expected) {
    for (const option of ["--file", "--image"]) {
      const { code, errors } = await send(option, path);
      expect([option, path, code, errors]).toEqual([option, path, 2, expect.stringMatching(sentence)]);
    }
  }
});

test("[S6] one file that is gone keeps no other from being saved; what is saved says its place and its kind", async () => {
  expect((await send("--file", join(folder, "one.txt"), "--file", join(folder, "two.txt"))).code).toBe(0);
  expect((await send("--file", join(folder, "three.txt"))).code).toBe(0);
  await system.query("DELETE FROM blob WHERE blob = (SELECT blob FROM blob ORDER BY size LIMIT 1)");
  const to = join(folder, "saved");
  mkdirSync(to);
  const { code, output, errors } = await fastchat(system, ["save", "alice", "--all", "--to", to, ...as("bob"), "--json"]);
  expect([code, readdirSync(to).toSorted()]).toEqual([4, ["three.txt", "two.txt"]]);
  expect(errors).toMatch(/one\.txt is not on the server any more.*\n.*1 of 3 files could not be saved/u);
  const saved = objectsIn(output);
  expect(saved).toHaveLength(3);
  expect(saved[0]).toMatchObject({ type: "saved", with: "alice", kind: "direct", file: { kind: "file", bytes: 3 } });
  expect(saved[2]).toMatchObject({ type: "error", code: "file-gone" });
});

test("[S6] what is there already is known by its content, whatever it is called there, and is not fetched again", async () => {
  const to = join(folder, "twice");
  mkdirSync(to);
  const files = ["four", "five"].map((name) => join(folder, `${name}.txt`));
  for (const file of files) writeFileSync(file, "4444");
  expect((await send(...files.flatMap((file) => ["--file", file]))).code).toBe(0);
  // Another one has the name, and is as long.
  writeFileSync(join(to, "four.txt"), "4445");
  const save = (...args: string[]) => fastchat(system, ["save", "alice", "--to", to, ...args, ...as("bob")]);
  expect((await save()).code).toBe(0);
  expect(readdirSync(to).toSorted()).toEqual(["five.txt", "four (2).txt", "four.txt"]);
  await system.query("DELETE FROM blob");
  const again = await save();
  expect([again.code, again.output]).toEqual([
    0,
    `${join(to, "four (2).txt")} is there already.\n${join(to, "five.txt")} is there already.\n`,
  ]);
  expect(objectsIn((await save("--json")).output)).toMatchObject(
    ["four (2).txt", "five.txt"].map((name) => ({ type: "saved", path: join(to, name), already: true, file: { bytes: 4 } })),
  );
  expect(readdirSync(to).toSorted()).toEqual(["five.txt", "four (2).txt", "four.txt"]);
  expect((await save("--force")).errors).toContain("four.txt is not on the server any more");
});

test("[S6] a message that is not there is said to be none, without advice that cannot be followed", async () => {
  const { code, errors } = await fastchat(system, ["save", "alice", "--message", "0".repeat(32), ...as("bob")]);
  expect([code, errors]).toEqual([4, expect.stringMatching(/no such message with a file here: "[^"]*read --json"/u)]);
  const nothing = await fastchat(system, ["open", "bob", "--message", "0".repeat(32), ...as("bob")]);
  expect(nothing.errors).not.toContain("--all");
});

test("[S6] open names one of a message's files by its number", async () => {
  for (const name of ["six", "seven"]) writeFileSync(join(folder, `${name}.txt`), name);
  await fastchatJson(system, [
    "send",
    "bob",
    ...["six", "seven"].flatMap((name) => ["--file", join(folder, `${name}.txt`)]),
    ...as("alice"),
  ]);
  const open = async (...args: string[]) => (await fastchat(system, ["open", "alice", ...args, ...as("bob")])).errors;
  expect(await open()).toContain("seven.txt is no picture");
  expect(await open("--file", "1")).toContain("six.txt is no picture");
  expect(await open("--file", "2")).toContain("seven.txt is no picture");
  expect(await open("--file", "3")).toContain("That message has 2 files");
  expect(await open("--file", "0")).toMatch(/--file/u);
});

test("[S6] what is not opened is not fetched for that", async () => {
  await fastchatJson(system, ["send", "bob", "--file", join(folder, "one.txt"), ...as("alice")]);
  await system.query("DELETE FROM blob");
  const { code, errors } = await fastchat(system, ["open", "alice", ...as("bob")]);
  expect([code, errors]).toEqual([4, expect.stringContaining("one.txt is no picture, recording or PDF")]);
});
