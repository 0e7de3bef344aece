import { create } from "@bufbuild/protobuf";
import { type SealedKey, SealedKeySchema } from "../generated/fastchat/v1/conversation_pb.ts";
import { type AccountId, type ConversationId, idBytes, type KeyId, keyId, type LinkHash } from "../ids.ts";
import { encodeList, equal, random } from "./bytes.ts";
import { hash, hashLength, hkdf } from "./hash.ts";
import { open, seal, sealingInfo } from "./hpke.ts";
import { labels } from "./labels.ts";

/** The conversation an epoch belongs to; in the `create` of a group the link's 32 random bytes, as hex, stand in [G2]. */
export type EpochContext = ConversationId;

export type OpenedEpochKey =
  | { readonly kind: "opened"; readonly key: Uint8Array }
  /** `commitment`: it opened, and is not the key that the chain names: whoever sealed it lied. */
  | { readonly kind: "unreadable"; readonly reason: "unknown-suite" | "refused" | "commitment" };

/** A random 256-bit epoch key [C4]. */
export const newEpochKey = (): Uint8Array => random(hashLength);

/** The commitment to an epoch key that stands in the opening link [C4]. */
export function keyIdOf(conversation: EpochContext, key: Uint8Array): KeyId {
  return keyId(hash(labels.hash.keyId, idBytes(conversation), key));
}

/**
 * The key of a derived epoch [C4]: one-way from the key before, so that members compute it and newcomers learn nothing
 * older.
 *
 * @param link.previous hash of the link before the one that opens the epoch
 * @param link.bodyWithoutCommitments its body as `linkBodyForDerivation` of the chain gives it: without key id, hashes of
 *   sealed keys and profile; signatures are no part of it
 */
export function deriveEpochKey(
  previousKey: Uint8Array,
  conversation: ConversationId,
  link: { readonly previous: LinkHash; readonly bodyWithoutCommitments: Uint8Array },
): Uint8Array {
  const dependsOn = hash(labels.hash.addWithoutCommitments, link.bodyWithoutCommitments);
  return hkdf(previousKey, labels.derive.epochAdd, idBytes(conversation), idBytes(link.previous), dependsOn);
}

/** The hash of an epoch's ordered list of sealed keys, which the opening link carries [C4]. */
export function sealedKeysHash(keys: readonly SealedKey[]): Uint8Array {
  return hash(labels.hash.sealedKeyList, ...keys.map((key) => encodeList([key.account, key.generation, key.epoch, key.sealed])));
}

export interface EpochKeyRecipient {
  readonly account: AccountId;
  readonly generation: number;
  /** X-Wing public key of that generation. */
  readonly publicKey: Uint8Array;
}

/** One member's copy of an epoch key, 1,170 bytes; undefined when nobody can seal to its key: the link then names it [C4]. */
export async function sealEpochKey(
  key: Uint8Array,
  conversation: EpochContext,
  epoch: number,
  recipient: EpochKeyRecipient,
): Promise<SealedKey | undefined> {
  const sealed = await seal(recipient.publicKey, epochKeyInfo(conversation, epoch, recipient), key);
  if (sealed.kind === "malformed-key") return undefined;
  return create(SealedKeySchema, {
    account: idBytes(recipient.account),
    generation: recipient.generation,
    epoch,
    sealed: sealed.copy,
  });
}

/** Opens the own copy; the key counts only if it is the one that the chain commits to [C4]. */
export async function openEpochKey(
  copy: SealedKey,
  conversation: EpochContext,
  recipient: { readonly account: AccountId; readonly secret: Uint8Array },
  expected: KeyId,
): Promise<OpenedEpochKey> {
  const info = epochKeyInfo(conversation, copy.epoch, { account: recipient.account, generation: copy.generation });
  const opened = await open(recipient.secret, info, copy.sealed);
  if (opened.kind !== "opened") return { kind: "unreadable", reason: opened.kind };
  const key = opened.plaintext;
  const matches = key.length === hashLength && equal(idBytes(keyIdOf(conversation, key)), idBytes(expected));
  return matches ? { kind: "opened", key } : { kind: "unreadable", reason: "commitment" };
}

function epochKeyInfo(conversation: EpochContext, epoch: number, recipient: { account: AccountId; generation: number }) {
  return sealingInfo(labels.seal.epochKeyToAccount, {
    context: idBytes(conversation),
    number: epoch,
    recipient: idBytes(recipient.account),
    recipientGeneration: recipient.generation,
  });
}
