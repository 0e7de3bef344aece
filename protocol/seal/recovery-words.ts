import { entropyToMnemonic, mnemonicToEntropy } from "@scure/bip39";
import { wordlist } from "@scure/bip39/wordlists/english.js";
import { random } from "./bytes.ts";
import { hkdf } from "./hash.ts";
import { labels } from "./labels.ts";
import { publicKeyOf, type SigningKey } from "./signature.ts";

/** 128 bits. */
export const recoveryEntropyLength = 16;
const wordCount = 12;

export type RecoveryWords =
  | { readonly kind: "entropy"; readonly entropy: Uint8Array }
  | { readonly kind: "wrong-count"; readonly count: number }
  /** Places (from 1) of words that the list does not have. The words themselves are secret and stay out of results. */
  | { readonly kind: "unknown-words"; readonly places: readonly number[] }
  /** Each word is in the list, but one is not the right one, or two are swapped. */
  | { readonly kind: "wrong-checksum" };

/**
 * [P2] What the recovery words yield: the secret that wraps the master key (`masterUnderRecoveryKey`), and the key that
 * signs a reset.
 */
export type RecoveryKey = { readonly wrapSecret: Uint8Array; readonly signing: SigningKey };

export function generateRecoveryEntropy(): Uint8Array {
  return random(recoveryEntropyLength);
}

/** 12 English words (BIP 39). @throws RangeError when the entropy has not 16 bytes. */
export function recoveryWordsOf(entropy: Uint8Array): string[] {
  if (entropy.length !== recoveryEntropyLength) throw new RangeError("the entropy of 12 words has 16 bytes");
  return entropyToMnemonic(entropy, wordlist).split(" ");
}

/** Reads words as people type them: any case, spaces, line breaks, commas, and the numbers of a list. */
export function parseRecoveryWords(text: string): RecoveryWords {
  const words = text
    .normalize("NFKD")
    .toLowerCase()
    .split(/[\s,;.\d]+/)
    .filter((word) => word !== "");
  if (words.length !== wordCount) return { kind: "wrong-count", count: words.length };
  const places = words.flatMap((word, index) => (wordlist.includes(word) ? [] : [index + 1]));
  if (places.length > 0) return { kind: "unknown-words", places };
  try {
    return { kind: "entropy", entropy: mnemonicToEntropy(words.join(" "), wordlist) };
  } catch {
    return { kind: "wrong-checksum" };
  }
}

/**
 * BIP 39's own slow seed (PBKDF2) is not used: 128 random bits need no stretching.
 *
 * @throws RangeError when the entropy has not 16 bytes.
 */
export function recoveryKeyOf(entropy: Uint8Array): RecoveryKey {
  if (entropy.length !== recoveryEntropyLength) throw new RangeError("the entropy of 12 words has 16 bytes");
  const seed = hkdf(entropy, labels.derive.recoverySign);
  return {
    wrapSecret: hkdf(entropy, labels.derive.recoveryWrap),
    signing: { seed, publicKey: publicKeyOf(seed) },
  };
}
