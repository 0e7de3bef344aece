import { BlobReader, ZipWriter } from "@zip.js/zip.js/lib/zip-core-native.js";
import type { FileSink } from "./files/fetching.ts";

export interface FileInArchive {
  readonly name: string;
  readonly bytes: number;
  /** It gets smaller by that: what is compressed already is only copied. */
  readonly compress: boolean;
}

/**
 * Entries of up to so many bytes are whole in memory before they are written: their header says size and checksum, and one that fails leaves nothing. A larger one
 * says both behind its content.
 */
const HELD_BYTES = 4_194_304;
/** APPNOTE 6.3.10, 4.4.5. */
const DEFLATED = 8;

/** A ZIP file that is made as fast as it is read. Its parts come one after the other: each is in it when its promise resolves. */
export class ArchiveWriter {
  readonly #zip: ZipWriter<WritableStream<Uint8Array>>;
  readonly #ended: AbortSignal;

  /**
   * @param ended aborts when whoever reads the archive has had enough
   * @param at where it begins in what it is written into, bytes
   */
  constructor(writable: WritableStream<Uint8Array>, ended: AbortSignal, at = 0) {
    this.#zip = new ZipWriter(writable, { useWebWorkers: false, keepOrder: true, offset: at });
    this.#ended = ended;
  }

  async text(name: string, pieces: AsyncIterable<string> | Iterable<string>): Promise<void> {
    await this.#add({ name, compress: true }, streamOf(pieces));
  }

  /**
   * What a fetch brings, straight from its chunks. Where a large one fails in the middle, the bytes that are written already stay, but under no name: the directory
   * at the end of the archive says what is in it (APPNOTE 6.3.10, 4.3.12), and does not know them.
   *
   * @param fetch into a sink that holds nothing and forgets nothing. Rejects with what it threw, or with what became of the archive
   */
  async file(file: FileInArchive, fetch: (sink: FileSink, signal: AbortSignal) => Promise<void>): Promise<void> {
    const { readable, writable } = new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>();
    const writer = writable.getWriter();
    const failed = new AbortController();
    const fetching = fetch(sinkInto(writer), AbortSignal.any([failed.signal, this.#ended]));
    fetching.catch((error: unknown) => writer.abort(error).catch(() => undefined));
    try {
      await this.#add(file, readable);
    } catch (error) {
      failed.abort(error);
      await fetching;
      throw error;
    }
    await fetching;
  }

  /** What was written under this name stays, under none. */
  forget(name: string): void {
    this.#zip.remove(name);
  }

  async close(): Promise<void> {
    await this.#zip.close();
  }

  async #add(
    { name, bytes, compress }: Pick<FileInArchive, "name" | "compress"> & Partial<FileInArchive>,
    content: ReadableStream<Uint8Array<ArrayBuffer>>,
  ): Promise<void> {
    const level = compress ? 6 : 0;
    const { start, rest } = await beginningOf(content);
    if (rest === undefined) return void (await this.#zip.add(name, new BlobReader(start), { level, bufferedWrite: true }));
    // Also what gets no smaller: a reader that has no directory yet finds the end of what is deflated by itself, and of nothing else.
    const options = { level, compressionMethod: DEFLATED, ...(bytes !== undefined && { uncompressedSize: bytes }) };
    await this.#zip.add(name, { readable: rest }, options);
  }
}

/** All of it where it is short, else a stream that begins with what was read. */
async function beginningOf(
  content: ReadableStream<Uint8Array<ArrayBuffer>>,
): Promise<{ readonly start: Blob; readonly rest: ReadableStream<Uint8Array<ArrayBuffer>> | undefined }> {
  const reader = content.getReader();
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  let bytes = 0;
  while (bytes <= HELD_BYTES) {
    const { done, value } = await reader.read();
    if (done) return { start: new Blob(pieces), rest: undefined };
    pieces.push(value);
    bytes += value.length;
  }
  const rest = new ReadableStream<Uint8Array<ArrayBuffer>>(
    {
      async pull(controller) {
        const piece = pieces.shift() ?? (await reader.read()).value;
        if (piece === undefined) controller.close();
        else controller.enqueue(piece);
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  );
  return { start: new Blob(), rest };
}

function sinkInto(writer: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>): FileSink {
  return {
    size: 0,
    async *stream() {},
    async truncate() {},
    // Settles when it was taken: no more than that is in memory.
    async write(bytes) {
      if (bytes.length > 0) await writer.write(bytes as Uint8Array<ArrayBuffer>);
    },
    async finish() {
      await writer.close();
    },
    async close() {},
  };
}

function streamOf(text: AsyncIterable<string> | Iterable<string>): ReadableStream<Uint8Array<ArrayBuffer>> {
  const pieces = Symbol.asyncIterator in text ? text[Symbol.asyncIterator]() : text[Symbol.iterator]();
  const encoder = new TextEncoder();
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await pieces.next();
      if (done === true) controller.close();
      else controller.enqueue(encoder.encode(value));
    },
    async cancel() {
      await pieces.return?.();
    },
  });
}
