import { type ChatMessage, type Client, MemorySink } from "@fastchat/client";
import { decodeThumbhash, type Pixels } from "@fastchat/client/media";
import { decodePicture, decodeThumbnail } from "@fastchat/client/media-node";
import { limits } from "@fastchat/protocol";
import type { Size } from "../pictures/pixels.ts";

export interface WantedPixels {
  readonly message: ChatMessage;
  /** The how many-th of the message's files, from 0. */
  readonly place: number;
  /** False: what the message itself brings of it is enough. */
  readonly whole: boolean;
  readonly most: Size;
}

/** The pixels of a picture that a message brings, upright. Fails where there are none to be had; a whole picture is fetched for it. */
export async function pixelsOf(client: Client, { message, place, whole, most }: WantedPixels, signal: AbortSignal): Promise<Pixels> {
  const file = message.files[place]!;
  const box = { maxWidth: most.width, maxHeight: most.height };
  const fetched = whole ? await fetchPicture(client, message, place, signal) : undefined;
  const pixels = fetched && (await decodePicture(fetched, box));
  const small =
    pixels ?? (file.thumbnail && (await decodeThumbnail(file.thumbnail, box))) ?? (file.thumbhash && decodeThumbhash(file.thumbhash));
  if (small === undefined) throw new Error("No picture can be had.");
  return small;
}

/** Undefined: it is not on the server yet, or no more, or larger than what is held in memory. */
async function fetchPicture(client: Client, message: ChatMessage, place: number, signal: AbortSignal): Promise<Uint8Array | undefined> {
  const { conversation, sequence } = message;
  const { bytes } = message.files[place]!;
  if (sequence === undefined || bytes > limits.shownPictureBytes) return undefined;
  const sink = new MemorySink(bytes);
  try {
    await client.files.fetch({ conversation, sequence, place }, sink, { signal });
    return sink.bytes;
  } catch {
    return undefined;
  }
}
