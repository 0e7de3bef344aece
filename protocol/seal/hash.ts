import { hkdf as nobleHkdf } from "@noble/hashes/hkdf.js";
import { sha256 as nobleSha256 } from "@noble/hashes/sha2.js";
import { encodeParts, type Part } from "./bytes.ts";
import type { DeriveLabel, HashLabel } from "./labels.ts";
import { sha256 } from "./sha256.ts";

/** Bytes of a hash, of a derived key and of every symmetric key. */
export const hashLength = 32;

/** SHA-256 over the encoding of label and parts: 32 bytes. */
export function hash(label: HashLabel, ...parts: readonly Part[]): Uint8Array {
  return sha256(encodeParts(label, ...parts));
}

/**
 * HKDF-SHA-256 (RFC 5869) without salt, `info` the encoding of label and parts: 32 bytes. The secret has full entropy
 * already: a random key, OPAQUE's export key, or the 128 bits of the recovery words. It is no place for a password.
 */
export function hkdf(secret: Uint8Array, label: DeriveLabel, ...parts: readonly Part[]): Uint8Array {
  return nobleHkdf(nobleSha256, secret, undefined, encodeParts(label, ...parts), hashLength);
}
