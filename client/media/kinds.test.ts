import { Buffer } from "node:buffer";
import fc from "fast-check";
import { expect, test } from "vitest";
import { sniff, SNIFFED_BYTES } from "./kinds.ts";
import { readPictureHeader } from "./picture-header.ts";
import { animation, bombPng, noise, transparentPng } from "../../testing/pictures.ts";

const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "latin1"));
const ogg = (codec: string): string => `OggS${"\0".repeat(24)}${codec}`;
const matroska = (type: string): string => `\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\x82\x84${type}`;

test.each([
  ["\xff\xd8\xff\xe1", "image/jpeg", "picture"],
  ["\x89PNG\r\n\x1a\n", "image/png", "picture"],
  ["GIF89a", "image/gif", "picture"],
  ["RIFF\x01\0\0\0WEBPVP8 ", "image/webp", "picture"],
  ["\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf", "image/avif", "picture"],
  ["\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf", "image/avif", "picture"],
  ["\0\0\0\x18ftypheic\0\0\0\0mif1heic", "image/heic", "picture"],
  ["\0\0\0\x14ftypmif1\0\0\0\0mif1", "image/heif", "picture"],
  ["II*\0\x08\0\0\0", "image/tiff", "picture"],
  ["BM\x46\0\0\0\0\0\0\0\x36", "image/bmp", "picture"],
  [`<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>`, "image/svg+xml", "file"],
  ["\0\0\0\x18ftypisom\0\0\x02\0isomiso2", "video/mp4", "video"],
  ["\0\0\0\x14ftypqt  \0\0\0\0qt  ", "video/quicktime", "video"],
  ["\0\0\0\x08wide\0\0\0\0mdat", "video/quicktime", "video"],
  ["\0\0\0\x18ftypM4A \0\0\0\0M4A mp42", "audio/mp4", "audio"],
  [matroska("webm"), "video/webm", "video"],
  [matroska("matroska"), "video/x-matroska", "video"],
  [ogg("OpusHead"), "audio/ogg", "audio"],
  [ogg("\x01vorbis"), "audio/ogg", "audio"],
  [ogg("\x80theora"), "video/ogg", "video"],
  ["ID3\x04\0", "audio/mpeg", "audio"],
  ["\xff\xfb\x90\x64", "audio/mpeg", "audio"],
  ["fLaC\0\0\0\x22", "audio/flac", "audio"],
  ["RIFF\x24\0\0\0WAVEfmt ", "audio/wav", "audio"],
  ["%PDF-1.7", "application/pdf", "file"],
  ["PK\x03\x04\x14\0", "application/zip", "file"],
  ["\xff\xfeh\0i\0", "application/octet-stream", "file"],
  ["MZ\x90\0", "application/octet-stream", "file"],
  ["Guten Tag\n", "text/plain", "file"],
  ["<html><svg>", "text/plain", "file"],
  ["", "application/octet-stream", "file"],
  ["\xff", "application/octet-stream", "file"],
])("%j is %s", (start, mediaType, kind) => {
  expect(sniff(bytes(start))).toEqual({ mediaType, kind });
});

test("a text is one though it is cut within a character", () => {
  const text = new TextEncoder().encode("é".repeat(SNIFFED_BYTES));
  expect(sniff(text.subarray(0, SNIFFED_BYTES - 1)).mediaType).toBe("text/plain");
});

test("[S6] a header says the size of each type, and whether it moves", async () => {
  const pictures = {
    "image/jpeg": noise(31, 17)
      .withExif({ IFD0: { Make: "x".repeat(30_000) } })
      .jpeg(),
    "image/png": noise(31, 17).png(),
    "image/gif": noise(31, 17).gif(),
    "image/webp": noise(31, 17).webp(),
    "image/avif": noise(31, 17).avif({ effort: 0 }),
  };
  for (const [mediaType, picture] of Object.entries(pictures)) {
    expect(readPictureHeader(await picture.toBuffer())).toEqual({ mediaType, width: 31, height: 17, animated: false });
  }
  const lossless = await noise(31, 17).webp({ lossless: true }).toBuffer();
  expect(readPictureHeader(lossless)).toMatchObject({ width: 31, height: 17 });
  expect(readPictureHeader(await transparentPng(40, 30))).toMatchObject({ width: 40, height: 30, animated: false });
  expect(readPictureHeader(bombPng(50_000, 40_000))).toMatchObject({ width: 50_000, height: 40_000 });
  for (const type of ["gif", "webp"] as const) {
    expect(readPictureHeader(await animation(20, 10, 2, type))).toMatchObject({ width: 20, height: 10, animated: true });
  }
});

test("[S6] no bytes keep the reader of headers busy, or make it throw", async () => {
  const starts = [
    await noise(9, 9).jpeg().toBuffer(),
    await noise(9, 9).png().toBuffer(),
    await animation(9, 9, 2, "gif"),
    await animation(9, 9, 2, "webp"),
    await noise(9, 9).avif({ effort: 0 }).toBuffer(),
  ];
  fc.assert(
    fc.property(fc.constantFrom(...starts), fc.nat(400), fc.uint8Array({ maxLength: 12 }), fc.nat(600), (start, at, other, length) => {
      const changed = new Uint8Array(start);
      changed.set(other.subarray(0, Math.max(0, changed.length - at)), Math.min(at, changed.length));
      const header = readPictureHeader(changed.subarray(0, length));
      expect(header === undefined || header.width * header.height > 0).toBe(true);
    }),
    { numRuns: process.env["SIZE"] === "large" ? 100_000 : 3_000 },
  );
});
