import { expect, test } from "vitest";
import { imageFormat } from "./image-format.ts";

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
