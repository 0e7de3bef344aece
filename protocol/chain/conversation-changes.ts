import {
  type Addition,
  type ConversationAdd,
  type ConversationLeave,
  type ConversationLink,
  type ConversationRemove,
  type ConversationRole,
  type Invitation,
  Joining,
  NewcomersRead,
  type Policy,
  Role,
  Who,
} from "../generated/fastchat/v1/conversation_pb.ts";
import { type AccountId, accountId, idBytes, isHash } from "../ids.ts";
import { limits } from "../limits.ts";
import { parseName } from "../names.ts";
import { toHex, utf8 } from "../seal/bytes.ts";
import { isAcceptablePublicKey } from "../seal/signature.ts";
import type { AccountState } from "./account.ts";
import type { ConversationPolicy, MemberState } from "./conversation-state.ts";
import { addMember, dropMember, type OpeningRule, setTurnDue, type Work } from "./conversation-work.ts";
import { faultOfJoinRequest } from "./join-request.ts";
import { ascendingIds } from "./link.ts";

/** `refused`: why the link is invalid. */
export type Changed = { readonly kind: "changed"; readonly opening: OpeningRule } | { readonly kind: "refused"; readonly reason: string };

const changed = (opening: OpeningRule): Changed => ({ kind: "changed", opening });
const refused = (reason: string): Changed => ({ kind: "refused", reason });

/**
 * [C2] Makes a link's change, if its author may.
 *
 * @param author the member as it was before the link
 * @param chains the accounts at the heads that the link names
 */
export function makeChange(work: Work, link: ConversationLink, author: MemberState, chains: ReadonlyMap<AccountId, AccountState>): Changed {
  const { change } = link;
  const direct = work.kind === "direct";
  const isAdmin = author.role === "admin";
  switch (change.case) {
    case "create":
      return refused("create follows nothing");
    case "add":
      if (direct) return refused("a direct conversation knows no add");
      if (!isAdmin && work.policy.mayAdd !== "members") return refused("may not add");
      return add(work, change.value, isAdmin, chains);
    case "remove":
      if (direct) return refused("a direct conversation knows no remove");
      if (!isAdmin) return refused("may not remove");
      return remove(work, change.value, author);
    case "leave":
      if (direct) return refused("a direct conversation knows no leave");
      return leave(work, change.value, author);
    case "role":
      if (direct) return refused("a direct conversation knows no role");
      if (!isAdmin) return refused("may not change roles");
      return changeRoles(work, change.value);
    case "policy": {
      if (!direct && !isAdmin) return refused("may not change the policy");
      if (change.value.policy === undefined) return refused("no policy");
      const reason = setPolicy(work, change.value.policy);
      return reason === undefined ? changed("none") : refused(reason);
    }
    case "profile":
      if (!direct && !isAdmin && work.policy.mayChangeProfile !== "members") return refused("may not change the profile");
      if (!isHash(change.value.profileHash)) return refused("not the hash of a profile");
      work.profileHash = toHex(change.value.profileHash);
      work.profileAt = work.index;
      work.changes.push({ kind: "profile-changed" });
      return changed("none");
    case "rekey":
      if (utf8(change.value.reason).length > limits.rekeyReasonBytes) return refused("the reason is too long");
      return changed("fresh");
    case "headsOnly":
      return chains.size === 0 ? refused("names no head") : changed("none");
    case undefined:
      return refused("unknown change");
    default:
      return change satisfies never;
  }
}

export function roleOf(role: Role): "member" | "admin" | undefined {
  if (role === Role.MEMBER) return "member";
  return role === Role.ADMIN ? "admin" : undefined;
}

function add(work: Work, { additions }: ConversationAdd, byAdmin: boolean, chains: ReadonlyMap<AccountId, AccountState>): Changed {
  if (additions.length === 0) return refused("adds nobody");
  const ids = ascendingIds(
    additions.map((addition) => addition.member?.account ?? new Uint8Array(0)),
    accountId,
  );
  if (ids === undefined) return refused("not an ordered list of accounts");
  if (work.members.size + ids.length > limits.groupMembers) return refused("too many members");
  for (const [place, account] of ids.entries()) {
    const addition = additions[place];
    const role = roleOf(addition?.member?.role ?? Role.UNSPECIFIED);
    const chain = chains.get(account);
    if (addition === undefined || role === undefined) return refused("no such role");
    if (role === "admin" && !byAdmin) return refused("may not add an admin");
    if (work.members.has(account)) return refused("adds a member");
    if (chain === undefined) return refused("adds an account without its head");
    if (chain.closed) return refused("adds a closed account");
    const invited = addition.invitation.length > 0;
    const reason = invited ? useInvitation(work, addition, account, role, chain) : requestLeftOver(addition);
    if (reason !== undefined) return refused(reason);
    addMember(work, account, role, chain);
    work.changes.push({ kind: "added", account, role, invited });
  }
  return changed(work.turnDue ? "fresh" : "fresh-or-derived");
}

function requestLeftOver(addition: Addition): string | undefined {
  const { requestInvitationSignature, requestDeviceSignature, requestDevice, requestHead } = addition;
  const nothing = requestInvitationSignature.length + requestDeviceSignature.length + requestDevice.length === 0;
  return nothing && requestHead === undefined ? undefined : "a request without an invitation";
}

/** [C7] The day binds the client that adds, not `apply`, which has no clock. */
function useInvitation(
  work: Work,
  addition: Addition,
  account: AccountId,
  role: "member" | "admin",
  chain: AccountState,
): string | undefined {
  const publicKey = toHex(addition.invitation);
  const invitation = work.invitations.get(publicKey);
  if (invitation === undefined) return "no such invitation";
  if (invitation.revoked) return "the invitation was revoked";
  if (invitation.used >= invitation.uses) return "the invitation is used up";
  if (role !== "member") return "an invitation makes no admin";
  if (work.removed.has(account)) return "who was removed needs more than an invitation";
  const { requestHead: head, requestDevice: device, requestInvitationSignature, requestDeviceSignature } = addition;
  const request = {
    conversation: idBytes(work.conversation),
    invitation: addition.invitation,
    ...(head !== undefined && { head }),
    device,
    invitationSignature: requestInvitationSignature,
    deviceSignature: requestDeviceSignature,
  };
  const fault = faultOfJoinRequest(request, chain);
  if (fault !== undefined) return fault;
  work.invitations = new Map(work.invitations).set(publicKey, { ...invitation, used: invitation.used + 1 });
  return undefined;
}

function remove(work: Work, { accounts }: ConversationRemove, author: MemberState): Changed {
  const ids = ascendingIds(accounts, accountId);
  if (ids === undefined || ids.length === 0) return refused("not an ordered list of accounts");
  for (const account of ids) {
    const member = work.members.get(account);
    if (member === undefined) return refused("removes somebody who is no member");
    if (account === author.account) return refused("who goes leaves");
    dropMember(work, member);
    work.changes.push({ kind: "removed", account });
  }
  work.removed = new Set([...work.removed, ...ids]);
  setTurnDue(work);
  return changed("fresh");
}

function leave(work: Work, { successor }: ConversationLeave, author: MemberState): Changed {
  const leaving = work.members.get(author.account);
  if (leaving === undefined) return refused("is no member any more");
  dropMember(work, leaving);
  work.changes.push({ kind: "left", account: author.account });
  if (successor.length > 0) {
    const named = isHash(successor) ? work.members.get(accountId(successor)) : undefined;
    const otherAdmin = [...work.members.values()].some((member) => member.role === "admin");
    if (author.role !== "admin" || otherAdmin) return refused("only the last admin names a successor");
    if (named === undefined) return refused("the successor is no member");
    work.members.set(named.account, { ...named, role: "admin" });
    work.changes.push({ kind: "role-changed", account: named.account, role: "admin", how: "successor" });
  }
  setTurnDue(work);
  return changed("none");
}

function changeRoles(work: Work, { members }: ConversationRole): Changed {
  const ids = ascendingIds(
    members.map((member) => member.account),
    accountId,
  );
  if (ids === undefined || ids.length === 0) return refused("not an ordered list of accounts");
  for (const [place, account] of ids.entries()) {
    const member = work.members.get(account);
    const role = roleOf(members[place]?.role ?? Role.UNSPECIFIED);
    if (member === undefined) return refused("changes the role of somebody who is no member");
    if (role === undefined) return refused("no such role");
    work.members.set(account, { ...member, role });
    if (role !== member.role) work.changes.push({ kind: "role-changed", account, role, how: "role" });
  }
  return changed("none");
}

/** Replaces the policy; invitations are not replaced but announced or revoked. Returns why it is refused. */
export function setPolicy(work: Work, policy: Policy): string | undefined {
  const mayAdd = whoOf(policy.mayAdd, "admins");
  const mayWrite = whoOf(policy.mayWrite, "members");
  const mayChangeProfile = whoOf(policy.mayChangeProfile, "admins");
  const newcomersRead = newcomersReadOf(policy.newcomersRead);
  const joining = joiningOf(policy.joining);
  if (mayAdd === undefined || mayWrite === undefined || mayChangeProfile === undefined) return "no such policy";
  if (newcomersRead === undefined || joining === undefined) return "no such policy";
  if (work.kind === "direct" && !leavesMembersAlone(policy)) return "no policy of a direct conversation";
  if (policy.version !== 0) {
    if (policy.version <= work.version) return "a version is only raised";
    work.version = policy.version;
  }
  if (policy.invitations.length > limits.invitationsPerPolicy) return "too many invitations";
  for (const invitation of policy.invitations) {
    const reason = setInvitation(work, invitation);
    if (reason !== undefined) return reason;
  }
  const { newcomersReadSinceEpoch, retentionSeconds, publicName } = policy;
  if (publicName !== "" && !isName(publicName)) return "not a public name";
  const who = { mayAdd, mayWrite, mayChangeProfile };
  const next: ConversationPolicy = { ...who, newcomersRead, newcomersReadSinceEpoch, retentionSeconds, publicName, joining };
  work.policy = next;
  work.changes.push({ kind: "policy-changed", policy: next });
  return undefined;
}

/** Who adds, writes and reads older things is a matter of groups alone. */
function leavesMembersAlone(policy: Policy): boolean {
  const roles = [policy.mayAdd, policy.mayWrite, policy.mayChangeProfile].every((who) => who === Who.UNSPECIFIED);
  const newcomers = policy.newcomersRead === NewcomersRead.UNSPECIFIED && policy.newcomersReadSinceEpoch === 0;
  const joining = policy.joining === Joining.UNSPECIFIED && policy.publicName === "" && policy.invitations.length === 0;
  return roles && newcomers && joining;
}

/** Public names have the form of usernames. */
function isName(text: string): boolean {
  const parsed = parseName(text);
  return parsed.kind === "valid" && parsed.name === text;
}

/** [C7] One public key is announced once; named again with the same terms and `revoked`, it is good for nothing any more. */
function setInvitation(work: Work, invitation: Invitation): string | undefined {
  if (!isAcceptablePublicKey(invitation.publicKey)) return "not an acceptable key of an invitation";
  const publicKey = toHex(invitation.publicKey);
  const { uses, lastDay, revoked } = invitation;
  const known = work.invitations.get(publicKey);
  if (known === undefined) {
    if (revoked || uses === 0 || lastDay > limits.invitationLastDay) return "an invitation of no use";
    work.invitations = new Map(work.invitations).set(publicKey, { publicKey, uses, used: 0, lastDay, revoked });
    work.changes.push({ kind: "invitation-announced", publicKey });
    return undefined;
  }
  if (!revoked || known.revoked || uses !== known.uses || lastDay !== known.lastDay) return "an invitation is announced once";
  work.invitations = new Map(work.invitations).set(publicKey, { ...known, revoked: true });
  work.changes.push({ kind: "invitation-revoked", publicKey });
  return undefined;
}

function whoOf(who: Who, byDefault: "admins" | "members"): "admins" | "members" | undefined {
  if (who === Who.UNSPECIFIED) return byDefault;
  if (who === Who.ADMINS) return "admins";
  return who === Who.MEMBERS ? "members" : undefined;
}

function newcomersReadOf(read: NewcomersRead): "nothing-older" | "everything" | undefined {
  if (read === NewcomersRead.UNSPECIFIED || read === NewcomersRead.NOTHING_OLDER) return "nothing-older";
  return read === NewcomersRead.EVERYTHING ? "everything" : undefined;
}

function joiningOf(joining: Joining): "at-once" | "asks" | undefined {
  if (joining === Joining.UNSPECIFIED || joining === Joining.AT_ONCE) return "at-once";
  return joining === Joining.ASKS ? "asks" : undefined;
}
