import { constants, open, readFile } from "node:fs/promises";
import { resolve } from "node:path";
import type { Metadata, Sharp } from "sharp";
import { rgbaToThumbHash } from "thumbhash";
import { limits } from "@fastchat/protocol";
import { type FileType, sniff, SNIFFED_BYTES, UNKNOWN_TYPE } from "./kinds.ts";
import { carefully, isReadable, SECONDS, type SharpLibrary, withSharp } from "./load-sharp.ts";
import {
  PICTURE_QUALITY,
  type PictureFault,
  type PreparedPicture,
  THUMBHASH_SIDE,
  thumbnailTries,
  tooManyBytes,
  tooManyFrames,
  tooManyPixels,
} from "./picture.ts";
import { framesIn } from "./picture-header.ts";

export type PreparedResult = { readonly kind: "prepared"; readonly picture: PreparedPicture; readonly data: Uint8Array } | PictureFault;

/**
 * [S6] Makes the picture at a path anew. It is decoded in stripes, one picture at a time; what is to be sent, some megabytes, is in memory alone, so that
 * nothing of it is left behind however this ends. What the file system refuses (no such file, no right) is thrown as it is.
 */
export async function preparePicture(path: string, options: { readonly signal?: AbortSignal } = {}): Promise<PreparedResult> {
  const { mediaType, kind, bytes } = await lookAt(path);
  if (kind !== "picture") return { kind: "not-a-picture", mediaType };
  if (!isReadable(mediaType)) return { kind: "unsupported-picture", mediaType };
  if (bytes > limits.pictureInputBytes) return tooManyBytes(bytes);
  const made = await withSharp(async (sharp) => {
    options.signal?.throwIfAborted();
    const input = await inputOf(path, mediaType);
    const frames = framesOf(input);
    if (frames > limits.pictureFrames) return tooManyFrames(frames);
    try {
      return await make(sharp, input);
    } catch (error) {
      // Everything that is thrown here is the library's word on the picture: nothing else is read.
      return /timeout/u.test(String(error)) ? { kind: "picture-too-slow" as const } : { kind: "broken-picture" as const };
    }
  });
  options.signal?.throwIfAborted();
  return made ?? { kind: "no-picture-library" };
}

/** The type of the file at a path by its first bytes, and its size. What is not a plain file is nothing that could be sent. */
export async function lookAt(path: string): Promise<FileType & { readonly bytes: number }> {
  // A named pipe would be waited for.
  await using file = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  const found = await file.stat();
  if (!found.isFile()) return { mediaType: UNKNOWN_TYPE, kind: "file", bytes: 0 };
  const { buffer, bytesRead } = await file.read(new Uint8Array(SNIFFED_BYTES), 0, SNIFFED_BYTES, 0);
  return { ...sniff(buffer.subarray(0, bytesRead)), bytes: found.size };
}

/** What may have many frames or pages. */
const MANY: ReadonlySet<string> = new Set(["image/gif", "image/webp", "image/tiff"]);

/** What may have many frames is here as a whole: they are counted before the library looks at it. */
export async function inputOf(path: string, mediaType: string): Promise<string | Buffer> {
  // libvips takes what stands in brackets at the end of a path for options of its own.
  return MANY.has(mediaType) || path.endsWith("]") ? readFile(path) : resolve(path);
}

export const framesOf = (input: string | Uint8Array): number => (typeof input === "string" ? 1 : framesIn(input));

async function make(sharp: SharpLibrary, input: string | Buffer): Promise<PreparedResult> {
  // The header alone, so that its size is judged before any pixel is decoded.
  const header = await sharp(input, { limitInputPixels: false, failOn: "error" }).metadata();
  const { width, height } = header;
  const frames = header.pages ?? 1;
  const isAnimated = frames > 1 && (header.format === "gif" || header.format === "webp");
  const pixels = width * height * (isAnimated ? frames : 1);
  const atMost = isDecodedAsWhole(header) || isAnimated ? limits.wholePicturePixels : limits.picturePixels;
  if (pixels > atMost) return tooManyPixels(pixels, atMost);
  const isSeeThrough = !isAnimated && header.hasAlpha && (await hasTransparency(sharp, input, atMost));
  const side = isSeeThrough || isAnimated ? limits.transparentPictureSide : limits.pictureSide;
  const upright = sharp(input, { ...carefully(atMost), animated: isAnimated, autoOrient: !isAnimated })
    .timeout(SECONDS)
    .resize({ width: side, height: side, fit: "inside", withoutEnlargement: true });
  const output = isSeeThrough || isAnimated ? asWebp(upright) : asJpeg(upright.removeAlpha(), header);
  const { data, info } = await output.toBuffer({ resolveWithObject: true });
  return {
    kind: "prepared",
    data,
    picture: {
      mediaType: info.format === "webp" ? "image/webp" : "image/jpeg",
      bytes: data.length,
      width: info.width,
      height: info.pageHeight ?? info.height,
      animated: isAnimated,
      // Of what is sent, not of what it was made of: so it is known that it can be decoded, and it is small.
      thumbnail: await thumbnailOf(sharp, data),
      thumbhash: await thumbhashOf(sharp, data),
    },
  };
}

/** What holds all pixels, or all coefficients, in memory until the last byte was read. */
export function isDecodedAsWhole({ format, isProgressive }: Metadata): boolean {
  return isProgressive || format === "heif" || format === "tiff" || format === "gif" || format === "webp";
}

/** Many pictures, screenshots above all, could be transparent and are nowhere. */
async function hasTransparency(sharp: SharpLibrary, input: string | Buffer, atMost: number): Promise<boolean> {
  const bounds = { width: limits.pictureSide, height: limits.pictureSide };
  const opacity = sharp(input, carefully(atMost))
    .timeout(SECONDS)
    .resize({ ...bounds, fit: "inside", withoutEnlargement: true })
    .toColourspace("srgb")
    .extractChannel("alpha")
    .raw({ depth: "uchar" });
  return (await opacity.toBuffer()).some((value) => value < 0xff);
}

/** WebP encoders hold the whole picture, several times. */
function asWebp(picture: Sharp): Sharp {
  return picture.webp({ quality: PICTURE_QUALITY, effort: 3 });
}

/**
 * Baseline JPEG is written as it is read. Whatever makes it some tenths smaller (mozjpeg, optimised codes, progressive) holds all
 * coefficients first, 80 MB of them for 12 megapixels, and takes five times as long. The quantisation table is mozjpeg's.
 */
function asJpeg(picture: Sharp, { format }: Metadata): Sharp {
  // Screenshots come as PNG, and letters in colour suffer when colour is stored at half the resolution.
  const chromaSubsampling = format === "png" ? "4:4:4" : "4:2:0";
  return picture.jpeg({ quality: PICTURE_QUALITY, optimizeCoding: false, quantisationTable: 3, chromaSubsampling });
}

async function thumbnailOf(sharp: SharpLibrary, picture: Buffer): Promise<Uint8Array> {
  for (const [side, quality] of thumbnailTries) {
    const small = sharp(picture, carefully(limits.picturePixels)).timeout(SECONDS).resize({ width: side, height: side, fit: "inside" });
    const bytes = await small.webp({ quality, alphaQuality: quality, effort: 6 }).toBuffer();
    if (bytes.length <= limits.thumbnailBytes) return new Uint8Array(bytes);
  }
  throw new RangeError("No thumbnail is small enough");
}

async function thumbhashOf(sharp: SharpLibrary, picture: Buffer): Promise<Uint8Array> {
  const { data, info } = await rgbaOf(
    sharp(picture, carefully(limits.picturePixels)).resize({ width: THUMBHASH_SIDE, height: THUMBHASH_SIDE, fit: "inside" }),
  );
  return rgbaToThumbHash(info.width, info.height, data);
}

/** Four bytes for each pixel, whatever the picture's colours were. */
export function rgbaOf(picture: Sharp): Promise<{ data: Buffer; info: { width: number; height: number; channels: number } }> {
  return picture.timeout(SECONDS).toColourspace("srgb").ensureAlpha().raw({ depth: "uchar" }).toBuffer({ resolveWithObject: true });
}
