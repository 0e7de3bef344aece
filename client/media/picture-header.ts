import { sniff } from "./kinds.ts";

/** What a picture's header says of it, read without decoding anything: what decides whether it is decoded at all. */
export interface PictureHeader {
  readonly mediaType: string;
  /** As stored: before it is turned upright. */
  readonly width: number;
  readonly height: number;
  readonly animated: boolean;
}

type Size = Pick<PictureHeader, "width" | "height">;

/** @param bytes of a picture, from its beginning; undefined: not a picture of a known type, or its header is broken or further on */
export function readPictureHeader(bytes: Uint8Array): PictureHeader | undefined {
  const { mediaType } = sniff(bytes);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  try {
    const size = sizeOf(mediaType, view);
    if (size === undefined || size.width === 0 || size.height === 0) return undefined;
    return { mediaType, ...size, animated: isAnimated(mediaType, view) };
  } catch (error) {
    // Past the end of the view.
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

function sizeOf(mediaType: string, view: DataView): Size | undefined {
  switch (mediaType) {
    case "image/jpeg":
      return jpegSize(view);
    case "image/png":
      return { width: view.getUint32(16), height: view.getUint32(20) };
    case "image/gif":
      return { width: view.getUint16(6, true), height: view.getUint16(8, true) };
    case "image/webp":
      return webpSize(view);
    case "image/avif":
    case "image/heic":
    case "image/heif":
      return baseMediaSize(view);
    default:
      return undefined;
  }
}

function isAnimated(mediaType: string, view: DataView): boolean {
  switch (mediaType) {
    case "image/gif":
      return gifFrames(view, 2) > 1;
    case "image/webp":
      return view.getUint32(12) === fourCharacters("VP8X") && (view.getUint8(20) & 2) !== 0;
    case "image/png":
      return hasPngFrames(view);
    default:
      return false;
  }
}

function fourCharacters(text: string): number {
  return new DataView(Uint8Array.from(text, (character) => character.charCodeAt(0)).buffer).getUint32(0);
}

/** The first frame header (SOF, ITU-T T.81 B.2.2) behind whatever metadata there is. */
function jpegSize(view: DataView): Size | undefined {
  let at = 2;
  for (;;) {
    if (view.getUint8(at) !== 0xff) return undefined;
    const marker = view.getUint8(at + 1);
    if (marker === 0xff) {
      at += 1;
      continue;
    }
    const isFrame = marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;
    if (isFrame) return { height: view.getUint16(at + 5), width: view.getUint16(at + 7) };
    // The picture's data began, or ended, without a frame header.
    if (marker === 0xda || marker === 0xd9) return undefined;
    // Without a length: who skips one reads another header than who decodes the picture. No encoder writes such a one here.
    if (marker === 0x01 || (marker >= 0xd0 && marker <= 0xd8)) return undefined;
    at += 2 + view.getUint16(at + 2);
  }
}

/** RFC 9649, sections 2.5 to 2.7. */
function webpSize(view: DataView): Size | undefined {
  switch (view.getUint32(12)) {
    case fourCharacters("VP8X"):
      return { width: 1 + uint24(view, 24), height: 1 + uint24(view, 27) };
    case fourCharacters("VP8L"): {
      const bits = view.getUint32(21, true);
      return { width: 1 + (bits & 0x3fff), height: 1 + ((bits >>> 14) & 0x3fff) };
    }
    case fourCharacters("VP8 "):
      return { width: view.getUint16(26, true) & 0x3fff, height: view.getUint16(28, true) & 0x3fff };
    default:
      return undefined;
  }
}

function uint24(view: DataView, at: number): number {
  return view.getUint16(at, true) + view.getUint8(at + 2) * 0x1_0000;
}

const ISPE_SEARCHED_BYTES = 65_536;

/** The largest of the sizes (`ispe`) that a HEIF or AVIF file names: of thumbnails, of tiles, and of the whole. */
function baseMediaSize(view: DataView): Size | undefined {
  let largest: Size | undefined;
  const ispe = fourCharacters("ispe");
  for (let at = 4; at + 16 <= Math.min(view.byteLength, ISPE_SEARCHED_BYTES); at += 1) {
    if (view.getUint32(at) !== ispe) continue;
    const size = { width: view.getUint32(at + 8), height: view.getUint32(at + 12) };
    if (largest === undefined || size.width * size.height > largest.width * largest.height) largest = size;
  }
  return largest;
}

/**
 * Frames of a GIF or WebP, or pages of a TIFF, as far as its bytes are there; 1 of anything else. Who decodes a picture notes each before it can be stopped, and
 * looks through all before for each of a WebP or TIFF.
 */
export function framesIn(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  try {
    switch (sniff(bytes).mediaType) {
      case "image/gif":
        return gifFrames(view);
      case "image/webp":
        return webpFrames(view);
      case "image/tiff":
        return tiffPages(view);
      default:
        return 1;
    }
  } catch (error) {
    if (error instanceof RangeError) return 1;
    throw error;
  }
}

/** Chunks that each picture has once. */
const SINGLE_CHUNKS: ReadonlySet<number> = new Set(["VP8X", "ANIM", "ICCP", "EXIF", "XMP ", "ALPH", "VP8 ", "VP8L"].map(fourCharacters));

/** Chunks that nobody knows count as well: they are noted like frames. */
function webpFrames(view: DataView): number {
  let frames = 0;
  for (let at = 12; at + 8 <= view.byteLength;) {
    const size = view.getUint32(at + 4, true);
    if (!SINGLE_CHUNKS.has(view.getUint32(at))) frames += 1;
    at += 8 + size + (size & 1);
  }
  return Math.max(1, frames);
}

/** TIFF 6.0, section 2, and the same with numbers of 64 bits: a directory for each page, which says where the next one is. */
function tiffPages(view: DataView): number {
  const little = view.getUint8(0) === 0x49;
  const isBig = view.getUint16(2, little) === 43;
  const offset = (at: number): number => (isBig ? Number(view.getBigUint64(at, little)) : view.getUint32(at, little));
  const seen = new Set<number>();
  for (let at = offset(isBig ? 8 : 4); at !== 0 && at < view.byteLength && !seen.has(at);) {
    seen.add(at);
    const entries = isBig ? Number(view.getBigUint64(at, little)) : view.getUint16(at, little);
    const next = at + (isBig ? 8 + 20 * entries : 2 + 12 * entries);
    if (next + (isBig ? 8 : 4) > view.byteLength) break;
    at = offset(next);
  }
  return Math.max(1, seen.size);
}

/** Frames of a GIF (its specification, 1989), as far as its bytes are there, and no further than up to `most`. */
function gifFrames(view: DataView, most = Infinity): number {
  const colours = (flags: number): number => ((flags & 0x80) === 0 ? 0 : 3 * 2 ** ((flags & 7) + 1));
  let at = 13 + colours(view.getUint8(10));
  let frames = 0;
  const skipBlocks = (): void => {
    while (at < view.byteLength && view.getUint8(at) !== 0) at += 1 + view.getUint8(at);
    at += 1;
  };
  while (at < view.byteLength) {
    const introducer = view.getUint8(at);
    if (introducer === 0x21) {
      at += 2;
    } else if (introducer === 0x2c) {
      frames += 1;
      if (frames >= most || at + 9 >= view.byteLength) return frames;
      at += 11 + colours(view.getUint8(at + 9));
    } else return frames;
    skipBlocks();
  }
  return frames;
}

/** An `acTL` chunk before the data makes a PNG an animation. */
function hasPngFrames(view: DataView): boolean {
  for (let at = 8; at + 8 <= view.byteLength; at += 12 + view.getUint32(at)) {
    const chunk = view.getUint32(at + 4);
    if (chunk === fourCharacters("acTL")) return true;
    if (chunk === fourCharacters("IDAT")) return false;
  }
  return false;
}
