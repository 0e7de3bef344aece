// Protocol Buffers by hand (protobuf.dev/programming-guides/encoding), for the few frames of which there are very many: what is written has its
// size counted first and takes memory once.

const LENGTH_DELIMITED = 2;

/** Bytes of a varint. @param value an integer from 0 to 2^53 */
export function varintSize(value: number): number {
  let size = 1;
  for (let rest = value; rest > 0x7f; rest = Math.floor(rest / 0x80)) size++;
  return size;
}

/** Of a field with its tag. Field numbers are below 16, so that a tag has one byte. */
export const numberSize = (value: number): number => 1 + varintSize(value);
export const bytesSize = (length: number): number => 1 + varintSize(length) + length;

/** Writes fields one behind the other into memory of the size that was counted. */
export class Bytes {
  readonly bytes: Uint8Array;
  #at = 0;

  constructor(size: number) {
    this.bytes = Buffer.allocUnsafe(size);
  }

  number(field: number, value: number): this {
    this.bytes[this.#at++] = field << 3;
    return this.#varint(value);
  }

  /** The head of a field whose bytes come next. */
  head(field: number, length: number): this {
    this.bytes[this.#at++] = (field << 3) | LENGTH_DELIMITED;
    return this.#varint(length);
  }

  field(field: number, value: Uint8Array): this {
    return this.head(field, value.length).raw(value);
  }

  raw(value: Uint8Array): this {
    this.bytes.set(value, this.#at);
    this.#at += value.length;
    return this;
  }

  /** What was written. Throws where that is not what was counted: a mistake of ours. */
  finish(): Uint8Array {
    if (this.#at !== this.bytes.length) throw new Error(`${this.#at} bytes were written, ${this.bytes.length} counted`);
    return this.bytes;
  }

  #varint(value: number): this {
    let rest = value;
    for (; rest > 0x7f; rest = Math.floor(rest / 0x80)) this.bytes[this.#at++] = (rest % 0x80) | 0x80;
    this.bytes[this.#at++] = rest;
    return this;
  }
}
