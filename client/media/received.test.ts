import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import sharp from "sharp";
import { afterAll, beforeAll, expect, test } from "vitest";
import { limits } from "@fastchat/protocol";
import { TemporaryFolder } from "@fastchat/testing";
import { durationOf } from "./duration-node.ts";
import { preparePicture } from "./picture-node.ts";
import { decodePicture, decodeThumbnail } from "./received-node.ts";
import { decodeThumbhash, isThumbnail, judgeClaims } from "./received.ts";
import { animation, bombPng, frameBomb, noise, photo, transparentPng } from "../../testing/pictures.ts";

let folder: TemporaryFolder;
beforeAll(() => {
  folder = new TemporaryFolder();
});
afterAll(() => folder[Symbol.dispose]());

const box = { maxWidth: 40, maxHeight: 40 };

function kept(name: string, bytes: Uint8Array | string): string {
  const path = join(folder.path, name);
  writeFileSync(path, bytes);
  return path;
}

test("[S6] what a message claims of a file is shown as far as it can be true", () => {
  expect(judgeClaims({ name: "a.jpg", mediaType: "image/jpeg", width: 4_000, height: 3_000, durationMs: 1_500.4 })).toEqual({
    name: "a.jpg",
    mediaType: "image/jpeg",
    kind: "picture",
    size: { width: 4_000, height: 3_000 },
    aspect: 4 / 3,
    durationMs: 1_500,
    thumbnail: undefined,
    thumbhash: undefined,
  });
  expect(
    judgeClaims({
      name: "../\u001b[2J\u202egpj.exe",
      mediaType: "text/html; charset=\u001b",
      width: -1,
      height: Number.NaN,
      durationMs: Number.POSITIVE_INFINITY,
      thumbnail: new Uint8Array(100_000),
      thumbhash: new Uint8Array(2),
    }),
  ).toEqual({
    name: "[2Jgpj.exe",
    mediaType: "application/octet-stream",
    kind: "file",
    size: undefined,
    aspect: 1,
    durationMs: undefined,
    thumbnail: undefined,
    thumbhash: undefined,
  });
  const aspects = [
    judgeClaims({ name: "", mediaType: "", width: 65_535, height: 1 }),
    judgeClaims({ name: "", mediaType: "", width: 1, height: 9_999 }),
  ];
  expect(aspects.map(({ aspect }) => aspect)).toEqual([4, 1 / 4]);
  expect(judgeClaims({ name: "x.svg", mediaType: "image/svg+xml" }).kind).toBe("file");
  expect(judgeClaims({ name: "x.heic", mediaType: "IMAGE/HEIC" })).toMatchObject({ kind: "file", mediaType: "image/heic" });
});

test("[S6] a prepared picture's thumbnail and ThumbHash are seen by who receives them", async () => {
  const result = await preparePicture(kept("photo.jpg", await photo()));
  if (result.kind !== "prepared") throw new Error(result.kind);
  const { thumbnail, thumbhash, width, height, mediaType } = result.picture;
  const judged = judgeClaims({ name: "photo.jpg", mediaType, width, height, thumbnail, thumbhash });
  expect(judged).toMatchObject({ kind: "picture", size: { width: 480, height: 640 }, thumbnail, thumbhash });
  for (const pixels of [await decodeThumbnail(thumbnail, box), await decodePicture(kept("sent.jpg", result.data), box)]) {
    expect(pixels).toMatchObject({ width: 30, height: 40 });
    expect(pixels!.rgba.length).toBe(4 * 30 * 40);
  }
  expect(decodeThumbhash(thumbhash)).toMatchObject({ height: 32 });
});

test("[S6] a thumbnail that is a bomb, moves, is none or is broken is not decoded", async () => {
  const black = { create: { width: 4_000, height: 4_000, channels: 3 as const, background: "#000" } };
  const bomb = await sharp(black).webp({ lossless: true, effort: 0 }).toBuffer();
  expect(bomb.length).toBeLessThan(100_000);
  const small = await sharp({ create: { ...black.create, width: 1_000, height: 1_000 } })
    .webp({ lossless: true })
    .toBuffer();
  expect(small.length).toBeLessThan(limits.thumbnailBytes);
  const whole = await noise(16, 16).webp().toBuffer();
  const refused = {
    "png of 30,000 by 30,000": bombPng(30_000, 30_000).subarray(0, limits.thumbnailBytes),
    "large webp": bomb.subarray(0, limits.thumbnailBytes),
    "a webp of a million pixels": small,
    "too many bytes": await noise(150, 150).jpeg({ quality: 100 }).toBuffer(),
    "a png": await noise(8, 8).png().toBuffer(),
    moving: await animation(8, 8, 2, "webp"),
    svg: Buffer.from("<svg/>"),
    nothing: new Uint8Array(0),
  };
  for (const [name, bytes] of Object.entries(refused)) {
    expect([name, isThumbnail(bytes), await decodeThumbnail(bytes, box)]).toEqual([name, false, undefined]);
  }
  // A right header in front of nothing.
  expect(await decodeThumbnail(whole.subarray(0, 40), box)).toBeUndefined();
  expect(await decodeThumbnail(whole, box)).toMatchObject({ width: 16, height: 16 });
});

test("[S6] a thumbnail does not say another size to who looks at it than to who decodes it", async () => {
  const large = await sharp({ create: { width: 800, height: 800, channels: 3, background: "#000" } })
    .jpeg({ progressive: true })
    .toBuffer();
  const small = await noise(16, 16).jpeg({ progressive: true }).toBuffer();
  const frameOf = (jpeg: Buffer): Buffer => {
    const at = jpeg.indexOf(Buffer.from([0xff, 0xc2]));
    return jpeg.subarray(at, at + 2 + jpeg.readUInt16BE(at + 2));
  };
  const said = frameOf(small);
  const length = (bytes: number): Buffer => Buffer.from([bytes >> 8, bytes & 0xff]);
  const rest = large.subarray(large.indexOf(frameOf(large)) + frameOf(large).length);
  // A marker without a length, in front of what looks like one: a decoder goes on right behind the marker, and passes over the small frame.
  for (const marker of [0x01, 0xd0, 0xd7]) {
    const hidden = Buffer.concat([frameOf(large), Buffer.from([0xff, 0xe1]), length(2 + said.length)]);
    const bomb = Buffer.concat([large.subarray(0, 2), Buffer.from([0xff, marker]), length(2 + hidden.length), hidden, said, rest]);
    expect(await sharp(bomb, { failOn: "none" }).metadata()).toMatchObject({ width: 800, height: 800 });
    expect([marker, isThumbnail(bomb.subarray(0, limits.thumbnailBytes))]).toEqual([marker, false]);
  }
});

test("[S6] a received picture is decoded upright and to fit; what is none is not", async () => {
  expect(await decodePicture(kept("lying.jpg", await photo(640, 320)), box)).toMatchObject({ width: 20, height: 40 });
  expect(await decodePicture(kept("moving.gif", await animation(80, 40, 2, "gif")), box)).toMatchObject({ width: 40, height: 20 });
  const seeThrough = await decodePicture(kept("hole.png", await transparentPng(80, 80)), box);
  expect([seeThrough!.rgba[3], seeThrough!.rgba.at(-1)]).toEqual([0, 255]);
  const grey = await decodePicture(kept("grey.png", await noise(80, 80).greyscale().toColourspace("b-w").png().toBuffer()), box);
  expect(grey!.rgba.length).toBe(4 * 40 * 40);
  const whole = await noise(300, 300).jpeg().toBuffer();
  const refused = [
    kept("bomb.png", bombPng(50_000, 50_000)),
    kept("page.jpg", "<html>"),
    kept("drawing.svg", `<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>`),
    kept("cut.jpg", whole.subarray(0, whole.length >> 1)),
    kept("frames.gif", await frameBomb(400_000, "gif")),
    kept("frames.webp", await frameBomb(400_000, "webp")),
    // No client shows these.
    kept("pages.tif", await noise(20, 20).tiff().toBuffer()),
    join(folder.path, "nowhere.jpg"),
    folder.path,
  ];
  const started = performance.now();
  for (const path of refused) {
    const inMemory = existsSync(path) && path !== folder.path ? readFileSync(path) : new Uint8Array(0);
    expect([path, await decodePicture(path, box), await decodePicture(inMemory, box)]).toEqual([path, undefined, undefined]);
  }
  expect(performance.now() - started).toBeLessThan(5_000);
});

test("[S6] no ThumbHash does harm", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (thumbhash) => {
      const pixels = decodeThumbhash(thumbhash);
      expect(
        pixels === undefined || (pixels.width <= 32 && pixels.height <= 32 && pixels.rgba.length === 4 * pixels.width * pixels.height),
      ).toBe(true);
    }),
  );
});

function wav(seconds: number): Buffer {
  const data = Buffer.alloc(8_000 * seconds);
  const head = Buffer.from("RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x40\x1f\0\0\x01\0\x08\0data\0\0\0\0", "latin1");
  head.writeUInt32LE(36 + data.length, 4);
  head.writeUInt32LE(data.length, 40);
  return Buffer.concat([head, data]);
}

const atom = (name: string, content: Buffer): Buffer => {
  const size = Buffer.alloc(4);
  size.writeUInt32BE(8 + content.length);
  return Buffer.concat([size, Buffer.from(name, "latin1"), content]);
};

/** A film's head, with nothing to play. */
function mp4(milliseconds: number): Buffer {
  const header = Buffer.alloc(100);
  header.writeUInt32BE(1_000, 12);
  header.writeUInt32BE(milliseconds, 16);
  return Buffer.concat([atom("ftyp", Buffer.from("isom\0\0\x02\0isom", "latin1")), atom("moov", atom("mvhd", header))]);
}

test("the duration of a recording is read where it says one", async () => {
  expect(await durationOf(kept("sound.wav", wav(3)))).toBe(3_000);
  expect(await durationOf(kept("film.mp4", mp4(61_500)))).toBe(61_500);
  expect(await durationOf(kept("endless.mp4", mp4(0xffff_ffff)))).toBeUndefined();
  expect(await durationOf(kept("cut.mp4", mp4(1_000).subarray(0, 40)))).toBeUndefined();
  expect(await durationOf(kept("text.mp3", "no music"))).toBeUndefined();
  expect(await durationOf(join(folder.path, "nowhere.mp3"))).toBeUndefined();
});
