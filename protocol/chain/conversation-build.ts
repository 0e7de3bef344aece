import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import {
  type AccountChainPart,
  AccountChainPartSchema,
  type AccountHead,
  AccountHeadSchema,
  type SignedLink,
  SignedLinkSchema,
} from "../generated/fastchat/v1/account_pb.ts";
import {
  ConversationKind,
  type ConversationLink,
  ConversationLinkSchema,
  EpochKind,
  EpochOpeningSchema,
  Joining,
  type LinkEntry,
  LinkEntrySchema,
  NewcomersRead,
  type PolicySchema,
  Role,
  Who,
} from "../generated/fastchat/v1/conversation_pb.ts";
import { type AccountId, accountId, type ConversationId, conversationId, idBytes, type KeyId, type LinkHash, linkHash } from "../ids.ts";
import { limits } from "../limits.ts";
import { labels } from "../seal/labels.ts";
import { signLink } from "../seal/signature.ts";
import type { AccountState } from "./account.ts";
import { type Author, directConversationId, type Transition, transition } from "./conversation.ts";
import {
  type ConversationPolicy,
  type ConversationState,
  copyRecipients,
  type CopyRecipient,
  epochContext,
  newestEpoch,
} from "./conversation-state.ts";
import { type ChainHead, type Invalid, linkBodyForDerivation } from "./link.ts";
import { stateHash } from "./state-hash.ts";

/** An account as somebody knows it: its state, and all its links, the first being link 1. */
export interface KnownAccount {
  readonly state: AccountState;
  readonly links: readonly SignedLink[];
}

export type KnownAccounts = ReadonlyMap<AccountId, KnownAccount>;

/** A link's change, as the wire names it: `{ case: "rekey", value: { reason } }`. */
export type ConversationChange = NonNullable<MessageInitShape<typeof ConversationLinkSchema>["change"]>;

export interface LinkPlan {
  /** `undefined` for `create`. */
  readonly state: ConversationState | undefined;
  readonly author: Author;
  /** Every head among these that moved is named, with its evidence; those of newcomers must be among them. */
  readonly known: KnownAccounts;
  readonly change: ConversationChange;
  /** Present when the link opens an epoch. `withoutKey`: whose account key is missing or malformed. */
  readonly opening?: { readonly kind: "fresh" | "derived"; readonly withoutKey?: readonly AccountId[] };
  /** In `create`: the conversation gets a profile with it [C8]. */
  readonly profile?: boolean;
  readonly extra?: Uint8Array;
}

/** What the author must seal, and commits to, before the link can be signed. */
export interface OpeningPlan {
  readonly epoch: number;
  /** What stands for the conversation in key id and HPKE `info`: its id, or in a group's `create` the nonce as hex [G2]. */
  readonly context: ConversationId;
  /** For whom copies are made, in this order. */
  readonly recipients: readonly CopyRecipient[];
  /** What a derived key depends on besides the key before [C4]. */
  readonly previous: LinkHash | undefined;
  readonly bodyWithoutCommitments: Uint8Array;
}

/** A link that would be valid; only the commitments of its epoch and the signature are missing. */
export interface LinkDraft {
  readonly author: Author;
  readonly body: ConversationLink;
  readonly evidence: readonly AccountChainPart[];
  readonly opening: OpeningPlan | undefined;
  /** The state after it, but for what it does not commit to yet. */
  readonly after: ConversationState;
}

/** What stands in the opening once key and copies are made. */
export interface Commitments {
  readonly keyId: KeyId;
  /** `sealedKeysHash` of the ordered list of copies. */
  readonly sealedKeysHash: Uint8Array;
  /** Of the profile sealed again into the epoch; absent when the conversation has none [C8]. */
  readonly profileHash?: Uint8Array;
}

export type DraftResult = { readonly kind: "drafted"; readonly draft: LinkDraft } | Invalid;
export type BuildResult = { readonly kind: "built"; readonly entry: LinkEntry } | Invalid;

/** [C2] The `create` of the one direct conversation of two accounts, or of a note to self. `nonce`: random, 32 bytes. */
export function directCreate(one: AccountId, other: AccountId, nonce: Uint8Array): ConversationChange {
  const accounts = [...new Set([one, other])].sort();
  const members = accounts.map((account) => ({ account: idBytes(account), role: Role.MEMBER }));
  return { case: "create", value: { kind: ConversationKind.DIRECT, nonce, members } };
}

/** The `create` of a group; whoever writes it must be an admin. `nonce`: random, 32 bytes. */
export function groupCreate(
  members: ReadonlyMap<AccountId, "member" | "admin">,
  nonce: Uint8Array,
  policy?: MessageInitShape<typeof PolicySchema>,
): ConversationChange {
  const value = { kind: ConversationKind.GROUP, nonce, members: wireMembers(members) };
  return { case: "create", value: policy === undefined ? value : { ...value, policy } };
}

/** Adds by hand; the newcomers' accounts must be among those known. */
export const additionsOf = (members: ReadonlyMap<AccountId, "member" | "admin">): ConversationChange => ({
  case: "add",
  value: { additions: wireMembers(members).map((member) => ({ member })) },
});

export const removalOf = (accounts: readonly AccountId[]): ConversationChange => ({
  case: "remove",
  value: { accounts: accounts.toSorted().map((account) => idBytes(account)) },
});

export const rolesOf = (members: ReadonlyMap<AccountId, "member" | "admin">): ConversationChange => ({
  case: "role",
  value: { members: wireMembers(members) },
});

type WirePolicy = MessageInitShape<typeof PolicySchema>;

/** A whole policy, as a link says it; besides it announces invitations, or takes them back. */
export const policyOf = (policy: ConversationPolicy, invitations: NonNullable<WirePolicy["invitations"]> = []): WirePolicy => ({
  mayAdd: wireWho(policy.mayAdd),
  mayWrite: wireWho(policy.mayWrite),
  mayChangeProfile: wireWho(policy.mayChangeProfile),
  newcomersRead: policy.newcomersRead === "everything" ? NewcomersRead.EVERYTHING : NewcomersRead.NOTHING_OLDER,
  newcomersReadSinceEpoch: policy.newcomersReadSinceEpoch,
  retentionSeconds: policy.retentionSeconds,
  publicName: policy.publicName,
  joining: policy.joining === "asks" ? Joining.ASKS : Joining.AT_ONCE,
  invitations,
});

const wireWho = (who: "admins" | "members"): Who => (who === "admins" ? Who.ADMINS : Who.MEMBERS);

/** The heads that `known` has and the conversation does not record yet, as a draft would name them. */
export function movedHeads(state: ConversationState, known: KnownAccounts): AccountHead[] {
  return headsToName(state, known, []).map((each) => headOf(each.state));
}

/**
 * Writes a link on top of a state, as far as it can be written before its epoch's key exists, and asks `apply`'s own rules
 * whether it would be valid. Cheap: no signature is made or verified.
 */
export function draftLink(plan: LinkPlan): DraftResult {
  const { state, author, opening } = plan;
  const change = create(ConversationLinkSchema, { change: plan.change }).change;
  const named = headsToName(state, plan.known, namedInFull(change));
  const body = create(ConversationLinkSchema, {
    version: state?.version ?? limits.chainVersion,
    conversation: state === undefined ? conversationOfCreate(change) : idBytes(state.conversation),
    index: (state?.head.index ?? 0) + 1,
    previous: state === undefined ? new Uint8Array(0) : idBytes(state.head.hash),
    account: idBytes(author.account),
    device: idBytes(author.device),
    heads: named.map((known) => headOf(known.state)),
    extra: plan.extra ?? new Uint8Array(0),
  });
  body.change = change;
  if (opening !== undefined) {
    body.opening = create(EpochOpeningSchema, {
      epoch: (state?.epochs.length ?? 0) + 1,
      kind: opening.kind === "fresh" ? EpochKind.FRESH : EpochKind.DERIVED,
      withoutKey: (opening.withoutKey ?? []).toSorted().map((account) => idBytes(account)),
    });
  }
  const hasProfile = plan.profile === true || state?.profileHash !== undefined;
  const after = tryOut(state, body, author, new Map(named.map((known) => [known.state.account, known.state])), hasProfile);
  if (after.kind === "invalid") return after;
  if (body.opening !== undefined) body.opening.stateHash = stateHash(after.state);
  const evidence = named.map((known) => evidenceOf(known, recordedHead(state, known.state.account)));
  return { kind: "drafted", draft: { author, body, evidence, opening: openingPlan(state, body, after.state), after: after.state } };
}

/**
 * Commits to the epoch's key, where the draft opens an epoch, and signs. @throws RangeError when the one lacks the other.
 *
 * @param profile the sealed profile of which the link names the hash; it lies beside it [C8]
 */
export function finishLink(
  draft: LinkDraft,
  signingSeed: Uint8Array,
  commitments?: Commitments,
  profile: Uint8Array = new Uint8Array(0),
): LinkEntry {
  const { body } = draft;
  if ((body.opening === undefined) !== (commitments === undefined)) throw new RangeError("commitments belong to an epoch");
  const finished: ConversationLink = { ...body };
  if (body.opening !== undefined && commitments !== undefined) {
    finished.opening = create(EpochOpeningSchema, {
      ...body.opening,
      keyId: idBytes(commitments.keyId),
      sealedKeysHash: commitments.sealedKeysHash,
      profileHash: commitments.profileHash ?? new Uint8Array(0),
    });
  }
  const bytes = toBinary(ConversationLinkSchema, finished);
  const link = create(SignedLinkSchema, {
    body: bytes,
    signature: signLink(signingSeed, labels.signature.conversationLink, bytes),
  });
  return create(LinkEntrySchema, { link, evidence: [...draft.evidence], profile });
}

/** Both steps at once: for a link that opens no epoch, or whose fresh key and copies are already made. */
export function buildConversationLink(plan: LinkPlan, signingSeed: Uint8Array, commitments?: Commitments): BuildResult {
  const drafted = draftLink(plan);
  if (drafted.kind === "invalid") return drafted;
  return { kind: "built", entry: finishLink(drafted.draft, signingSeed, commitments) };
}

const placeholder = new Uint8Array(32);

/** The state after the link, but for what it does not commit to yet. */
function tryOut(
  state: ConversationState | undefined,
  body: ConversationLink,
  author: Author,
  chains: ReadonlyMap<AccountId, AccountState>,
  hasProfile: boolean,
): Transition {
  const committed: ConversationLink = { ...body };
  if (body.opening !== undefined) {
    const profileHash = hasProfile ? placeholder : new Uint8Array(0);
    committed.opening = create(EpochOpeningSchema, {
      ...body.opening,
      keyId: placeholder,
      sealedKeysHash: placeholder,
      profileHash,
    });
  }
  const conversation = conversationId(body.conversation.length === 0 ? placeholder : body.conversation);
  return transition(state, committed, author, chains, { linkHash: linkHash(placeholder), conversation });
}

function openingPlan(state: ConversationState | undefined, body: ConversationLink, after: ConversationState): OpeningPlan | undefined {
  if (body.opening === undefined) return undefined;
  return {
    epoch: body.opening.epoch,
    context: epochContext(after, newestEpoch(after)),
    recipients: copyRecipients(after),
    previous: state?.head.hash,
    bodyWithoutCommitments: linkBodyForDerivation(toBinary(ConversationLinkSchema, body)),
  };
}

/** Accounts whose head a link names whether it moved or not: the members that it brings. */
function namedInFull(change: ConversationLink["change"]): AccountId[] {
  if (change.case === "create") return change.value.members.map((member) => accountId(member.account));
  if (change.case !== "add") return [];
  return change.value.additions.flatMap(({ member }) => (member === undefined ? [] : [accountId(member.account)]));
}

function recordedHead(state: ConversationState | undefined, account: AccountId): ChainHead | undefined {
  return (state?.members.get(account) ?? state?.former.get(account))?.chain.head;
}

/** Ordered by account. A chain that forks from the recorded one is not named: no link could. */
function headsToName(state: ConversationState | undefined, known: KnownAccounts, inFull: readonly AccountId[]): KnownAccount[] {
  const brought = new Set(inFull);
  const named: KnownAccount[] = [];
  for (const [account, each] of known) {
    const recorded = recordedHead(state, account);
    const follows = recorded === undefined || each.state.hashes[recorded.index - 1] === recorded.hash;
    const moved = state?.members.has(account) === true && each.state.head.index > (recorded?.index ?? 0);
    if (follows && (brought.has(account) || moved)) named.push(each);
  }
  return named.sort((one, other) => (one.state.account < other.state.account ? -1 : 1));
}

function evidenceOf({ state, links }: KnownAccount, recorded: ChainHead | undefined): AccountChainPart {
  return create(AccountChainPartSchema, {
    account: idBytes(state.account),
    links: links.slice(recorded?.index ?? 0, state.head.index),
  });
}

const headOf = (state: AccountState): AccountHead =>
  create(AccountHeadSchema, { account: idBytes(state.account), index: state.head.index, hash: idBytes(state.head.hash) });

function conversationOfCreate(change: ConversationLink["change"]): Uint8Array {
  if (change.case !== "create" || change.value.kind !== ConversationKind.DIRECT) return new Uint8Array(0);
  const [one, other] = change.value.members.map((member) => accountId(member.account));
  return one === undefined ? new Uint8Array(0) : idBytes(directConversationId(one, other ?? one));
}

function wireMembers(members: ReadonlyMap<AccountId, "member" | "admin">) {
  const ordered = [...members].toSorted(([one], [other]) => (one < other ? -1 : 1));
  return ordered.map(([account, role]) => ({ account: idBytes(account), role: role === "admin" ? Role.ADMIN : Role.MEMBER }));
}
