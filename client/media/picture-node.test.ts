import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";
import sharp from "sharp";
import { afterAll, beforeAll, expect, test } from "vitest";
import { limits } from "@fastchat/protocol";
import { TemporaryFolder } from "@fastchat/testing";
import { type PictureFault, pictureFaultSentence, type PreparedPicture } from "./picture.ts";
import { preparePicture } from "./picture-node.ts";
import { readPictureHeader } from "./picture-header.ts";
import { decodeThumbhash, isThumbnail } from "./received.ts";
import { animation, bombPng, frameBomb, noise, photo, saidIn, tracesIn, transparentPng } from "../../testing/pictures.ts";

let folder: TemporaryFolder;
beforeAll(() => {
  folder = new TemporaryFolder();
});
afterAll(() => folder[Symbol.dispose]());

let count = 0;
async function prepare(bytes: Uint8Array | string, name = "picture"): Promise<{ picture: PreparedPicture; data: Buffer } | PictureFault> {
  const path = join(folder.path, `${(count += 1)} ${name}`);
  writeFileSync(path, bytes);
  const result = await preparePicture(path);
  return result.kind === "prepared" ? { picture: result.picture, data: Buffer.from(result.data) } : result;
}

async function prepared(bytes: Uint8Array, name?: string): Promise<{ picture: PreparedPicture; data: Buffer }> {
  const result = await prepare(bytes, name);
  if ("kind" in result) throw new Error(result.kind);
  const { picture, data } = result;
  expect(picture.bytes).toBe(data.length);
  expect(isThumbnail(picture.thumbnail)).toBe(true);
  expect(decodeThumbhash(picture.thumbhash)).toBeDefined();
  expect(readPictureHeader(data)).toEqual({
    mediaType: picture.mediaType,
    width: picture.width,
    height: picture.height,
    animated: picture.animated,
  });
  return result;
}

test("[S6] of a photo's EXIF, place, XMP, IPTC, comment and colour profile nothing is left, and it is upright", async () => {
  const source = await photo();
  const before = await sharp(source).metadata();
  expect(before).toMatchObject({ orientation: 6, width: 640, height: 480 });
  expect(saidIn(before)).toEqual(["exif", "xmp", "iptc", "icc", "orientation"]);
  expect(tracesIn(source).length).toBeGreaterThan(5);

  const { picture, data } = await prepared(source, "IMG 1.jpg");
  expect(picture).toMatchObject({ mediaType: "image/jpeg", width: 480, height: 640, animated: false });
  for (const bytes of [data, picture.thumbnail]) {
    expect(tracesIn(bytes)).toEqual([]);
    const after = await sharp(bytes).metadata();
    expect(saidIn(after)).toEqual([]);
    expect(after.space).toBe("srgb");
  }
  expect(applicationSegments(data)).toEqual([]);
});

/** APPn and COM segments up to the data. */
function applicationSegments(jpeg: Buffer): number[] {
  const found: number[] = [];
  for (let at = 2; jpeg[at + 1] !== 0xda; at += 2 + jpeg.readUInt16BE(at + 2)) {
    const marker = jpeg[at + 1]!;
    if (marker === 0xfe || (marker >= 0xe0 && marker <= 0xef)) found.push(marker);
  }
  return found;
}

test.each([
  [1, "top left"],
  [2, "top right"],
  [3, "bottom right"],
  [4, "bottom left"],
  [5, "top left"],
  [6, "top right"],
  [7, "bottom right"],
  [8, "bottom left"],
])("[S6] orientation %i: the stored top left is shown at the %s", async (orientation, place) => {
  const red = { create: { width: 40, height: 20, channels: 3 as const, background: "#f00" } };
  const source = sharp({ create: { width: 80, height: 40, channels: 3, background: "#00f" } }).composite([{ input: red, left: 0, top: 0 }]);
  const { picture, data } = await prepared(await source.withMetadata({ orientation }).jpeg().toBuffer());
  const isTurned = orientation > 4;
  expect(picture).toMatchObject(isTurned ? { width: 40, height: 80 } : { width: 80, height: 40 });
  const { data: pixels, info } = await sharp(data).raw().toBuffer({ resolveWithObject: true });
  const isRed = (x: number, y: number): boolean => pixels[3 * (info.width * y + x)]! > 128;
  const [right, bottom] = [info.width - 3, info.height - 3];
  const corners = {
    "top left": isRed(2, 2),
    "top right": isRed(right, 2),
    "bottom left": isRed(2, bottom),
    "bottom right": isRed(right, bottom),
  };
  expect(Object.entries(corners).flatMap(([corner, is]) => (is ? [corner] : []))).toEqual([place]);
});

test("[S6] a large photo is scaled down, and its thumbnail fits", async () => {
  const { picture } = await prepared(await noise(5_000, 250).jpeg().toBuffer());
  expect(picture).toMatchObject({ width: 4_096, height: 205 });
  const harsh = await prepared(await noise(150, 150).png().toBuffer());
  expect(harsh.picture).toMatchObject({ width: 150, height: 150 });
  expect(harsh.picture.thumbnail.length).toBeLessThanOrEqual(limits.thumbnailBytes);
});

test("[S6] what can be seen through stays so; what could be and is not becomes a JPEG", async () => {
  const { picture, data } = await prepared(await transparentPng(3_000, 300));
  expect(picture).toMatchObject({ mediaType: "image/webp", width: 2_048, height: 205 });
  expect((await sharp(data).stats()).isOpaque).toBe(false);
  const opaque = await prepared(await noise(300, 200).ensureAlpha().png().toBuffer());
  expect(opaque.picture.mediaType).toBe("image/jpeg");
});

test.each(["gif", "webp"] as const)("[S6] a moving %s goes on moving, at its pace, without its comments", async (type) => {
  const source = await animation(64, 48, 3, type);
  const { picture, data } = await prepared(source);
  expect(picture).toMatchObject({ mediaType: "image/webp", width: 64, height: 48, animated: true });
  expect(await sharp(data, { animated: true }).metadata()).toMatchObject({ pages: 3, delay: [1_000, 1_000, 1_000], loop: 0 });
  const chunks = new Set<string>();
  for (let at = 12; at < data.length; at += 8 + data.readUInt32LE(at + 4) + (data.readUInt32LE(at + 4) & 1)) {
    chunks.add(data.toString("latin1", at, at + 4));
  }
  expect([...chunks]).toEqual(["VP8X", "ANIM", "ANMF"]);
});

test("[S6] CMYK, 16 bits, grey, palette, AVIF and TIFF become pictures that everybody can see", async () => {
  const sources = {
    cmyk: noise(64, 64).toColourspace("cmyk").jpeg(),
    deep: noise(64, 64).toColourspace("rgb16").png(),
    grey: noise(64, 64).greyscale().png(),
    palette: noise(64, 64).png({ palette: true }),
    avif: noise(64, 64).avif({ effort: 0 }),
    tiff: noise(64, 64).tiff(),
  };
  expect((await sharp(await sources.cmyk.clone().toBuffer()).metadata()).space).toBe("cmyk");
  expect((await sharp(await sources.deep.clone().toBuffer()).metadata()).depth).toBe("ushort");
  for (const [name, source] of Object.entries(sources)) {
    const { picture, data } = await prepared(await source.toBuffer());
    expect({ name, ...picture }).toMatchObject({ name, mediaType: "image/jpeg", width: 64, height: 64 });
    const { space, depth } = await sharp(data).metadata();
    expect([name, space, depth]).toEqual([name, "srgb", "uchar"]);
  }
});

test("[S6] a picture bomb is refused by its header", async () => {
  const started = performance.now();
  const result = await prepare(bombPng(50_000, 50_000));
  expect(result).toEqual({ kind: "picture-too-large", limit: "pixels", is: 2_500_000_000, atMost: limits.picturePixels });
  expect(performance.now() - started).toBeLessThan(2_000);
  expect(pictureFaultSentence(result as PictureFault, "as a file with --file")).toBe(
    "This picture is too large, 2,500 million pixels of at most 100 million pixels: send it as a file with --file.",
  );
  // As many pixels as are too many, frame by frame.
  const frame = (red: number): Promise<Buffer> =>
    sharp({ create: { width: 2_000, height: 2_000, channels: 3, background: { r: red, g: 0, b: 0 } } })
      .png()
      .toBuffer();
  const frames = await Promise.all([1, 60, 120, 180, 240, 90, 30].map(frame));
  const moving = await sharp(frames, { join: { animated: true } })
    .gif({ effort: 1 })
    .toBuffer();
  expect(await prepare(moving)).toMatchObject({ kind: "picture-too-large", is: 28_000_000, atMost: limits.wholePicturePixels });
});

test.each(["gif", "webp", "tiff"] as const)("[S6] a %s of very many frames is refused before it is decoded", async (type) => {
  const { pictureFrames: most } = limits;
  expect(await prepare(await frameBomb(most + 1, type))).toEqual({
    kind: "picture-too-large",
    limit: "frames",
    is: most + 1,
    atMost: most,
  });
  const started = performance.now();
  const bomb = await prepare(await frameBomb(400_000, type));
  expect(performance.now() - started).toBeLessThan(4_000);
  expect(pictureFaultSentence(bomb as PictureFault)).toBe(
    "This picture is too large, 400,000 frames of at most 5,000 frames: send it as a file.",
  );
  expect(await prepare(await frameBomb(500, type))).toMatchObject({ picture: { width: 1, height: 1 } });
});

test("[S6] a picture that ends too early or is broken says so; one of the smallest is a picture", async () => {
  const whole = await photo();
  for (const part of [0.9, 0.5, 0.1]) {
    expect(await prepare(whole.subarray(0, Math.floor(whole.length * part)))).toEqual({ kind: "broken-picture" });
  }
  const png = await noise(200, 200).png().toBuffer();
  expect(await prepare(png.subarray(0, png.length >> 1))).toEqual({ kind: "broken-picture" });
  expect(await prepare(bombPng(9_000, 9_000))).toEqual({ kind: "broken-picture" });
  expect(await prepare(Buffer.from("\xff\xd8\xff\xe0", "latin1"))).toEqual({ kind: "broken-picture" });
  expect(pictureFaultSentence({ kind: "broken-picture" })).toBe(
    "This picture is broken or not complete, and others might not see it: get it again, or send it as a file.",
  );
  expect((await prepared(await noise(1, 1).png().toBuffer())).picture).toMatchObject({ width: 1, height: 1 });
});

test("[S6] what is no picture is told by its bytes, whatever its name says", async () => {
  expect(await prepare("just text\n", "x.jpg")).toEqual({ kind: "not-a-picture", mediaType: "text/plain" });
  expect(await prepare("", "empty.jpg")).toMatchObject({ kind: "not-a-picture" });
  const svg = `<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>`;
  expect(await prepare(svg, "x.svg")).toEqual({ kind: "not-a-picture", mediaType: "image/svg+xml" });
  expect(await prepare(Buffer.from("\0\0\0\x18ftypheic\0\0\0\0heicmif1", "latin1"))).toEqual({
    kind: "unsupported-picture",
    mediaType: "image/heic",
  });
  expect(await preparePicture(folder.path)).toMatchObject({ kind: "not-a-picture" });
  const pipe = join(folder.path, "pipe.jpg");
  execFileSync("mkfifo", [pipe]);
  expect(await preparePicture(pipe)).toMatchObject({ kind: "not-a-picture" });
  await expect(preparePicture(join(folder.path, "nowhere.jpg"))).rejects.toMatchObject({ code: "ENOENT" });
});

test("[S6] a name that libvips would read options from is a name", async () => {
  await prepared(await noise(64, 32).jpeg().toBuffer(), "picture.jpg[shrink=8]");
  await prepared(await noise(64, 32).jpeg().toBuffer(), "picture [2].jpg");
});

test("[S6] a picture that is not wanted any more is not made", async () => {
  const path = join(folder.path, "cancelled.jpg");
  writeFileSync(path, await photo());
  await expect(preparePicture(path, { signal: AbortSignal.abort() })).rejects.toThrow("aborted");
});

test.skipIf(process.platform !== "linux")(
  "[S6] a photo of 48 megapixels is prepared in less than 200 MB",
  { timeout: 120_000 },
  async () => {
    const from = join(folder.path, "48.jpg");
    const row = await noise(8_064, 504).raw().toBuffer();
    const pixels = { width: 8_064, height: 6_048, channels: 3 as const };
    await sharp(Buffer.concat(Array<Buffer>(12).fill(row)), { raw: pixels })
      .withMetadata({ orientation: 6 })
      .jpeg()
      .toFile(from);
    const script = `
    import { readFileSync } from "node:fs";
    import { preparePicture } from ${JSON.stringify(join(import.meta.dirname, "picture-node.ts"))};
    const { kind } = await preparePicture(${JSON.stringify(from)});
    console.log(kind, /VmHWM:\\s+(\\d+)/.exec(readFileSync("/proc/self/status", "utf8"))[1]);`;
    const said = execFileSync(process.execPath, ["--input-type=module", "-e", script], { encoding: "utf8" });
    const [kind, kibibytes] = said.trim().split(" ");
    expect(kind).toBe("prepared");
    expect(Number(kibibytes) * 1_024).toBeLessThan(200_000_000);
  },
);

const bundled = "[S6] bundled as the terminal client is, the library is loaded with the first picture, and not before";
test.skipIf(process.platform !== "linux")(bundled, { timeout: 120_000 }, async () => {
  // Where the library is looked for from there.
  using beside = new TemporaryFolder(join(import.meta.dirname, "../../node_modules"));
  const bundle = join(beside.path, "bundle.mjs");
  await build({
    stdin: {
      contents: `export { decodeThumbnail, durationOf, preparePicture } from "./node.ts";`,
      resolveDir: import.meta.dirname,
      loader: "ts",
    },
    outfile: bundle,
    bundle: true,
    format: "esm",
    platform: "node",
    mainFields: ["module", "main"],
    external: ["sharp"],
  });
  const from = join(folder.path, "bundled.jpg");
  writeFileSync(from, await photo());
  const script = `
    import { readFileSync } from "node:fs";
    import { decodeThumbnail, preparePicture } from ${JSON.stringify(bundle)};
    const isLoaded = () => readFileSync("/proc/self/maps", "utf8").includes("libvips");
    const before = isLoaded();
    const { kind, picture } = await preparePicture(${JSON.stringify(from)});
    const { width } = await decodeThumbnail(picture.thumbnail, { maxWidth: 12, maxHeight: 99 });
    console.log(before, kind, width, isLoaded());`;
  expect(execFileSync(process.execPath, ["--input-type=module", "-e", script], { encoding: "utf8" }).trim()).toBe("false prepared 12 true");
});
