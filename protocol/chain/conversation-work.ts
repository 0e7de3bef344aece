import type { ConversationLink } from "../generated/fastchat/v1/conversation_pb.ts";
import type { AccountId, ConversationId, DeviceId, LinkHash } from "../ids.ts";
import { type AccountState, deviceAt } from "./account.ts";
import type {
  ConversationPolicy,
  ConversationState,
  EpochState,
  FormerMember,
  InvitationState,
  MemberState,
  Span,
} from "./conversation-state.ts";

/** What a link did, for the screen: in the order in which it happened. */
export type Change =
  | { readonly kind: "created"; readonly members: readonly AccountId[] }
  /** A device is known here from now on. */
  | { readonly kind: "device-recorded"; readonly account: AccountId; readonly device: DeviceId }
  | { readonly kind: "device-ended"; readonly account: AccountId; readonly device: DeviceId; readonly how: "signed-out" | "revoked" }
  | { readonly kind: "identity-changed"; readonly account: AccountId }
  | { readonly kind: "account-closed"; readonly account: AccountId }
  | { readonly kind: "added"; readonly account: AccountId; readonly role: "member" | "admin"; readonly invited: boolean }
  | { readonly kind: "removed"; readonly account: AccountId }
  | { readonly kind: "left"; readonly account: AccountId }
  /** `how`: by an admin's `role`, as the successor named in `leave`, or because no admin was left. */
  | {
      readonly kind: "role-changed";
      readonly account: AccountId;
      readonly role: "member" | "admin";
      readonly how: "role" | "successor" | "earliest";
    }
  | { readonly kind: "policy-changed"; readonly policy: ConversationPolicy }
  | { readonly kind: "invitation-announced"; readonly publicKey: string }
  | { readonly kind: "invitation-revoked"; readonly publicKey: string }
  | { readonly kind: "profile-changed" }
  | { readonly kind: "turn-due" }
  | { readonly kind: "epoch-opened"; readonly epoch: number; readonly how: "fresh" | "derived"; readonly reason: string };

/** Which opening a change needs [C4]. */
export type OpeningRule = "none" | "fresh" | "fresh-or-derived";

/**
 * The state while one link is applied to it: copies that only this link's application changes, so that the states before
 * and after share whatever stayed the same, and a map of 1,000 members is copied once.
 */
export interface Work {
  readonly index: number;
  readonly conversation: ConversationId;
  readonly kind: "direct" | "group";
  readonly nonce: Uint8Array;
  readonly previousLink: LinkHash | undefined;
  readonly members: Map<AccountId, MemberState>;
  former: ReadonlyMap<AccountId, FormerMember>;
  removed: ReadonlySet<AccountId>;
  invitations: ReadonlyMap<string, InvitationState>;
  policy: ConversationPolicy;
  version: number;
  epochs: readonly EpochState[];
  oldestGoodEpoch: number;
  turnDue: boolean;
  profileHash: string | undefined;
  profileAt: number;
  additions: number;
  readonly changes: Change[];
}

export const defaultPolicy: ConversationPolicy = {
  mayAdd: "admins",
  mayWrite: "members",
  mayChangeProfile: "admins",
  newcomersRead: "nothing-older",
  newcomersReadSinceEpoch: 0,
  retentionSeconds: 0,
  publicName: "",
  joining: "at-once",
};

export function workOn(state: ConversationState): Work {
  const { conversation, kind, nonce, former, removed, invitations, policy, version, epochs, oldestGoodEpoch, turnDue } = state;
  return {
    index: state.head.index + 1,
    conversation,
    kind,
    nonce,
    previousLink: state.head.hash,
    members: new Map(state.members),
    former,
    removed,
    invitations,
    policy,
    version,
    epochs,
    oldestGoodEpoch,
    turnDue,
    profileHash: state.profileHash,
    profileAt: state.profileAt,
    additions: state.additions,
    changes: [],
  };
}

export function finishWork(work: Work, hash: LinkHash): ConversationState {
  const { conversation, kind, nonce, members, former, removed, invitations, policy, version, epochs, oldestGoodEpoch, turnDue } = work;
  return {
    conversation,
    kind,
    nonce,
    version,
    head: { index: work.index, hash },
    members,
    former,
    removed,
    policy,
    invitations,
    epochs,
    oldestGoodEpoch,
    turnDue,
    profileHash: work.profileHash,
    profileAt: work.profileAt,
    additions: work.additions,
  };
}

/** Somebody lost the right to read [C4]. */
export function setTurnDue(work: Work): void {
  if (!work.turnDue) work.changes.push({ kind: "turn-due" });
  work.turnDue = true;
}

export function addMember(work: Work, account: AccountId, role: "member" | "admin", chain: AccountState): void {
  const earlier = work.former.get(account)?.spans ?? [];
  work.members.set(account, { account, role, addedAt: work.index, order: work.additions, chain, earlier });
  work.additions += 1;
  if (work.former.has(account)) work.former = new Map([...work.former].filter(([former]) => former !== account));
}

/** The member is none any more; its head stays recorded, so that nobody brings it back with an older one. */
export function dropMember(work: Work, member: MemberState): void {
  const span: Span = { from: member.addedAt, until: work.index };
  const { account, chain } = member;
  work.members.delete(account);
  work.former = new Map(work.former).set(account, { account, chain, spans: [...member.earlier, span] });
}

/** [C2] With no admin left, the earliest-added member is one. */
export function keepAnAdmin(work: Work): void {
  if (work.kind === "direct") return;
  let earliest: MemberState | undefined;
  for (const member of work.members.values()) {
    if (member.role === "admin") return;
    if (earliest === undefined || member.order < earliest.order) earliest = member;
  }
  if (earliest === undefined) return;
  work.members.set(earliest.account, { ...earliest, role: "admin" });
  work.changes.push({ kind: "role-changed", account: earliest.account, role: "admin", how: "earliest" });
}

/**
 * [C1] Records the heads that a link names for members. A `revoke`, `succeed` or `close` between makes a turn due; who
 * closed its account leaves a group.
 */
export function recordHeads(work: Work, chains: ReadonlyMap<AccountId, AccountState>): void {
  for (const [account, chain] of chains) {
    const member = work.members.get(account);
    if (member === undefined) continue;
    const moved = { ...member, chain };
    work.members.set(account, moved);
    recordChanges(work, member.chain, chain);
    if (chain.lastTurn > member.chain.head.index) setTurnDue(work);
    if (!chain.closed) continue;
    work.changes.push({ kind: "account-closed", account });
    if (work.kind === "group") dropMember(work, moved);
  }
}

function recordChanges(work: Work, before: AccountState, after: AccountState): void {
  const { account } = after;
  if (after.identityKeys.length !== before.identityKeys.length) work.changes.push({ kind: "identity-changed", account });
  for (const { device, status } of after.devices.values()) {
    if (!before.devices.has(device)) work.changes.push({ kind: "device-recorded", account, device });
    const wasActive = deviceAt(before, device, before.head.index) !== "ended";
    if (wasActive && status.kind !== "active") work.changes.push({ kind: "device-ended", account, device, how: status.kind });
  }
}

/** The reason of a `rekey`; other openings have none. */
export const reasonOf = (link: ConversationLink): string => (link.change.case === "rekey" ? link.change.value.reason : "");
