import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { newPassword, person, startSystem, type System } from "../testing/index.ts";
import { listProfiles, signIn, signUp } from "./node.ts";
import { openSqliteStorage } from "./storage-sqlite.ts";

let system: System;
beforeAll(async () => {
  system = await startSystem({ servers: 1 });
});
afterAll(() => system[Symbol.asyncDispose]());

test("a refused sign-up or sign-in leaves no profile, and none is erased that was there", async () => {
  const home = join(system.home, "refused");
  await using alice = await person(system, "alice", { home });
  const gateway = system.gatewayUrl;
  const refused = async (profile: string) => {
    const place = { home, profile };
    return [
      (await signUp(place, { gateway, name: "alice", password: newPassword() })).kind,
      (await signUp(place, { gateway, name: "bert", password: "secret" })).kind,
      (await signIn(place, { gateway, name: "alice", password: "wrong" })).kind,
      (await signIn(place, { gateway: "http://127.0.0.1:9", name: "alice", password: "wrong" })).kind,
    ];
  };
  const answers = ["refused", "weak-password", "refused", "refused"];
  expect(await refused("new")).toEqual(answers);
  expect(existsSync(join(home, "new"))).toBe(false);

  mkdirSync(join(home, "prepared"));
  writeFileSync(join(home, "prepared", "mine.txt"), "keep");
  expect(await refused("prepared")).toEqual(answers);
  expect(existsSync(join(home, "prepared", "mine.txt"))).toBe(true);

  // Somebody is signed in there, and uses it.
  await expect(signIn({ home, profile: "alice" }, { gateway, name: "alice", password: "wrong" })).rejects.toThrow(/profile/);
  await alice.reopen();
  expect(await listProfiles(home)).toEqual(["alice"]);
});

test("only profiles with somebody signed in are listed", async () => {
  const home = join(system.home, "listed");
  expect(await listProfiles(home)).toEqual([]);
  await openSqliteStorage(join(home, "empty")).close();
  mkdirSync(join(home, "folder"));
  writeFileSync(join(home, "file"), "");
  mkdirSync(join(home, "strange"));
  writeFileSync(join(home, "strange", "profile.sqlite"), "not a database");
  const bob = await person(system, "bob", { home });
  // Also while it is in use, with what is not in the main file yet.
  expect(await listProfiles(home)).toEqual(["bob"]);
  await bob.client.close();
  expect(await listProfiles(home)).toEqual(["bob"]);
  await bob.reopen();
  await bob.client.signOut();
  expect(await listProfiles(home)).toEqual([]);
});
