import type { Metadata } from "sharp";
import { limits } from "@fastchat/protocol";
import { sniff, SNIFFED_BYTES } from "./kinds.ts";
import { carefully, isReadable, type SharpLibrary, withSharp } from "./load-sharp.ts";
import { framesOf, inputOf, isDecodedAsWhole, lookAt, rgbaOf } from "./picture-node.ts";
import { isShown, isThumbnail, type Pixels } from "./received.ts";

/** In pixels; the whole picture is scaled down to fit. */
export interface Box {
  readonly maxWidth: number;
  readonly maxHeight: number;
}

/** A thumbnail as it came in a message. Undefined: it is none, or nothing that can be decoded. */
export async function decodeThumbnail(bytes: Uint8Array, box: Box): Promise<Pixels | undefined> {
  if (!isThumbnail(bytes)) return undefined;
  return withSharp((sharp) => decoded(sharp, bytes, box, () => limits.thumbnailSide ** 2).catch(() => undefined));
}

/** A picture as it came, upright: its bytes, or a path to them. Undefined: it is none that can be shown here, is broken, too large, or not there. */
export async function decodePicture(picture: string | Uint8Array, box: Box): Promise<Pixels | undefined> {
  try {
    const isHere = typeof picture !== "string";
    const { mediaType, bytes } = isHere ? { ...sniff(picture.subarray(0, SNIFFED_BYTES)), bytes: picture.length } : await lookAt(picture);
    if (!isReadable(mediaType) || !isShown(mediaType) || bytes > limits.pictureInputBytes) return undefined;
    const atMost = (header: Metadata): number => (isDecodedAsWhole(header) ? limits.wholePicturePixels : limits.picturePixels);
    return await withSharp(async (sharp) => {
      const input = isHere ? picture : await inputOf(picture, mediaType);
      return framesOf(input) > limits.pictureFrames ? undefined : decoded(sharp, input, box, atMost);
    });
  } catch {
    return undefined;
  }
}

async function decoded(
  sharp: SharpLibrary,
  input: string | Uint8Array,
  box: Box,
  atMost: (header: Metadata) => number,
): Promise<Pixels | undefined> {
  const header = await sharp(input, { limitInputPixels: false, failOn: "error" }).metadata();
  const pixels = atMost(header);
  if (header.width * header.height > pixels) return undefined;
  const picture = sharp(input, { ...carefully(pixels), autoOrient: true });
  const small = picture.resize({ width: box.maxWidth, height: box.maxHeight, fit: "inside", withoutEnlargement: true });
  const { data, info } = await rgbaOf(small);
  return info.channels === 4 ? { width: info.width, height: info.height, rgba: new Uint8Array(data) } : undefined;
}
