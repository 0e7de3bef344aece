import { afterAll, beforeAll, expect, test } from "vitest";
import {
  closeScreens,
  enter,
  environmentIn,
  fastchat,
  FrameProxy,
  newPassword,
  startSystem,
  type System,
  TestScreen,
} from "../testing/index.ts";

let system: System;
beforeAll(async () => {
  system = await startSystem({ servers: 1 });
});
afterAll(async () => {
  await closeScreens();
  await system?.[Symbol.asyncDispose]();
});

const ENTER = "\r";
const ESCAPE = "\u001b";

/** Holds one request of the gateway up until it is let pass. */
function held(proxy: FrameProxy, path: string): { readonly asked: Promise<void>; readonly pass: () => void } {
  const [asked, passed] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  proxy.script = {
    async refuses(each) {
      if (each !== path) return false;
      asked.resolve();
      await passed.promise;
      return false;
    },
  };
  return { asked: asked.promise, pass: passed.resolve };
}

test("[P2] Esc while a sign-up succeeds: the recovery words are shown all the same", async () => {
  await using proxy = await FrameProxy.start(system.gatewayUrl);
  const at = { home: `${system.home}-quinn`, gateway: proxy.url };
  await using screen = new TestScreen({ environment: environmentIn(system, at) });
  await screen.shows("Username");
  const password = newPassword();
  screen.type("\u000e");
  await screen.shows("Sign up: choose");
  const { asked, pass } = held(proxy, "/v1/sign-up/finish");
  screen.type(`quinn${ENTER}${password}${ENTER}${password}${ENTER}`);
  await asked;
  screen.type(ESCAPE);
  await screen.shows("Stopping");
  pass();
  await screen.shows("You are signed up.");
  await screen.shows("12 ");
  screen.type(ENTER);
  await screen.shows("Welcome, quinn");
  screen.type("\u0011");
  expect(await screen.ended()).toBe(0);
});

test("Esc while a sign-in succeeds: the person is in, and told why; where it stops in time, nobody is", async () => {
  await using proxy = await FrameProxy.start(system.gatewayUrl);
  const password = await enter(system, "frank", { home: `${system.home}-elsewhere`, profile: "frank", gateway: system.gatewayUrl });
  const at = { home: `${system.home}-frank`, gateway: proxy.url };
  await using screen = new TestScreen({ environment: environmentIn(system, at) });
  await screen.shows("Username");
  proxy.script = { refuses: () => true };
  screen.type(`frank${ENTER}${password}${ENTER}`);
  await screen.shows("Esc stops");
  screen.type(ESCAPE);
  await screen.hides("Esc stops");
  await screen.hides("Stopping");
  expect((await fastchat(system, ["whoami"], at)).code).toBe(3);
  const { asked, pass } = held(proxy, "/v1/devices");
  screen.type(ENTER);
  await asked;
  screen.type(ESCAPE);
  await screen.shows("Stopping");
  pass();
  await screen.shows("Welcome, frank");
  await screen.shows("You were signed in before it could be stopped.");
  screen.type("\u0011");
  expect(await screen.ended()).toBe(0);
});
