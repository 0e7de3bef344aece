import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type BrowserPage, openBrowserPage } from "@fastchat/testing";
import { storageContract } from "./storage-contract.ts";

const module = fileURLToPath(new URL("storage-indexeddb.page.ts", import.meta.url));
// Only this page answers there; "localhost" is a secure context.
const origin = "http://localhost:1";

let browser: BrowserPage;
beforeAll(async () => {
  browser = await openBrowserPage(module, origin);
});
afterAll(() => browser[Symbol.asyncDispose]());

describe("storage contract, IndexedDB", () => {
  test.each(storageContract.map(({ title }, index) => ({ title, index })))("$title", async ({ index }) => {
    expect(await browser.page.evaluate(`runCase(${index})`)).toBe("passed");
  });
});

test("[S7] one page holds a profile; the lock ends with it", async () => {
  const other = await browser.page.context().newPage();
  await other.route(`${origin}/**`, (route) => route.fulfill({ contentType: "text/html", body: "<!doctype html>" }));
  await other.goto(`${origin}/other.html`);
  await other.evaluate(
    `new Promise((taken) => void navigator.locks.request("fastchat-shared", () => { taken(); return new Promise(() => {}); }))`,
  );
  expect(await browser.page.evaluate(`takeLock("shared")`)).toBe(false);
  await other.close();
  expect(await browser.page.evaluate(`takeAndReleaseLock("shared")`)).toBe(true);
  expect(await browser.page.evaluate(`takeLock("shared")`)).toBe(true);
});
