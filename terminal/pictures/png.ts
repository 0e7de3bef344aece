import { crc32 } from "node:zlib";
import { packed } from "./packed.ts";
import type { Pixels } from "./pixels.ts";

// Portable Network Graphics, RFC 2083: just what a terminal needs that takes files only.

const SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
const EIGHT_BITS = 8;
const RGBA = 6;

function chunk(type: string, data: Uint8Array): Buffer {
  const checked = Buffer.concat([Buffer.from(type, "latin1"), data]);
  const framed = Buffer.alloc(checked.length + 8);
  framed.writeUInt32BE(data.length, 0);
  checked.copy(framed, 4);
  framed.writeUInt32BE(crc32(checked), checked.length + 4);
  return framed;
}

export function pngOf({ width, height, rgba }: Pixels): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([EIGHT_BITS, RGBA], 8);
  // Each line begins with the number of its filter; none is used.
  const lines = Buffer.alloc(height * (width * 4 + 1));
  for (let y = 0; y < height; y++) lines.set(rgba.subarray(y * width * 4, (y + 1) * width * 4), y * (width * 4 + 1) + 1);
  return Buffer.concat([SIGNATURE, chunk("IHDR", header), chunk("IDAT", packed(lines)), chunk("IEND", new Uint8Array())]);
}
