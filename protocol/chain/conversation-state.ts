import { type AccountId, type ConversationId, conversationId, type DeviceId, type KeyId, type LinkHash } from "../ids.ts";
import { type AccountState, deviceAt } from "./account.ts";
import type { ChainHead } from "./link.ts";

/** Links `from` up to but not including `until`, by index, after which an account was a member. */
export interface Span {
  readonly from: number;
  readonly until: number;
}

export interface MemberState {
  readonly account: AccountId;
  /** In a direct conversation everybody is `member`. */
  readonly role: "member" | "admin";
  /** Index of the link that added it. */
  readonly addedAt: number;
  /** Counts additions in this conversation from 0; lower is earlier. */
  readonly order: number;
  /** The account as of the head that is recorded here: `chain.head` [C1]. */
  readonly chain: AccountState;
  /** Earlier memberships, oldest first. */
  readonly earlier: readonly Span[];
}

/** Who was a member, with the head recorded last: an addition later on must follow it. */
export interface FormerMember {
  readonly account: AccountId;
  readonly chain: AccountState;
  readonly spans: readonly Span[];
}

/** An epoch as its opening link tells it [C4]. */
export interface EpochState {
  readonly epoch: number;
  readonly kind: "fresh" | "derived";
  readonly keyId: KeyId;
  readonly sealedKeysHash: Uint8Array;
  /** Index and hash of the link that opened it. */
  readonly index: number;
  readonly openingLink: LinkHash;
  /** Hash of the link before that one; undefined in `create`. */
  readonly previousLink: LinkHash | undefined;
  /** Accounts that got no copy because their key was missing or malformed. */
  readonly withoutKey: readonly AccountId[];
}

export interface ConversationPolicy {
  readonly mayAdd: "admins" | "members";
  readonly mayWrite: "admins" | "members";
  readonly mayChangeProfile: "admins" | "members";
  readonly newcomersRead: "nothing-older" | "everything";
  /** With `nothing-older`, newcomers are given epochs from this one on; 0: none. */
  readonly newcomersReadSinceEpoch: number;
  /** Seconds after which bodies are deleted; 0: never. */
  readonly retentionSeconds: number;
  /** Under which the server lists the group; "": it does not. */
  readonly publicName: string;
  /** What an admin's device does about who shows an invitation [C7]. */
  readonly joining: "at-once" | "asks";
}

/** [C7] */
export interface InvitationState {
  /** Ed25519, 64 hex digits. */
  readonly publicKey: string;
  readonly uses: number;
  readonly used: number;
  /** Days since 1970-01-01, UTC; binds the client that adds, not `apply`. */
  readonly lastDay: number;
  readonly revoked: boolean;
}

/** A conversation after some link of its chain. Never changed in place; two states share what is the same. */
export interface ConversationState {
  readonly conversation: ConversationId;
  readonly kind: "direct" | "group";
  /** The 32 random bytes of `create`. */
  readonly nonce: Uint8Array;
  readonly version: number;
  readonly head: ChainHead;
  readonly members: ReadonlyMap<AccountId, MemberState>;
  readonly former: ReadonlyMap<AccountId, FormerMember>;
  /** Whom an admin ever removed: no invitation is good for them. */
  readonly removed: ReadonlySet<AccountId>;
  readonly policy: ConversationPolicy;
  readonly invitations: ReadonlyMap<string, InvitationState>;
  /** Oldest first; `epochs[i].epoch` is `i + 1`. */
  readonly epochs: readonly EpochState[];
  /** Messages of older epochs are not valid [C4]. */
  readonly oldestGoodEpoch: number;
  /** Somebody lost the right to read, and no fresh key came since [C4]. */
  readonly turnDue: boolean;
  /** Hash of the newest sealed profile, 64 hex digits [C8]. */
  readonly profileHash: string | undefined;
  /** Index of the link that set the profile; 0: none did. Who seals it again into an epoch does not set it [C8]. */
  readonly profileAt: number;
  /** How many additions there were. */
  readonly additions: number;
}

/** The newest epoch; every conversation has one. */
export function newestEpoch(state: ConversationState): EpochState {
  const newest = state.epochs.at(-1);
  if (newest === undefined) throw new RangeError("a conversation without an epoch");
  return newest;
}

/**
 * What stands for the conversation in an epoch's key id and sealed copies: its id; in the epoch that a group's `create`
 * opens, whose id did not exist yet, the 32 random bytes of that link [G2].
 */
export const epochContext = (state: ConversationState, epoch: EpochState): ConversationId =>
  state.kind === "group" && epoch.index === 1 ? conversationId(state.nonce) : state.conversation;

/** A direct conversation in which an account is closed: nothing is sent any more [C2]. */
export const isClosed = (state: ConversationState): boolean =>
  state.kind === "direct" && [...state.members.values()].some((member) => member.chain.closed);

export type MessageVerdict =
  | { readonly kind: "allowed" }
  | {
      readonly kind: "refused";
      /**
       * - `device-unknown`: not recorded here yet; it writes `heads` first [C1].
       * - `unknown-epoch`: newer than the newest.
       */
      readonly reason:
        | "not-a-member"
        | "closed"
        | "device-unknown"
        | "device-ended"
        | "may-not-write"
        | "turn-due"
        | "stale-epoch"
        | "unknown-epoch";
    };

/**
 * [S3] Whether a message counts by what is recorded at its place in the log: `state` is the conversation after the last
 * link before the message. Server and clients decide with this alone.
 */
export function messageAllowed(
  state: ConversationState,
  message: { readonly account: AccountId; readonly device: DeviceId; readonly epoch: number },
): MessageVerdict {
  const member = state.members.get(message.account);
  if (member === undefined) return { kind: "refused", reason: "not-a-member" };
  if (isClosed(state)) return { kind: "refused", reason: "closed" };
  const device = deviceAt(member.chain, message.device, member.chain.head.index);
  if (device !== "active") return { kind: "refused", reason: device === "ended" ? "device-ended" : "device-unknown" };
  if (state.policy.mayWrite === "admins" && member.role !== "admin") return { kind: "refused", reason: "may-not-write" };
  if (state.turnDue) return { kind: "refused", reason: "turn-due" };
  if (message.epoch < state.oldestGoodEpoch) return { kind: "refused", reason: "stale-epoch" };
  if (message.epoch > state.epochs.length) return { kind: "refused", reason: "unknown-epoch" };
  return { kind: "allowed" };
}

/** Whether an account was a member just after the link with this index. */
export function wasMemberAt(state: ConversationState, account: AccountId, index: number): boolean {
  const member = state.members.get(account);
  if (member !== undefined && member.addedAt <= index) return true;
  const spans = member?.earlier ?? state.former.get(account)?.spans ?? [];
  return spans.some((span) => span.from <= index && index < span.until);
}

/**
 * [C6] Whether an account may have the key of an epoch: it was a member when the epoch opened, or is one now and the
 * policy gives older epochs to newcomers.
 */
export function isEntitled(state: ConversationState, account: AccountId, epoch: number): boolean {
  const opened = state.epochs[epoch - 1];
  if (opened === undefined) return false;
  if (wasMemberAt(state, account, opened.index)) return true;
  return state.members.has(account) && isGivenToNewcomers(state.policy, epoch);
}

/** Whether the policy gives the key of an older epoch to whoever is added. */
export const isGivenToNewcomers = ({ newcomersRead, newcomersReadSinceEpoch }: ConversationPolicy, epoch: number): boolean =>
  newcomersRead === "everything" || (newcomersReadSinceEpoch > 0 && epoch >= newcomersReadSinceEpoch);

/** Who gets a copy of an epoch key: the account and the generation of its account key at the recorded head. */
export interface CopyRecipient {
  readonly account: AccountId;
  readonly generation: number;
  readonly publicKeyHash: Uint8Array;
}

/**
 * [C4] For whom copies of the newest epoch lie beside its opening link, ordered by account: for everybody when it is
 * fresh, for the newcomers when it is derived; not for those the link names as without a key.
 *
 * @param state just after the opening link
 */
export function copyRecipients(state: ConversationState): CopyRecipient[] {
  const epoch = newestEpoch(state);
  const getsCopy = (member: MemberState): boolean =>
    (epoch.kind === "fresh" || member.addedAt === epoch.index) && !member.chain.closed && !epoch.withoutKey.includes(member.account);
  return [...state.members.values()]
    .filter(getsCopy)
    .map(({ account, chain }) => {
      const key = chain.accountKeys.at(-1);
      return { account, generation: key?.generation ?? 0, publicKeyHash: key?.publicKeyHash ?? new Uint8Array(0) };
    })
    .sort((one, other) => (one.account < other.account ? -1 : 1));
}
