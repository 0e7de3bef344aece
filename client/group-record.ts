import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { accountId, type AccountId, type ConversationId, deviceId, idBytes, isHash, limits } from "@fastchat/protocol";
import { type Author, type ConversationState, epochContext, isClosed, newestEpoch } from "@fastchat/protocol/chain";
import { equal, fromHex, openProfile, profileContentOf, sealedProfileHash } from "@fastchat/protocol/seal";
import {
  type LinkEntry,
  type ProfileContent,
  ProfileContentSchema,
  Role,
  type SignedProfile,
  SignedProfileSchema,
} from "@fastchat/protocol/wire/conversation";
import {
  type Conversation as ConversationRecord,
  GroupEndSchema,
  GroupProfileSchema,
  GroupSchema,
  MemberSlotSchema,
  type ProfilePlace,
  ProfilePlaceSchema,
} from "./generated/fastchat/profile/v1/profile_pb.ts";

/** So many names stand in for a group that has none. */
const NAMES_SHOWN = 4;

export interface Step {
  readonly before: ConversationState | undefined;
  readonly after: ConversationState;
  readonly author: Author;
  readonly sequence: number;
}

/** What a link that counts means for the record of its conversation. */
export function recordStep(record: ConversationRecord, me: AccountId, { before, after, author, sequence }: Step): void {
  const was = before?.members.has(me) === true;
  const is = after.members.has(me);
  if (is && !was) record.addedBy = idBytes(author.account);
  alignSlots(record, me, after, sequence);
  const { retentionSeconds } = after.policy;
  record.retentionSeconds = retentionSeconds;
  if (retentionSeconds > 0) record.shortestRetentionSeconds = Math.min(retentionSeconds, record.shortestRetentionSeconds || Infinity);
  if (after.kind === "direct") {
    record.peer = idBytes([...after.members.keys()].find((account) => account !== me) ?? me);
    record.closed = isClosed(after);
    return;
  }
  const group = (record.group ??= create(GroupSchema));
  const own = after.members.get(me);
  const { policy } = after;
  const may = (who: "admins" | "members"): boolean => own !== undefined && (who === "members" || own.role === "admin");
  group.memberCount = after.members.size;
  group.role = own === undefined ? Role.UNSPECIFIED : own.role === "admin" ? Role.ADMIN : Role.MEMBER;
  group.mayWrite = may(policy.mayWrite);
  group.mayAdd = may(policy.mayAdd);
  group.mayChangeProfile = may(policy.mayChangeProfile);
  group.names = namesIn(after, me);
  if (is && !was) {
    group.memberSince = sequence;
    delete group.end;
  }
  if (was && !is) group.end = create(GroupEndSchema, { removed: author.account !== me, by: idBytes(author.account) });
  if (after.profileAt !== group.profileAt) {
    group.profileAt = after.profileAt;
    group.profileAccount = idBytes(author.account);
    group.profileDevice = idBytes(author.device);
  }
  if (after.profileHash !== undefined && after.profileHash !== before?.profileHash) {
    const place = create(ProfilePlaceSchema, { link: sequence, epoch: newestEpoch(after).epoch, hash: fromHex(after.profileHash) });
    const [, mine = place, set = place] = group.profilePlaces;
    const isSet = after.profileAt === after.head.index;
    group.profilePlaces = [place, is ? place : mine, isSet ? place : set];
  }
}

function namesIn({ members }: ConversationState, me: AccountId): string[] {
  const names: string[] = [];
  for (const { account, chain } of members.values()) {
    if (account !== me) names.push(chain.name);
    if (names.length === NAMES_SHOWN) break;
  }
  return names.sort();
}

/** One slot for each of the others, from the link on that brought it in; none in a group that is too large for all to tell all. */
function alignSlots(record: ConversationRecord, me: AccountId, { members, kind }: ConversationState, sequence: number): void {
  if (kind === "group" && members.size > limits.liveReceiptsMembers) {
    record.memberSlots = [];
    return;
  }
  const known = new Map(record.memberSlots.map((slot) => [accountId(slot.account), slot]));
  record.memberSlots = [...members.keys()]
    .filter((account) => account !== me)
    .map((account) => known.get(account) ?? create(MemberSlotSchema, { account: idBytes(account), since: sequence }));
  countReceipts(record);
}

/** Up to where all the others have it: what ticks show. Never goes back. */
export function countReceipts(record: ConversationRecord): void {
  if (record.memberSlots.length === 0) return;
  const least = (of: "delivered" | "read") => Math.min(...record.memberSlots.map((slot) => Math.max(slot.since, slot[of])));
  record.othersDelivered = Math.max(record.othersDelivered, least("delivered"));
  record.othersRead = Math.max(record.othersRead, least("read"));
}

/** A conversation of which this account is a member, or was: anybody else's is not shown, whatever a server says. */
export const isOwn = ({ peer, addedBy }: ConversationRecord): boolean => isHash(peer) || isHash(addedBy);

/**
 * [C8] Opens the profile beside a link, at one of the places where the newest lies, if it is what the chain names, and what the author of the link that set it signed for that
 * link: who only seals it again into a new epoch changes nothing.
 */
export async function openGroupProfile(
  record: ConversationRecord,
  conversation: { readonly id: ConversationId; readonly state: ConversationState },
  { profile: sealed }: LinkEntry,
  place: ProfilePlace,
  epochKey: Uint8Array,
): Promise<SignedProfile | undefined> {
  const { state } = conversation;
  const { group } = record;
  if (group === undefined || !equal(sealedProfileHash(sealed), place.hash)) return undefined;
  const epoch = state.epochs[place.epoch - 1];
  if (epoch === undefined) return undefined;
  const opened = openProfile(epochKey, epochContext(state, epoch), epoch.epoch, sealed);
  if (opened.kind !== "opened") return undefined;
  const { profile } = opened;
  if (!equal(profile.account, group.profileAccount) || !equal(profile.device, group.profileDevice)) return undefined;
  const setter = accountId(group.profileAccount);
  const chain = (state.members.get(setter) ?? state.former.get(setter))?.chain;
  const signingKey = chain?.devices.get(deviceId(group.profileDevice))?.signingKey;
  if (signingKey === undefined) return undefined;
  const content = await profileContentOf(profile, { nonce: state.nonce, index: group.profileAt }, signingKey);
  return content === undefined ? undefined : profile;
}

/** Keeps what `openGroupProfile` gave. */
export function keepProfile(record: ConversationRecord, profile: SignedProfile): void {
  if (record.group === undefined) return;
  record.group.profile = create(GroupProfileSchema, { index: record.group.profileAt, signed: toBinary(SignedProfileSchema, profile) });
}

/** The profile as its setter signed it; undefined while the newest one could not be opened. */
export function signedProfileOf({ group }: ConversationRecord): SignedProfile | undefined {
  const kept = group?.profile;
  return kept === undefined || kept.index !== group?.profileAt ? undefined : fromBinary(SignedProfileSchema, kept.signed);
}

export function profileOf(record: ConversationRecord): ProfileContent | undefined {
  const signed = signedProfileOf(record);
  return signed && fromBinary(ProfileContentSchema, signed.content);
}

/** The one that was kept last, whichever link set it. */
export const lastProfileOf = ({ group }: ConversationRecord): SignedProfile | undefined =>
  group?.profile && fromBinary(SignedProfileSchema, group.profile.signed);

/** What a group is called: as its admins say, else after some of its members. */
export function groupTitle(record: ConversationRecord): string {
  const name = profileOf(record)?.name ?? "";
  if (name.trim() !== "") return name;
  const { names = [], memberCount = 0 } = record.group ?? {};
  const others = memberCount - names.length - (record.group?.role === 0 ? 0 : 1);
  return names.length === 0 ? "Group" : `${names.join(", ")}${others > 0 ? ` and ${others} more` : ""}`;
}
