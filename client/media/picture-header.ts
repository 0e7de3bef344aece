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
      return hasGifFrames(view);
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

/** Whether a GIF (its specification, 1989) has a second frame, as far as its bytes are there. */
function hasGifFrames(view: DataView): boolean {
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
      if (frames > 1) return true;
      if (at + 9 >= view.byteLength) return false;
      at += 11 + colours(view.getUint8(at + 9));
    } else return false;
    skipBlocks();
  }
  return false;
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
