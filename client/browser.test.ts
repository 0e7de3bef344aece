import { createHash, randomBytes } from "node:crypto";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { launchBrowser, newPassword, openBrowserPage, person, startSystem, type System } from "@fastchat/testing";
import { MemorySink } from "./files/memory-sink.ts";

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
  expect(await call("exportHere")).toEqual([expect.any(Number), 2]);
  expect(await call("signOutHere")).toBe("told");
  expect(await call("openHere")).toBe("nobody");
  expect(browser.faults).toEqual([]);
});

test("[S6] a page sends files and fetches them, and goes on with an upload when it is opened again", async () => {
  await using bob = await person(system, "bob-of-files");
  await using browser = await openBrowserPage(module, system.gatewayUrl);
  const { page } = browser;
  const call = (name: string, ...given: unknown[]) => page.evaluate(`${name}(${given.map((one) => JSON.stringify(one)).join(", ")})`);
  const hashes = async (from: string): Promise<string[]> => {
    const places = (await bob.messages(from)).flatMap(({ mine, files, conversation, sequence }) =>
      mine ? [] : files.map((file, place) => ({ file, at: { conversation, sequence: sequence!, place } })),
    );
    const found: string[] = [];
    for (const { file, at } of places) {
      const sink = new MemorySink(file.bytes);
      await bob.client.files.fetch(at, sink);
      found.push(createHash("sha256").update(sink.bytes).digest("hex"));
    }
    return found;
  };
  await call("signUpHere", system.gatewayUrl, "webby-of-files", newPassword());
  await call("openHere");
  const sent = await call("sendFilesHere", "bob-of-files", "from a page", [0, 70_000, 12_000_000]);
  await bob.hears("webby-of-files", "from a page");
  expect(await hashes("webby-of-files")).toEqual(sent);
  // The page is gone as soon as the files stand in the outbox.
  const more = await call("sendFilesHere", "bob-of-files", "and once more", [30_000_000]);
  await page.reload();
  await call("openHere");
  await bob.hears("webby-of-files", "and once more");
  expect(await hashes("webby-of-files")).toEqual([...(sent as string[]), ...(more as string[])]);

  const bytes = randomBytes(10_000_000);
  const conversation = await bob.client.openDirect("webby-of-files");
  const source = {
    name: "back.bin",
    size: bytes.length,
    stream: async function* () {
      yield bytes;
    },
  };
  await bob.client.files.send(conversation, [{ source }], { text: "and back" });
  await expect.poll(() => call("textsHere", "bob-of-files"), { timeout: 10_000 }).toContain("and back");
  expect(await call("filesHere", "bob-of-files")).toEqual([createHash("sha256").update(bytes).digest("hex")]);
  expect(browser.faults).toEqual([]);
});

test("[S7] a second tab works through the first, and takes its place when that is closed", async () => {
  await using bob = await person(system, "bob-of-tabs");
  await using browser = await openBrowserPage(module, system.gatewayUrl);
  const { page } = browser;
  const second = await page.context().newPage();
  await second.goto(page.url());
  const call = (tab: typeof page, name: string, ...given: unknown[]) =>
    tab.evaluate(`${name}(${given.map((one) => JSON.stringify(one)).join(", ")})`);
  expect(await call(page, "signUpHere", system.gatewayUrl, "tabby", newPassword())).toBe("signed-up");
  expect(await call(page, "openHere")).toBe("online");
  expect(await call(second, "openHere")).toBe("online");
  expect([await call(page, "roleHere"), await call(second, "roleHere")]).toEqual(["holder", "beside"]);
  await call(page, "sayHere", "bob-of-tabs", "from the first");
  await call(second, "sayHere", "bob-of-tabs", "from the second");
  await bob.hears("tabby", "from the second");
  await bob.say("tabby", "to both");
  const all = ["from the first", "from the second", "to both"];
  for (const tab of [page, second]) await expect.poll(() => call(tab, "textsHere", "bob-of-tabs")).toEqual(all);

  // Without a word, as tabs are closed.
  await page.close();
  await expect.poll(() => call(second, "roleHere")).toBe("holder");
  await call(second, "sayHere", "bob-of-tabs", "from the second alone");
  await bob.hears("tabby", "from the second alone");
  expect(await bob.texts("tabby")).toEqual([...all, "from the second alone"]);
  expect(browser.faults).toEqual([]);
});

test("[H5] QuickChat in a browser: only what comes from now on, nothing is kept, and closing it signs out", async () => {
  await using carol = await person(system, "carol");
  await using dave = await person(system, "dave");
  await carol.say("dave", "from before");
  await dave.hears("carol", "from before");
  await using browser = await openBrowserPage(module, system.gatewayUrl);
  const { page } = browser;
  const call = (name: string, ...given: unknown[]) => page.evaluate(`${name}(${given.map((one) => JSON.stringify(one)).join(", ")})`);
  expect(await call("openQuickHere", system.gatewayUrl, "dave", dave.password)).toBe("online");
  expect(await call("textsHere", "carol")).toEqual([]);
  await call("sayHere", "carol", "from a café");
  await carol.hears("dave", "from a café");
  await carol.say("dave", "enjoy");
  await expect.poll(() => call("textsHere", "carol")).toEqual(["from a café", "enjoy"]);
  expect(await call("keptHere")).toEqual([]);
  await call("closeHere");
  await expect.poll(async () => (await dave.client.devices())[0]).toMatchObject({ name: "QuickChat in a browser", state: "signed-out" });
  expect(await call("keptHere")).toEqual([]);
  expect(browser.faults).toEqual([]);
});

test("[C7] an invitation's link in a browser: it is shown, with what to do, and leaves the history", async () => {
  const browser = await launchBrowser();
  try {
    const page = await browser.newPage();
    const faults: string[] = [];
    page.on("console", (message) => faults.push(message.text()));
    const link = `${system.gatewayUrl}/join#secret`;
    await page.goto(link);
    expect(await page.locator("output").textContent()).toBe(link);
    expect(page.url()).toBe(`${system.gatewayUrl}/join`);
    expect(await page.locator("body").textContent()).toContain("fastchat group join");
    await page.goto(`${system.gatewayUrl}/healthz`);
    await page.goBack();
    expect(await page.content()).not.toContain("secret");
    expect(faults).toEqual([]);
  } finally {
    await browser.close();
  }
});
