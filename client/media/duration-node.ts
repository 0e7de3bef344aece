import { type FileHandle, open } from "node:fs/promises";
import { lookAt } from "./picture-node.ts";
import { judgedDuration } from "./received.ts";

const LOOKED_FOR_MS = 5_000;
const BASE_MEDIA_TYPES: ReadonlySet<string> = new Set(["video/mp4", "video/quicktime", "audio/mp4"]);

/** How long the recording at a path lasts, in milliseconds. Undefined: it is none, or does not say so within reach. */
export async function durationOf(path: string): Promise<number | undefined> {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  const timer = setTimeout(resolve, LOOKED_FOR_MS, undefined);
  try {
    const seconds = await Promise.race([secondsOf(path), promise]);
    return judgedDuration(seconds === undefined ? undefined : 1_000 * seconds);
  } catch {
    return undefined;
  } finally {
    clearTimeout(timer);
  }
}

async function secondsOf(path: string): Promise<number | undefined> {
  const { mediaType, kind } = await lookAt(path);
  if (kind !== "audio" && kind !== "video") return undefined;
  if (BASE_MEDIA_TYPES.has(mediaType)) return secondsOfFilm(path);
  // Read, like the library for pictures, when the first recording comes.
  const { parseFile } = await import("music-metadata");
  const { format } = await parseFile(path, { duration: false, skipCovers: true });
  return format.duration;
}

/**
 * What the movie header (`mvhd`, ISO/IEC 14496-12, 8.2.2) says of MP4, M4A and QuickTime: it is there with sound and without, and a few
 * bytes are read to find it, wherever it stands.
 */
async function secondsOfFilm(path: string): Promise<number | undefined> {
  await using file = await open(path);
  const { size } = await file.stat();
  const movie = await findAtom(file, "moov", 0, size);
  const header = movie && (await findAtom(file, "mvhd", movie.from, movie.to));
  if (header === undefined) return undefined;
  const view = await bytesAt(file, header.from, 32);
  const isLong = view.getUint8(0) === 1;
  const scale = view.getUint32(isLong ? 20 : 12);
  const duration = isLong ? Number(view.getBigUint64(24)) : view.getUint32(16);
  return duration / scale;
}

const ATOMS_LOOKED_AT = 10_000;

async function findAtom(file: FileHandle, name: string, from: number, to: number): Promise<{ from: number; to: number } | undefined> {
  for (let at = from, count = 0; at + 8 <= to && count < ATOMS_LOOKED_AT; count += 1) {
    const view = await bytesAt(file, at, 16);
    const short = view.getUint32(0);
    const head = short === 1 ? 16 : 8;
    // Zero: up to the end.
    const length = short === 0 ? to - at : short === 1 ? Number(view.getBigUint64(8)) : short;
    if (length < head) return undefined;
    const found = String.fromCharCode(...new Uint8Array(view.buffer, 4, 4));
    if (found === name) return { from: at + head, to: Math.min(to, at + length) };
    at += length;
  }
  return undefined;
}

/** Zeros where the file has ended. */
async function bytesAt(file: FileHandle, at: number, length: number): Promise<DataView> {
  const { buffer } = await file.read(new Uint8Array(length), 0, length, at);
  return new DataView(buffer.buffer);
}
