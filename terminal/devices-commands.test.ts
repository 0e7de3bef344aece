import { hostname } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Me } from "@fastchat/client";
import { type CommandOptions, enter, fastchat, fastchatJson, startFastchat, startSystem, type System } from "../testing/index.ts";
import { programIn } from "./place.ts";

// Devices as scripts see them: each has a home of its own.

let system: System;
let password: string;
beforeAll(async () => {
  system = await startSystem();
  password = await enter(system, "alice", { home: system.home, gateway: system.gatewayUrl, profile: "alice" });
});
afterAll(() => system?.[Symbol.asyncDispose]());

const at = (device: string): CommandOptions => ({ home: join(system.folder, device), environment: { FASTCHAT_PASSWORD: password } });
const json = (device: string, ...args: string[]) =>
  fastchatJson(system, args, device === "first" ? { environment: at("").environment! } : at(device));
const run = (device: string, ...args: string[]) =>
  fastchat(system, args, device === "first" ? { environment: at("").environment! } : at(device));

test("[H3] [A5] devices have names, and times; one is called something else, and one is revoked with the password", async () => {
  expect(await json("first", "devices", "--profile", "alice")).toMatchObject([{ type: "device", state: "active", me: true }]);
  await json("phone", "signin", "alice");
  // The command that signed it in has said so before it ended.
  const seen = await json("first", "devices", "--profile", "alice");
  expect(seen.map(({ name }) => name)).toEqual([`Terminal on ${hostname()}`, `Terminal on ${hostname()}`]);
  const [second, first] = await json("phone", "devices");
  expect([second, first]).toMatchObject([
    { name: expect.stringMatching(/^Terminal on ./u), me: true, state: "active", added: expect.stringMatching(/^20/u) },
    { me: false, state: "active", lastSeen: expect.stringMatching(/^20/u) },
  ]);
  const id = String(second!["device"]);
  const renamed = await run("first", "devices", "rename", id.slice(0, 8), " Phone ", "--profile", "alice");
  expect([renamed.code, renamed.output]).toEqual([0, `${id.slice(0, 8)} is called Phone now.\n`]);
  await expect.poll(async () => (await json("phone", "devices")).map(({ name }) => name)).toContain("Phone");

  const nameless = await run("first", "devices", "rename", id.slice(0, 8), " ", "--profile", "alice");
  expect([nameless.code, nameless.errors]).toEqual([2, expect.stringContaining("the name is empty")]);

  const nobody = await run("first", "devices", "revoke", "0000", "--profile", "alice");
  expect([nobody.code, nobody.errors]).toEqual([4, expect.stringContaining('No device of yours begins with "0000"')]);
  const self = await run("phone", "devices", "revoke", id);
  expect([self.code, self.errors]).toEqual([2, expect.stringContaining("the device you are on")]);
  const wrong = await fastchat(system, ["devices", "revoke", id, "--profile", "alice"], { environment: { FASTCHAT_PASSWORD: "not it" } });
  expect([wrong.code, wrong.errors]).toEqual([4, "fastchat: Wrong password: try again.\n"]);
  await using _open = startFastchat(system, ["tail", "--profile", "alice"]);
  await expect.poll(async () => (await json("first", "whoami", "--profile", "alice"))[0]!["role"]).toBe("beside");
  const revoked = await run("first", "devices", "revoke", id.slice(0, 6), "--profile", "alice");
  expect([revoked.code, revoked.output]).toEqual([0, `Phone (${id.slice(0, 8)}) has no rights any more.\n`]);
  expect((await run("phone", "whoami")).code).toBe(3);
  // Nothing is kept for later that will never be sent; and what the server ended it need not be told.
  const unsent = await run("phone", "send", "alice", "hello");
  expect([unsent.code, unsent.errors]).toEqual([3, expect.stringMatching(/signed out or revoked: sign in again.*fastchat signout/u)]);
  expect(await json("phone", "signout")).toEqual([{ type: "signed-out", name: "alice", server: "told" }]);
  expect(await json("first", "devices", "--profile", "alice")).toHaveLength(1);
  expect((await json("first", "devices", "--all", "--profile", "alice")).map(({ state }) => state)).toEqual(["revoked", "active"]);
});

test("[H3] who was revoked signs in again in the same place: nothing goes before the password is right, and the messages come back", async () => {
  await json("couch", "signin", "alice");
  await json("couch", "send", "alice", "to keep");
  const [couch] = (await json("couch", "devices")).filter(({ me }) => me === true);
  const early = await run("couch", "signin", "alice");
  expect([early.code, early.errors]).toEqual([4, expect.stringContaining("is signed in with the profile alice already")]);
  await json("first", "devices", "revoke", String(couch!["device"]), "--profile", "alice");
  const wrong = await fastchat(system, ["signin", "alice"], { ...at("couch"), environment: { FASTCHAT_PASSWORD: "not it" } });
  expect([wrong.code, wrong.errors]).toEqual([4, expect.stringContaining("Wrong password")]);
  expect((await run("couch", "whoami")).errors).toContain("signed out or revoked");
  const [again] = await json("couch", "signin", "alice");
  expect(again).toMatchObject({ type: "signed-in", name: "alice", profile: "alice" });
  expect(again!["device"]).not.toBe(couch!["device"]);
  expect((await run("couch", "whoami")).code).toBe(0);
  expect((await run("couch", "read", "alice", "--all")).output).toContain("to keep");
  await json("couch", "signout");
});

test("[H3] a device of a profile that is not called as the account says which it is", async () => {
  await json("desk", "signin", "alice", "--profile", "work");
  const [desk] = await json("first", "devices", "--profile", "alice");
  expect(desk).toMatchObject({ name: expect.stringMatching(/^Terminal on .{1,19}, profile work$/u) });
  const { deviceName } = programIn("w".repeat(64));
  const me = { name: "alice" } as Me;
  expect(deviceName(me)).toMatch(/, profile w{18}…$/u);
  expect(deviceName(me).length).toBeLessThanOrEqual(60);
  expect(await json("desk", "signout", "--profile", "work")).toMatchObject([{ server: "told" }]);
});

test("[H3] who signs out everywhere is signed in nowhere, and comes back by name and password", async () => {
  await json("tablet", "signin", "alice");
  await json("watch", "signin", "alice");
  const gone = await run("tablet", "signout", "--everywhere");
  expect([gone.code, gone.output]).toEqual([0, "alice is signed out everywhere.\n"]);
  for (const device of ["watch", "tablet"]) expect((await run(device, "whoami")).code).toBe(3);
  expect((await run("first", "whoami", "--profile", "alice")).code).toBe(3);
  await json("laptop", "signin", "alice");
  expect(await json("laptop", "devices")).toHaveLength(1);
});
