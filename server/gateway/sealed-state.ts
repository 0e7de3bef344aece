import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";

/** What is sealed, and only opened as the same. */
export type SealedPurpose = "sign-up" | "sign-in" | "recovery" | "grant" | "password" | "challenge" | "blob-pass";

const CIPHER = "aes-256-gcm";
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/**
 * State that a gateway gives away and gets back, itself or another one with the same key: unreadable, unchangeable, and good for a while. The
 * random nonce (NIST SP 800-38D, 8.2.2) suffices for 2^32 of them under one key.
 */
export class SealedStates {
  readonly #key: Uint8Array;
  readonly #now: () => number;

  constructor(key: Uint8Array, now: () => number = Date.now) {
    this.#key = key;
    this.#now = now;
  }

  seal(purpose: SealedPurpose, lifetimeMs: number, content: Readonly<Record<string, string>>): Uint8Array {
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv(CIPHER, this.#key, nonce, { authTagLength: TAG_BYTES });
    cipher.setAAD(Buffer.from(purpose));
    const plain = JSON.stringify({ expires: this.#now() + lifetimeMs, content });
    const sealed = Buffer.concat([cipher.update(plain, "utf8"), cipher.final()]);
    return Buffer.concat([nonce, sealed, cipher.getAuthTag()]);
  }

  /** Undefined: not ours, changed, for another purpose, or expired. */
  open(purpose: SealedPurpose, sealed: Uint8Array): Readonly<Record<string, string>> | undefined {
    if (sealed.length < NONCE_BYTES + TAG_BYTES) return undefined;
    const decipher = createDecipheriv(CIPHER, this.#key, sealed.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES });
    decipher.setAAD(Buffer.from(purpose));
    decipher.setAuthTag(sealed.subarray(sealed.length - TAG_BYTES));
    let plain: string;
    try {
      plain = Buffer.concat([decipher.update(sealed.subarray(NONCE_BYTES, sealed.length - TAG_BYTES)), decipher.final()]).toString("utf8");
    } catch {
      return undefined;
    }
    const { expires, content } = JSON.parse(plain) as { expires: number; content: Record<string, string> };
    return expires > this.#now() ? content : undefined;
  }
}
