import { fromBinary } from "@bufbuild/protobuf";
import {
  accountId,
  type AccountId,
  type ClientMessageId,
  type ConversationId,
  deviceId,
  type ErrorCode,
  isHash,
  limits,
} from "@fastchat/protocol";
import { type ConversationState, invitationDayMs, invitationStanding, type InvitationState, newestEpoch } from "@fastchat/protocol/chain";
import { type File, type MessageContent, Role } from "@fastchat/protocol/wire/conversation";
import type { KnownAccounts } from "./accounts.ts";
import type { GroupInfo, GroupInvitation, GroupMember, GroupOverview } from "./api-groups.ts";
import type { ChatItem, ChatMessage, ChatNotice, ConversationSummary, Me, MessageStatus, NoticeKind, Person } from "./api.ts";
import type { Contacts } from "./contacts.ts";
import type { ConversationSettings } from "./conversation-settings.ts";
import type { Conversation as ConversationRecord, Group as GroupRecord, StoredEntry } from "./generated/fastchat/profile/v1/profile_pb.ts";
import { chatFile, filesIn } from "./files/received-file.ts";
import { groupTitle, isOwn, profileOf } from "./group-record.ts";
import { lifetimeOf } from "./lifetimes.ts";
import { shownMessage, storedMessage } from "./log-page.ts";
import { filesOf, isUploading, type Outgoing, readOutbox, saysSomething, sealedBytesOf } from "./outbox.ts";
import { keys, prefixes, read, schemas, sequenceOfKey } from "./records.ts";
import { beginningOf, type Standing, type StandingConversation, type Standings } from "./standing.ts";
import type { ServerTime } from "./server-clock.ts";
import { prefixRange, type Storage } from "./storage.ts";

const PAGE = 200;

/** What is only known while connected. */
export interface Live {
  presence(account: AccountId): { readonly online: boolean; readonly lastSeen: number | undefined } | undefined;
  /** Of somebody whom the server found by that name, and of whom nothing else is known. */
  nameOf(account: AccountId): string | undefined;
  typing(conversation: ConversationId): readonly AccountId[];
  /** Whether sending into a group waits for somebody's identity to be accepted [A3]. */
  isIdentityChanged(group: ConversationId): Promise<boolean>;
  draft(conversation: ConversationId): string;
  /** Sequence number that the server acknowledged for a message of the outbox. */
  acknowledged(id: ClientMessageId): number | undefined;
  /** How far its files are on the server; undefined: not known here. */
  upload(id: ClientMessageId): ChatMessage["upload"];
}

export interface ViewParts {
  readonly storage: Storage;
  readonly me: Me;
  readonly accounts: KnownAccounts;
  readonly contacts: Contacts;
  readonly live: Live;
  readonly settings: ConversationSettings;
  readonly standings: Standings;
  readonly clock: ServerTime;
  /** A QuickChat session: what was before it is not counted [H5]. */
  readonly leavesPast?: boolean;
}

/** What people see, out of what the profile holds: the same for the holder and for who reads beside it. */
export class Views {
  readonly #parts: ViewParts;

  constructor(parts: ViewParts) {
    this.#parts = parts;
  }

  async person(account: AccountId): Promise<Person> {
    return this.#person(account, (await this.#nameOf(account)) ?? account.slice(0, 8));
  }

  /** Those of these accounts that have a name here. */
  async named(accounts: readonly AccountId[]): Promise<Person[]> {
    const people = accounts.map(async (account) => {
      const name = await this.#nameOf(account);
      return name === undefined ? [] : [await this.#person(account, name)];
    });
    return (await Promise.all(people)).flat();
  }

  async #nameOf(account: AccountId): Promise<string | undefined> {
    const { contacts, accounts, me, live } = this.#parts;
    if (account === me.account) return me.name;
    return contacts.byAccount(account)?.name ?? (await accounts.get(account))?.state.name ?? live.nameOf(account);
  }

  async #person(account: AccountId, name: string): Promise<Person> {
    const { contacts, me, live } = this.#parts;
    const contact = contacts.byAccount(account);
    const presence = live.presence(account);
    return {
      name,
      account,
      online: presence?.online ?? false,
      lastSeen: presence?.lastSeen,
      verification: account === me.account ? "verified" : await contacts.verification(account),
      contact: contact !== undefined,
      note: contact?.note ?? "",
      blocked: contact?.blocked ?? false,
    };
  }

  conversations(): Promise<ConversationSummary[]> {
    return this.#standing("ordinary");
  }

  /** Of those that wait to be accepted, the ones that were read. */
  requests(): Promise<ConversationSummary[]> {
    return this.#standing("request");
  }

  async #standing(standing: Standing): Promise<ConversationSummary[]> {
    return (await this.all((each) => each === standing)).map(({ conversation }) => conversation);
  }

  /** With how each stands, newest first. */
  async all(isWanted: (standing: Standing) => boolean = () => true): Promise<StandingConversation[]> {
    const items = await this.#parts.storage.range(prefixRange(prefixes.conversations));
    const summaries = await Promise.all(
      items.map(async ({ key, value }) => {
        const id = key.slice(prefixes.conversations.length) as ConversationId;
        const record = fromBinary(schemas.conversation, value);
        const standing = this.standing(id, record);
        const conversation = isWanted(standing) ? await this.#summary(id, record) : undefined;
        return conversation === undefined ? [] : [{ standing, conversation }];
      }),
    );
    return summaries.flat().sort((one, other) => inListOrder(one.conversation, other.conversation));
  }

  /** The places of a log that are here, both included. */
  async placesHere(id: ConversationId): Promise<{ readonly low: number; readonly high: number }> {
    const { low = 1, high = 0 } = (await read(this.#parts.storage, keys.conversation(id), schemas.conversation)) ?? {};
    return { low, high };
  }

  contacts(): Promise<Person[]> {
    return Promise.all(this.#parts.contacts.all().map(({ account, name }) => this.#person(accountId(account), name)));
  }

  async conversation(id: ConversationId): Promise<ConversationSummary | undefined> {
    const record = await read(this.#parts.storage, keys.conversation(id), schemas.conversation);
    return record && this.#summary(id, record);
  }

  standing(id: ConversationId, record: ConversationRecord): Standing {
    return this.#parts.standings.of(beginningOf(id, record));
  }

  /** Stored entries as items, ascending. */
  async itemsAt(id: ConversationId, sequences: readonly number[]): Promise<ChatItem[]> {
    const { storage } = this.#parts;
    const record = await read(storage, keys.conversation(id), schemas.conversation);
    if (record === undefined) return [];
    const values = await storage.getMany(sequences.map((sequence) => keys.entry(id, sequence)));
    const items = await Promise.all(
      values.map((value, place) =>
        value === undefined ? Promise.resolve([]) : this.#items(id, record, sequences[place]!, fromBinary(schemas.entry, value)),
      ),
    );
    return items.flat();
  }

  /** A file of a message that is stored here; undefined: there is none. */
  async fileAt(id: ConversationId, sequence: number, place: number): Promise<File | undefined> {
    const entry = await read(this.#parts.storage, keys.entry(id, sequence), schemas.entry);
    const message = entry && storedMessage(entry);
    return message && filesIn(message.content)[place];
  }

  /** Own messages of a part of the log, whose status may have changed. `from` excluded. */
  async ownItems(id: ConversationId, from: number, to: number): Promise<ChatItem[]> {
    const range = { from: keys.entry(id, from + 1), to: keys.entry(id, to + 1) };
    const sequences = (await this.#parts.storage.range(range)).map(({ key }) => sequenceOfKey(key));
    return (await this.itemsAt(id, sequences)).filter((item) => item.kind === "message" && item.mine);
  }

  /**
   * Below `before`, newest of them, ascending. `missing`: the sequence number down to which entries must be fetched first to
   * fill the page.
   */
  async items(
    id: ConversationId,
    { before, limit }: { readonly before?: number; readonly limit: number },
  ): Promise<{ items: ChatItem[]; more: boolean; missing: number | undefined }> {
    const { storage } = this.#parts;
    const record = await read(storage, keys.conversation(id), schemas.conversation);
    const items: ChatItem[] = before === undefined ? (await this.outgoing(id)).slice(-limit).toReversed() : [];
    if (record === undefined) return { items: items.reverse(), more: false, missing: undefined };
    let below = Math.min(before ?? Infinity, record.high + 1);
    for (let full = items.length >= limit; !full && below > record.low;) {
      const range = { from: keys.entry(id, record.low), to: keys.entry(id, below), limit: PAGE, reverse: true };
      const page = await storage.range(range);
      if (page.length === 0) break;
      for (const { key, value } of page) {
        const sequence = sequenceOfKey(key);
        const some = await this.#items(id, record, sequence, fromBinary(schemas.entry, value));
        // All of an entry or nothing: the next page begins at a sequence number.
        full = items.length > 0 && items.length + some.length > limit;
        if (full) break;
        items.push(...some.toReversed());
        below = sequence;
      }
    }
    const missing = items.length < limit && below <= record.low && record.low > 1 ? Math.max(1, record.low - limit) : undefined;
    return { items: items.reverse(), more: below > 1 && record.high > 0, missing };
  }

  /** What lies in the outbox, in order. */
  async outgoing(id: ConversationId): Promise<ChatMessage[]> {
    return (await readOutbox(this.#parts.storage, id)).filter(saysSomething).map((outgoing) => this.outgoingItem(outgoing));
  }

  outgoingItem({ conversation, id, item }: Outgoing): ChatMessage {
    const { me, live } = this.#parts;
    const status: MessageStatus = item.failed !== 0 ? "failed" : live.acknowledged(id) !== undefined ? "sent" : "queued";
    return {
      kind: "message",
      conversation,
      id,
      sequence: undefined,
      from: { account: me.account, device: me.device, name: me.name },
      mine: true,
      text: item.text,
      deleted: false,
      // Known once it is sealed for the members of that time.
      mentions: [],
      mentionsMe: false,
      time: Number(item.time),
      status,
      refusal: item.failed === 0 ? undefined : (item.failed as ErrorCode),
      files: filesOf(item).map(chatFile),
      upload: isUploading(item) ? (live.upload(id) ?? { sent: 0, size: sealedBytesOf(item), held: undefined }) : undefined,
      expiresAfter: item.expiresAfter,
      expires: undefined,
      doubt: "none",
    };
  }

  async #summary(id: ConversationId, record: ConversationRecord): Promise<ConversationSummary | undefined> {
    if (!isOwn(record)) return undefined;
    const { live } = this.#parts;
    const queued = (await this.outgoing(id)).at(-1);
    const last = queued ?? (record.lastMessage === 0 ? undefined : (await this.itemsAt(id, [record.lastMessage])).find(isChatMessage));
    const standing = this.standing(id, record);
    const typing = await Promise.all(live.typing(id).map((account) => this.#nameOf(account)));
    const base = {
      id,
      ...(standing === "blocked" ? { unread: 0, mentions: 0 } : this.#unread(record)),
      head: record.high,
      oldest: record.low,
      readUpTo: record.readUpTo,
      last,
      draft: live.draft(id),
      typing: typing.filter((name) => name !== undefined),
      time: Math.max(Number(record.time), queued?.time ?? 0),
      mute: this.#parts.settings.muteOf(id),
      retentionSeconds: record.retentionSeconds,
      timerSeconds: this.#parts.settings.timerOf(id),
      pinnedAt: this.#parts.settings.pinnedAt(id),
      request: standing === "request" || standing === "declined",
    };
    const { group } = record;
    if (group !== undefined) {
      const blocked = await this.blockedIn(record);
      const isChanged = blocked === "none" && (await live.isIdentityChanged(id));
      const overview = await this.#overview(record, group);
      return { ...base, kind: "group", title: groupTitle(record), group: overview, blocked: isChanged ? "identity-changed" : blocked };
    }
    const account = accountId(record.peer);
    const peer = await this.person(account);
    const isSelf = account === this.#parts.me.account;
    const blocked = await this.blockedIn(record);
    return {
      ...base,
      kind: isSelf ? "note-to-self" : "direct",
      peer,
      title: isSelf ? "Note to self" : peer.name,
      blocked: blocked === "none" && peer.verification === "changed" ? "identity-changed" : blocked,
    };
  }

  /** Why nothing can be sent into a conversation, as far as is known here. */
  async blockedIn(record: ConversationRecord): Promise<ConversationSummary["blocked"]> {
    const { peer, updateNeeded, forked, group } = record;
    if (updateNeeded) return "update-needed";
    if (group !== undefined && group.role === Role.UNSPECIFIED) return "out";
    if (forked) return "forked";
    // Known before it is on record in the conversation [C1].
    if (record.closed || (isHash(peer) && (await this.#parts.accounts.get(accountId(peer)))?.state.closed === true)) return "closed";
    return group === undefined || group.mayWrite ? "none" : "announce-only";
  }

  /** Below what is stored everything counts as unread that was not read elsewhere, until it is counted; where that is never, nothing does. */
  #unread({ unread, mentions, low, readUpTo }: ConversationRecord): Pick<ConversationSummary, "unread" | "mentions"> {
    const uncounted = this.#parts.leavesPast === true ? 0 : Math.max(0, low - 1 - readUpTo);
    return { unread: Math.min(unread + uncounted, limits.unreadCounted), mentions };
  }

  async #overview(record: ConversationRecord, group: GroupRecord): Promise<GroupOverview> {
    const { end } = group;
    const profile = profileOf(record);
    return {
      name: profile?.name ?? "",
      description: profile?.description ?? "",
      memberCount: group.memberCount,
      role: roles[group.role as Role],
      ended: end && { how: end.removed ? "removed" : "left", by: (await this.#nameOf(accountId(end.by))) ?? "somebody" },
      addedBy: (isHash(record.addedBy) ? await this.#nameOf(accountId(record.addedBy)) : undefined) ?? "somebody",
      joinRequests: group.joinRequests,
      mayWrite: group.mayWrite,
      mayAdd: group.mayAdd,
      mayChangeProfile: group.mayChangeProfile,
    };
  }

  /** What there is to know of a group: its members as its chain names them. */
  async groupInfo(id: ConversationId, state: ConversationState): Promise<GroupInfo | undefined> {
    const record = await read(this.#parts.storage, keys.conversation(id), schemas.conversation);
    if (record?.group === undefined || !isOwn(record)) return undefined;
    const members = await Promise.all(
      [...state.members.values()].map(async ({ account, role, chain }) => ({
        person: await this.#person(account, this.#knownName(account) ?? chain.name),
        role,
        me: account === this.#parts.me.account,
      })),
    );
    const { policy } = state;
    const { newcomersReadSinceEpoch: sinceEpoch, ...rest } = policy;
    return {
      ...(await this.#overview(record, record.group)),
      id,
      picture: profileOf(record)?.picture ?? new Uint8Array(0),
      members: members.sort(byRoleAndName),
      policy: { ...rest, newcomersRead: sinceEpoch > 0 && rest.newcomersRead !== "everything" ? { sinceEpoch } : rest.newcomersRead },
      invitations: [...state.invitations.values()].map(invitationInfo),
      epoch: newestEpoch(state).epoch,
      head: state.head,
    };
  }

  #knownName(account: AccountId): string | undefined {
    const { contacts, me } = this.#parts;
    return account === me.account ? me.name : contacts.byAccount(account)?.name;
  }

  async #items(id: ConversationId, record: ConversationRecord, sequence: number, entry: StoredEntry): Promise<ChatItem[]> {
    const time = Number(entry.time);
    const notices = entry.notices.map(({ kind, text }): ChatNotice => ({
      kind: "notice",
      conversation: id,
      sequence,
      time,
      notice: kind as NoticeKind,
      text,
    }));
    if (
      entry.body.case === "erased" &&
      entry.body.value.clientMessageId.length === 0 &&
      !entry.body.value.notMeant &&
      !mayBeErased(record, time, this.#parts.clock.now())
    ) {
      const text = "The server does not give what was written here, and no rule of this conversation lets it delete it.";
      notices.push({ kind: "notice", conversation: id, sequence, time, notice: "contradiction", text });
    }
    const message = await this.#message(id, record, sequence, entry, time);
    const others = await Promise.all(entry.others.map((other) => this.#items(id, record, sequence, other)));
    return [...(message === undefined ? [] : [message]), ...notices, ...others.flat()];
  }

  async #text(content: MessageContent | undefined): Promise<Pick<ChatMessage, "text" | "mentions" | "mentionsMe">> {
    if (content?.kind.case !== "text") return { text: "", mentions: [], mentionsMe: false };
    const { kind } = content;
    const accounts = kind.value.mentions.slice(0, limits.mentionsPerMessage).filter(isHash).map(accountId);
    const names = await Promise.all(accounts.map((account) => this.#nameOf(account)));
    const mentionsMe = accounts.includes(this.#parts.me.account);
    return { text: kind.value.text, mentions: names.filter((name) => name !== undefined), mentionsMe };
  }

  async #message(
    conversation: ConversationId,
    record: ConversationRecord,
    sequence: number,
    entry: StoredEntry,
    time: number,
  ): Promise<ChatMessage | undefined> {
    const message = shownMessage(entry);
    if (message === undefined) return undefined;
    const { content } = message;
    const expiresAfter = content === undefined ? 0 : lifetimeOf(content);
    const expires = await this.#endOf(conversation, record, { sequence, time, expiresAfter });
    // It is about to be deleted.
    if (expires !== undefined && expires <= this.#parts.clock.now()) return undefined;
    const account = accountId(entry.account);
    const mine = account === this.#parts.me.account;
    const name = (await this.#nameOf(account)) ?? account.slice(0, 8);
    return {
      kind: "message",
      conversation,
      id: message.id,
      sequence,
      from: { account, device: deviceId(entry.device), name },
      mine,
      deleted: content === undefined,
      ...(await this.#text(content)),
      files: content === undefined ? [] : filesIn(content).map(chatFile),
      refusal: undefined,
      upload: undefined,
      time,
      status: statusOf(record, sequence, mine),
      expiresAfter,
      expires,
      doubt: message.doubt as ChatMessage["doubt"],
    };
  }

  /** [H4] By its own lifetime or by the policy, whichever is over first. */
  async #endOf(
    conversation: ConversationId,
    { retentionSeconds }: ConversationRecord,
    { sequence, time, expiresAfter }: { readonly sequence: number; readonly time: number; readonly expiresAfter: number },
  ): Promise<number | undefined> {
    const kept = retentionSeconds === 0 ? Infinity : time + 1_000 * retentionSeconds;
    const timer = expiresAfter === 0 ? undefined : await read(this.#parts.storage, keys.timer(conversation, sequence), schemas.timer);
    const end = Math.min(kept, Number(timer?.ends ?? 0n) || Infinity);
    return end === Infinity ? undefined : end;
  }
}

const roles: Readonly<Record<Role, GroupOverview["role"]>> = {
  [Role.UNSPECIFIED]: undefined,
  [Role.MEMBER]: "member",
  [Role.ADMIN]: "admin",
};

/** A server's clock may be so far ahead. */
const CLOCK_SLACK_MS = 600_000;

/** [S4] Whether the policy, now or once, let the server delete what was sent at this time. */
function mayBeErased({ shortestRetentionSeconds: shortest }: ConversationRecord, time: number, now: number): boolean {
  return shortest > 0 && time + shortest * 1_000 <= now + CLOCK_SLACK_MS;
}

function invitationInfo(invitation: InvitationState): GroupInvitation {
  const { publicKey, uses, used, lastDay } = invitation;
  const state = invitationStanding(invitation, Date.now());
  return { publicKey, uses, used, lastDay: new Date(lastDay * invitationDayMs).toISOString().slice(0, 10), state };
}

function byRoleAndName(one: GroupMember, other: GroupMember): number {
  if (one.role !== other.role) return one.role === "admin" ? -1 : 1;
  return one.person.name < other.person.name ? -1 : 1;
}

/** Pinned ones first, as they were pinned; the others newest first. */
function inListOrder(one: ConversationSummary, other: ConversationSummary): number {
  if (one.pinnedAt !== other.pinnedAt) return (one.pinnedAt ?? Infinity) - (other.pinnedAt ?? Infinity);
  return other.time - one.time;
}

const isChatMessage = (item: ChatItem): item is ChatMessage => item.kind === "message";

function statusOf(record: ConversationRecord, sequence: number, mine: boolean): MessageStatus {
  if (!mine) return sequence <= record.readUpTo ? "read" : "delivered";
  if (sequence <= record.othersRead) return "read";
  return sequence <= record.othersDelivered ? "delivered" : "sent";
}
