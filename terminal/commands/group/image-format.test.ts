import { expect, test } from "vitest";
import { hasMetadata, imageFormat } from "./image-format.ts";

const bytes = (start: string): Uint8Array => Buffer.from(`${start}and more`, "latin1");

test("a picture is what its first bytes say", () => {
  const starts = ["\x89PNG\r\n\x1a\n", "\xff\xd8\xff\xe0", "RIFF\0\0\0\0WEBPVP8 ", "GIF87a", "GIF89a"];
  expect(starts.map((start) => imageFormat(bytes(start)))).toEqual(["PNG", "JPEG", "WebP", "GIF", "GIF"]);
  for (const start of ["", "PNG", "\x89PNG\n", "<svg ", "RIFF\0\0\0\0WAVE", "GIF88a", "BM", "%PDF"])
    expect(imageFormat(bytes(start))).toBeUndefined();
  expect(imageFormat(new Uint8Array())).toBeUndefined();
  // A view into a larger buffer begins where it begins.
  expect(imageFormat(bytes("....GIF89a").subarray(4))).toBe("GIF");
});

test("a picture that carries EXIF or XMP is told apart from one that does not", () => {
  const of = (...parts: string[]) => new Uint8Array(Buffer.from(parts.join(""), "latin1"));
  const plain = [
    ["JPEG", of("\xff\xd8\xff\xe0\0\x10JFIF\0", "pixels")],
    ["PNG", of("\x89PNG\r\n\x1a\n", "IHDR", "IDAT")],
    ["WebP", of("RIFF1234WEBPVP8 ", "pixels")],
    ["GIF", of("GIF89a", "pixels")],
  ] as const;
  for (const [format, bytes] of plain) expect([format, hasMetadata(bytes, format)]).toEqual([format, false]);
  const telling = [
    ["JPEG", of("\xff\xd8\xff\xe1\0\x20Exif\0\0MM")],
    ["JPEG", of("\xff\xd8\xff\xe1\0\x20http://ns.adobe.com/xap/1.0/\0")],
    ["PNG", of("\x89PNG\r\n\x1a\n", "IHDR", "\0\0\0\x08eXIfMM")],
    ["WebP", of("RIFF1234WEBPVP8X", "EXIF\x08\0\0\0")],
    ["GIF", of("GIF89a", "\x21\xff\x0bXMP DataXMP")],
  ] as const;
  for (const [format, bytes] of telling) expect([format, hasMetadata(bytes, format)]).toEqual([format, true]);
});
