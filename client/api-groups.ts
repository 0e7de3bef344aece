import type { AccountId, ConversationId } from "@fastchat/protocol";
import type { Person } from "./api.ts";

// What programs see of groups. Who may do what is decided by the conversation's chain, the same for everybody; what is refused throws
// FastChatError: FORBIDDEN (the policy or the role does not allow it), NOT_A_MEMBER, NO_SUCH_USER, TOO_LARGE, LINK_INVALID.

export type GroupRole = "admin" | "member";

/** Of a group, what a list shows. */
export interface GroupOverview {
  /** As its admins call it; "" when it has no name, or none that can be read. */
  readonly name: string;
  readonly description: string;
  readonly memberCount: number;
  /** One's own; undefined for who is no member any more. */
  readonly role: GroupRole | undefined;
  /** One is out: may read what there is, and no more. `by`: whose doing it was. */
  readonly ended: undefined | { readonly how: "left" | "removed"; readonly by: string };
  /** Who brought one in; oneself, for who made it. */
  readonly addedBy: string;
  /** How many ask to be let in and wait for an answer of this account. */
  readonly joinRequests: number;
  readonly mayWrite: boolean;
  readonly mayAdd: boolean;
  readonly mayChangeProfile: boolean;
}

export interface GroupMember {
  readonly person: Person;
  readonly role: GroupRole;
  /** Oneself. */
  readonly me: boolean;
}

export interface GroupPolicy {
  readonly mayAdd: "admins" | "members";
  /** `admins`: only they write, the others read. */
  readonly mayWrite: "admins" | "members";
  readonly mayChangeProfile: "admins" | "members";
  /** What who is added from now on can read of what was written before: nothing, everything, or from this epoch on. */
  readonly newcomersRead: "nothing-older" | "everything" | { readonly sinceEpoch: number };
  /** Seconds after which messages are deleted; 0: never. */
  readonly retentionSeconds: number;
  /** Under which everybody on this server finds the group and may ask to join; "": nobody. The server can read it. */
  readonly publicName: string;
  /** What becomes of who shows an invitation: let in at once, or asked about. */
  readonly joining: "at-once" | "asks";
}

/** What `setPolicy` changes; what is left out stays. */
export interface GroupPolicyChange extends Partial<Omit<GroupPolicy, "newcomersRead">> {
  /** `since`: milliseconds since 1970; the past begins again with the first change of key at or after it; "now" changes the key. */
  readonly newcomersRead?: "nothing-older" | "everything" | "now" | { readonly since: number };
}

export interface GroupInvitation {
  /** Hex; names the invitation. */
  readonly publicKey: string;
  readonly uses: number;
  readonly used: number;
  /** The last day on which it is good, `YYYY-MM-DD`, UTC. */
  readonly lastDay: string;
  readonly state: "good" | "used-up" | "expired" | "revoked";
}

export interface GroupInfo extends GroupOverview {
  readonly id: ConversationId;
  /** An encoded image; empty: none. */
  readonly picture: Uint8Array;
  /** Admins first, then by name. */
  readonly members: readonly GroupMember[];
  readonly policy: GroupPolicy;
  readonly invitations: readonly GroupInvitation[];
  readonly epoch: number;
  /** The newest link of its chain, by which two members see that they have the same group: number, and hash in hex. */
  readonly head: { readonly index: number; readonly hash: string };
}

export interface NewGroup {
  readonly name: string;
  readonly description?: string;
  /** Usernames; oneself is admin in any case. */
  readonly members: readonly string[];
  /** Those of them who are admins, too. */
  readonly admins?: readonly string[];
  /** The past of a new group is what is written from now on. */
  readonly policy?: Omit<GroupPolicyChange, "newcomersRead"> & { readonly newcomersRead?: "nothing-older" | "everything" };
}

export interface JoinRequestInfo {
  readonly person: Person;
  /** By an invitation, or by the group's public name. */
  readonly by: "invitation" | "public-name";
  /** Server's time, milliseconds since 1970. */
  readonly time: number;
}

export interface FoundGroup {
  readonly name: string;
  readonly conversation: ConversationId;
  readonly memberCount: number;
}

export interface Joined {
  /** `joined`: one is a member now, or was before. `asked`: an admin's device lets one in, or an admin is asked. */
  readonly kind: "joined" | "asked";
  readonly conversation: ConversationId;
}

/** Every call resolves when the server has taken the change and it is stored here. All need a connection. */
export interface Groups {
  create(group: NewGroup): Promise<ConversationId>;
  /** Undefined for what is no group, or not known here. */
  info(id: ConversationId): Promise<GroupInfo | undefined>;
  add(id: ConversationId, names: readonly string[], role?: GroupRole): Promise<void>;
  remove(id: ConversationId, names: readonly string[]): Promise<void>;
  setRole(id: ConversationId, names: readonly string[], role: GroupRole): Promise<void>;
  setProfile(
    id: ConversationId,
    change: { readonly name?: string; readonly description?: string; readonly picture?: Uint8Array },
  ): Promise<void>;
  setPolicy(id: ConversationId, change: GroupPolicyChange): Promise<void>;
  /** The last admin may name a successor; without one the member who was added first is admin. */
  leave(id: ConversationId, successor?: string): Promise<void>;

  /** A link that lets in whoever has it, so often and so long. Shown now and never again. */
  invite(
    id: ConversationId,
    terms?: { readonly uses?: number; readonly days?: number },
  ): Promise<GroupInvitation & { readonly link: string }>;
  revokeInvitation(id: ConversationId, publicKey: string): Promise<void>;
  /** By a link, or by a public name. Throws INVITATION_INVALID, NOT_FOUND. */
  join(linkOrName: string): Promise<Joined>;
  find(text: string): Promise<readonly FoundGroup[]>;
  /** Who asks to be let in. */
  joinRequests(id: ConversationId): Promise<readonly JoinRequestInfo[]>;
  approve(id: ConversationId, names: readonly string[]): Promise<void>;
  reject(id: ConversationId, names: readonly string[]): Promise<void>;
}

/** What one member has received and read of a conversation, as far as it says so: up to these sequence numbers. */
export interface Receipt {
  readonly account: AccountId;
  readonly name: string;
  readonly delivered: number;
  readonly read: number;
}
