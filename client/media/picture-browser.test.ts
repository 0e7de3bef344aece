import { fileURLToPath } from "node:url";
import sharp from "sharp";
import { afterAll, beforeAll, expect, test } from "vitest";
import { limits } from "@fastchat/protocol";
import { type BrowserPage, openBrowserPage } from "@fastchat/testing";
import type { PreparedPicture } from "./picture.ts";
import { decodeThumbhash, isThumbnail } from "./received.ts";
import { animation, bombPng, noise, photo, saidIn, tracesIn, transparentPng } from "../../testing/pictures.ts";

const module = fileURLToPath(new URL("picture-browser.page.ts", import.meta.url));
// Only this page answers there.
const origin = "http://localhost:1";

let browser: BrowserPage;
beforeAll(async () => {
  browser = await openBrowserPage(module, origin);
});
afterAll(() => browser[Symbol.asyncDispose]());

interface Prepared {
  readonly picture: Omit<PreparedPicture, "thumbnail" | "thumbhash">;
  readonly data: string;
  readonly thumbnail: string;
  readonly thumbhash: string;
}

const prepare = (bytes: Uint8Array): Promise<unknown> => browser.page.evaluate(`prepareHere("${Buffer.from(bytes).toString("base64")}")`);

async function prepared(bytes: Uint8Array): Promise<{ picture: Prepared["picture"]; data: Buffer; thumbnail: Buffer }> {
  const result = (await prepare(bytes)) as Prepared;
  expect(result).not.toHaveProperty("kind");
  const [data, thumbnail, thumbhash] = [result.data, result.thumbnail, result.thumbhash].map((text) => Buffer.from(text, "base64"));
  expect(isThumbnail(thumbnail!)).toBe(true);
  expect(decodeThumbhash(thumbhash!)).toBeDefined();
  expect(result.picture.bytes).toBe(data!.length);
  return { picture: result.picture, data: data!, thumbnail: thumbnail! };
}

test("[S6] in a browser too nothing is left of what a photo says beside its pixels, and it is upright", async () => {
  const { picture, data, thumbnail } = await prepared(await photo());
  expect(picture).toMatchObject({ mediaType: "image/jpeg", width: 480, height: 640, animated: false });
  for (const bytes of [data, thumbnail]) {
    expect(tracesIn(bytes)).toEqual([]);
    expect(saidIn(await sharp(bytes).metadata())).toEqual([]);
  }
});

test("[S6] in a browser a large picture is scaled down, and one to see through stays one", async () => {
  expect((await prepared(await noise(5_000, 250).jpeg({ quality: 30 }).toBuffer())).picture).toMatchObject({
    width: 4_096,
    height: 205,
  });
  const { picture, data } = await prepared(await transparentPng(3_000, 300));
  expect(picture).toMatchObject({ mediaType: "image/webp", width: 2_048, height: 205 });
  expect((await sharp(data).stats()).isOpaque).toBe(false);
  expect((await prepared(await noise(30, 30).ensureAlpha().png().toBuffer())).picture.mediaType).toBe("image/jpeg");
});

test("[S6] a browser refuses bombs, what is broken, what moves and what is no picture", async () => {
  const whole = await noise(400, 400).jpeg().toBuffer();
  expect(await prepare(bombPng(50_000, 50_000))).toMatchObject({
    kind: "picture-too-large",
    limit: "pixels",
    atMost: limits.picturePixels,
  });
  expect(await prepare(whole.subarray(0, whole.length >> 1))).toEqual({ kind: "broken-picture" });
  expect(await prepare(whole.subarray(0, 100))).toEqual({ kind: "broken-picture" });
  expect(await prepare(await animation(20, 20, 2, "gif"))).toEqual({ kind: "animated-picture" });
  expect(await prepare(Buffer.from("<svg/>"))).toEqual({ kind: "not-a-picture", mediaType: "image/svg+xml" });
  expect(await prepare(Buffer.from("\0\0\0\x18ftypheic\0\0\0\0heicmif1", "latin1"))).toEqual({
    kind: "unsupported-picture",
    mediaType: "image/heic",
  });
});

test("a browser shows a frame of a video, and says how long it is", async () => {
  const video = await browser.page.evaluate(`recordHere()`);
  const preview = (await browser.page.evaluate(`previewHere("${String(video)}")`)) as Prepared & { durationMs: number; frame: unknown };
  expect(preview.durationMs).toBeGreaterThan(500);
  expect(preview.durationMs).toBeLessThan(5_000);
  expect(preview.frame).toEqual({ width: 160, height: 90 });
  const thumbnail = Buffer.from(preview.thumbnail, "base64");
  expect(isThumbnail(thumbnail)).toBe(true);
  const { channels } = await sharp(thumbnail).stats();
  // The green ground and the red square, not a black frame.
  expect(channels[1]!.mean).toBeGreaterThan(60);
  expect(await browser.page.evaluate(`previewHere("${Buffer.from("no video").toString("base64")}")`)).toBeUndefined();
  expect(browser.faults).toEqual([]);
});
