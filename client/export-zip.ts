import { ZipWriter } from "@zip.js/zip.js/lib/zip-core-native.js";
import type { FileSink } from "./files/fetching.ts";

export interface FileInArchive {
  readonly name: string;
  readonly bytes: number;
  /** It gets smaller by that: what is compressed already is only copied. */
  readonly compress: boolean;
}

/** A ZIP file that is made as fast as it is read. Its parts come one after the other: each is in it when its promise resolves. */
export class ArchiveWriter {
  readonly #zip: ZipWriter<WritableStream<Uint8Array>>;

  constructor(writable: WritableStream<Uint8Array>) {
    this.#zip = new ZipWriter(writable, { useWebWorkers: false, keepOrder: true, level: 6 });
  }

  async text(name: string, pieces: AsyncIterable<string> | Iterable<string>): Promise<void> {
    await this.#zip.add(name, streamOf(pieces));
  }

  /**
   * What a fetch brings, straight from its chunks. Where that fails in the middle, the bytes that are written already stay, but under no name: the directory at the
   * end of the archive says what is in it (APPNOTE 6.3.10, 4.3.12), and does not know them.
   *
   * @param fetch into a sink that holds nothing and forgets nothing. Rejects with what it threw, or with what became of the archive
   */
  async file({ name, bytes, compress }: FileInArchive, fetch: (sink: FileSink, signal: AbortSignal) => Promise<void>): Promise<void> {
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
    const writer = writable.getWriter();
    const ended = new AbortController();
    // Whoever reads the archive has had enough.
    writer.closed.catch((reason: unknown) => ended.abort(reason));
    const began = Promise.withResolvers<void>();
    const fetching = fetch(sinkInto(writer, began.resolve), ended.signal);
    fetching.catch((error: unknown) => writer.abort(error).catch(() => undefined));
    // What is not there at all leaves no trace.
    await Promise.race([began.promise, fetching]);
    try {
      await this.#zip.add(name, { readable }, { level: compress ? 6 : 0, uncompressedSize: bytes });
    } catch (error) {
      ended.abort(error);
      await fetching;
      throw error;
    }
    await fetching;
  }

  async close(): Promise<void> {
    await this.#zip.close();
  }
}

function sinkInto(writer: WritableStreamDefaultWriter<Uint8Array>, begin: () => void): FileSink {
  return {
    size: 0,
    async *stream() {},
    async truncate() {},
    // Settles when it was taken: no more than that is in memory.
    async write(bytes) {
      begin();
      if (bytes.length > 0) await writer.write(bytes);
    },
    async finish() {
      begin();
      await writer.close();
    },
    async close() {},
  };
}

function streamOf(text: AsyncIterable<string> | Iterable<string>): ReadableStream<Uint8Array> {
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
