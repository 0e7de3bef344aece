import { existsSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  type CommandOptions,
  enter,
  environmentIn,
  fastchat,
  fastchatJson,
  newPassword,
  person,
  startFastchat,
  startSystem,
  type System,
  TestScreen,
} from "../testing/index.ts";

let system: System;
beforeAll(async () => {
  system = await startSystem({ servers: 1 });
});
afterAll(() => system?.[Symbol.asyncDispose]());

const as = (name: string, ...args: string[]) => [...args, "--profile", name];

test("[A1] [C2] the account is deleted at a terminal: it says what goes and what stays, and asks for name and password", async () => {
  const password = await enter(system, "alice", { home: system.home, gateway: system.gatewayUrl, profile: "alice" });
  await using bob = await person(system, "bob");
  await fastchatJson(system, as("alice", "group", "create", "Chess club", "bob"));
  const environment = environmentIn(system);
  const open = () => new TestScreen({ args: as("alice", "account", "delete"), environment, columns: 110 });
  {
    await using screen = open();
    await screen.shows("Type the account's name to delete it:");
    expect(screen.text.replaceAll("\n", " ")).toContain("You are the last admin of Chess club");
    screen.type("alise\r");
    expect(await screen.ended()).toBe(4);
    expect(screen.text).toContain("That is not its name: nothing was deleted.");
  }
  {
    await using screen = open();
    await screen.shows("Type the account's name to delete it:");
    screen.type("\u0003");
    expect(await screen.ended()).toBe(4);
  }
  await using screen = open();
  await screen.shows("Type the account's name to delete it:");
  screen.type("alice\r");
  await screen.shows("Password:");
  screen.type("not the password\r");
  await screen.shows("Wrong password: try again.");
  screen.type(`${password}\r`);
  expect(await screen.ended()).toBe(0);
  expect(screen.text).toContain("The account alice is deleted.");
  expect(screen.text).not.toContain(password);
  expect(existsSync(join(system.home, "alice"))).toBe(false);
  await expect.poll(async () => (await bob.client.requests()).conversations[0]).toMatchObject({ group: { memberCount: 1, role: "admin" } });
});

test("[A1] a script deletes with --yes and the password alone; its other devices say so, and the name is gone", async () => {
  const password = newPassword();
  const at = (device: string, given = password): CommandOptions => ({
    home: join(system.folder, device),
    environment: { FASTCHAT_PASSWORD: given },
  });
  const [{ recoveryWords }] = (await fastchatJson(system, ["signup", "petronella"], at("home"))) as [{ recoveryWords: string[] }];
  await fastchatJson(system, ["signin", "petronella"], at("phone"));
  const silent = await fastchat(system, ["account", "delete"], at("home"));
  expect([silent.code, silent.errors]).toEqual([2, expect.stringContaining("say --yes")]);
  const wrong = await fastchat(system, ["account", "delete", "--yes"], at("home", "not it"));
  expect([wrong.code, wrong.errors]).toEqual([4, "fastchat: Wrong password: try again.\n"]);
  await using open = startFastchat(system, ["tail"], at("home"));
  await expect.poll(async () => (await fastchatJson(system, ["whoami"], at("home")))[0]!["role"]).toBe("beside");
  await using phone = startFastchat(system, ["tail"], at("phone"));
  await expect.poll(async () => (await fastchatJson(system, ["devices"], at("home"))).length).toBe(2);
  expect(await fastchatJson(system, ["account", "delete", "--yes"], at("home"))).toEqual([
    { type: "account-deleted", name: "petronella", groupsLeft: 0, groupsNotLeft: 0 },
  ]);
  // It went beside another process of this profile, which ends, too.
  expect(await open.ended).toBe(3);
  expect(existsSync(join(system.folder, "home", "petronella"))).toBe(false);
  expect(await phone.ended).toBe(3);
  expect(phone.errors).toContain("This account was deleted");
  const whoami = await fastchat(system, ["read", "petronella"], at("phone"));
  expect([whoami.code, whoami.errors]).toEqual([3, expect.stringContaining("This account was deleted")]);
  expect((await fastchat(system, ["signout"], at("phone"))).code).toBe(0);
  expect(existsSync(join(system.folder, "phone", "petronella"))).toBe(false);
  const words = { FASTCHAT_RECOVERY_WORDS: recoveryWords.join(" "), FASTCHAT_NEW_PASSWORD: newPassword() };
  for (const [args, more] of [
    [["signin", "petronella"], {}],
    [["recover", "petronella"], words],
  ] as const) {
    const result = await fastchat(system, args, { ...at("later"), environment: { FASTCHAT_PASSWORD: password, ...more } });
    expect([result.code, result.errors]).toEqual([4, expect.stringContaining("This account was deleted")]);
  }
  expect((await fastchat(system, ["signup", "petronella"], at("later"))).errors).toContain("Username already taken");
});
