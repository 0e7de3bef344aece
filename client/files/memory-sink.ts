import type { FileSink } from "./fetching.ts";

/** Holds a file of a known size in memory: for what is shown and not kept. */
export class MemorySink implements FileSink {
  readonly #bytes: Uint8Array<ArrayBuffer>;
  #size = 0;

  /** @param size bytes, at most */
  constructor(size: number) {
    this.#bytes = new Uint8Array(size);
  }

  get size(): number {
    return this.#size;
  }

  /** What is there of it. */
  get bytes(): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(0, this.#size);
  }

  async *stream(): AsyncGenerator<Uint8Array> {
    yield this.bytes;
  }

  async truncate(size: number): Promise<void> {
    this.#size = Math.min(this.#size, size);
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.#bytes.set(bytes, this.#size);
    this.#size += bytes.length;
  }

  async finish(): Promise<void> {}

  async close(): Promise<void> {}
}
