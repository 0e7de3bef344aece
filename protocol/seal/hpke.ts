import { Aes256Gcm, CipherSuite, HkdfSha256 } from "@hpke/core";
import { XWing } from "@hpke/hybridkem-x-wing";
import { concat, encodeParts, random } from "./bytes.ts";
import type { SealLabel } from "./labels.ts";

/** An X-Wing key: the secret is the seed of 32 bytes, from which both halves are expanded; the public key has 1,216. */
export type SealingKey = { readonly secret: Uint8Array; readonly publicKey: Uint8Array };

export const sealingSecretLength = 32;
export const sealingPublicKeyLength = 1216;
/** Bytes of a sealed copy beyond the plaintext's: version, suite, encapsulation, tag. */
export const sealingOverhead = 2 + 1120 + 16;

/**
 * [G1] What a sealed copy is bound to.
 * - `context`: the conversation's or account's id; the random bytes of a `create` where the id does not exist yet [G2].
 * - `number`: the epoch, or the account key's generation, that the sealed key belongs to.
 * - `recipient`: id of the account or device that can open it.
 * - `recipientGeneration`: of the recipient's account key; 0 for a device, whose key never changes.
 */
export type SealingPlace = {
  readonly context: Uint8Array;
  readonly number: number | bigint;
  readonly recipient: Uint8Array;
  readonly recipientGeneration: number | bigint;
};

declare const sealingInfoBrand: unique symbol;
/** HPKE's `info`: only `sealingInfo` makes it. */
export type SealingInfo = Uint8Array & { readonly [sealingInfoBrand]: true };

export type Sealed =
  | { readonly kind: "sealed"; readonly copy: Uint8Array }
  /** Nobody can seal to this key. [C4]: the member gets no copy, and the link says so. */
  | { readonly kind: "malformed-key" };

export type Opened =
  | { readonly kind: "opened"; readonly plaintext: Uint8Array }
  /** Made by a newer client: say "update", do not call it damaged. */
  | { readonly kind: "unknown-suite"; readonly version: number; readonly suite: number }
  /** Sealed to another key or for another place, or changed or cut bytes: they cannot be told apart. */
  | { readonly kind: "refused" };

const version = 1;
/**
 * HPKE base mode (RFC 9180) with X-Wing (draft-connolly-cfrg-xwing-kem: ML-KEM-768 + X25519, KEM 0x647a),
 * HKDF-SHA-256, AES-256-GCM. AES because every WebCrypto has it, browsers' ChaCha20-Poly1305 is still missing in places;
 * GCM's short nonce does not matter where each key encrypts once.
 */
const suite = 1;
const encapsulationLength = 1120;
const tagLength = 16;

const kem = new XWing();
const cipherSuite = new CipherSuite({ kem, kdf: new HkdfSha256(), aead: new Aes256Gcm() });

/** @throws RangeError when a given secret has not 32 bytes. */
export async function generateSealingKey(secret: Uint8Array = random(sealingSecretLength)): Promise<SealingKey> {
  return { secret, publicKey: await sealingPublicKeyOf(secret) };
}

/** @throws RangeError when the secret has not 32 bytes. */
export async function sealingPublicKeyOf(secret: Uint8Array): Promise<Uint8Array> {
  if (secret.length !== sealingSecretLength) throw new RangeError("a sealing secret has 32 bytes");
  // A copy, because the library takes hold of the whole buffer under what it is given.
  const { publicKey } = await kem.generateKeyPairDerand(secret.slice());
  return new Uint8Array(await kem.serializePublicKey(publicKey)).slice();
}

/** The `info` of a sealed copy; version and suite are bound with it. */
export function sealingInfo(label: SealLabel, place: SealingPlace): SealingInfo {
  const { context, number, recipient, recipientGeneration } = place;
  return encodeParts(label, version, suite, context, number, recipient, recipientGeneration) as Uint8Array as SealingInfo;
}

/** Seals to a public key: version ‖ suite ‖ encapsulation (1,120) ‖ ciphertext ‖ tag (16). A key of 32 bytes: 1,170. */
export async function seal(
  publicKey: Uint8Array,
  info: SealingInfo,
  plaintext: Uint8Array,
  associatedData: Uint8Array = new Uint8Array(0),
): Promise<Sealed> {
  if (!isAcceptableSealingKey(publicKey)) return { kind: "malformed-key" };
  const recipientPublicKey = await kem.importKey("raw", publicKey.slice().buffer);
  const { enc, ct } = await cipherSuite.seal({ recipientPublicKey, info }, plaintext, associatedData);
  return { kind: "sealed", copy: concat(Uint8Array.of(version, suite), new Uint8Array(enc), new Uint8Array(ct)) };
}

/** Opens what `seal` made for this secret, info and associated data. @throws RangeError when the secret has not 32 bytes. */
export async function open(
  secret: Uint8Array,
  info: SealingInfo,
  copy: Uint8Array,
  associatedData: Uint8Array = new Uint8Array(0),
): Promise<Opened> {
  if (secret.length !== sealingSecretLength) throw new RangeError("a sealing secret has 32 bytes");
  if (copy.length < 2) return { kind: "refused" };
  const [itsVersion = 0, itsSuite = 0] = copy;
  if (itsVersion !== version || itsSuite !== suite) {
    return { kind: "unknown-suite", version: itsVersion, suite: itsSuite };
  }
  if (copy.length < 2 + encapsulationLength + tagLength) return { kind: "refused" };
  const recipientKey = await kem.importKey("raw", secret.slice().buffer, false);
  const enc = copy.slice(2, 2 + encapsulationLength);
  try {
    const plaintext = await cipherSuite.open({ recipientKey, enc, info }, copy.slice(2 + encapsulationLength), associatedData);
    return { kind: "opened", plaintext: new Uint8Array(plaintext) };
  } catch {
    // The tag does not fit, or the X25519 half of the encapsulation is of low order.
    return { kind: "refused" };
  }
}

const mlKemPolynomialBytes = 1152;
const mlKemPublicKeyLength = 1184;
const mlKemModulus = 3329;
const x25519Prime = 2n ** 255n - 19n;
/** The points of order 1, 2, 4 and 8 of Curve25519 and its twist, as u-coordinates below the prime (RFC 7748, 6.1). */
const x25519LowOrder: ReadonlySet<bigint> = new Set([
  0n,
  1n,
  x25519Prime - 1n,
  325606250916557431795983626356110631294008115727848805560023387167927233504n,
  39382357235489614581723060781553021112529911719440698176882885853963445705823n,
]);

/**
 * [A2] Whether a key is well formed: its length; each ML-KEM coefficient below the modulus (FIPS 203, 7.2, which makes
 * the encoding the only one of its key); an X25519 half in its one encoding and not of low order.
 */
export function isAcceptableSealingKey(publicKey: Uint8Array): boolean {
  if (publicKey.length !== sealingPublicKeyLength) return false;
  for (let index = 0; index < mlKemPolynomialBytes; index += 3) {
    const low = publicKey[index] ?? 0;
    const middle = publicKey[index + 1] ?? 0;
    const high = publicKey[index + 2] ?? 0;
    if ((low | ((middle & 15) << 8)) >= mlKemModulus || ((middle >> 4) | (high << 4)) >= mlKemModulus) return false;
  }
  let coordinate = 0n;
  for (const byte of publicKey.subarray(mlKemPublicKeyLength).toReversed()) coordinate = coordinate * 256n + BigInt(byte);
  return coordinate < x25519Prime && !x25519LowOrder.has(coordinate);
}
