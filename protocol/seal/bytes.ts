import type { Label } from "./labels.ts";

/** What the encoding takes: bytes as they are, text as UTF-8, a whole number from 0 below 2^64 as 8 bytes big-endian. */
export type Part = Uint8Array | string | number | bigint;

declare const labelled: unique symbol;
/** Bytes that begin with a label of the table: only `encodeParts` makes them. */
export type LabelledBytes = Uint8Array & { readonly [labelled]: true };

const textEncoder = new TextEncoder();
const largestU64 = 2n ** 64n - 1n;
/** `getRandomValues` refuses more at once (Web Cryptography API, 10.1.1). */
const randomBytesAtOnce = 65_536;

export function concat(...pieces: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(pieces.reduce((length, piece) => length + piece.length, 0));
  let offset = 0;
  for (const piece of pieces) {
    whole.set(piece, offset);
    offset += piece.length;
  }
  return whole;
}

/** Compares without stopping at the first difference; only a difference in length shows in the time taken. */
export function equal(one: Uint8Array, other: Uint8Array): boolean {
  if (one.length !== other.length) return false;
  let difference = 0;
  for (let index = 0; index < one.length; index++) difference |= (one[index] ?? 0) ^ (other[index] ?? 0);
  return difference === 0;
}

/**
 * @throws RangeError when the text holds half a surrogate pair: UTF-8 has no bytes for it, and every such text would
 * become the same bytes.
 */
export function utf8(text: string): Uint8Array {
  if (!text.isWellFormed()) throw new RangeError("text with half a surrogate pair");
  return textEncoder.encode(text);
}

/** Lower case. */
export function toHex(bytes: Uint8Array): string {
  if (typeof bytes.toHex === "function") return bytes.toHex();
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Takes both cases. @throws SyntaxError for anything that is not pairs of hexadecimal digits. */
export function fromHex(text: string): Uint8Array {
  if (typeof Uint8Array.fromHex === "function") return Uint8Array.fromHex(text);
  if (!/^(?:[0-9a-fA-F]{2})*$/.test(text)) throw new SyntaxError("not hexadecimal");
  return Uint8Array.from({ length: text.length / 2 }, (_, index) => parseInt(text.slice(2 * index, 2 * index + 2), 16));
}

export function random(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let start = 0; start < length; start += randomBytesAtOnce) {
    globalThis.crypto.getRandomValues(bytes.subarray(start, start + randomBytesAtOnce));
  }
  return bytes;
}

/**
 * The injective encoding under every signature, hash, derivation and associated data: each part behind its length (4
 * bytes, big-endian). Two different lists of byte strings never give the same bytes. The kind of a part is not encoded
 * (8 bytes and the number they spell are one), so one label always has the same kinds at the same places.
 *
 * @throws RangeError for a number that is negative, fractional, unsafe or above 64 bits, and for text as `utf8` says; TypeError for anything else.
 */
export function encodeParts(label: Label, ...parts: readonly Part[]): LabelledBytes {
  return encodeList([label, ...parts]) as LabelledBytes;
}

/** The same encoding without a label: a list inside one part. */
export function encodeList(parts: readonly Part[]): Uint8Array {
  const pieces = parts.map((part) => (typeof part === "string" ? utf8(part) : part));
  let length = 0;
  for (const piece of pieces) length += 4 + lengthOf(piece);
  const whole = new Uint8Array(length);
  const view = new DataView(whole.buffer);
  let offset = 0;
  for (const piece of pieces) {
    view.setUint32(offset, lengthOf(piece));
    offset += 4;
    if (isNumber(piece)) setU64(view, offset, piece);
    else whole.set(piece, offset);
    offset += lengthOf(piece);
  }
  return whole;
}

const isNumber = (piece: Uint8Array | number | bigint): piece is number | bigint => typeof piece === "number" || typeof piece === "bigint";

function lengthOf(piece: Uint8Array | number | bigint): number {
  if (isNumber(piece)) return 8;
  // Under a signature nothing may pass for what it is not; bytes of another realm are bytes.
  if (!ArrayBuffer.isView(piece)) throw new TypeError("neither bytes nor a number nor text");
  return piece.length;
}

/** The parts of an encoding (a label is the first of them), or `undefined` for bytes that are none. */
export function decodeList(bytes: Uint8Array): Uint8Array[] | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const parts: Uint8Array[] = [];
  let offset = 0;
  while (offset < bytes.length) {
    if (bytes.length - offset < 4) return undefined;
    const length = view.getUint32(offset);
    offset += 4;
    if (bytes.length - offset < length) return undefined;
    parts.push(bytes.slice(offset, offset + length));
    offset += length;
  }
  return parts;
}

function setU64(view: DataView, offset: number, value: number | bigint): void {
  if (typeof value === "number" && !Number.isSafeInteger(value)) throw new RangeError("not a safe whole number");
  if (value < 0 || value > largestU64) throw new RangeError("not a number of 64 bits");
  if (typeof value === "bigint") return view.setBigUint64(offset, value);
  view.setUint32(offset, Math.floor(value / 2 ** 32));
  view.setUint32(offset + 4, value >>> 0);
}
