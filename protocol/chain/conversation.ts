import type { AccountHead } from "../generated/fastchat/v1/account_pb.ts";
import {
  type ConversationCreate,
  ConversationKind,
  type ConversationLink,
  ConversationLinkSchema,
  EpochKind,
  type EpochOpening,
  type LinkEntry,
  Role,
} from "../generated/fastchat/v1/conversation_pb.ts";
import {
  type AccountId,
  accountId,
  type ConversationId,
  conversationId,
  type DeviceId,
  deviceId,
  idBytes,
  isHash,
  type KeyId,
  keyId,
  type LinkHash,
} from "../ids.ts";
import { limits } from "../limits.ts";
import { equal, toHex } from "../seal/bytes.ts";
import { hash } from "../seal/hash.ts";
import { labels } from "../seal/labels.ts";
import { verifyLink } from "../seal/signature.ts";
import { type AccountState, deviceAt } from "./account.ts";
import { makeChange, roleOf, setPolicy } from "./conversation-changes.ts";
import type { ConversationState, EpochState, MemberState } from "./conversation-state.ts";
import {
  addMember,
  type Change,
  defaultPolicy,
  finishWork,
  keepAnAdmin,
  type OpeningRule,
  reasonOf,
  recordHeads,
  type Work,
  workOn,
} from "./conversation-work.ts";
import { resolveHeads, type VerifiedAccounts } from "./evidence.ts";
import {
  ascendingIds,
  conversationLinkHash,
  decodeBody,
  groupIdOf,
  hasLinkForm,
  hasUnknownFields,
  type Invalid,
  invalid,
  isHeadForm,
} from "./link.ts";
import { stateHash } from "./state-hash.ts";

/**
 * [G4] The three results. What is *invalid* is skipped by everybody; *incomplete* stops the chain until it is complete:
 * - `version`: the link, or evidence beside it, is in a version that this code does not know: update.
 * - `evidence`: account links up to the heads in `missing` are needed.
 * - `previous`: the link stands further on than the state reaches. In a log, or in all the links of one, read from the
 *   beginning, nothing is missing before it: there it counts as invalid, or garbage would wedge the conversation. Who
 *   reads a part asks for the links between.
 */
export type ConversationResult =
  | { readonly kind: "valid"; readonly state: ConversationState; readonly author: Author; readonly changes: readonly Change[] }
  | Invalid
  | { readonly kind: "incomplete"; readonly reason: "version" | "previous" | "evidence"; readonly missing: readonly AccountHead[] };

export interface Author {
  readonly account: AccountId;
  readonly device: DeviceId;
}

/** [G2] The id of the direct conversation of two accounts, in either order, or of a note to self (the same one twice). */
export function directConversationId(one: AccountId, other: AccountId): ConversationId {
  const accounts = [...new Set([one, other])].sort();
  return conversationId(hash(labels.hash.directConversationId, ...accounts.map((account) => idBytes(account))));
}

/**
 * [G4] Applies one link to the state before it (`undefined` before `create`), with the evidence beside it. Pure, the same
 * for client and server; never throws, whatever the bytes.
 *
 * @param verified a memory of account states found valid before; it saves time and changes no verdict
 */
export function applyConversationLink(
  state: ConversationState | undefined,
  entry: LinkEntry,
  verified?: VerifiedAccounts,
): ConversationResult {
  const { link, evidence } = entry;
  if (link === undefined || !hasLinkForm(link)) return invalid("no form of a link");
  const body = decodeBody(ConversationLinkSchema, link.body);
  if (body === undefined) return invalid("no conversation link");
  const misplaced = checkPlace(state, body);
  if (misplaced !== undefined) return misplaced;
  if (link.cosignature.length !== 0) return invalid("a co-signature that nobody needs");
  const formless = checkForm(state, body);
  if (formless !== undefined) return formless;
  const author: Author = { account: accountId(body.account), device: deviceId(body.device) };

  // The signature comes before all that is dear, and before "incomplete": garbage must not stop a chain. Only a device
  // that no recorded head knows has to wait for the evidence.
  const recordedKey = state?.members.get(author.account)?.chain.devices.get(author.device)?.signingKey;
  const isSignedBy = (key: Uint8Array): boolean => verifyLink(key, link.signature, labels.signature.conversationLink, link.body);
  if (recordedKey !== undefined && !isSignedBy(recordedKey)) return invalid("signature");
  if (recordedKey === undefined && !body.heads.some((head) => equal(head.account, body.account))) {
    return invalid("by a device that its account does not know");
  }
  const recorded = (account: AccountId): AccountState | undefined => (state?.members.get(account) ?? state?.former.get(account))?.chain;
  const heads = resolveHeads(body.heads, evidence, recorded, verified);
  if (heads.kind !== "resolved") return heads;
  if (recordedKey === undefined) {
    const key = heads.chains.get(author.account)?.devices.get(author.device)?.signingKey;
    if (key === undefined) return invalid("by a device that its account does not know");
    if (!isSignedBy(key)) return invalid("signature");
  }

  const linkHash = conversationLinkHash(link);
  const conversation = isHash(body.conversation) ? conversationId(body.conversation) : groupIdOf(link);
  const done = transition(state, body, author, heads.chains, { linkHash, conversation });
  if (done.kind === "invalid") return done;
  if (done.state.version > limits.chainVersion) return { kind: "incomplete", reason: "version", missing: [] };
  return { kind: "valid", state: done.state, author, changes: done.changes };
}

/** Version, conversation, index and link before. */
function checkPlace(state: ConversationState | undefined, body: ConversationLink): ConversationResult | undefined {
  if (body.version === 0 || body.index === 0) return invalid("no version or no index");
  if (body.index > (state?.head.index ?? 0) + 1) {
    const ours = state === undefined || (isHash(body.conversation) && conversationId(body.conversation) === state.conversation);
    return ours ? { kind: "incomplete", reason: "previous", missing: [] } : invalid("of another conversation");
  }
  if (state === undefined) {
    if (body.version > limits.chainVersion) return { kind: "incomplete", reason: "version", missing: [] };
    if (body.previous.length !== 0) return invalid("create follows nothing");
    return body.change.case === "create" ? undefined : invalid("does not begin a chain");
  }
  if (body.index !== state.head.index + 1) return invalid("not the next link");
  if (!isHash(body.conversation) || conversationId(body.conversation) !== state.conversation) return invalid("of another conversation");
  if (!equal(body.previous, idBytes(state.head.hash))) return invalid("does not follow the link before");
  return body.version === state.version ? undefined : invalid("not in the chain's version");
}

/** Sizes, order, and whose heads are named: all that needs neither evidence nor signature. */
function checkForm(state: ConversationState | undefined, body: ConversationLink): Invalid | undefined {
  if (hasUnknownFields(body)) return invalid("unknown field");
  if (body.extra.length > limits.extraBytes) return invalid("extra is too long");
  if (!isHash(body.account) || !isHash(body.device)) return invalid("no author");
  if (!body.heads.every(isHeadForm)) return invalid("not a head");
  const named = ascendingIds(
    body.heads.map((head) => head.account),
    accountId,
  );
  if (named === undefined) return invalid("heads are not in order");
  const { change } = body;
  if (state === undefined) {
    if (change.case !== "create") return invalid("does not begin a chain");
    const members = ascendingIds(
      change.value.members.map((member) => member.account),
      accountId,
    );
    if (members === undefined || members.length === 0) return invalid("not an ordered list of members");
    if (members.length > limits.groupMembers) return invalid("too many members");
    if (members.join() !== named.join()) return invalid("create names the heads of its members");
    return members.includes(accountId(body.account)) ? undefined : invalid("not by a member");
  }
  const author = state.members.get(accountId(body.account));
  if (author === undefined) return invalid("not by a member");
  if (deviceAt(author.chain, deviceId(body.device), author.chain.head.index) === "ended") {
    return invalid("by a device whose rights have ended");
  }
  const additions =
    change.case === "add" ? change.value.additions.map((addition) => toHex(addition.member?.account ?? new Uint8Array(0))) : [];
  const added = new Set(additions);
  for (const [place, account] of named.entries()) {
    const member = state.members.get(account);
    if (member === undefined && !added.has(account)) return invalid("names the head of somebody who is no member");
    const head = body.heads[place];
    if (member !== undefined && head !== undefined && head.index <= member.chain.head.index) {
      return invalid("names a head that does not follow the recorded one");
    }
  }
  return undefined;
}

export type Transition = { readonly kind: "done"; readonly state: ConversationState; readonly changes: readonly Change[] } | Invalid;

/**
 * What a link in its place, of good form and signed by `author`'s device, does to the state: heads first, then the change,
 * then the epoch that it opens. Whoever builds a link asks the same function what would become of it.
 *
 * @param chains the accounts at the heads that the link names
 * @param ids hash of the link, and the conversation's id, which in a group's `create` follows from the link
 */
export function transition(
  state: ConversationState | undefined,
  body: ConversationLink,
  author: Author,
  chains: ReadonlyMap<AccountId, AccountState>,
  ids: { readonly linkHash: LinkHash; readonly conversation: ConversationId },
): Transition {
  let work: Work;
  let opening: OpeningRule;
  if (state === undefined) {
    const begun = begin(body, chains, ids.conversation);
    if (begun.kind === "invalid") return begun;
    work = begun.work;
    opening = "fresh";
  } else {
    const before = state.members.get(author.account);
    if (before === undefined) return invalid("not by a member");
    if (!mayAuthor(before, chains.get(author.account), author.device)) return invalid("by a device that is not active");
    work = workOn(state);
    recordHeads(work, chains);
    const change = makeChange(work, body, before, chains);
    if (change.kind === "refused") return invalid(change.reason);
    opening = change.opening;
  }
  const chain = work.members.get(author.account)?.chain;
  const authorStays = chain !== undefined && deviceAt(chain, author.device, chain.head.index) === "active";
  if (state === undefined && !authorStays) return invalid("by a device that is not active");
  const refusal = openEpoch(work, body, opening, authorStays, ids.linkHash);
  if (refusal !== undefined) return invalid(refusal);
  keepAnAdmin(work);
  const after = finishWork(work, ids.linkHash);
  const claimed = body.opening?.stateHash ?? new Uint8Array(0);
  if (claimed.length > 0 && !equal(claimed, stateHash(after))) return invalid("not the hash of the state after it");
  return { kind: "done", state: after, changes: work.changes };
}

/**
 * [C1] A device writes while it is active at the head recorded before the link, or at the one that the link records: one
 * that is not recorded yet brings its own head, and one that is revoked may be the one to say so, with its last link.
 */
function mayAuthor(before: MemberState, named: AccountState | undefined, device: DeviceId): boolean {
  const was = deviceAt(before.chain, device, before.chain.head.index);
  if (was !== "unknown") return was === "active";
  return named !== undefined && deviceAt(named, device, named.head.index) === "active";
}

type Begun = { readonly kind: "begun"; readonly work: Work } | Invalid;

function begin(body: ConversationLink, chains: ReadonlyMap<AccountId, AccountState>, conversation: ConversationId): Begun {
  if (body.change.case !== "create") return invalid("does not begin a chain");
  const create: ConversationCreate = body.change.value;
  if (!isHash(create.nonce)) return invalid("no nonce");
  const direct = create.kind === ConversationKind.DIRECT;
  if (!direct && create.kind !== ConversationKind.GROUP) return invalid("no such kind of conversation");
  const members = create.members.map((member) => accountId(member.account));
  if (direct) {
    if (members.length > 2) return invalid("a direct conversation has one or two members");
    const [one, other] = members;
    if (one === undefined || !equal(body.conversation, idBytes(directConversationId(one, other ?? one)))) {
      return invalid("not the id of this direct conversation");
    }
  } else if (body.conversation.length !== 0) {
    return invalid("a group's id follows from its create");
  }
  const work: Work = {
    index: 1,
    conversation,
    kind: direct ? "direct" : "group",
    nonce: create.nonce.slice(),
    previousLink: undefined,
    members: new Map(),
    former: new Map(),
    removed: new Set(),
    invitations: new Map(),
    policy: defaultPolicy,
    version: body.version,
    epochs: [],
    oldestGoodEpoch: 1,
    turnDue: false,
    profileHash: undefined,
    profileAt: 0,
    additions: 0,
    changes: [{ kind: "created", members }],
  };
  for (const [place, account] of members.entries()) {
    const role = roleOf(create.members[place]?.role ?? Role.UNSPECIFIED);
    const chain = chains.get(account);
    if (role === undefined || (direct && role === "admin")) return invalid("no such role");
    if (chain === undefined) return invalid("create names the heads of its members");
    if (chain.closed) return invalid("a closed account is no member");
    addMember(work, account, role, chain);
  }
  if (!direct && work.members.get(accountId(body.account))?.role !== "admin") return invalid("who creates a group is an admin");
  if (create.policy !== undefined) {
    if (create.policy.version !== 0) return invalid("the version stands in the link");
    const reason = setPolicy(work, create.policy);
    if (reason !== undefined) return invalid(reason);
  }
  return { kind: "begun", work };
}

/** [C4] Opens the epoch of a link that must or may open one. Returns why the link is invalid. */
function openEpoch(work: Work, body: ConversationLink, rule: OpeningRule, authorStays: boolean, linkHash: LinkHash): string | undefined {
  const { opening } = body;
  if (rule === "none") return opening === undefined ? undefined : "opens an epoch that nobody needs";
  if (opening === undefined) return "opens no epoch";
  // Otherwise a fresh key would be known to the very device that lost the right to read.
  if (!authorStays) return "an epoch opened by a device whose rights end";
  const kind = kindOf(opening, rule);
  if (kind === undefined) return "not the kind of epoch that is due";
  if (opening.epoch !== work.epochs.length + 1) return "not the next epoch";
  if (!isHash(opening.keyId) || !isHash(opening.sealedKeysHash)) return "no commitment to a key";
  const id: KeyId = keyId(opening.keyId);
  if (work.epochs.some((epoch) => epoch.keyId === id)) return "a key that was used before";
  const withoutKey = ascendingIds(opening.withoutKey, accountId);
  if (withoutKey === undefined) return "not an ordered list of accounts";
  const getsCopy = (account: AccountId): boolean => {
    const member = work.members.get(account);
    return member !== undefined && !member.chain.closed && (kind === "fresh" || member.addedAt === work.index);
  };
  if (!withoutKey.every(getsCopy)) return "names somebody without a key who needs none";
  const reason = setProfile(work, opening);
  if (reason !== undefined) return reason;
  const epoch: EpochState = {
    epoch: opening.epoch,
    kind,
    keyId: id,
    sealedKeysHash: opening.sealedKeysHash.slice(),
    index: work.index,
    openingLink: linkHash,
    previousLink: work.previousLink,
    withoutKey,
  };
  work.epochs = [...work.epochs, epoch];
  if (work.turnDue) {
    work.oldestGoodEpoch = epoch.epoch;
    work.turnDue = false;
  }
  work.changes.push({ kind: "epoch-opened", epoch: epoch.epoch, how: kind, reason: reasonOf(body) });
  return undefined;
}

function kindOf(opening: EpochOpening, rule: OpeningRule): "fresh" | "derived" | undefined {
  if (opening.kind === EpochKind.FRESH) return "fresh";
  return opening.kind === EpochKind.DERIVED && rule === "fresh-or-derived" ? "derived" : undefined;
}

/** [C8] Whoever opens an epoch seals the newest profile into it; `create` may bring the first one. */
function setProfile(work: Work, { profileHash }: EpochOpening): string | undefined {
  if (profileHash.length === 0) return work.profileHash === undefined ? undefined : "the profile is missing in the new epoch";
  if (!isHash(profileHash)) return "not the hash of a profile";
  if (work.profileHash === undefined) {
    if (work.epochs.length > 0) return "a profile that the conversation does not have";
    work.profileAt = work.index;
  }
  work.profileHash = toHex(profileHash);
  return undefined;
}
