import { type DeviceId, idBytes } from "../ids.ts";
import { equal, random } from "./bytes.ts";
import { hash, hashLength } from "./hash.ts";
import { open, seal, sealingInfo, sealingPublicKeyOf } from "./hpke.ts";
import { labels } from "./labels.ts";
import { sign, verify } from "./signature.ts";

/** A random 256-bit master key [P2]. */
export const newMasterKey = (): Uint8Array => random(hashLength);

/**
 * What an account's keys are bound to in copies and wraps: the 32 random bytes of its `create`. The account's id is a hash
 * of that link, which already names the copies; so these stand in [G2], in every generation alike.
 */
export type AccountNonce = Uint8Array;

/** What links say of an X-Wing public key [A2]. */
export const accountPublicKeyHash = (publicKey: Uint8Array): Uint8Array => hash(labels.hash.accountKeyPublic, publicKey);
export const deviceSealingKeyHash = (publicKey: Uint8Array): Uint8Array => hash(labels.hash.deviceSealingKey, publicKey);
/** What links say of a sealed copy or wrap [A2]. */
export const sealedCopyHash = (copy: Uint8Array): Uint8Array => hash(labels.hash.sealedCopy, copy);

/** Seals an account-key secret to a device: 1,170 bytes. Undefined when nobody can seal to the device's key. */
export async function sealAccountKey(
  accountKey: { readonly generation: number; readonly secret: Uint8Array },
  account: AccountNonce,
  recipient: { readonly device: DeviceId; readonly publicKey: Uint8Array },
): Promise<Uint8Array | undefined> {
  const sealed = await seal(recipient.publicKey, accountKeyInfo(account, accountKey.generation, recipient.device), accountKey.secret);
  return sealed.kind === "sealed" ? sealed.copy : undefined;
}

export type OpenedAccountKey =
  | { readonly kind: "opened"; readonly secret: Uint8Array; readonly publicKey: Uint8Array }
  /** `commitment`: it opened, and its public key is not the one in the chain [A2]. */
  | { readonly kind: "unreadable"; readonly reason: "unknown-suite" | "refused" | "commitment" };

/** Opens a device's copy; the public key is computed again, and a difference refused [A2]. */
export async function openAccountKey(
  copy: Uint8Array,
  account: AccountNonce,
  generation: number,
  recipient: { readonly device: DeviceId; readonly secret: Uint8Array },
  expectedPublicKeyHash: Uint8Array,
): Promise<OpenedAccountKey> {
  const opened = await open(recipient.secret, accountKeyInfo(account, generation, recipient.device), copy);
  if (opened.kind !== "opened") return { kind: "unreadable", reason: opened.kind };
  return checkAccountKey(opened.plaintext, expectedPublicKeyHash);
}

/** Whether a secret, from a copy or a wrap, is the one that the chain names. */
export async function checkAccountKey(secret: Uint8Array, expectedPublicKeyHash: Uint8Array): Promise<OpenedAccountKey> {
  if (secret.length !== hashLength) return { kind: "unreadable", reason: "commitment" };
  const publicKey = await sealingPublicKeyOf(secret);
  if (!equal(accountPublicKeyHash(publicKey), expectedPublicKeyHash)) return { kind: "unreadable", reason: "commitment" };
  return { kind: "opened", secret, publicKey };
}

/** A device proves to the gateway that it is the one it names. */
export function signTicketRequest(signingSeed: Uint8Array, device: DeviceId, challenge: Uint8Array): Promise<Uint8Array> {
  return sign(signingSeed, labels.signature.ticket, idBytes(device), challenge);
}

export function verifyTicketRequest(
  signingKey: Uint8Array,
  device: DeviceId,
  challenge: Uint8Array,
  signature: Uint8Array,
): Promise<boolean> {
  return verify(signingKey, signature, labels.signature.ticket, idBytes(device), challenge);
}

/** The same for the blobs of its conversations [S6]: what one of the two signatures gives, the other does not. */
export function signBlobPassRequest(signingSeed: Uint8Array, device: DeviceId, challenge: Uint8Array): Promise<Uint8Array> {
  return sign(signingSeed, labels.signature.blobPass, idBytes(device), challenge);
}

export function verifyBlobPassRequest(
  signingKey: Uint8Array,
  device: DeviceId,
  challenge: Uint8Array,
  signature: Uint8Array,
): Promise<boolean> {
  return verify(signingKey, signature, labels.signature.blobPass, idBytes(device), challenge);
}

/** The parts of a healing request that are signed [C6]. */
export interface KeyRequestParts {
  readonly conversation: Uint8Array;
  readonly epoch: number;
  readonly account: Uint8Array;
  readonly device: Uint8Array;
  readonly counter: number;
}

export function signKeyRequest(signingSeed: Uint8Array, request: KeyRequestParts): Promise<Uint8Array> {
  return sign(signingSeed, labels.signature.healingRequest, ...keyRequestParts(request));
}

export function verifyKeyRequest(signingKey: Uint8Array, request: KeyRequestParts, signature: Uint8Array): Promise<boolean> {
  return verify(signingKey, signature, labels.signature.healingRequest, ...keyRequestParts(request));
}

function keyRequestParts({ conversation, epoch, account, device, counter }: KeyRequestParts) {
  return [conversation, epoch, account, device, counter] as const;
}

function accountKeyInfo(account: AccountNonce, generation: number, device: DeviceId) {
  return sealingInfo(labels.seal.accountKeyToDevice, {
    context: account,
    number: generation,
    recipient: idBytes(device),
    recipientGeneration: 0,
  });
}
