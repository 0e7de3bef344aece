import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { mkdirSync, writeFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { accountId, conversationId } from "@fastchat/protocol";
import { afterAll, beforeAll, expect, test } from "vitest";
import { launchBrowser, TemporaryFolder } from "../testing/index.ts";
import { viewerPage } from "./export-page.ts";
import type { ExportedConversation, ExportedItem, ExportOverview } from "./export-shapes.ts";

// The viewer of an archive in a real browser, from the disk.

const BEGAN = Date.UTC(2026, 0, 1, 12);
const MINUTES = 60_000;
const id = new Uint8Array(32).fill(1);

function message(sequence: number, text: string, from = "bob"): ExportedItem {
  const time = new Date(BEGAN + sequence * 10 * MINUTES).toISOString();
  const author = { from, account: accountId(id), device: "d", mine: from === "alice" };
  return {
    type: "message",
    sequence,
    time,
    id: "1",
    ...author,
    text,
    deleted: false,
    mentions: [],
    files: [],
    status: "read",
    doubt: "none",
  };
}

function conversation(title: string, messages: number, more: Partial<ExportedConversation> = {}): ExportedConversation {
  const settings = {
    standing: "ordinary",
    with: null,
    readUpTo: 0,
    mute: "none",
    draft: "",
    unreadable: 0,
    disappearing: 0,
    files: 0,
    fileBytes: 0,
    filesMissing: 0,
    notFetched: 0,
  } as const;
  const time = new Date(BEGAN).toISOString();
  return { type: "conversation", conversation: conversationId(id), kind: "direct", title, time, messages, file: "f", ...settings, ...more };
}

const overviewOf = (conversations: readonly ExportedConversation[], note = ""): ExportOverview => ({
  account: {
    type: "account",
    format: 1,
    name: "alice",
    account: accountId(id),
    device: "d",
    gateway: "http://127.0.0.1:8080",
    exported: new Date(BEGAN).toISOString(),
    conversations: conversations.length,
    messages: 1,
    files: 0,
    missing: [],
    missingFiles: [],
  },
  contacts: [{ type: "contact", name: "bob", account: accountId(id), verification: "verified", note, blocked: false }],
  devices: [],
  lists: [],
  conversations,
});

async function* pagesOf(items: readonly ExportedItem[]) {
  for (let at = 0; at < items.length; at += 250) yield items.slice(at, at + 250);
}

let folder: TemporaryFolder;
beforeAll(() => {
  folder = new TemporaryFolder();
});
afterAll(() => folder[Symbol.dispose]());

/** Opens a page of this text from the disk; `asked`: what it asked the network or the disk for besides. */
async function opened(html: string, colorScheme: "light" | "dark" = "light") {
  const file = join(folder.path, "index.html");
  await writeFile(file, html);
  const browser = await launchBrowser();
  const page = await browser.newPage({ colorScheme, viewport: { width: 1_000, height: 700 }, timezoneId: "UTC", locale: "en-GB" });
  const asked: string[] = [];
  const faults: string[] = [];
  page.on("request", (request) => asked.push(request.url()));
  page.on("dialog", (dialog) => {
    faults.push(dialog.message());
    void dialog.dismiss();
  });
  page.on("pageerror", (error) => faults.push(String(error)));
  const url = pathToFileURL(file).href;
  await page.goto(url);
  return { page, faults, asked: () => asked.filter((each) => each !== url), [Symbol.asyncDispose]: () => browser.close() };
}

async function htmlOf(overview: ExportOverview, logs: readonly (readonly ExportedItem[])[]): Promise<string> {
  const pieces: string[] = [];
  for await (const piece of viewerPage(overview, logs.map(pagesOf))) pieces.push(piece);
  return pieces.join("");
}

test("script in a message, name or title: hostile text is shown as it is, does nothing, and nothing leaves the page", async () => {
  let hits = 0;
  await using server = createServer((_, response) => {
    hits++;
    response.setHeader("access-control-allow-origin", "*").end("");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const away = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const hostile = `</script><script>fetch("${away}/1");alert(1)</script><img src="${away}/2.png" onerror="alert(2)"><!-- \u202Egnp.exe <a href="javascript:alert(3)">`;
  const items = [
    message(1, hostile),
    message(2, "hello", `bob${hostile}`),
    { ...message(3, ""), type: "notice", notice: "membership", text: hostile } as ExportedItem,
  ];
  const html = await htmlOf(overviewOf([conversation(hostile, 3, { draft: hostile })], hostile), [items]);
  {
    await using viewer = await opened(html);
    const { page, faults, asked } = viewer;
    const shown = hostile.replace("\u202E", "[U+202E]");
    expect(await page.locator("li.message p").first().textContent()).toBe(shown);
    expect(await page.locator("li.message bdi").nth(1).textContent()).toBe(`bob${shown}`);
    expect(await page.locator("li.notice").textContent()).toBe(shown);
    expect(await page.locator("h2").textContent()).toBe(shown);
    await page.getByText("About this export").click();
    expect(await page.locator("#about td").filter({ hasText: "<script>" }).count()).toBe(3);
    await page.getByLabel("Search").fill("onerror");
    await page.getByRole("status").filter({ hasText: "1 message found" }).waitFor();
    expect([hits, faults, asked()]).toEqual([0, [], []]);
  }
  // Were there a hole after all, the policy would stop what comes through it; without the policy this would be heard.
  const hole = `<img src="${away}/3.png"><script>fetch("${away}/4"); document.title = "hacked"</script></body>`;
  const broken = html.replace("</body>", () => hole);
  {
    await using viewer = await opened(broken);
    await viewer.page.locator("li.message").first().waitFor();
    expect([await viewer.page.title(), hits]).toEqual(["alice's messages", 0]);
  }
  await using without = await opened(broken.replace(/<meta http-equiv[^>]*>/u, ""));
  await expect.poll(() => hits).toBe(2);
  expect(await without.page.title()).toBe("hacked");
});

test("[S6] script in a file: what a browser would run is neither run nor opened when it is clicked, and what it shows is shown", async () => {
  let hits = 0;
  await using server = createServer((_, response) => {
    hits++;
    response.end("");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const away = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const script = `<html xmlns="http://www.w3.org/1999/xhtml"><body><script>new Image().src = "${away}/1"; document.title = "hacked"</script></body></html>`;
  const names = ["page.html", "page.HTM", "page.xhtml", "drawing.svg", "text.txt", "page.xml", "page", "page.mhtml"];
  mkdirSync(join(folder.path, "files", "c"), { recursive: true });
  const files = names.map((name) => {
    const file = `files/c/1-0-${name}`;
    writeFileSync(join(folder.path, file), script);
    return {
      name,
      bytes: script.length,
      kind: "file",
      mediaType: "image/png",
      width: null,
      height: null,
      duration: null,
      file,
      missing: null,
    } as const;
  });
  const item = { ...message(1, "look"), files } as ExportedItem;
  await using viewer = await opened(await htmlOf(overviewOf([conversation("bob", 1)]), [[item]]));
  const { page, faults } = viewer;
  for (const name of names) {
    const pages = page.context().pages().length;
    const saved = page.waitForEvent("download", { timeout: 1_500 }).then(
      () => true,
      () => false,
    );
    await page.getByText(name, { exact: true }).click();
    const isSaved = await saved;
    const shown = page.context().pages().slice(pages);
    const said = await Promise.all(shown.map((each) => each.evaluate(() => `${document.contentType} ${document.title}`)));
    // What may run has no link.
    expect([name, isSaved, said]).toEqual([name, false, name === "text.txt" ? ["text/plain "] : []]);
    for (const each of shown) await each.close();
  }
  expect([hits, faults]).toEqual([0, []]);
});

test("30,000 messages are read with keys, searched, and gone through without a jump; few of them are in the page", async () => {
  const many = Array.from({ length: 30_000 }, (_, place) => message(place + 1, `number ${place + 1}`, place % 3 === 0 ? "alice" : "bob"));
  const html = await htmlOf(overviewOf([conversation("bob", many.length, { notFetched: 7 }), conversation("carol", 1)]), [
    many,
    [message(1, "hi", "carol")],
  ]);
  await using viewer = await opened(html, "dark");
  const { page, faults, asked } = viewer;
  const rows = () => page.locator("#items li").count();
  const isShown = (text: string) => page.getByText(text, { exact: true }).waitFor();
  await isShown("number 30000");
  expect(await page.evaluate(() => getComputedStyle(document.body).backgroundColor)).toBe("rgb(22, 24, 28)");
  expect(await page.locator("li.day").last().textContent()).toMatch(/28 July 2026$/u);
  // What is looked at stays where it is while older ones come in above it.
  await page.locator("#scroll").evaluate((scroll) => (scroll.scrollTop = 700));
  const topOf = (text: string) => page.getByText(text, { exact: true }).evaluate((row) => Math.round(row.getBoundingClientRect().top));
  const first = await page.locator("#items li.message p").first().textContent();
  const before = await topOf(first!);
  await page.locator("#scroll").evaluate((scroll) => (scroll.scrollTop -= 200));
  await expect.poll(() => page.locator("#items li.message p").first().textContent()).not.toBe(first);
  expect(Math.abs((await topOf(first!)) - before - 200)).toBeLessThanOrEqual(2);
  await page.locator("#scroll").focus();
  await page.keyboard.press("Home");
  await isShown("number 1");
  expect(await page.locator("li.warning").textContent()).toContain("7 places");
  for (let turn = 0; turn < 8; turn++) {
    await page.locator("#scroll").evaluate((scroll) => (scroll.scrollTop = scroll.scrollHeight));
    await expect
      .poll(() => page.locator("#scroll").evaluate((scroll) => scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight))
      .toBeGreaterThan(100);
  }
  expect(await rows()).toBeLessThan(800);
  await page.keyboard.press("/");
  await page.keyboard.type("NUMBER 1234");
  await page.getByRole("status").filter({ hasText: "11 messages found" }).waitFor();
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  expect(await page.locator("li.found p").textContent()).toBe("number 12349");
  await page.keyboard.press("Escape");
  await page.getByLabel("Go to a day").fill("2026-02-01");
  await isShown("number 4392");
  expect(await page.locator("#place").textContent()).toBe("4,392 of 30,000");
  await page.getByRole("button", { name: "carol" }).click();
  await isShown("hi");
  expect([faults, asked()]).toEqual([[], []]);
});
