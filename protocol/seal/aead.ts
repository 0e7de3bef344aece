import { xchacha20poly1305 } from "@noble/ciphers/chacha.js";
import { concat, type LabelledBytes, random } from "./bytes.ts";

/** Bytes in front of the plaintext's own: version, suite, nonce; and behind it: the tag. */
export const encryptionOverhead = 2 + 24 + 16;

export type Decrypted =
  | { readonly kind: "decrypted"; readonly plaintext: Uint8Array }
  /** Made by a newer client: say "update", do not call it damaged. */
  | { readonly kind: "unknown-suite"; readonly version: number; readonly suite: number }
  /** Another key, other associated data, changed or cut bytes: they cannot be told apart. */
  | { readonly kind: "refused" };

const version = 1;
/** XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha): its nonce of 24 bytes may be random, so that encrypting has no state. */
const suite = 1;
const keyLength = 32;
const nonceLength = 24;
const tagLength = 16;

/**
 * Encrypts under a key of 32 bytes: version ‖ suite ‖ random nonce (24) ‖ ciphertext ‖ tag (16). The associated data
 * begins with its label [G1]; version and suite are authenticated with it.
 *
 * @throws RangeError when the key has not 32 bytes.
 */
export function encrypt(key: Uint8Array, associatedData: LabelledBytes, plaintext: Uint8Array): Uint8Array {
  requireKey(key);
  const nonce = random(nonceLength);
  const ciphertext = xchacha20poly1305(key, nonce, authenticated(associatedData)).encrypt(plaintext);
  return concat(Uint8Array.of(version, suite), nonce, ciphertext);
}

/** Opens what `encrypt` made. @throws RangeError when the key has not 32 bytes. */
export function decrypt(key: Uint8Array, associatedData: LabelledBytes, encrypted: Uint8Array): Decrypted {
  requireKey(key);
  if (encrypted.length < 2) return { kind: "refused" };
  const [itsVersion = 0, itsSuite = 0] = encrypted;
  if (itsVersion !== version || itsSuite !== suite) {
    return { kind: "unknown-suite", version: itsVersion, suite: itsSuite };
  }
  const ciphertext = encrypted.subarray(2 + nonceLength);
  if (ciphertext.length < tagLength) return { kind: "refused" };
  const cipher = xchacha20poly1305(key, encrypted.subarray(2, 2 + nonceLength), authenticated(associatedData));
  try {
    return { kind: "decrypted", plaintext: cipher.decrypt(ciphertext) };
  } catch {
    return { kind: "refused" };
  }
}

function requireKey(key: Uint8Array): void {
  if (key.length !== keyLength) throw new RangeError("an encryption key has 32 bytes");
}

function authenticated(associatedData: LabelledBytes): Uint8Array {
  return concat(Uint8Array.of(version, suite), associatedData);
}
