import { type DescMessage, fromBinary, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { type AccountHead, AccountLinkSchema, type SignedLink } from "../generated/fastchat/v1/account_pb.ts";
import { ConversationLinkSchema, type EpochOpening } from "../generated/fastchat/v1/conversation_pb.ts";
import { type AccountId, accountId, type ConversationId, conversationId, isHash, type LinkHash, linkHash } from "../ids.ts";
import { limits } from "../limits.ts";
import { hash } from "../seal/hash.ts";
import { type HashLabel, labels } from "../seal/labels.ts";
import { signatureLength } from "../seal/signature.ts";

/** A place of a chain: `hash` is that of link number `index`, counted from 1. */
export interface ChainHead {
  readonly index: number;
  readonly hash: LinkHash;
}

/** Everybody skips this link alike [G4]; the reason is for logs and tests. */
export interface Invalid {
  readonly kind: "invalid";
  readonly reason: string;
  /** Account links: it stands on another link than the head. Whoever wrote it may write it again on top of that. */
  readonly stale?: true;
}

export const invalid = (reason: string): Invalid => ({ kind: "invalid", reason });
export const stale = (reason: string): Invalid => ({ kind: "invalid", reason, stale: true });

/** A link is hashed as received, signatures included, under a label of its chain. */
const hashUnder = (label: HashLabel, link: SignedLink): Uint8Array => hash(label, link.body, link.signature, link.cosignature);

export const accountLinkHash = (link: SignedLink): LinkHash => linkHash(hashUnder(labels.hash.accountLink, link));
export const conversationLinkHash = (link: SignedLink): LinkHash => linkHash(hashUnder(labels.hash.conversationLink, link));

/**
 * [G2] The id of an account: the hash of its whole `create`, under a label of its own, so that no id is ever the hash of
 * a link as well.
 */
export const accountIdOf = (create: SignedLink): AccountId => accountId(hashUnder(labels.hash.accountId, create));
/** Whose chain a link says to be of; of a `create` it follows from the link. Undefined: it says nothing. */
export function accountIdIn(link: SignedLink): AccountId | undefined {
  const body = decodeBody(AccountLinkSchema, link.body);
  if (body?.index === 1) return accountIdOf(link);
  return body !== undefined && isHash(body.account) ? accountId(body.account) : undefined;
}
export const groupIdOf = (create: SignedLink): ConversationId => conversationId(hashUnder(labels.hash.groupId, create));

/** Whether a link's three fields have the sizes of one: checked before anything is decoded. */
export function hasLinkForm(link: SignedLink): boolean {
  const cosigned = link.cosignature.length === 0 || link.cosignature.length === signatureLength;
  return link.body.length > 0 && link.body.length <= limits.linkBodyBytes && link.signature.length === signatureLength && cosigned;
}

/** What the received bytes say, or undefined when they say nothing [G3]: a body is read, never written again. */
export function decodeBody<Schema extends DescMessage>(schema: Schema, body: Uint8Array): MessageShape<Schema> | undefined {
  try {
    return fromBinary(schema, body);
  } catch {
    return undefined;
  }
}

/**
 * Whether a message holds, at any depth, a field that this version does not know. Such a link is invalid [G4]: one that
 * newer software reads and ours ignores would mean two things. What may grow without a new version stands in `extra`.
 */
export function hasUnknownFields(value: unknown): boolean {
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return false;
  if (Array.isArray(value)) return value.some(hasUnknownFields);
  return "$unknown" in value || Object.values(value).some(hasUnknownFields);
}

/** Strictly ascending: ordered and without a repetition. Ids are hex, whose order is that of the bytes. */
export const isAscending = (ids: readonly string[]): boolean => ids.every((id, place) => place === 0 || (ids[place - 1] ?? "") < id);

/** Each hash as an id, or undefined when one has another length or they do not strictly ascend. */
export function ascendingIds<Id extends string>(values: readonly Uint8Array[], toId: (bytes: Uint8Array) => Id): Id[] | undefined {
  if (!values.every(isHash)) return undefined;
  const ids = values.map(toId);
  return isAscending(ids) ? ids : undefined;
}

export const isHeadForm = (head: AccountHead): boolean => isHash(head.account) && head.index >= 1 && isHash(head.hash);

/**
 * The body on which a derived epoch key depends [C4]: the one of the link, without key id, hash of the sealed keys and
 * hash of the profile, which depend on the key themselves. This is the only place where a body is encoded again [G3]:
 * both sides compute the key from the same function, and what is signed and hashed stays as received.
 *
 * @throws when the bytes are no body of a conversation link.
 */
export function linkBodyForDerivation(body: Uint8Array): Uint8Array {
  const link = fromBinary(ConversationLinkSchema, body);
  if (link.opening !== undefined) clearCommitments(link.opening);
  return toBinary(ConversationLinkSchema, link);
}

function clearCommitments(opening: EpochOpening): void {
  opening.keyId = new Uint8Array(0);
  opening.sealedKeysHash = new Uint8Array(0);
  opening.profileHash = new Uint8Array(0);
}
