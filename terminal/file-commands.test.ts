import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { fastchat, person, startSystem, type System } from "../testing/index.ts";

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
