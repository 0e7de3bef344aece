import { sha256 as nobleSha256 } from "@noble/hashes/sha2.js";
import { nodeCrypto } from "./node-crypto.ts";

/** From so many bytes on the platform's own is faster, by far: the state of a group of 1,000 has some 200 KiB. */
const NATIVE_FROM_BYTES = 512;

const native = nodeCrypto()?.hash;

/** SHA-256 of what comes in pieces. */
export interface RunningSha256 {
  update(bytes: Uint8Array): unknown;
  /** 32 bytes; ends it. */
  digest(): Uint8Array;
}

export const runningSha256 = (): RunningSha256 => nodeCrypto()?.createHash("sha256") ?? nobleSha256.create();

/** SHA-256 (FIPS 180-4): 32 bytes. */
export function sha256(bytes: Uint8Array): Uint8Array {
  if (native === undefined || bytes.length < NATIVE_FROM_BYTES) return nobleSha256(bytes);
  const digest = native("sha256", bytes, "buffer");
  return new Uint8Array(digest.buffer, digest.byteOffset, digest.length);
}
