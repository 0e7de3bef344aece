import { afterAll, beforeAll, expect, test } from "vitest";
import { closeScreens, enter, environmentIn, fastchat, startSystem, type System, TestScreen } from "../testing/index.ts";

let system: System;
const passwords = new Map<string, string>();
beforeAll(async () => {
  system = await startSystem({ servers: 1 });
  for (const name of ["alice", "bob"])
    passwords.set(name, await enter(system, name, { home: system.home, profile: name, gateway: system.gatewayUrl }));
  passwords.set("carol", await enter(system, "carol", { home: `${system.home}-elsewhere`, profile: "carol", gateway: system.gatewayUrl }));
});
afterAll(async () => {
  await closeScreens();
  await system?.[Symbol.asyncDispose]();
});

const ENTER = "\r";
const NEXT_ACCOUNT = "\u001bs";

test("two accounts at one terminal: one key goes from one to the other, each stays connected, and a third signs in", async () => {
  await using screen = new TestScreen({ args: ["--profile", "alice"], environment: environmentIn(system) });
  await screen.shows("Welcome, alice");
  screen.type(`/note${ENTER}`);
  screen.type(NEXT_ACCOUNT);
  await screen.shows("Welcome, bob");
  screen.type(NEXT_ACCOUNT);
  await screen.shows("Welcome, alice");
  // What comes for bob meanwhile shows beside, and is read by nobody.
  const sent = await fastchat(system, ["send", "bob", "hello bob", "--profile", "alice"]);
  expect(sent.code).toBe(0);
  screen.type(NEXT_ACCOUNT);
  await screen.shows("Requests (1)");
  screen.type(`/accounts${ENTER}`);
  await screen.shows("Sign in to another account");
  screen.type(`\u001b[B${ENTER}`);
  await screen.shows("Password");
  screen.type(`carol${ENTER}${passwords.get("carol")!}${ENTER}`);
  await screen.shows("Welcome, carol");
  // Who signs out goes on with another of them.
  screen.type(`/signout${ENTER}`);
  await screen.shows("erase its messages here");
  screen.type("y");
  await screen.shows("Signed out.");
  await screen.shows("Welcome, ");
  screen.type("\u0011");
  expect(await screen.ended()).toBe(0);
  // Commands mean the one who was shown last, not the one who is gone.
  expect((await fastchat(system, ["whoami"])).code).toBe(0);
});
