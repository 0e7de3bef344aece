import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { newPassword, openBrowserPage, person, startSystem, type System } from "@fastchat/testing";

const module = fileURLToPath(new URL("browser.page.ts", import.meta.url));

let system: System;
beforeAll(async () => {
  system = await startSystem({ servers: 1 });
});
afterAll(() => system[Symbol.asyncDispose]());

test("the SDK signs up and chats in a browser, with somebody in Node", async () => {
  await using bob = await person(system, "bob");
  await using browser = await openBrowserPage(module, system.gatewayUrl);
  const { page } = browser;
  const call = (name: string, ...given: unknown[]) => page.evaluate(`${name}(${given.map((one) => JSON.stringify(one)).join(", ")})`);
  expect(await call("signUpHere", system.gatewayUrl, "webby", newPassword())).toBe("signed-up");
  expect(await call("openHere")).toBe("online");
  await call("sayHere", "bob", "hello from a browser");
  await bob.hears("webby", "hello from a browser");
  await bob.say("webby", "hello from Node");
  await expect.poll(() => call("textsHere", "bob")).toEqual(["hello from a browser", "hello from Node"]);

  // What is stored survives the page.
  await call("closeHere");
  await page.reload();
  expect(await call("openHere")).toBe("online");
  expect(await call("textsHere", "bob")).toEqual(["hello from a browser", "hello from Node"]);
  expect(await call("signOutHere")).toBe("told");
  expect(await call("openHere")).toBe("nobody");
  expect(browser.faults).toEqual([]);
});
