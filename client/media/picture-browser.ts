import { rgbaToThumbHash } from "thumbhash";
import { limits } from "@fastchat/protocol";
import { barePicture } from "./bare-picture.ts";
import { sniff, SNIFFED_BYTES } from "./kinds.ts";
import {
  PICTURE_QUALITY,
  type PictureFault,
  type PreparedPicture,
  THUMBHASH_SIDE,
  thumbnailTries,
  tooManyBytes,
  tooManyPixels,
} from "./picture.ts";
import { readPictureHeader } from "./picture-header.ts";

export type PreparedResult = { readonly kind: "prepared"; readonly picture: PreparedPicture; readonly blob: Blob } | PictureFault;

/** Where a header is looked for: behind the metadata of whatever camera. */
const HEADER_BYTES = 16_777_216;

/** What is drawn from: a decoded picture, or a frame of a video. */
type Drawn = { readonly source: CanvasImageSource; readonly width: number; readonly height: number };

/**
 * [S6] Makes a picture anew, as `preparePicture` of Node does: what is drawn on a canvas brings none of its metadata along. Animations
 * cannot be made anew here, nor can whatever the browser at hand does not show.
 */
export async function preparePicture(file: Blob): Promise<PreparedResult> {
  const { mediaType, kind } = sniff(await bytesOf(file, SNIFFED_BYTES));
  if (kind !== "picture") return { kind: "not-a-picture", mediaType };
  if (file.size > limits.pictureInputBytes) return tooManyBytes(file.size);
  const header = readPictureHeader(await bytesOf(file, HEADER_BYTES));
  if (header === undefined) return isKnown(mediaType) ? { kind: "broken-picture" } : { kind: "unsupported-picture", mediaType };
  if (header.animated) return { kind: "animated-picture" };
  const pixels = header.width * header.height;
  if (pixels > limits.picturePixels) return tooManyPixels(pixels, limits.picturePixels);
  const bitmap = await withinTime(createImageBitmap(file, { imageOrientation: "from-image" })).catch(() => undefined);
  if (bitmap === "too-slow") return { kind: "picture-too-slow" };
  if (bitmap === undefined) return isKnown(mediaType) ? { kind: "broken-picture" } : { kind: "unsupported-picture", mediaType };
  try {
    return await made(bitmap);
  } finally {
    bitmap.close();
  }
}

async function bytesOf(file: Blob, atMost: number): Promise<Uint8Array> {
  return new Uint8Array(await file.slice(0, atMost).arrayBuffer());
}

/** Types that every browser shows: one that cannot be decoded is broken. */
function isKnown(mediaType: string): boolean {
  return ["image/jpeg", "image/png", "image/gif", "image/webp", "image/avif"].includes(mediaType);
}

async function withinTime(decoding: Promise<ImageBitmap>): Promise<ImageBitmap | "too-slow"> {
  const { promise, resolve } = Promise.withResolvers<"too-slow">();
  const timer = setTimeout(resolve, limits.pictureMs, "too-slow");
  try {
    return await Promise.race([decoding, promise]);
  } finally {
    clearTimeout(timer);
  }
}

async function made(bitmap: ImageBitmap): Promise<PreparedResult> {
  const drawn = { source: bitmap, width: bitmap.width, height: bitmap.height };
  const whole = scaled(drawn, limits.pictureSide);
  const isSeeThrough = hasTransparency(whole);
  const canvas = isSeeThrough ? scaled(drawn, limits.transparentPictureSide) : whole;
  const blob = await encoded(canvas, isSeeThrough ? "image/webp" : "image/jpeg", PICTURE_QUALITY);
  const previews = await previewsOf({ source: canvas, width: canvas.width, height: canvas.height });
  return {
    kind: "prepared",
    blob,
    picture: {
      // A browser that makes no WebP makes a PNG instead.
      mediaType: blob.type as PreparedPicture["mediaType"],
      bytes: blob.size,
      width: canvas.width,
      height: canvas.height,
      animated: false,
      ...previews,
    },
  };
}

/** As another type where the browser cannot make this one. */
async function encoded(canvas: OffscreenCanvas, type: "image/jpeg" | "image/webp", quality: number): Promise<Blob> {
  const blob = await canvas.convertToBlob({ type, quality: quality / 100 });
  const bare = barePicture(new Uint8Array(await blob.arrayBuffer()));
  return new Blob([bare as Uint8Array<ArrayBuffer>], { type: blob.type });
}

/** Small enough to be scaled and encoded again and again, large enough to be scaled well. */
const HALFWAY_SIDE = 512;

/** Thumbnail and ThumbHash of anything that can be drawn. */
export async function previewsOf(drawn: Drawn): Promise<Pick<PreparedPicture, "thumbnail" | "thumbhash">> {
  const source = scaled(drawn, HALFWAY_SIDE);
  const halfway = { source, width: source.width, height: source.height };
  const small = scaled(halfway, THUMBHASH_SIDE);
  const { data } = contextOf(small).getImageData(0, 0, small.width, small.height);
  return { thumbnail: await thumbnailOf(halfway), thumbhash: rgbaToThumbHash(small.width, small.height, data) };
}

async function thumbnailOf(drawn: Drawn): Promise<Uint8Array> {
  for (const [side, quality] of thumbnailTries) {
    const canvas = scaled(drawn, side);
    const webp = await encoded(canvas, "image/webp", quality);
    const blob = webp.type === "image/webp" ? webp : await encoded(onWhite(canvas), "image/jpeg", quality);
    if (blob.size <= limits.thumbnailBytes) return new Uint8Array(await blob.arrayBuffer());
  }
  throw new RangeError("No thumbnail is small enough");
}

/** On a canvas of its own, at most so many pixels at its longest side, never enlarged. */
function scaled({ source, width, height }: Drawn, side: number): OffscreenCanvas {
  const scale = Math.min(1, side / Math.max(width, height));
  const canvas = new OffscreenCanvas(Math.max(1, Math.round(width * scale)), Math.max(1, Math.round(height * scale)));
  const context = contextOf(canvas);
  context.imageSmoothingQuality = "high";
  context.drawImage(source, 0, 0, canvas.width, canvas.height);
  return canvas;
}

function onWhite(picture: OffscreenCanvas): OffscreenCanvas {
  const canvas = new OffscreenCanvas(picture.width, picture.height);
  const context = contextOf(canvas);
  context.fillStyle = "white";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(picture, 0, 0);
  return canvas;
}

function contextOf(canvas: OffscreenCanvas): OffscreenCanvasRenderingContext2D {
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (context === null) throw new Error("This browser gives no canvas");
  return context;
}

const ROWS_AT_ONCE = 256;

function hasTransparency(canvas: OffscreenCanvas): boolean {
  const context = contextOf(canvas);
  for (let top = 0; top < canvas.height; top += ROWS_AT_ONCE) {
    const { data } = context.getImageData(0, top, canvas.width, Math.min(ROWS_AT_ONCE, canvas.height - top));
    for (let at = 3; at < data.length; at += 4) if (data[at]! < 0xff) return true;
  }
  return false;
}
