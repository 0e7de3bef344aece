/** What a file is, by its first bytes: names, and the media types that others claim, prove nothing. */
export type FileKind = "picture" | "video" | "audio" | "file";

export interface FileType {
  readonly mediaType: string;
  readonly kind: FileKind;
}

/** As many of a file's first bytes as `sniff` looks at. */
export const SNIFFED_BYTES = 4_096;
export const UNKNOWN_TYPE = "application/octet-stream";

/**
 * A table of its own rather than a library: it looks at what lies at fixed places and parses nothing, so that there is nothing in it
 * that a hostile file could keep busy. Of several that fit, the first counts.
 */
const signatures: readonly (readonly [mediaType: string, ...parts: readonly (readonly [at: number, bytes: string])[]])[] = [
  ["image/jpeg", [0, "\xff\xd8\xff"]],
  ["image/png", [0, "\x89PNG\r\n\x1a\n"]],
  ["image/gif", [0, "GIF87a"]],
  ["image/gif", [0, "GIF89a"]],
  ["image/webp", [0, "RIFF"], [8, "WEBP"]],
  ["image/tiff", [0, "II*\0"]],
  ["image/tiff", [0, "MM\0*"]],
  ["image/tiff", [0, "II+\0"]],
  ["image/tiff", [0, "MM\0+"]],
  ["image/bmp", [0, "BM"], [6, "\0\0\0\0"]],
  ["image/jxl", [0, "\xff\x0a"]],
  ["image/jxl", [0, "\0\0\0\x0cJXL \r\n\x87\n"]],
  ["audio/wav", [0, "RIFF"], [8, "WAVE"]],
  ["video/x-msvideo", [0, "RIFF"], [8, "AVI "]],
  ["audio/flac", [0, "fLaC"]],
  ["video/ogg", [0, "OggS"], [28, "\x80theora"]],
  ["audio/ogg", [0, "OggS"]],
  ["audio/mpeg", [0, "ID3"]],
  ["application/pdf", [0, "%PDF-"]],
  ["application/zip", [0, "PK\x03\x04"]],
  ["application/zip", [0, "PK\x05\x06"]],
  ["application/gzip", [0, "\x1f\x8b"]],
  ["application/x-7z-compressed", [0, "7z\xbc\xaf\x27\x1c"]],
];

/** Brands of the ISO base media format (ISO/IEC 14496-12), of which each file names some. */
const AVIF_BRANDS: ReadonlySet<string> = new Set(["avif", "avis"]);
const HEIC_BRANDS: ReadonlySet<string> = new Set(["heic", "heix", "hevc", "hevx", "heim", "heis"]);
const HEIF_BRANDS: ReadonlySet<string> = new Set(["mif1", "msf1"]);
const AUDIO_BRANDS: ReadonlySet<string> = new Set(["M4A ", "M4B ", "M4P "]);
/** Atoms with which a QuickTime file from before brands begins. */
const QUICKTIME_ATOMS: ReadonlySet<string> = new Set(["moov", "mdat", "wide", "free", "skip"]);

function ascii(bytes: Uint8Array, from: number, to: number): string {
  return String.fromCharCode(...bytes.subarray(from, to));
}

function baseMediaType(head: Uint8Array): string | undefined {
  const atom = ascii(head, 4, 8);
  if (QUICKTIME_ATOMS.has(atom) && head[0] === 0) return "video/quicktime";
  if (atom !== "ftyp") return undefined;
  const end = Math.min(head.length, new DataView(head.buffer, head.byteOffset).getUint32(0), 256);
  const brands = [ascii(head, 8, 12)];
  for (let at = 16; at + 4 <= end; at += 4) brands.push(ascii(head, at, at + 4));
  const has = (known: ReadonlySet<string>): boolean => brands.some((brand) => known.has(brand));
  if (has(AVIF_BRANDS)) return "image/avif";
  if (has(HEIC_BRANDS)) return "image/heic";
  if (HEIF_BRANDS.has(brands[0]!)) return "image/heif";
  if (AUDIO_BRANDS.has(brands[0]!)) return "audio/mp4";
  return brands[0] === "qt  " ? "video/quicktime" : "video/mp4";
}

function matroskaType(head: Uint8Array): string | undefined {
  if (ascii(head, 0, 4) !== "\x1a\x45\xdf\xa3") return undefined;
  const start = ascii(head, 4, 64);
  if (start.includes("webm")) return "video/webm";
  return start.includes("matroska") ? "video/x-matroska" : undefined;
}

/** MPEG audio without a tag in front: the header of a frame of layer III, with a bit rate and a sampling rate that exist. */
function isMp3Frame([first = 0, second = 0, third = 0]: Uint8Array): boolean {
  return first === 0xff && (second & 0xe6) === 0xe2 && (second & 0x18) !== 0x08 && third >> 4 !== 0xf && (third & 0x0c) !== 0x0c;
}

/** Text of UTF-8 without the controls that no text has; a character may be cut off at the end. */
function textOf(head: Uint8Array): string | undefined {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(head, { stream: true });
    return /(?![\t\n\f\r])\p{Cc}/u.test(text) ? undefined : text;
  } catch {
    return undefined;
  }
}

const SVG = /^\s*(?:<\?xml[^>]*>\s*)?(?:<!--[\s\S]*?-->\s*|<!DOCTYPE\s+svg[^>]*>\s*)*<svg[\s>/]/iu;

function mediaTypeOf(head: Uint8Array): string {
  const known = signatures.find(([, ...parts]) => parts.every(([at, bytes]) => ascii(head, at, at + bytes.length) === bytes));
  if (known !== undefined) return known[0];
  const found = baseMediaType(head) ?? matroskaType(head);
  if (found !== undefined) return found;
  if (isMp3Frame(head)) return "audio/mpeg";
  const text = head.length === 0 ? undefined : textOf(head);
  if (text === undefined) return UNKNOWN_TYPE;
  return SVG.test(text) ? "image/svg+xml" : "text/plain";
}

/** The kind that goes with a media type. SVG is a program rather than a picture: it is sent and kept, never drawn. */
export function kindOf(mediaType: string): FileKind {
  if (mediaType === "image/svg+xml") return "file";
  if (mediaType.startsWith("image/")) return "picture";
  if (mediaType.startsWith("video/")) return "video";
  return mediaType.startsWith("audio/") ? "audio" : "file";
}

/** @param head a file's first `SNIFFED_BYTES`, or all of a shorter one */
export function sniff(head: Uint8Array): FileType {
  const mediaType = mediaTypeOf(head.subarray(0, SNIFFED_BYTES));
  return { mediaType, kind: kindOf(mediaType) };
}
