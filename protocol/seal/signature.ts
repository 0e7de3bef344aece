import { ed25519 } from "@noble/curves/ed25519.js";
import { concat, encodeParts, equal, fromHex, type Part, random, toHex } from "./bytes.ts";
import type { SignatureLabel } from "./labels.ts";
import { sha256 } from "./sha256.ts";

/** An Ed25519 key (RFC 8032): the seed, 32 bytes, is the secret; the public key has 32 bytes. */
export type SigningKey = { readonly seed: Uint8Array; readonly publicKey: Uint8Array };

export const signatureLength = 64;
export const publicKeyLength = 32;

/** `PrivateKeyInfo` of an Ed25519 seed up to the seed itself (RFC 8410, 7). */
const pkcs8Prefix = fromHex("302e020100300506032b657004220420");
const rememberedEntries = 1024;

export function generateSigningKey(): SigningKey {
  const seed = random(32);
  return { seed, publicKey: publicKeyOf(seed) };
}

/** @throws when the seed has not 32 bytes. */
export function publicKeyOf(seed: Uint8Array): Uint8Array {
  return ed25519.getPublicKey(seed);
}

/**
 * Signs a link: by noble, at once, so that code that builds chains needs no promise. 64 bytes, always the same for the
 * same seed and parts. @throws when the seed has not 32 bytes.
 */
export function signLink(seed: Uint8Array, label: SignatureLabel, ...parts: readonly Part[]): Uint8Array {
  return ed25519.sign(encodeParts(label, ...parts), seed);
}

/**
 * The same bytes as `signLink`, by WebCrypto where that is proven to give them: four times as fast. The imported key is
 * kept for as long as the array of the seed is held by somebody, and no longer: what a device forgets [P3] does not live
 * on here. So the bytes of a seed that signs never change.
 */
export async function sign(seed: Uint8Array, label: SignatureLabel, ...parts: readonly Part[]): Promise<Uint8Array> {
  if (!(await webCryptoSignsAlike())) return signLink(seed, label, ...parts);
  return signByWebCrypto(seed, encodeParts(label, ...parts));
}

// Links whose signatures were found good, by a hash of key, signature and message: the same chains come again and again, as evidence of others,
// and a verdict costs more than a millisecond. What was found bad is judged anew.
const goodLinks = new Map<string, true>();
/** The evidence of one link, judged ahead, finds room. */
const rememberedLinks = 8_192;

/**
 * [G3] The verdict on a link's signature: ZIP 215 by noble and nothing else, on every machine. Libraries disagree about
 * signatures that involve points of small order; one that half of the clients accept would split a group.
 */
export function verifyLink(publicKey: Uint8Array, signature: Uint8Array, label: SignatureLabel, ...parts: readonly Part[]): boolean {
  // With these lengths nothing else has the same bytes behind each other.
  if (publicKey.length !== publicKeyLength || signature.length !== signatureLength) return false;
  const message = encodeParts(label, ...parts);
  const name = toHex(sha256(concat(publicKey, signature, message)));
  if (!goodLinks.has(name) && !acceptedByZip215(publicKey, signature, message)) return false;
  remember(goodLinks, name, true, rememberedLinks);
  return true;
}

/** The order of the group of Ed25519 (RFC 8032, 5.1), little-endian. */
const order = fromHex("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");

/** Whether the number S of a signature, little-endian, is below the order (RFC 8032, 5.1.7): each verdict asks for it. */
function isBelowOrder(s: Uint8Array): boolean {
  for (let at = order.length - 1; at >= 0; at--) if (s[at] !== order[at]) return (s[at] ?? 0) < (order[at] ?? 0);
  return false;
}

/**
 * Judges ahead, by WebCrypto and so five times as fast and beside everything else, what `verifyLink` will be asked: a yes is remembered for
 * it, a no decides nothing. The verdict stays ZIP 215's [G3]: whatever fulfils the equation of RFC 8032 without the cofactor fulfils it
 * with it, and S is looked at here.
 */
export async function judgeLinkAhead(
  publicKey: Uint8Array,
  signature: Uint8Array,
  label: SignatureLabel,
  ...parts: readonly Part[]
): Promise<void> {
  if (publicKey.length !== publicKeyLength || signature.length !== signatureLength || !isBelowOrder(signature.subarray(32))) return;
  const message = encodeParts(label, ...parts);
  const name = toHex(sha256(concat(publicKey, signature, message)));
  if (!goodLinks.has(name) && (await acceptedByWebCrypto(publicKey, signature, message))) remember(goodLinks, name, true, rememberedLinks);
}

/** [G3] The verdict on every other signature: the same as `verifyLink`, five times as fast for good ones. */
export function verify(publicKey: Uint8Array, signature: Uint8Array, label: SignatureLabel, ...parts: readonly Part[]): Promise<boolean> {
  return accepted(publicKey, signature, encodeParts(label, ...parts));
}

/** ZIP 215 over bytes as they are. Keys and signatures of another length are refused, not an error. */
export function acceptedByZip215(publicKey: Uint8Array, signature: Uint8Array, message: Uint8Array): boolean {
  if (publicKey.length !== publicKeyLength || signature.length !== signatureLength) return false;
  return ed25519.verify(signature, message, publicKey, { zip215: true });
}

/** WebCrypto accepts only what ZIP 215 accepts, so its yes counts; its no may be a yes of ZIP 215, so noble decides. */
export async function accepted(publicKey: Uint8Array, signature: Uint8Array, message: Uint8Array): Promise<boolean> {
  return (await acceptedByWebCrypto(publicKey, signature, message)) || acceptedByZip215(publicKey, signature, message);
}

export async function acceptedByWebCrypto(publicKey: Uint8Array, signature: Uint8Array, message: Uint8Array): Promise<boolean> {
  if (publicKey.length !== publicKeyLength || signature.length !== signatureLength) return false;
  const key = await importPublicKey(publicKey);
  if (key === undefined) return false;
  return globalThis.crypto.subtle.verify("Ed25519", key, source(signature), source(message));
}

/**
 * [G3] Whether a key may stand in a chain: one encoding only (RFC 8032, 5.1.3), on the curve, not of small order. Under
 * a key of small order one signature fits many messages.
 */
export function isAcceptablePublicKey(publicKey: Uint8Array): boolean {
  if (publicKey.length !== publicKeyLength) return false;
  try {
    // `false`: not ZIP 215's leniency with encodings.
    return !ed25519.Point.fromBytes(publicKey, false).isSmallOrder();
  } catch {
    return false;
  }
}

// Imported public keys, most recently used last. They say nothing secret, and only save the time of importing again.
const importedPublicKeys = new Map<string, Promise<CryptoKey | undefined>>();

function importPublicKey(publicKey: Uint8Array): Promise<CryptoKey | undefined> {
  const name = toHex(publicKey);
  const imported = importedPublicKeys.get(name) ?? importOrUndefined(publicKey);
  remember(importedPublicKeys, name, imported);
  return imported;
}

async function importOrUndefined(publicKey: Uint8Array): Promise<CryptoKey | undefined> {
  try {
    return await globalThis.crypto.subtle.importKey("raw", source(publicKey), "Ed25519", false, ["verify"]);
  } catch {
    // Not a key for WebCrypto, or a browser without Ed25519: noble decides alone.
    return undefined;
  }
}

/** Puts it last; the one that was used longest ago makes way. */
function remember<Value>(known: Map<string, Value>, name: string, value: Value, most = rememberedEntries): void {
  known.delete(name);
  known.set(name, value);
  if (known.size <= most) return;
  for (const oldest of known.keys()) {
    known.delete(oldest);
    return;
  }
}

/** RFC 8032, 7.1, test 2. */
const knownSeed = fromHex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb");
const knownMessage = Uint8Array.of(0x72);
const knownSignature = fromHex(
  "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
);

let signsAlike: Promise<boolean> | undefined;

/** RFC 8032 signatures are deterministic, but at least one WebCrypto (Safari's) adds randomness: asked once. */
function webCryptoSignsAlike(): Promise<boolean> {
  signsAlike ??= signByWebCrypto(knownSeed, knownMessage).then(
    (signature) => equal(signature, knownSignature),
    () => false,
  );
  return signsAlike;
}

async function signByWebCrypto(seed: Uint8Array, message: Uint8Array): Promise<Uint8Array> {
  let key = importedSeeds.get(seed);
  if (key === undefined) {
    key = importSeed(seed);
    importedSeeds.set(seed, key);
  }
  return new Uint8Array(await globalThis.crypto.subtle.sign("Ed25519", await key, source(message)));
}

const importedSeeds = new WeakMap<Uint8Array, Promise<CryptoKey>>();

async function importSeed(seed: Uint8Array): Promise<CryptoKey> {
  if (seed.length !== 32) throw new RangeError("a seed has 32 bytes");
  const pkcs8 = concat(pkcs8Prefix, seed);
  const key = await globalThis.crypto.subtle.importKey("pkcs8", source(pkcs8), "Ed25519", false, ["sign"]);
  pkcs8.fill(0);
  return key;
}

/** WebCrypto's types exclude shared memory, which nothing here uses. */
function source(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return bytes as Uint8Array<ArrayBuffer>;
}
