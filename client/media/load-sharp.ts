import type sharp from "sharp";
import type { SharpOptions } from "sharp";
import { limits } from "@fastchat/protocol";
import { Lane } from "../lane.ts";

export type SharpLibrary = typeof sharp;

/** What may be decoded, by the name of libvips' loader; of AVIF, HEIC and others the HEIF loader knows AVIF alone. */
const loaders: ReadonlyMap<string, string> = new Map([
  ["image/jpeg", "VipsForeignLoadJpeg"],
  ["image/png", "VipsForeignLoadPng"],
  ["image/gif", "VipsForeignLoadNsgif"],
  ["image/webp", "VipsForeignLoadWebp"],
  ["image/avif", "VipsForeignLoadHeif"],
  ["image/tiff", "VipsForeignLoadTiff"],
]);

export const isReadable = (mediaType: string): boolean => loaders.has(mediaType);

/** One picture at a time: memory stays that of the largest. */
const lane = new Lane();
let loading: Promise<SharpLibrary> | undefined;

/**
 * Runs a task with the library for pictures, which is loaded when the first picture comes: its 20 MB are no part of a command that
 * shows and sends none. Undefined: there is none for this machine.
 */
export async function withSharp<T>(task: (sharp: SharpLibrary) => Promise<T>): Promise<T | undefined> {
  loading ??= load();
  const library = await loading.catch(() => undefined);
  return library && lane.run(() => task(library));
}

async function load(): Promise<SharpLibrary> {
  const { default: library } = await import("sharp");
  // A picture is decoded in stripes, by as few threads as there are pictures, and nothing of it is kept.
  library.concurrency(1);
  library.cache(false);
  // Of the many loaders, some of which fetch, run or interpret what they read, those alone that are needed.
  library.block({ operation: ["VipsForeignLoad"] });
  library.unblock({ operation: [...loaders.values()] });
  return library;
}

/** How everything from outside is opened: in stripes, and not at all where it is larger than allowed or broken. */
export function carefully(pixels: number): SharpOptions {
  return { limitInputPixels: pixels, failOn: "error", sequentialRead: true };
}

/** After so many seconds a task of the library ends by itself. */
export const SECONDS = { seconds: Math.ceil(limits.pictureMs / 1_000) };
