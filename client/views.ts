import { fromBinary } from "@bufbuild/protobuf";
import { accountId, type AccountId, type ClientMessageId, type ConversationId, deviceId, isHash } from "@fastchat/protocol";
import { isClosed, type ConversationState } from "@fastchat/protocol/chain";
import type { KnownAccounts } from "./accounts.ts";
import type { ChatItem, ChatMessage, ChatNotice, ConversationSummary, Me, MessageStatus, NoticeKind, Person } from "./api.ts";
import type { Contacts } from "./contacts.ts";
import type { Conversation as ConversationRecord, StoredEntry } from "./generated/fastchat/profile/v1/profile_pb.ts";
import { storedMessage } from "./log-page.ts";
import { type Outgoing, readOutbox } from "./outbox.ts";
import { keys, prefixes, read, schemas, sequenceOfKey } from "./records.ts";
import { decodeSnapshot } from "./snapshot.ts";
import { prefixRange, type Storage } from "./storage.ts";

const PAGE = 200;

/** What is only known while connected. */
export interface Live {
  presence(account: AccountId): { readonly online: boolean; readonly lastSeen: number | undefined } | undefined;
  /** Of somebody whom the server found by that name, and of whom nothing else is known. */
  nameOf(account: AccountId): string | undefined;
  isTyping(conversation: ConversationId, account: AccountId): boolean;
  draft(conversation: ConversationId): string;
  /** Sequence number that the server acknowledged for a message of the outbox. */
  acknowledged(id: ClientMessageId): number | undefined;
}

export interface ViewParts {
  readonly storage: Storage;
  readonly me: Me;
  readonly accounts: KnownAccounts;
  readonly contacts: Contacts;
  readonly live: Live;
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
    };
  }

  async conversations(): Promise<ConversationSummary[]> {
    const items = await this.#parts.storage.range(prefixRange(prefixes.conversations));
    const summaries = await Promise.all(
      items.map(({ key, value }) =>
        this.#summary(key.slice(prefixes.conversations.length) as ConversationId, fromBinary(schemas.conversation, value)),
      ),
    );
    return summaries.filter((each) => each !== undefined).sort((one, other) => other.time - one.time);
  }

  async conversation(id: ConversationId): Promise<ConversationSummary | undefined> {
    const record = await read(this.#parts.storage, keys.conversation(id), schemas.conversation);
    return record && this.#summary(id, record);
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
    return (await readOutbox(this.#parts.storage, id)).map((outgoing) => this.outgoingItem(outgoing));
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
      time: Number(item.time),
      status,
      doubt: "none",
    };
  }

  async #summary(id: ConversationId, record: ConversationRecord): Promise<ConversationSummary | undefined> {
    if (!isHash(record.peer)) return undefined;
    const { me, live } = this.#parts;
    const account = accountId(record.peer);
    const kind = account === me.account ? "note-to-self" : "direct";
    const peer = await this.person(account);
    const queued = (await this.outgoing(id)).at(-1);
    const last = queued ?? (record.lastMessage === 0 ? undefined : (await this.itemsAt(id, [record.lastMessage])).find(isChatMessage));
    return {
      id,
      kind,
      peer,
      title: kind === "note-to-self" ? "Note to self" : peer.name,
      // Below what is stored everything counts as unread that was not read elsewhere.
      unread: record.unread + Math.max(0, record.low - 1 - record.readUpTo),
      head: record.high,
      readUpTo: record.readUpTo,
      last,
      draft: live.draft(id),
      typing: live.isTyping(id, account),
      time: Math.max(Number(record.time), queued?.time ?? 0),
      blocked: await this.#blocked(id, record, peer),
    };
  }

  async #blocked(id: ConversationId, record: ConversationRecord, peer: Person): Promise<ConversationSummary["blocked"]> {
    if (record.updateNeeded) return "update-needed";
    if (record.forked) return "forked";
    if (peer.verification === "changed") return "identity-changed";
    const chain = await read(this.#parts.storage, keys.chain(id), schemas.chain);
    const state = chain && decodeSnapshot<ConversationState>(chain.snapshot);
    return state !== undefined && isClosed(state) ? "closed" : "none";
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
    const message = await this.#message(id, record, sequence, entry, time);
    const others = await Promise.all(entry.others.map((other) => this.#items(id, record, sequence, other)));
    return [...(message === undefined ? [] : [message]), ...notices, ...others.flat()];
  }

  async #message(
    conversation: ConversationId,
    record: ConversationRecord,
    sequence: number,
    entry: StoredEntry,
    time: number,
  ): Promise<ChatMessage | undefined> {
    const message = storedMessage(entry);
    if (message === undefined) return undefined;
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
      text: message.content.kind.case === "text" ? message.content.kind.value.text : "",
      time,
      status: statusOf(record, sequence, mine),
      doubt: message.doubt as ChatMessage["doubt"],
    };
  }
}

const isChatMessage = (item: ChatItem): item is ChatMessage => item.kind === "message";

function statusOf(record: ConversationRecord, sequence: number, mine: boolean): MessageStatus {
  if (!mine) return sequence <= record.readUpTo ? "read" : "delivered";
  if (sequence <= record.peerRead) return "read";
  return sequence <= record.peerDelivered ? "delivered" : "sent";
}
