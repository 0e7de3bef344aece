import { thumbHashToAverageRGBA, thumbHashToRGBA } from "thumbhash";
import { limits } from "@fastchat/protocol";
import { safeFileName } from "./file-name.ts";
import { type FileKind, kindOf, UNKNOWN_TYPE } from "./kinds.ts";
import { readPictureHeader } from "./picture-header.ts";

/** What a message says of a file that it names: the sender's words, which may be anything. */
export interface FileClaims {
  readonly name: string;
  readonly mediaType: string;
  readonly width?: number | undefined;
  readonly height?: number | undefined;
  readonly durationMs?: number | undefined;
  readonly thumbnail?: Uint8Array | undefined;
  readonly thumbhash?: Uint8Array | undefined;
}

/** What is left of them: each harmless to show, none proven. */
export interface JudgedClaims {
  /** For a file system and for a screen. */
  readonly name: string;
  readonly mediaType: string;
  readonly kind: FileKind;
  /** Undefined: none that a picture can have. */
  readonly size: { readonly width: number; readonly height: number } | undefined;
  /** Width by height for the place that is kept free for it, neither a thread nor a beam. */
  readonly aspect: number;
  readonly durationMs: number | undefined;
  /** JPEG or WebP with a header that says a thumbnail's size; not decoded yet. */
  readonly thumbnail: Uint8Array | undefined;
  readonly thumbhash: Uint8Array | undefined;
}

/** Pixels in memory: red, green, blue, opacity. */
export interface Pixels {
  readonly width: number;
  readonly height: number;
  readonly rgba: Uint8Array;
}

/** Types that are shown as pictures. What else begins with `image/` is a file: no honest client sends it as a picture. */
const SHOWN_TYPES: ReadonlySet<string> = new Set(["image/jpeg", "image/webp", "image/png", "image/gif", "image/avif"]);
export const isShown = (mediaType: string): boolean => SHOWN_TYPES.has(mediaType);

const THUMBNAIL_TYPES: ReadonlySet<string> = new Set(["image/jpeg", "image/webp"]);
/** RFC 6838, section 4.2, without parameters. */
const MEDIA_TYPE = /^[a-z0-9][a-z0-9!#$&^_.+-]{0,62}\/[a-z0-9][a-z0-9!#$&^_.+-]{0,62}$/u;
const MOST_ASPECT = 4;
const SHORTEST_THUMBHASH_BYTES = 6;

/** Undefined where it cannot be that of a picture. */
function judgedSize(width: number | undefined, height: number | undefined): JudgedClaims["size"] {
  const isSide = (side: number | undefined): side is number => Number.isInteger(side) && side! > 0 && side! <= 0xffff;
  return isSide(width) && isSide(height) ? { width, height } : undefined;
}

function judgedAspect(size: { width: number; height: number } | undefined): number {
  return size === undefined ? 1 : Math.min(MOST_ASPECT, Math.max(1 / MOST_ASPECT, size.width / size.height));
}

/** Whether bytes are those of a thumbnail, by its header: what is larger is not decoded, however few bytes it takes. */
export function isThumbnail(bytes: Uint8Array): boolean {
  if (bytes.length > limits.thumbnailBytes) return false;
  const header = readPictureHeader(bytes);
  if (header === undefined || header.animated || !THUMBNAIL_TYPES.has(header.mediaType)) return false;
  return Math.max(header.width, header.height) <= limits.thumbnailSide;
}

const isThumbhash = ({ length }: Uint8Array): boolean => length >= SHORTEST_THUMBHASH_BYTES && length <= limits.thumbhashBytes;

export function judgeClaims(claims: FileClaims): JudgedClaims {
  const lower = claims.mediaType.toLowerCase();
  const mediaType = MEDIA_TYPE.test(lower) ? lower : UNKNOWN_TYPE;
  const claimedKind = kindOf(mediaType);
  const { thumbnail, thumbhash, durationMs } = claims;
  const size = judgedSize(claims.width, claims.height);
  return {
    name: safeFileName(claims.name),
    mediaType,
    kind: claimedKind === "picture" && !isShown(mediaType) ? "file" : claimedKind,
    size,
    aspect: judgedAspect(size),
    durationMs: judgedDuration(durationMs),
    thumbnail: thumbnail && isThumbnail(thumbnail) ? thumbnail : undefined,
    thumbhash: thumbhash && isThumbhash(thumbhash) ? thumbhash : undefined,
  };
}

/** A number of whole milliseconds, up to a day. */
export function judgedDuration(milliseconds: number | undefined): number | undefined {
  const isOne = milliseconds !== undefined && milliseconds > 0 && milliseconds <= limits.recordingMs;
  return isOne ? Math.max(1, Math.round(milliseconds)) : undefined;
}

/** The blur that a ThumbHash stands for, 32 pixels at its longest side. */
export function decodeThumbhash(thumbhash: Uint8Array): Pixels | undefined {
  if (!isThumbhash(thumbhash)) return undefined;
  const { w: width, h: height, rgba } = thumbHashToRGBA(thumbhash);
  // One without a single wave in a direction has no height, or no width.
  return width > 0 && height > 0 && rgba.length === 4 * width * height ? { width, height, rgba } : undefined;
}

/** The colour that its pixels have in the middle: red, green, blue, a byte each. */
export function averageOfThumbhash(thumbhash: Uint8Array): readonly [red: number, green: number, blue: number] | undefined {
  if (!isThumbhash(thumbhash)) return undefined;
  const { r, g, b } = thumbHashToAverageRGBA(thumbhash);
  const byte = (part: number): number => Math.round(255 * Math.min(1, Math.max(0, part)));
  return [byte(r), byte(g), byte(b)];
}
