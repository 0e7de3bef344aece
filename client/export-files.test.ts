import { createHash, randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath, pathToFileURL } from "node:url";
import { type ConversationId, limits } from "@fastchat/protocol";
import { sealedFileSize } from "@fastchat/protocol/seal";
import type { Locator } from "playwright-core";
import sharp from "sharp";
import { afterAll, beforeAll, expect, test } from "vitest";
import { CountedGateway } from "../testing/files/counted-gateway.ts";
import { damageStored } from "../testing/files/damage.ts";
import { bytesInArchive, launchBrowser, type Person, person, photo, startSystem, type System } from "../testing/index.ts";
import type { ExportSummary } from "./api-export.ts";
import type { FileToSend } from "./api-files.ts";
import type { ExportedAccount, ExportedItem } from "./export-shapes.ts";
import { preparePicture } from "./media/node.ts";

// Pictures and files of an archive, with people, servers and a browser.

let system: System;
let count = 0;
beforeAll(async () => {
  system = await startSystem({ servers: 1 });
});
afterAll(() => system[Symbol.asyncDispose]());

/** More than an export holds in memory of a file. */
const LARGE = 6_000_000;

const fileOf = (name: string, content: Uint8Array, mediaType = "application/octet-stream"): FileToSend => ({
  source: {
    name,
    size: content.length,
    async *stream() {
      yield content;
    },
  },
  mediaType,
});

/** Two people who know each other; what bob sends, alice exports. */
async function acquaintances(gateway?: string) {
  count++;
  const alice = await person(system, `alice${count}`, gateway === undefined ? {} : { gateway });
  const bob = await person(system, `bob${count}`);
  const id = await bob.say(alice.name, "hello");
  await alice.hears(bob.name, "hello");
  return { alice, bob, id };
}

async function send(from: Person, to: Person, id: ConversationId, files: readonly FileToSend[], text: string, expiresAfter = 0) {
  await from.client.files.send(id, files, { text, expiresAfter });
  await from.client.sent(id, AbortSignal.timeout(30_000));
  await to.hears(from.name, text);
}

/** @param after how many bytes something happens, once */
async function exported(
  { client }: Person,
  { after = Infinity, happens = async () => {} }: { readonly after?: number; readonly happens?: () => Promise<void> } = {},
): Promise<{ readonly archive: Buffer; readonly found: Map<string, Uint8Array>; readonly summary: ExportSummary }> {
  const result = await client.export({ lock: { kind: "plain" } });
  if (result.kind !== "archive") throw new Error(`no archive but ${result.kind}`);
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  let isDue = true;
  for await (const piece of result.stream) {
    pieces.push(piece);
    bytes += piece.length;
    if (!isDue || bytes < after) continue;
    isDue = false;
    await happens();
  }
  const archive = Buffer.concat(pieces);
  return { archive, found: await bytesInArchive(archive), summary: await result.summary };
}

type Message = Extract<ExportedItem, { type: "message" }>;

const messagesIn = (found: ReadonlyMap<string, Uint8Array>, id: ConversationId): Message[] =>
  Buffer.from(found.get(`conversations/${id}.jsonl`)!)
    .toString()
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as ExportedItem)
    .filter((item) => item.type === "message");

const filesIn = (found: ReadonlyMap<string, Uint8Array>): string[] => [...found.keys()].filter((name) => name.startsWith("files/"));

test(
  "[S6] what is damaged or gone on the server is named with the reason, and all else is in the archive",
  { timeout: 60_000 },
  async () => {
    const { alice, bob, id } = await acquaintances();
    await using _ = alice;
    await using __ = bob;
    const contents = [randomBytes(LARGE), randomBytes(LARGE + 1), randomBytes(60_001), randomBytes(60_002), randomBytes(LARGE + 2)];
    const names = ["first.bin", "damaged.bin", "small.bin", "gone.bin", "last.bin"];
    await send(
      bob,
      alice,
      id,
      contents.map((content, index) => fileOf(names[index]!, content)),
      "five files",
    );
    await damageStored(system, LARGE + 1, LARGE - 100_000);
    await damageStored(system, 60_001, 30_000);
    await system.query("DELETE FROM blob WHERE size = $1", [sealedFileSize(60_002)]);
    // Another time it is the same.
    for (let turn = 1; turn <= 2; turn++) {
      const { archive, found, summary } = await exported(alice);
      const [{ files, sequence }] = messagesIn(found, id).filter(({ text }) => text === "five files") as [Message];
      expect(files.map(({ name, missing }) => [name, missing])).toEqual([
        ["first.bin", null],
        ["damaged.bin", "damaged"],
        ["small.bin", "damaged"],
        ["gone.bin", "gone"],
        ["last.bin", null],
      ]);
      expect(filesIn(found)).toEqual([files[0]!.file, files[4]!.file]);
      for (const index of [0, 4]) expect(Buffer.compare(found.get(files[index]!.file!)!, contents[index]!)).toBe(0);
      const about = { conversation: id, title: bob.name, sequence, from: bob.name };
      const missingFiles = [
        { ...about, name: "damaged.bin", bytes: LARGE + 1, missing: "damaged" },
        { ...about, name: "small.bin", bytes: 60_001, missing: "damaged" },
        { ...about, name: "gone.bin", bytes: 60_002, missing: "gone" },
      ];
      expect(summary).toMatchObject({ files: 2, fileBytes: 2 * LARGE + 2, filesNotFetched: 3, missingFiles });
      const account = JSON.parse(Buffer.from(found.get("account.json")!).toString()) as ExportedAccount;
      expect(account).toMatchObject({ files: 2, missing: ["3 files could not be had."], missingFiles });
      // Nothing of a short one was written.
      expect(archive.includes(contents[2]!.subarray(0, 20_000))).toBe(false);
    }
  },
);

test(
  "[S6] a server that goes away while files come: what is not had is said, at once for all; another time everything is there",
  { timeout: 120_000 },
  async () => {
    await using gateway = await CountedGateway.before(system.gatewayUrl);
    const { alice, bob, id } = await acquaintances(gateway.url);
    await using _ = alice;
    await using __ = bob;
    // More than the buffers of all sockets between them.
    const contents = [70_000, 30_000_000, 70_001, 70_002].map((bytes) => randomBytes(bytes));
    await send(
      bob,
      alice,
      id,
      contents.map((content, index) => fileOf(`${index}.bin`, content)),
      "four files",
    );
    const killed = Promise.withResolvers<void>();
    gateway.when("down", LARGE, () => killed.resolve(system.gateway.kill()));
    const { found, summary } = await exported(alice);
    await killed.promise;
    expect(summary).toMatchObject({ files: 1, filesNotFetched: 3 });
    const missing = (of: ReadonlyMap<string, Uint8Array>) => messagesIn(of, id).flatMap(({ files }) => files.map((file) => file.missing));
    expect(missing(found)).toEqual([null, "not-given", "not-given", "not-given"]);
    await system.gateway.start();
    const again = await exported(alice);
    expect(again.summary).toMatchObject({ files: 4, filesNotFetched: 0, missingFiles: [] });
    expect(missing(again.found)).toEqual([null, null, null, null]);
    for (const [index, path] of filesIn(again.found).entries()) expect(Buffer.compare(again.found.get(path)!, contents[index]!)).toBe(0);
  },
);

test("who has had enough while a file does not come is not waited for, nor is the file", { timeout: 60_000 }, async () => {
  await using gateway = await CountedGateway.before(system.gatewayUrl);
  const { alice, bob, id } = await acquaintances(gateway.url);
  await using _ = alice;
  await using __ = bob;
  await send(bob, alice, id, [fileOf("slow.bin", randomBytes(2_000_000))], "slowly");
  const silenced = Promise.withResolvers<void>();
  gateway.when("down", 500_000, () => {
    gateway.silence();
    silenced.resolve();
  });
  const result = await alice.client.export({ lock: { kind: "plain" } });
  if (result.kind !== "archive") throw new Error(`no archive but ${result.kind}`);
  await silenced.promise;
  const since = performance.now();
  await result.stream.cancel(new Error("enough"));
  await expect(result.summary).rejects.toThrow("enough");
  expect(performance.now() - since).toBeLessThan(limits.requestMs / 2);
});

test("[H4] files of messages that disappear are not in it, nor those whose messages do while they come", { timeout: 60_000 }, async () => {
  const { alice, bob, id } = await acquaintances();
  await using _ = alice;
  await using __ = bob;
  const secret = randomBytes(50_000);
  await send(bob, alice, id, [fileOf("secret.bin", secret)], "burn it", 3_600);
  await send(bob, alice, id, [fileOf("large.bin", randomBytes(LARGE)), fileOf("small.bin", randomBytes(50_001))], "for some time");
  const textsOf = async () =>
    (await alice.client.items(id, { limit: 50 })).items.flatMap((each) => (each.kind === "message" ? [each.text] : []));

  const whole = await exported(alice);
  expect(whole.summary).toMatchObject({ files: 2, disappearing: 1, filesNotFetched: 0 });
  expect(filesIn(whole.found).map((path) => path.replace(/^.*\d-/u, ""))).toEqual(["large.bin", "small.bin"]);
  expect([whole.archive.includes("burn it"), whole.archive.includes("secret.bin"), whole.archive.includes(secret)]).toEqual([
    false,
    false,
    false,
  ]);

  const partly = await exported(alice, {
    after: LARGE / 2,
    async happens() {
      await wait(1_000);
      await bob.client.setRetention(id, 1);
      await expect.poll(textsOf, { timeout: 20_000 }).not.toContain("for some time");
    },
  });
  expect(filesIn(partly.found)).toEqual([]);
  expect(messagesIn(partly.found, id).map(({ text }) => text)).not.toContain("for some time");
  expect(partly.summary).toMatchObject({ files: 0, fileBytes: 0, filesNotFetched: 0, missingFiles: [] });
  expect(Buffer.from(partly.found.get("index.html")!).toString()).not.toContain("large.bin");
});

test(
  "an unpacked archive in a browser: pictures and files are opened and saved as they are, whatever they are called, and nothing else is asked for",
  { timeout: 90_000 },
  async () => {
    const { alice, bob, id } = await acquaintances();
    await using _ = alice;
    await using __ = bob;
    const folder = mkdtempSync(join(system.folder, "unpacked-"));
    const camera = join(folder, "camera.jpg");
    writeFileSync(camera, await photo());
    const prepared = await preparePicture(camera);
    if (prepared.kind !== "prepared") throw new Error(prepared.kind);
    const { mediaType, width, height, thumbnail, thumbhash } = prepared.picture;
    const { width: thumbnailWidth, height: thumbnailHeight } = await sharp(thumbnail).metadata();
    const made = prepared.data;
    const picture = { ...fileOf("hill.jpg", made), mediaType, width, height, thumbnail, thumbhash };
    const page = Buffer.from("<!doctype html><script>document.title = 'it ran'</script>");
    const [bytes, words] = [randomBytes(LARGE), Buffer.from("only words, ñ")];
    const saved: readonly FileToSend[] = [
      fileOf(`"><img src=x onerror=alert(1)><script>alert(2)</script>.bin`, bytes),
      fileOf("invoice\u202excod.exe\u200f\u2066 تقرير.zip", words),
    ];
    const shown = ["../../../etc/100%25 #1 ?a=b&c='d'%2e%2e%2f.txt", "..\\con.txt"].map((name) => fileOf(name, words));
    const drawing = Buffer.from("<svg xmlns='http://www.w3.org/2000/svg'><script>alert(3)</script></svg>");
    const runnable = [fileOf("page.html", page), fileOf("page", page), fileOf("drawing.SVG", drawing)];
    await send(bob, alice, id, [picture, ...saved, ...shown, ...runnable], "a picture, and others");
    const { found } = await exported(alice);
    for (const [path, content] of found) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), content);
    }
    const { files } = messagesIn(found, id).find(({ text }) => text.startsWith("a picture"))!;

    const at = (index: number): string => join(folder, ...files[index]!.file!.split("/"));

    await using browser = await viewerIn(folder);
    const rows = browser.page.locator("li.message .file");
    expect(await rows.locator(".name").allTextContents()).toEqual(files.map(({ name }) => name));
    expect(files[2]!.name).toBe("invoicexcod.exe تقرير.zip");
    // The picture in small, and as it is behind its link.
    expect(await rows.first().locator("img").evaluate(pixelsOf)).toEqual([thumbnailWidth, thumbnailHeight]);
    expect(await browser.follow(rows.first())).toMatchObject({ path: at(0), picture: [width, height] });
    for (const [index, content] of [
      [1, bytes],
      [2, words],
    ] as const) {
      // A browser to which the files of a folder are strangers to each other leaves a file its name there.
      const names = [files[index]!.name, basename(at(index))];
      expect(await browser.follow(rows.nth(index))).toEqual({ name: expect.toBeOneOf(names), hash: hashOf(content) });
    }
    for (const index of [3, 4]) expect(await browser.follow(rows.nth(index))).toMatchObject({ path: at(index), text: words.toString() });
    // Nothing that could run is a click away.
    for (const index of [5, 6, 7]) {
      expect(await rows.nth(index).evaluate((row) => row.tagName)).toBe("DIV");
      expect(await rows.nth(index).textContent()).toContain(files[index]!.file);
    }
    expect(await browser.page.locator("a").count()).toBe(5);
    expect(browser.faults).toEqual([]);
    expect(browser.asked.filter((url) => !url.startsWith(`${pathToFileURL(folder).href}/`) && !url.startsWith("data:"))).toEqual([]);
  },
);

const hashOf = (content: Uint8Array): string => createHash("sha256").update(content).digest("hex");

/** In the page. */
const pixelsOf = (image: Element): number[] => {
  const { naturalWidth, naturalHeight } = image as HTMLImageElement;
  return [naturalWidth, naturalHeight];
};

/** The viewer of an unpacked archive; `faults`: whatever its console says, too; `asked`: addresses that it or a page that it opened asked for. */
async function viewerIn(folder: string) {
  const browser = await launchBrowser();
  const context = await browser.newContext({ viewport: { width: 1_000, height: 900 } });
  const [faults, asked]: [string[], string[]] = [[], []];
  context.on("request", (request) => asked.push(request.url()));
  context.on("weberror", (error) => faults.push(String(error.error())));
  context.on("console", (message) => faults.push(message.text()));
  context.on("dialog", (dialog) => {
    faults.push(dialog.message());
    void dialog.dismiss();
  });
  const page = await context.newPage();
  await page.goto(pathToFileURL(join(folder, "index.html")).href);
  /** What a click brings: a page of its own, or a file that is saved. */
  const follow = async (row: Locator): Promise<object> => {
    const saved = page.waitForEvent("download").then(async (download) => {
      return { name: download.suggestedFilename(), hash: hashOf(readFileSync(await download.path())) };
    });
    const opened = context.waitForEvent("page").then(async (other) => {
      await other.waitForLoadState();
      const images = await other.locator("img").all();
      const picture = await images[0]?.evaluate(pixelsOf);
      const followed = { path: fileURLToPath(other.url()), text: await other.locator("body").textContent(), picture };
      await other.close();
      return followed;
    });
    for (const each of [saved, opened]) each.catch(() => undefined);
    await row.click();
    // A page that only brings a file is closed by the browser, maybe while it is looked at.
    return Promise.any([saved, opened]);
  };
  return { page, faults, asked, follow, [Symbol.asyncDispose]: () => browser.close() };
}
