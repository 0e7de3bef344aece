import type { AccountId, ClientMessageId, ConversationId, DeviceId, ErrorCode } from "@fastchat/protocol";
import type { ChatFile, Files, UploadProgress } from "./api-files.ts";
import type { ExportOptions, ExportResult } from "./api-export.ts";
import type { GroupOverview, Groups, Receipt } from "./api-groups.ts";

// What programs see of the SDK: the terminal client, the web client and bots are written against this page.

export type ConnectionState =
  /** `since` and `retryAt`: milliseconds since 1970, this machine's clock. */
  | { readonly kind: "connecting"; readonly since: number; readonly attempt: number }
  /** Another server may follow with nothing in between. */
  | { readonly kind: "online"; readonly server: string; readonly since: number }
  | {
      readonly kind: "offline";
      readonly since: number;
      readonly retryAt: number;
      /** `no-services`: the gateway has no chat server to offer, or cannot be reached: "Sorry, no services available". */
      readonly reason: "no-services" | "connection-lost";
      readonly detail: string;
    }
  /** The session is over: signed out, revoked, or the software is too old. Nothing is tried any more. */
  | { readonly kind: "ended"; readonly code: ErrorCode; readonly sentence: string };

export interface Me {
  readonly name: string;
  readonly account: AccountId;
  readonly device: DeviceId;
  readonly gateway: string;
}

/** "holder" talks to the server; "beside" reads what the holder receives and leaves what it sends in the outbox [S7]. */
export type ProfileRole = "holder" | "beside";

export type Verification =
  /** Safety number compared on one of the account's devices [A5]. */
  | "verified"
  /** Reached by name alone: the server could have answered with another identity. */
  | "not-verified"
  /** The identity differs from the pinned one: sending waits for `acceptIdentity` [A3]. */
  | "changed";

export interface Person {
  readonly name: string;
  readonly account: AccountId;
  readonly online: boolean;
  /** Milliseconds since 1970; undefined when online or unknown. */
  readonly lastSeen: number | undefined;
  readonly verification: Verification;
  readonly contact: boolean;
  readonly note: string;
  /** Nothing that this person writes to one alone is shown, and no invitation. */
  readonly blocked: boolean;
}

/** Ticks: `queued` in the outbox, `sent` on the server, `delivered` to and `read` by the other side; `failed` only when the server refused for good. */
export type MessageStatus = "queued" | "sent" | "delivered" | "read" | "failed";

/** A message that stands in the log: what was shown at its place at other times, or was lost there, has another id. */
export interface MessagePlace {
  readonly sequence: number;
  readonly id: ClientMessageId;
}

export interface ChatMessage {
  readonly kind: "message";
  readonly conversation: ConversationId;
  readonly id: ClientMessageId;
  /** Undefined while queued. */
  readonly sequence: number | undefined;
  readonly from: { readonly account: AccountId; readonly device: DeviceId; readonly name: string };
  readonly mine: boolean;
  readonly text: string;
  /** Its author deleted it for everybody: nothing of what it said is left. */
  readonly deleted: boolean;
  /** Names that stand in the text behind an "@" and mean members. */
  readonly mentions: readonly string[];
  /** One of them is oneself. */
  readonly mentionsMe: boolean;
  /** What was sent with it; the text is their caption. */
  readonly files: readonly ChatFile[];
  /** While its files go to the server. */
  readonly upload: UploadProgress | undefined;
  /** Server's time, held to log order; while queued the local time. Milliseconds since 1970. */
  readonly time: number;
  readonly status: MessageStatus;
  /** With `failed`: what the server said. */
  readonly refusal: ErrorCode | undefined;
  /** Seconds for which it lives after it was read, as who wrote it set; 0: without an end [H4]. */
  readonly expiresAfter: number;
  /** When it is deleted here, by that or by the policy of the conversation, server's time; undefined: never, or not before it is read. */
  readonly expires: number | undefined;
  /** Written by a device that was known to be revoked, before the reader's time, or lost by the server: kept apart and shown as such. */
  readonly doubt: "none" | "revoked-device" | "before-joining" | "lost";
}

/** Something that happened in a conversation, or a warning about it, for people to read. */
export interface ChatNotice {
  readonly kind: "notice";
  readonly conversation: ConversationId;
  /** Place in the log it stands at (behind that entry); undefined: now. */
  readonly sequence: number | undefined;
  readonly time: number;
  readonly notice: NoticeKind;
  /** A plain sentence, safe to show. */
  readonly text: string;
}

export type NoticeKind =
  | "created"
  | "rekeyed"
  /** Somebody was added, removed, or left. */
  | "membership"
  | "role"
  | "profile"
  | "policy"
  | "device-added"
  | "device-ended"
  | "identity-changed"
  | "unreadable"
  | "invalid-link"
  | "contradiction"
  | "fork"
  | "incomplete"
  | "device-runs-twice";

export type ChatItem = ChatMessage | ChatNotice;

/** Whether what arrives may call for attention: always, only when one is mentioned, never. */
export type Mute = "none" | "except-mentions" | "all";

interface SummaryBase {
  readonly id: ConversationId;
  /** What it is called: the other person's name, "Note to self", the group's name, or its members' names where it has none. */
  readonly title: string;
  /** Messages of others that were not read: right up to `limits.unreadCounted`, which stands for any more. */
  readonly unread: number;
  /** Those of them that mention oneself. */
  readonly mentions: number;
  /** Newest sequence number stored here; 0: none. */
  readonly head: number;
  /** From here on everything is stored here; what is older is fetched when it is asked for. */
  readonly oldest: number;
  /** Up to where this account has read, on any device. */
  readonly readUpTo: number;
  readonly last: ChatMessage | undefined;
  readonly draft: string;
  /** Names of those who are typing. */
  readonly typing: readonly string[];
  /** Time of the last item, for ordering. */
  readonly time: number;
  /** Why nothing can be sent now; with `identity-changed` and `forked` sending asks first. `out`: one is no member any more. */
  readonly blocked: "none" | "identity-changed" | "forked" | "closed" | "update-needed" | "out" | "announce-only";
  readonly mute: Mute;
  /** Seconds after which its messages are deleted, everywhere and for everybody, as its policy says; 0: never. */
  readonly retentionSeconds: number;
  /** Lifetime of what this account writes there, in seconds; 0: none. */
  readonly timerSeconds: number;
  /** When it was pinned to the top of the list, milliseconds since 1970; undefined: it is not. */
  readonly pinnedAt: number | undefined;
  /** Begun by a stranger: it waits quietly until it is accepted, and tells the stranger nothing. */
  readonly request: boolean;
}

export interface DirectSummary extends SummaryBase {
  /** "note-to-self" is a direct conversation with oneself. */
  readonly kind: "direct" | "note-to-self";
  readonly peer: Person;
}

export interface GroupSummary extends SummaryBase {
  readonly kind: "group";
  readonly peer?: undefined;
  readonly group: GroupOverview;
}

export type ConversationSummary = DirectSummary | GroupSummary;

/** A device of this account, as its chain and its own notes say; the times are the server's word. */
export interface DeviceInfo {
  readonly device: DeviceId;
  /** As its owner calls it; "" where nobody named it. */
  readonly name: string;
  readonly state: "active" | "signed-out" | "revoked";
  /** The one that this program runs on. */
  readonly me: boolean;
  /** A QuickChat session. */
  readonly quick: boolean;
  /** Milliseconds since 1970; undefined: not known. */
  readonly added: number | undefined;
  /** When it was last connected; while it is, some minutes ago at most. */
  readonly lastSeen: number | undefined;
}

/** On how many devices this account may be signed in at a time, as it says itself and as its server says; the stricter one counts [H8]. */
export interface SessionPolicy {
  readonly account: "many" | "single";
  readonly server: "many" | "single";
}

/** People to whom one writes at once, each in their own direct conversation. */
export interface BroadcastList {
  readonly name: string;
  readonly people: readonly Person[];
}

/** Those groups that could not be left by themselves are left with the account, once somebody in them hears of it. */
export interface AccountDeletion {
  readonly groupsLeft: number;
  readonly groupsNotLeft: number;
}

export type ClientEvent =
  | { readonly kind: "connection"; readonly connection: ConnectionState }
  | { readonly kind: "role"; readonly role: ProfileRole }
  /** Summaries of these conversations changed (also: were added). */
  | { readonly kind: "conversations"; readonly conversations: readonly ConversationId[] }
  /** Items were added or changed (status) in a conversation; ascending. */
  | { readonly kind: "items"; readonly conversation: ConversationId; readonly items: readonly ChatItem[]; readonly live: boolean }
  /** Messages up to here were deleted, as the policy of the conversation says. */
  | { readonly kind: "deleted"; readonly conversation: ConversationId; readonly upTo: number }
  /** These messages were deleted: they were over. */
  | { readonly kind: "expired"; readonly conversation: ConversationId; readonly sequences: readonly number[] }
  /** These of one's own were taken back before they were sent. */
  | { readonly kind: "taken-back"; readonly conversation: ConversationId; readonly messages: readonly ClientMessageId[] }
  | { readonly kind: "presence"; readonly people: readonly Person[] }
  | { readonly kind: "typing"; readonly conversation: ConversationId; readonly account: AccountId; readonly active: boolean }
  /** A new key is being sealed to the members of a large group: what is written there waits for it. `done` = `total` when it is over. A group
   * that is being made has no id yet: another one stands in for it here.
   */
  | { readonly kind: "sealing"; readonly conversation: ConversationId; readonly done: number; readonly total: number }
  /** Somebody asks to be let into this group. */
  | { readonly kind: "join-request"; readonly conversation: ConversationId }
  /** How many conversations of strangers wait to be accepted. */
  | { readonly kind: "requests"; readonly count: number }
  /** Of the conversations in which something happened while this device was away, so many are here: all on a fresh device. */
  | { readonly kind: "catching-up"; readonly done: number; readonly total: number }
  /** Everything that arrived while this device was away is stored now. */
  | { readonly kind: "caught-up" }
  /** All but `storage` waits for `showWarning`, too. */
  | ({ readonly kind: "warning" } & Warning);

/**
 * About the account, the server or this device as a whole. `storage`: the disk is full; what arrives waits on the server. `older-copy`: the profile
 * was put back from a copy.
 */
export interface Warning {
  readonly warning: "vault" | "account-fork" | "new-device" | "quick-ended" | "incarnation" | "older-copy" | "storage";
  readonly text: string;
  /** With `new-device` and `quick-ended`: the device to revoke, if it is not one's own, or its machine may have kept what it knew [H3]. */
  readonly device?: DeviceId;
}

export interface SendOptions {
  /** Seconds for which it lives after it was read, up to `limits.messageLifetimeSeconds`; 0: without an end. Left out: as `setTimer` says. */
  readonly expiresAfter?: number;
}

export interface SafetyNumber {
  /** 60 digits in groups of five. */
  readonly digits: string;
  readonly words: string;
  /** Payload of a QR code. */
  readonly code: string;
  readonly verification: Verification;
}

export interface Client {
  readonly me: Me;
  readonly role: ProfileRole;
  /**
   * [H5] A QuickChat session: what was written before it began is fetched where somebody asks for it, and told to the others only if nothing
   * that is unread was left out.
   */
  readonly quick: boolean;
  /** Beside the holder: the holder's. */
  readonly connection: ConnectionState;
  /** The server's time now, as this device has it, milliseconds since 1970: by it messages are over, whatever the machine's clock says. */
  readonly serverTime: number;

  /** Returns the function that ends the subscription. Listeners are called after the change is durable, never inside a transaction. */
  subscribe(listener: (event: ClientEvent) => void): () => void;

  /**
   * Has the oldest warning that no person has seen shown, by whoever asks first of all processes of this profile. It waits, however the process ends
   * that heard of it, until `show` has resolved. False: there is none.
   */
  showWarning(show: (warning: Warning) => void | Promise<void>): Promise<boolean>;

  /** Resolves when everything that had arrived when it was called is stored; rejects when the signal aborts. Needs a connection. */
  caughtUp(signal?: AbortSignal): Promise<void>;

  /** Contacts and, when connected, who the server finds. Sorted by name. Never includes oneself unless named exactly. */
  people(text?: string): Promise<readonly Person[]>;
  /** Live presence of these people from now on; events `presence`. */
  watchPresence(people: readonly AccountId[]): Promise<void>;

  /** Pinned ones first, then newest first. Those of strangers are not among them; see `requests`. */
  conversations(): Promise<readonly ConversationSummary[]>;
  conversation(id: ConversationId): Promise<ConversationSummary | undefined>;
  /**
   * The direct conversation with a person (or oneself), made when it is missing. Throws FastChatError NO_SUCH_USER; a contact is
   * found without a connection.
   */
  openDirect(name: string): Promise<ConversationId>;

  /**
   * Items below `before` (a sequence number; undefined: newest, with queued ones at the end), ascending, at most `limit`; fetches what this
   * device lacks. A QuickChat session does so only with `before`.
   */
  items(id: ConversationId, options: { before?: number; limit: number }): Promise<{ items: readonly ChatItem[]; more: boolean }>;

  /**
   * Resolves when the message is durable in the outbox. "@name" of a member mentions that member. Throws FastChatError TOO_LARGE,
   * NOT_A_MEMBER, FORBIDDEN (only admins write there).
   */
  send(id: ConversationId, text: string, options?: SendOptions): Promise<ClientMessageId>;
  /** Many at once, in order, one transaction. */
  sendAll(id: ConversationId, texts: readonly string[], options?: SendOptions): Promise<readonly ClientMessageId[]>;
  /** Resolves when nothing of this conversation (undefined: of any) is queued any more; rejects when the signal aborts. */
  sent(id: ConversationId | undefined, signal?: AbortSignal): Promise<void>;
  retry(message: ClientMessageId): Promise<void>;
  readonly files: Files;

  markRead(id: ConversationId, sequence: number): Promise<void>;
  setDraft(id: ConversationId, text: string): Promise<void>;
  setTyping(id: ConversationId, active: boolean): Promise<void>;

  /** Who has received and read what of a conversation, newest first. Asks the server where the group is large. */
  receipts(id: ConversationId): Promise<readonly Receipt[]>;

  readonly groups: Groups;

  setMute(id: ConversationId, mute: Mute): Promise<void>;
  /** Pinned conversations stand at the top of the list, in the order in which they were pinned. */
  setPinned(id: ConversationId, pinned: boolean): Promise<void>;

  /** What this account writes there from now on lives so many seconds after it was read; 0: without an end. On all its devices. */
  setTimer(id: ConversationId, seconds: number): Promise<void>;
  /**
   * Messages there, also those of before, are deleted so many seconds after they were sent, everywhere and for everybody; 0: never. Either of two may
   * set it, in a group an admin. It begins a direct conversation that has not begun. Needs a connection. Throws FastChatError FORBIDDEN, NOT_A_MEMBER.
   */
  setRetention(id: ConversationId, seconds: number): Promise<void>;

  /**
   * [S5] Deletes own messages for everybody: the server gives them to nobody any more and removes them and their files, and every client that hears of it shows
   * that there was something. Resolves when the server has it, which needs a connection; what ends in between is taken up again. Who has read it may have kept it.
   *
   * @throws FastChatError FORBIDDEN, NOT_FOUND, NOT_A_MEMBER, ACCOUNT_CLOSED
   */
  deleteMessages(id: ConversationId, messages: readonly MessagePlace[]): Promise<void>;

  /** Conversations that strangers began, newest first: how many, and those of them that were read so far. */
  requests(): Promise<{ readonly count: number; readonly conversations: readonly ConversationSummary[] }>;
  /** It is an ordinary conversation from now on; a person becomes a contact. */
  accept(id: ConversationId): Promise<void>;
  /** Puts a request away; the stranger hears nothing. Undefined: all that wait now. */
  decline(id: ConversationId | undefined): Promise<void>;
  /** Throws FastChatError NO_SUCH_USER. */
  setBlocked(name: string, blocked: boolean): Promise<void>;

  broadcastLists(): Promise<readonly BroadcastList[]>;
  /** Makes a list or replaces its people; with nobody in it, it is gone. Throws FastChatError NO_SUCH_USER. */
  setBroadcastList(name: string, people: readonly string[]): Promise<void>;
  /** To each of these people by themselves, in one transaction. Their conversations, in order. */
  broadcast(people: readonly string[], text: string): Promise<readonly ConversationId[]>;

  safetyNumber(name: string): Promise<SafetyNumber>;
  setVerified(name: string, verified: boolean): Promise<void>;
  acceptIdentity(name: string): Promise<void>;
  /**
   * Goes on in a conversation that is blocked as "forked": this device keeps to the history that it knows, and does not ask about
   * that account here again [G5].
   */
  acceptFork(id: ConversationId): Promise<void>;
  setNote(name: string, note: string): Promise<void>;

  /**
   * The old password signs nobody in any more, and devices stay signed in. Together with a copy of the server's data, what it opened before still
   * opens the account [P2].
   */
  changePassword(old: string, fresh: string): Promise<PasswordChangeResult>;

  /**
   * [P2] Somebody may know the old password: besides it, the recovery words and every key are replaced, and all devices but this one lose their
   * rights. Contacts see it, and that the old keys signed it. Needs a connection.
   */
  succeed(old: string, fresh: string): Promise<SuccessionResult>;

  /** All that this account ever had, newest first. Needs a connection. */
  devices(): Promise<readonly DeviceInfo[]>;
  /** What a device is called, on all devices. Throws FastChatError NOT_FOUND, TOO_LARGE. */
  nameDevice(device: DeviceId, name: string): Promise<void>;
  /** Needs a connection. */
  sessionPolicy(): Promise<SessionPolicy>;
  /** Of the account; it puts nobody out: the next sign-in will. Needs a connection. */
  setSessionPolicy(account: SessionPolicy["account"]): Promise<void>;
  /**
   * Takes all rights from devices of this account, also signed-out ones: new keys everywhere. Needs a connection and the
   * password. Throws FastChatError WRONG_PASSWORD.
   */
  revokeDevices(password: string, devices: readonly DeviceId[]): Promise<void>;

  /** Everything that this account can read, as one archive. What this device lacks is fetched while there is a connection. */
  export(options: ExportOptions): Promise<ExportResult>;

  /**
   * Deletes the account for good: its name is never given again, the server removes what is its alone, its groups are left, and this
   * device's profile is erased. Other devices are put out and keep what they have. Needs a connection and the password. Throws
   * FastChatError WRONG_PASSWORD.
   */
  deleteAccount(password: string): Promise<AccountDeletion>;

  /** Signs this device out and erases its profile, also when the server cannot be reached (said in the result). */
  signOut(): Promise<{ readonly server: "told" | "not-reached" }>;
  /** Stops, keeps everything. A QuickChat session signs out. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

export interface SignUpOptions {
  readonly gateway: string;
  readonly name: string;
  readonly password: string;
  readonly invitation?: string;
  /** Called once the password is strong and the server has found the name free, before anything is made: what it throws ends the sign-up. */
  readonly confirm?: () => Promise<void>;
}

export type SignUpResult =
  | { readonly kind: "signed-up"; readonly me: Me; readonly recoveryWords: readonly string[] }
  | Refused
  | WeakPassword;

/** A device that is signed in, as the vault and the server say. */
export type OtherDevice = Pick<DeviceInfo, "device" | "name" | "added" | "lastSeen">;

/** [H8] One device at a time may be, and these are: nothing was changed. The same again with `signOutOthers` goes on here. */
export interface AlreadySignedIn {
  readonly kind: "already-signed-in";
  /** Newest first. */
  readonly devices: readonly OtherDevice[];
}

export interface SignedIn {
  readonly kind: "signed-in";
  readonly me: Me;
  /**
   * With `signOutOthers`: those that were signed in have no rights any more, or the server lets them in no more but could not be told to
   * revoke them: then they still have keys, and are to be revoked.
   */
  readonly others?: "none" | "revoked" | "shut-out";
}

/** [H5] A session that imports nothing and leaves nothing on this device. */
export type QuickOptions = SignInOptions;

export type QuickResult =
  /** To be closed like any other client: that signs out. */
  { readonly kind: "open"; readonly client: Client; readonly others?: NonNullable<SignedIn["others"]> } | AlreadySignedIn | Refused;

export type SignInResult = SignedIn | AlreadySignedIn | Refused;

/**
 * The open functions, one pair per platform (`@fastchat/client/node`, `@fastchat/client/browser`), share these duties:
 *   signUp(place, options): Promise<SignUpResult>   — `place` must be an empty profile
 *   signIn(place, options): Promise<SignInResult>   — always adds a device [H1]
 *   recover(place, options): Promise<RecoverResult>  — `place` must be an empty profile
 *   openClient(place, options): Promise<Client | undefined>  — undefined: nobody is signed in here
 *   openQuick(options, open): Promise<QuickResult>  — needs no place [H5]
 * In Node a place is `{ home: string, profile: string }`, in a browser `{ profile: string }`.
 */
export interface OpenOptions {
  /** Overrides the gateway stored in the profile. */
  readonly gateway?: string;
  /** Do not connect: read and queue only. */
  readonly offline?: boolean;
  /** "fastchat-terminal/0.1.0", for the operator's logs. */
  readonly agent?: string;
  /** What this device of an account is called until its owner calls it otherwise: "Terminal on kitchen-pc". Sealed: the server does not learn it. */
  readonly deviceName?: (me: Me) => string;
}

export interface RecoverOptions {
  readonly gateway: string;
  readonly name: string;
  /** The twelve words of the sign-up, in order, as they are typed. */
  readonly words: string;
  /** The new one. */
  readonly password: string;
  /** As with a sign-in. */
  readonly signOutOthers?: boolean;
}

type Refused = { readonly kind: "refused"; readonly code: ErrorCode; readonly sentence: string };
export type WeakPassword = { readonly kind: "weak-password"; readonly bits: number; readonly suggestion: string };

export type RecoverResult = SignedIn | AlreadySignedIn | Refused | WeakPassword;
export type PasswordChangeResult = { readonly kind: "changed" } | Refused | WeakPassword;
export type SuccessionResult = { readonly kind: "succeeded"; readonly recoveryWords: readonly string[] } | Refused | WeakPassword;

export interface SignInOptions {
  readonly gateway: string;
  readonly name: string;
  readonly password: string;
  /** Signs in in the place of all other devices: they are put out, and revoked [H3]. */
  readonly signOutOthers?: boolean;
}
