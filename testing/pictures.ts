import { crc32, deflateSync } from "node:zlib";
import sharp, { type Metadata, type Sharp } from "sharp";

/** Pictures that tests make: each call a fresh one. */

const SECRET = "Rue de la Paix 12";

/** What a phone's photo says beside its pixels; none of it may be left. */
const traces = [SECRET, "Exif", "http://ns.adobe.com", "ICC_PROFILE", "Photoshop", "8BIM", "xmp", "Kamera", "EXIF", "XMP ", "ICCP"];

export function tracesIn(bytes: Uint8Array): string[] {
  const text = Buffer.from(bytes).toString("latin1");
  return traces.filter((trace) => text.includes(trace));
}

/** Whatever a picture's metadata say that is not about its pixels. */
export function saidIn(metadata: Metadata): string[] {
  return (["exif", "xmp", "iptc", "icc", "orientation", "comments"] as const).filter((part) => metadata[part] !== undefined);
}

function segment(marker: number, content: Buffer): Buffer {
  const head = Buffer.from([0xff, marker, 0, 0]);
  head.writeUInt16BE(content.length + 2, 2);
  return Buffer.concat([head, content]);
}

/** Noise, as in photos, so that nothing compresses to nothing. */
export function noise(width: number, height: number): Sharp {
  const background = { r: 128, g: 128, b: 128 };
  return sharp({ create: { width, height, channels: 3, background, noise: { type: "gaussian", mean: 128, sigma: 40 } } });
}

/** A JPEG that lies on its side (orientation 6), of a wide colour space, with EXIF, GPS, XMP, IPTC, a comment and bytes behind its end. */
export async function photo(width = 640, height = 480): Promise<Buffer> {
  const xmp = `<?xpacket begin=""?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="${SECRET}"/></rdf:RDF></x:xmpmeta>`;
  const jpeg = await noise(width, height)
    .withIccProfile("p3")
    .withExif({
      IFD0: { Make: "Kamera", Copyright: SECRET },
      IFD3: { GPSLatitudeRef: "N", GPSLatitude: "48/1 52/1 8/1", GPSLongitude: "2/1 19/1 53/1" },
    })
    .withXmp(xmp)
    .withMetadata({ orientation: 6 })
    .jpeg()
    .toBuffer();
  const iptc = Buffer.from(
    `Photoshop 3.0\x008BIM\x04\x04\x00\x00\x00\x00\x00${String.fromCharCode(5 + SECRET.length)}\x1c\x02\x50\x00\x11${SECRET}`,
    "latin1",
  );
  return Buffer.concat([
    jpeg.subarray(0, 2),
    segment(0xfe, Buffer.from(SECRET)),
    segment(0xed, iptc),
    jpeg.subarray(2),
    Buffer.from(`a film after its end, ${SECRET}`),
  ]);
}

function pngChunk(type: string, content: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, "latin1"), content]);
  const chunk = Buffer.alloc(body.length + 8);
  chunk.writeUInt32BE(content.length);
  body.copy(chunk, 4);
  chunk.writeUInt32BE(crc32(body), body.length + 4);
  return chunk;
}

/** Few bytes that claim to be as many pixels as is said, in one colour. */
export function bombPng(width: number, height: number): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width);
  header.writeUInt32BE(height, 4);
  header.set([1, 0, 0, 0, 0], 8);
  return Buffer.concat([
    Buffer.from("\x89PNG\r\n\x1a\n", "latin1"),
    pngChunk("IHDR", header),
    pngChunk("IDAT", deflateSync(Buffer.alloc(65_536))),
    pngChunk("IEND", Buffer.alloc(0)),
  ]);
}

/** Frames of noise, one second each. */
export async function animation(width: number, height: number, frames: number, type: "gif" | "webp"): Promise<Buffer> {
  const pictures = await Promise.all(Array.from({ length: frames }, () => noise(width, height).png().toBuffer()));
  const joined = sharp(pictures, { join: { animated: true } });
  const delay = pictures.map(() => 1_000);
  return (type === "gif" ? joined.gif({ delay, loop: 0 }) : joined.webp({ delay, loop: 0 })).toBuffer();
}

/** So many frames or pages of a single pixel, some dozens of bytes each. */
export async function frameBomb(frames: number, type: "gif" | "webp" | "tiff"): Promise<Buffer> {
  if (type === "tiff") return pagesOf(frames);
  if (type === "gif") {
    const frame = Buffer.from("21f90400010000002c0000000001000100000202440100", "hex");
    return Buffer.concat([
      Buffer.from("GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff", "latin1"),
      Buffer.alloc(frames * frame.length, frame),
      Buffer.from(";"),
    ]);
  }
  const chunk = (name: string, content: Buffer): Buffer => {
    const head = Buffer.from(`${name}\0\0\0\0`, "latin1");
    head.writeUInt32LE(content.length, 4);
    return Buffer.concat([head, content]);
  };
  const still = await sharp({ create: { width: 1, height: 1, channels: 3, background: "#000" } })
    .webp({ lossless: true })
    .toBuffer();
  const frame = chunk("ANMF", Buffer.concat([Buffer.alloc(12), Buffer.from([10, 0, 0, 0]), still.subarray(12)]));
  const moves = Buffer.from([2, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
  const parts = [chunk("VP8X", moves), chunk("ANIM", Buffer.alloc(6)), Buffer.alloc(frames * frame.length, frame)];
  return chunk("RIFF", Buffer.concat([Buffer.from("WEBP"), ...parts]));
}

function pagesOf(pages: number): Buffer {
  const tags = [
    [256, 1],
    [257, 1],
    [258, 8],
    [259, 1],
    [262, 1],
    [273, 8],
    [277, 1],
    [278, 1],
    [279, 1],
  ] as const;
  const length = 2 + 12 * tags.length + 4;
  const bytes = Buffer.alloc(16 + length * pages);
  bytes.write("II*\0\x10\0\0\0", "latin1");
  for (let at = 16; at < bytes.length; at += length) {
    bytes.writeUInt16LE(tags.length, at);
    for (const [index, [tag, value]] of tags.entries()) {
      const entry = at + 2 + 12 * index;
      bytes.writeUInt32LE(tag | (4 << 16), entry);
      bytes.writeUInt32LE(1, entry + 4);
      bytes.writeUInt32LE(value, entry + 8);
    }
    bytes.writeUInt32LE(at + length < bytes.length ? at + length : 0, at + length - 4);
  }
  return bytes;
}

/** Half of it can be seen through. */
export function transparentPng(width: number, height: number): Promise<Buffer> {
  const hole = { create: { width: width >> 1, height, channels: 4 as const, background: { r: 0, g: 0, b: 0, alpha: 1 } } };
  return noise(width, height)
    .ensureAlpha()
    .composite([{ input: hole, blend: "dest-out", left: 0, top: 0 }])
    .png()
    .toBuffer();
}
