import {
  fileChunkBytes,
  FileCipher,
  fileChunks,
  random,
  runningSha256,
  sealedChunkBytes,
  sealedFileSize,
  toHex,
} from "@fastchat/protocol/seal";
import type { Staging } from "./staging.ts";

/** Bytes of a file, once or several times. */
export interface FileSource {
  /** As its owner calls it; only the last part of a path. */
  readonly name: string;
  readonly size: number;
  /** From the beginning; in pieces of any length, each good until the next is asked for. */
  stream(): AsyncIterable<Uint8Array>;
}

/** It has another length than a moment ago: somebody writes to it. */
export class FileChanged extends Error {
  constructor(name: string) {
    super(`"${name}" was changed while it was read: try again when it is finished.`);
    this.name = "FileChanged";
  }
}

export interface SealedFile {
  /** 32 bytes: SHA-256 of what was sealed. */
  readonly blob: Uint8Array;
  readonly key: Uint8Array;
  readonly size: number;
  /** Its name in the staging. */
  readonly staged: string;
}

export interface Progress {
  readonly signal?: AbortSignal;
  /** Bytes; told for each hundredth, and at the end. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** Tells of each hundredth once: chunks are many more. */
export function byHundredths(tell: Progress["onProgress"]): NonNullable<Progress["onProgress"]> {
  let told = -1;
  return (done, total) => {
    const hundredths = total === 0 ? 100 : Math.floor((100 * done) / total);
    if (hundredths === told) return;
    told = hundredths;
    tell?.(done, total);
  };
}

/** [S6] Seals a file into the staging, chunk after chunk. Throws FileChanged, StorageFullError, or what reading throws; nothing is left then. */
export async function sealFile(staging: Staging, source: FileSource, { signal, onProgress }: Progress = {}): Promise<SealedFile> {
  const key = random(32);
  const staged = toHex(random(16));
  const cipher = await FileCipher.of(key);
  const hash = runningSha256();
  const writer = await staging.write(staged);
  const last = fileChunks(source.size) - 1;
  let index = 0;
  try {
    for await (const chunk of chunksOf(source.stream(), fileChunkBytes)) {
      signal?.throwIfAborted();
      if (index > last) throw new FileChanged(source.name);
      const sealed = await cipher.seal(index, index === last, chunk);
      if (index < last ? chunk.length < fileChunkBytes : chunk.length !== source.size - last * fileChunkBytes)
        throw new FileChanged(source.name);
      hash.update(sealed);
      await writer.write(sealed);
      index++;
      onProgress?.(Math.min(index * fileChunkBytes, source.size), source.size);
    }
    if (index <= last) throw new FileChanged(source.name);
    await writer.close();
  } catch (error) {
    await writer.abort();
    throw error;
  }
  return { blob: hash.digest(), key, size: source.size, staged };
}

/**
 * The same bytes in pieces of one length; the last may be shorter, and is empty where all are. Each is good until the next is asked for: memory for every
 * one of them would be most of the work, of the collector.
 */
export async function* chunksOf(bytes: AsyncIterable<Uint8Array>, length: number): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const chunk = new Uint8Array(length);
  let filled = 0;
  let isFirst = true;
  for await (const piece of bytes) {
    for (let at = 0; at < piece.length;) {
      // A full one goes out when it is known that it is not the last.
      if (filled === length) {
        yield chunk;
        isFirst = false;
        filled = 0;
      }
      const some = piece.subarray(at, at + length - filled);
      chunk.set(some, filled);
      filled += some.length;
      at += some.length;
    }
  }
  if (filled > 0 || isFirst) yield chunk.subarray(0, filled);
}

/** What was stored is not what was sealed: another file, or cut, or somebody changed it. */
export class FileDamaged extends Error {
  constructor() {
    super("This file is not what was sent: it was changed or damaged on the server. Ask for it to be sent again.");
    this.name = "FileDamaged";
  }
}

/** Opens a blob from one of its chunks on, and hashes what it opens. */
export class FileOpener {
  readonly #cipher: FileCipher;
  readonly #hash = runningSha256();
  readonly #size: number;
  readonly #blob: string;
  /** The next one. */
  index = 0;

  private constructor(cipher: FileCipher, size: number, blob: string) {
    this.#cipher = cipher;
    this.#size = size;
    this.#blob = blob;
  }

  static async of({ key, size, blob }: Pick<SealedFile, "key" | "size" | "blob">): Promise<FileOpener> {
    return new FileOpener(await FileCipher.of(key), size, toHex(blob));
  }

  get #last(): number {
    return fileChunks(this.#size) - 1;
  }

  get isDone(): boolean {
    return this.index > this.#last;
  }

  /** Where the next chunk begins in the blob. */
  get offset(): number {
    return this.index * sealedChunkBytes;
  }

  /** Bytes of the next chunk as it is sealed. */
  get sealedBytes(): number {
    return Math.min(sealedChunkBytes, sealedFileSize(this.#size) - this.offset);
  }

  /** Takes up what was opened and kept before; sealed again it is what was fetched then. */
  async skip(chunk: Uint8Array<ArrayBuffer>): Promise<void> {
    this.#hash.update(await this.#cipher.seal(this.index, this.index === this.#last, chunk));
    this.index++;
  }

  /** Throws FileDamaged. */
  async open(sealed: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
    const chunk = this.isDone ? undefined : await this.#cipher.open(this.index, this.index === this.#last, sealed);
    if (chunk === undefined) throw new FileDamaged();
    this.#hash.update(sealed);
    this.index++;
    return chunk;
  }

  /** After the last chunk, once: whether all of it is what was sealed. */
  isWhole(): boolean {
    return this.isDone && toHex(this.#hash.digest()) === this.#blob;
  }

  /** After the last chunk. Throws FileDamaged. */
  finish(): void {
    if (!this.isWhole()) throw new FileDamaged();
  }
}

/** Whether a file is that which was sealed: sealed with its key again, it gives the same blob. Throws what reading throws, or the signal's reason. */
export async function isSealedAs(
  file: Pick<SealedFile, "key" | "size" | "blob">,
  source: FileSource,
  { signal, onProgress }: Progress = {},
): Promise<boolean> {
  if (source.size !== file.size) return false;
  const opener = await FileOpener.of(file);
  const tell = byHundredths(onProgress);
  for await (const chunk of chunksOf(source.stream(), fileChunkBytes)) {
    signal?.throwIfAborted();
    // It grew meanwhile.
    if (opener.isDone) return false;
    await opener.skip(chunk);
    tell(Math.min(opener.index * fileChunkBytes, file.size), file.size);
  }
  return opener.isWhole();
}
