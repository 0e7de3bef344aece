import { encodeParts } from "./bytes.ts";
import { hkdf, hashLength } from "./hash.ts";
import { labels } from "./labels.ts";

/** Bytes of a file in one chunk; the last may have fewer, and none only where the file is empty. */
export const fileChunkBytes = 65_536;
/** A chunk's authentication tag (NIST SP 800-38D). */
const tagBytes = 16;
/** Of a chunk as it is stored. */
export const sealedChunkBytes = fileChunkBytes + tagBytes;
const nonceBytes = 12;

/** How many chunks a file of so many bytes has. */
export const fileChunks = (size: number): number => Math.max(1, Math.ceil(size / fileChunkBytes));

/** What a file of so many bytes takes as a blob. */
export const sealedFileSize = (size: number): number => size + tagBytes * fileChunks(size);

/**
 * [S6] Seals and opens the chunks of one file: STREAM (Hoang, Reyhanitabar, Rogaway, Vizár: "Online Authenticated-Encryption and its Nonce-Reuse
 * Misuse-Resistance", 2015) over AES-256-GCM. The nonce is the chunk's number and whether it is the last one: chunks that are swapped, doubled, left
 * out, or cut off at the end do not open. The key must be random and of one content alone: the same bytes give the same blob, so that sealing
 * can be taken up again.
 */
export class FileCipher {
  readonly #key: CryptoKey;
  readonly #associated: Uint8Array<ArrayBuffer>;

  private constructor(key: CryptoKey) {
    this.#key = key;
    this.#associated = new Uint8Array(encodeParts(labels.encrypt.fileChunk));
  }

  /** @param secret 32 random bytes @throws RangeError for another length */
  static async of(secret: Uint8Array): Promise<FileCipher> {
    if (secret.length !== hashLength) throw new RangeError("a file's key has 32 bytes");
    const raw = new Uint8Array(hkdf(secret, labels.derive.fileKey));
    return new FileCipher(await crypto.subtle.importKey("raw", raw, "AES-GCM", false, ["encrypt", "decrypt"]));
  }

  /** @param chunk `fileChunkBytes` of them, of the last one the rest */
  async seal(index: number, isLast: boolean, chunk: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
    return new Uint8Array(await crypto.subtle.encrypt(this.#parameters(index, isLast), this.#key, chunk));
  }

  /** Undefined: it is not this chunk, under this key, as it was sealed. */
  async open(index: number, isLast: boolean, sealed: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer> | undefined> {
    try {
      return new Uint8Array(await crypto.subtle.decrypt(this.#parameters(index, isLast), this.#key, sealed));
    } catch {
      return undefined;
    }
  }

  #parameters(index: number, isLast: boolean): AesGcmParams {
    const iv = new Uint8Array(nonceBytes);
    new DataView(iv.buffer).setUint32(nonceBytes - 5, index);
    iv[nonceBytes - 1] = isLast ? 1 : 0;
    return { name: "AES-GCM", iv, additionalData: this.#associated, tagLength: 8 * tagBytes };
  }
}
