import { errorRow, FastChatError } from "@fastchat/protocol";
import { fileChunkBytes, sealedChunkBytes, sealedFileSize } from "@fastchat/protocol/seal";
import { backoff } from "../backoff.ts";
import { GatewayUnreachable } from "../gateway.ts";
import { pause } from "../pause.ts";
import type { Blobs } from "./blobs.ts";
import { byHundredths, chunksOf, FileDamaged, FileOpener, type Progress, type SealedFile } from "./sealing.ts";

/** Where a file that is fetched is written; what it holds at first is taken up. */
export interface FileSink {
  /** Bytes that are there. */
  readonly size: number;
  /** Those, from the beginning. */
  stream(): AsyncIterable<Uint8Array>;
  /** Keeps so many of them. */
  truncate(size: number): Promise<void>;
  write(bytes: Uint8Array): Promise<void>;
  /** It is whole: durable, in its place. */
  finish(): Promise<void>;
  /** What was written is kept, to be taken up again, unless it is good for nothing. */
  close(keep: boolean): Promise<void>;
}

/** Attempts in a row that brought nothing, after which it is given up. */
const FRUITLESS_ATTEMPTS = 8;
/** Answers in a row that brought nothing and ended well before the file does, after which it is believed to be cut. */
const EARLY_ENDS = 3;

/**
 * [S6] Fetches a file, opens it chunk by chunk and writes it; a connection that ends is taken up where it was, and so is what an earlier call left in
 * the sink. Memory holds some chunks. Throws FileDamaged, FastChatError NOT_FOUND when the server does not have it any more, GatewayUnreachable after
 * some attempts, or the signal's reason.
 */
export async function fetchFile(
  blobs: Blobs,
  file: Pick<SealedFile, "blob" | "key" | "size">,
  sink: FileSink,
  { signal = new AbortController().signal, onProgress }: Progress = {},
): Promise<void> {
  let keep = true;
  try {
    const progress = { signal, onProgress: byHundredths(onProgress) };
    const opener = await takeUp(file, sink, progress);
    const isTakenUp = opener.index > 0;
    try {
      await fetchRest(blobs, file, sink, opener, progress);
    } catch (error) {
      if (!isTakenUp || !(error instanceof FileDamaged)) throw error;
      // What was taken up may be of another file with the same name, or what a power cut left: all of it once more.
      await sink.truncate(0);
      await fetchRest(blobs, file, sink, await FileOpener.of(file), progress);
    }
    await sink.finish();
  } catch (error) {
    keep = signal.aborted || isPassing(error);
    throw error;
  } finally {
    await sink.close(keep);
  }
}

async function fetchRest(
  blobs: Blobs,
  { blob, size }: Pick<SealedFile, "blob" | "size">,
  sink: FileSink,
  opener: FileOpener,
  { signal, onProgress }: Required<Progress>,
): Promise<void> {
  const tell = () => onProgress(Math.min(opener.index * fileChunkBytes, size), size);
  tell();
  const sealedSize = sealedFileSize(size);
  for (let fruitless = 0; !opener.isDone;) {
    const before = opener.index;
    let failure: unknown;
    try {
      for await (const sealed of sealedChunks(blobs.from(blob, { offset: opener.offset, size: sealedSize }, signal), opener)) {
        await sink.write(await opener.open(sealed));
        tell();
      }
    } catch (error) {
      signal.throwIfAborted();
      if (!isPassing(error)) throw error;
      failure = error;
    }
    if (opener.isDone) break;
    fruitless = opener.index > before ? 1 : fruitless + 1;
    if (failure === undefined && fruitless >= EARLY_ENDS) throw new FileDamaged();
    if (fruitless >= FRUITLESS_ATTEMPTS) throw failure;
    await pause(backoff(fruitless, Math.random(), failure instanceof FastChatError ? failure.retryAfterMs : 0), signal);
    signal.throwIfAborted();
  }
  opener.finish();
}

/** Another attempt may succeed. */
export const isPassing = (error: unknown): boolean =>
  error instanceof GatewayUnreachable || (error instanceof FastChatError && errorRow(error.code).advice === "retry");

/** What is whole of an earlier attempt stays. The last chunk is fetched in any case, so that there is an answer to whether the blob is still there. */
async function takeUp(
  file: Pick<SealedFile, "blob" | "key" | "size">,
  sink: FileSink,
  { signal, onProgress }: Required<Progress>,
): Promise<FileOpener> {
  const opener = await FileOpener.of(file);
  const chunks = Math.floor(Math.min(sink.size, Math.max(0, file.size - 1)) / fileChunkBytes);
  if (chunks > 0) {
    for await (const chunk of chunksOf(sink.stream(), fileChunkBytes)) {
      signal.throwIfAborted();
      onProgress(opener.index * fileChunkBytes, file.size);
      if (opener.index === chunks) break;
      await opener.skip(chunk);
    }
  }
  await sink.truncate(chunks * fileChunkBytes);
  return opener;
}

/** What comes, cut as it was sealed, each good until the next is asked for; the end of what a broken connection brought is left out. */
async function* sealedChunks(bytes: AsyncIterable<Uint8Array>, opener: FileOpener): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const room = new Uint8Array(sealedChunkBytes);
  let chunk = room.subarray(0, opener.sealedBytes);
  let filled = 0;
  for await (const piece of bytes) {
    for (let at = 0; at < piece.length && !opener.isDone;) {
      const some = piece.subarray(at, at + chunk.length - filled);
      chunk.set(some, filled);
      filled += some.length;
      at += some.length;
      if (filled < chunk.length) continue;
      yield chunk;
      chunk = room.subarray(0, opener.isDone ? 0 : opener.sealedBytes);
      filled = 0;
    }
    if (opener.isDone) return;
  }
}
