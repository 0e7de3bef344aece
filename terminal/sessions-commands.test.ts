import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  closeScreens,
  type CommandOptions,
  enter,
  environmentIn,
  fastchat,
  fastchatJson,
  newPassword,
  startSystem,
  type System,
  TestScreen,
} from "../testing/index.ts";

// Devices as scripts and people see them, where one at a time may be signed in: each has a home of its own.

let system: System;
let password: string;
beforeAll(async () => {
  system = await startSystem({ environment: { FASTCHAT_SESSIONS: "single" } });
  password = await enter(system, "alice", { home: join(system.folder, "kitchen"), gateway: system.gatewayUrl, profile: "alice" });
});
afterAll(async () => {
  await closeScreens();
  await system?.[Symbol.asyncDispose]();
});

const at = (device: string, environment: Record<string, string> = { FASTCHAT_PASSWORD: password }): CommandOptions => ({
  home: join(system.folder, device),
  environment,
});
const run = (device: string, ...args: string[]) => fastchat(system, args, at(device));
const json = (device: string, ...args: string[]) => fastchatJson(system, args, at(device));

const TOLD = /Already signed in on Terminal on \S+, last seen (just now|\d+ min ago)/u;

test("[H8] a second sign-in is told where; with --sign-out-there it goes on here, and the other one hears of it", async () => {
  // Whoever was never connected has no name yet.
  await json("kitchen", "devices");
  const told = await run("sofa", "signin", "alice");
  expect([told.code, told.output]).toEqual([4, ""]);
  expect(told.errors).toMatch(TOLD);
  expect(told.errors).toContain("--sign-out-there");
  const asJson = await run("sofa", "signin", "alice", "--json");
  expect(JSON.parse(asJson.output)).toMatchObject({
    type: "error",
    code: "already-signed-in",
    exit: 4,
    message: expect.stringMatching(TOLD),
  });
  expect((await run("kitchen", "whoami")).code).toBe(0);

  expect(await json("sofa", "signin", "alice", "--sign-out-there")).toMatchObject([
    { type: "signed-in", name: "alice", others: "revoked" },
  ]);
  const out = await run("kitchen", "whoami");
  expect([out.code, out.errors]).toEqual([3, expect.stringContaining("signed out or revoked: sign in again")]);
  expect((await json("sofa", "devices", "--all")).map(({ me, state }) => [me, state])).toEqual([
    [true, "active"],
    [false, "revoked"],
  ]);
  await json("sofa", "signout");
  expect(await json("sofa", "signin", "alice")).toEqual([expect.not.objectContaining({ others: expect.anything() })]);
});

test("[H8] at a terminal it is asked, and no is no", async () => {
  await json("sofa", "devices");
  const open = () =>
    new TestScreen({ args: ["signin", "alice"], environment: environmentIn(system, { home: join(system.folder, "bed") }), columns: 140 });
  await using no = open();
  await no.shows("Password:");
  no.type(`${password}\r`);
  await no.shows("Sign out there and go on here? [y/N]");
  expect(no.text).toMatch(TOLD);
  no.type("\r");
  expect(await no.ended()).toBe(4);
  expect((await run("sofa", "whoami")).code).toBe(0);
  await using yes = open();
  await yes.shows("Password:");
  yes.type(`${password}\r`);
  await yes.shows("[y/N]");
  yes.type("y\r");
  expect(await yes.ended()).toBe(0);
  expect(yes.text).toContain("Welcome, alice!");
  expect((await run("sofa", "whoami")).code).toBe(3);
});

test("[H8] [P2] the recovery words say the same", async () => {
  const [first, second] = [newPassword(), newPassword()];
  const [signedUp] = await fastchatJson(system, ["signup", "wanda"], at("home", { FASTCHAT_PASSWORD: first }));
  await fastchatJson(system, ["devices"], at("home"));
  const FASTCHAT_RECOVERY_WORDS = (signedUp!["recoveryWords"] as string[]).join(" ");
  const secrets = { FASTCHAT_RECOVERY_WORDS, FASTCHAT_NEW_PASSWORD: second };
  const told = await fastchat(system, ["recover", "wanda"], at("away", secrets));
  expect([told.code, told.errors]).toEqual([4, expect.stringMatching(TOLD)]);
  const here = await fastchat(system, ["recover", "wanda", "--sign-out-there"], at("away", secrets));
  expect([here.code, here.output]).toEqual([0, expect.stringMatching(/^Welcome back, wanda!.* other devices are signed out\.\n$/u)]);
  expect((await fastchat(system, ["whoami"], at("home"))).code).toBe(3);
});

test("[H8] the policy is shown; where the server has it so, no account is on many", async () => {
  expect(await json("bed", "devices", "policy")).toEqual([{ type: "session-policy", account: "many", server: "single" }]);
  const many = await run("bed", "devices", "policy", "many");
  expect([many.code, many.errors]).toEqual([4, expect.stringContaining("ask whoever runs it")]);
  expect((await run("bed", "devices", "policy", "some")).code).toBe(2);
  expect(await json("bed", "devices", "policy", "single")).toEqual([{ type: "session-policy", account: "single", server: "single" }]);
  const shown = await run("bed", "devices", "policy");
  expect(shown.output).toContain("on one device at a time, as this server has it");
});
