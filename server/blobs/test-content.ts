import { createCipheriv, createHash, randomBytes } from "node:crypto";
import { setTimeout as wait } from "node:timers/promises";
import { blobId, type BlobId, limits } from "@fastchat/protocol";
import type { Piece } from "./blob-store.ts";

export const { blobPieceBytes } = limits;
const CHUNK_BYTES = 65_536;
const zeros = Buffer.alloc(CHUNK_BYTES);

export const randomId = (): BlobId => blobId(randomBytes(32));

/** Bytes that look random, the same wherever they are asked for; `start` is a multiple of 16. */
export function content(seed: string, start: number, end: number): Buffer {
  const counter = Buffer.alloc(16);
  counter.writeBigUInt64BE(BigInt(start / 16), 8);
  const cipher = createCipheriv("aes-256-ctr", createHash("sha256").update(seed).digest(), counter);
  return cipher.update(end - start > zeros.length ? Buffer.alloc(end - start) : zeros.subarray(0, end - start));
}

export const sha256 = (bytes: Uint8Array): Buffer => createHash("sha256").update(bytes).digest();

/** The piece at an offset of a content of `size` bytes, and its bytes. */
export function pieceAt(seed: string, size: number, offset: number): { piece: Piece; bytes: Buffer } {
  const end = Math.min(offset + blobPieceBytes, size);
  const bytes = content(seed, offset, end);
  return { piece: { offset, length: bytes.length, sha256: sha256(bytes), isLast: end === size }, bytes };
}

/** As they come from a network: in chunks, with `pauseMs` between them. */
export async function* inChunks(
  bytes: Uint8Array,
  options: { chunkBytes?: number; pauseMs?: number } = {},
): AsyncGenerator<Uint8Array, void> {
  const { chunkBytes = CHUNK_BYTES, pauseMs = 0 } = options;
  for (let at = 0; at < bytes.length; at += chunkBytes) {
    if (pauseMs > 0) await wait(pauseMs);
    yield bytes.subarray(at, at + chunkBytes);
  }
}

/** The same, made chunk by chunk: for whoever measures memory. */
export function streamedPieceAt(seed: string, size: number, offset: number): { piece: Piece; bytes: AsyncGenerator<Uint8Array, void> } {
  const end = Math.min(offset + blobPieceBytes, size);
  const chunks = function* (): Generator<Uint8Array, void> {
    for (let at = offset; at < end; at += CHUNK_BYTES) yield content(seed, at, Math.min(at + CHUNK_BYTES, end));
  };
  const hash = createHash("sha256");
  for (const chunk of chunks()) hash.update(chunk);
  const bytes = async function* (): AsyncGenerator<Uint8Array, void> {
    yield* chunks();
  };
  return { piece: { offset, length: end - offset, sha256: hash.digest(), isLast: end === size }, bytes: bytes() };
}
