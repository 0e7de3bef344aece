import { clone, create, fromBinary } from "@bufbuild/protobuf";
import {
  accountId,
  type AccountId,
  clientMessageId,
  type ClientMessageId,
  type ConversationId,
  idBytes,
  isHash,
  limits,
} from "@fastchat/protocol";
import { type ConversationState, deviceAt, isEntitled, newestEpoch } from "@fastchat/protocol/chain";
import { entryHash, equal, toHex } from "@fastchat/protocol/seal";
import {
  ConversationKind,
  ConversationLinkSchema,
  type Entry,
  EntrySchema,
  type LinkEntry,
  type MessageContent,
  type SealedKey,
  type Witness,
  WitnessSchema,
} from "@fastchat/protocol/wire/conversation";
import { ConversationChain } from "./conversation-chain.ts";
import { EpochKeys } from "./epoch-keys.ts";
import {
  ClaimSchema,
  type Conversation as ConversationRecord,
  ConversationSchema,
  type StoredEntry,
} from "./generated/fastchat/profile/v1/profile_pb.ts";
import { isOwn } from "./group-record.ts";
import { Lane } from "./lane.ts";
import { endOf, erase, isErasable, lifetimeOf, type ReadMoment } from "./lifetimes.ts";
import { incarnationAt, LogCheck, type LogDraft, witnessRecord } from "./log-check.ts";
import { type LogListener, LogReader, type LogReaderParts } from "./log-reader.ts";
import { doubtOf, identityOf, isMessage, isShown, readMessage, storedBase, storedMessage, storeMessage } from "./log-page.ts";
import { forkNotice, lostNotice } from "./notices.ts";
import { keys, prefixes, put, read, remove, schemas, sequenceOfKey } from "./records.ts";
import { leaveBehind, lostMessages, type Repair, repairLog } from "./restored-log.ts";
import type { ServerTime } from "./server-clock.ts";
import { believableTime } from "./server-words.ts";
import { type Change, prefixRange } from "./storage.ts";
import { Timers } from "./timers.ts";
import { standsIn, Withdrawals } from "./withdrawals.ts";
import type { VerifiedAccounts } from "@fastchat/protocol/chain";
import type { Entries } from "@fastchat/protocol/wire/frames";

/** A fresh device has the whole of a log of up to this many entries soon, of a longer one what is asked for [H1]. */
const WHOLE_LOG_ENTRIES = limits.entriesPerPage;
/** With which it begins: as many as a screen shows. A shorter log is read from its start. */
const FIRST_PAGE_ENTRIES = 30;
/** Older entries that are fetched at once, at least; few enough for whoever wants another page not to wait for them. */
const OLDER_PAGE_ENTRIES = 100;
/** Of a log that was read from its newest page back, checked between two pauses. */
const CHECKED_AT_ONCE = limits.entriesPerPage;
const COUNTED_AT_ONCE = 500;
const PUSH_MS = 400;
const HELD_COPIES = 1_024;
const DELETED_AT_ONCE = 1_000;
/** Why a message could not be opened, where a key may still come. */
const KEY_MISSING: ReadonlySet<string> = new Set(["key", "before-joining", "missed-joining"]);
/** Kept for later: each account says two things, and says them anew. */
const CLAIMS_AT_MOST = 64;
/** Of epochs whose keys may still come, the newest. */
const AWAITED_AT_MOST = 1_024;

export interface ConversationParts extends LogReaderParts {
  readonly verified: VerifiedAccounts;
  readonly accountKeyOf: (generation: number) => Uint8Array | undefined;
  /** Own messages whose entries are about to be stored: what deletes them from the outbox in the same commit. */
  readonly arrived: (conversation: ConversationId, ids: readonly ClientMessageId[]) => Change[];
  /** Whether it is in the outbox. */
  readonly isOutgoing: (id: ClientMessageId) => boolean;
  /** They are stored. */
  readonly settled: (conversation: ConversationId, ids: readonly ClientMessageId[]) => void;
  readonly clock: ServerTime;
  /** How far this account has read, as its devices told each other: as of this connection, where there is one. */
  readonly readElsewhere: (conversation: ConversationId) => Promise<ReadPosition | undefined>;
  readonly listener: ConversationListener;
}

/** Everything up to this number was read. */
export interface ReadPosition {
  readonly sequence: number;
  readonly moment: ReadMoment;
}

/** [S4] What an account signed to have of the log; nothing where it did not say. */
export interface Signed {
  readonly account: AccountId;
  readonly witness: Witness | undefined;
}

/** What entries count for while they are not read. */
interface Unread {
  readonly unread: number;
  readonly mentions: number;
}

/** How entries came: by themselves, while everything before was here; from the time away; as a page of what is older. */
export type Came = "live" | "missed" | "older";

export interface ConversationListener extends LogListener {
  /** After the commit; ascending sequence numbers. */
  onStored(conversation: Conversation, sequences: readonly number[], came: Came): void;
  /** The record changed in another way, or entries stored before did. */
  onChanged(conversation: Conversation, sequences: readonly number[]): void;
  /** Messages are gone: what is shown of them is not there any more. */
  onDeleted(conversation: Conversation): void;
  /** The same of these, which were over [H4]. */
  onExpired(conversation: Conversation, sequences: readonly number[]): void;
  /** Their authors deleted these: of some it is shown that there was something, the others are gone [S5]. */
  onWithdrawn(conversation: Conversation, shown: readonly number[], gone: readonly number[]): void;
  /** This device wrote messages that this profile knows nothing of: it is an older copy of it. */
  onOlderCopy(): void;
  /** The current epoch's key cannot be opened here [C6]. */
  onKeyMissing(conversation: Conversation, epoch: number): void;
}

/**
 * One conversation as this device has it: its log without gaps between `low` and `high`, its chain, its keys.
 *
 * Everything that reads from the log runs in one lane, one page at a time: verify, open, compare, then one commit of the
 * texts, what they changed in the chain, the running hash and the cursor [S7], then the events. A crash leaves a page
 * wholly stored or wholly unknown, and an unknown one is asked for again.
 */
export class Conversation {
  readonly id: ConversationId;
  record: ConversationRecord;
  readonly chain: ConversationChain;
  readonly epochKeys: EpochKeys;
  readonly #parts: ConversationParts;
  readonly #lane = new Lane();
  readonly #check: LogCheck;
  readonly #reader: LogReader;
  readonly #timers: Timers;
  readonly #withdrawals: Withdrawals;
  readonly #awaited = new Set<{ readonly sequence: number; readonly resolve: () => void }>();
  /** That came ahead of their link. */
  readonly #copies: SealedKey[] = [];
  #isPastLeft = false;

  private constructor(parts: ConversationParts, id: ConversationId, record: ConversationRecord) {
    this.#parts = parts;
    this.id = id;
    this.record = record;
    this.chain = new ConversationChain(parts.storage, id, parts.verified, parts.accounts);
    this.epochKeys = new EpochKeys(parts.storage, id, parts.me.account, parts.accountKeyOf);
    this.#check = new LogCheck(parts.storage, id, parts.me.account, (account) => this.#nameOf(account));
    this.#reader = new LogReader(id, parts, this.chain, this.epochKeys, (account) => this.#nameOf(account));
    this.#timers = new Timers(id);
    this.#withdrawals = new Withdrawals(parts.storage, id);
  }

  static async load(parts: ConversationParts, id: ConversationId): Promise<Conversation | undefined> {
    const record = await read(parts.storage, keys.conversation(id), schemas.conversation);
    if (record === undefined) return undefined;
    const conversation = new Conversation(parts, id, record);
    await conversation.chain.load();
    await conversation.#timers.load(parts.storage);
    return conversation;
  }

  /** One of which this device knows no more than the id. */
  static begin(parts: ConversationParts, id: ConversationId, peer?: AccountId): Conversation {
    const record = create(ConversationSchema, { low: 1, high: 0, peer: peer === undefined ? new Uint8Array(0) : idBytes(peer) });
    return new Conversation(parts, id, record);
  }

  get peer(): AccountId | undefined {
    return isHash(this.record.peer) ? accountId(this.record.peer) : undefined;
  }

  /** Of this account: it is a member, or was. */
  get isOwn(): boolean {
    return isOwn(this.record);
  }

  /** Whether it is a group, as far as its chain is known. */
  get isGroup(): boolean {
    return this.record.group !== undefined;
  }

  /** What was there when it was first heard of is fetched only for who asks for it [H5]. */
  get isPastLeft(): boolean {
    return this.#isPastLeft;
  }

  /** Of one of which nothing is here yet. */
  leavePast(): void {
    if (this.record.high === 0) this.#isPastLeft = true;
  }

  get isBehind(): boolean {
    return this.record.high < this.record.head;
  }

  /** The newest place of the log whose whole past this device has checked [S4]. */
  get witness(): Witness | undefined {
    const { newest, anchor, high, incarnation } = this.record;
    if (newest === undefined || anchor === undefined || anchor.sequence !== 0 || newest.sequence !== high || high === 0) return undefined;
    return create(WitnessSchema, { incarnation, sequence: newest.sequence, hash: newest.hash });
  }

  /** This place of the log; without its hash while what comes before is not here. */
  async witnessAt(sequence: number): Promise<Witness> {
    const incarnation = incarnationAt(this.record, sequence) ?? this.record.incarnation;
    const hash = await this.#check.knownHashAt(this.record, sequence);
    return create(WitnessSchema, { incarnation, sequence, ...(hash !== undefined && { hash }) });
  }

  /**
   * [S4] What accounts signed about how far they have the log: compared with what this device has, now or when it is here.
   *
   * @param change of the record, committed with it
   */
  claimed(signed: readonly Signed[], change?: (record: ConversationRecord) => void): Promise<void> {
    const claims = signed.flatMap(({ account, witness }) =>
      witness === undefined || !isHash(witness.hash) || witness.sequence === 0
        ? []
        : [create(ClaimSchema, { account: idBytes(account), witness: witnessRecord(witness) })],
    );
    return this.#lane.run(async () => {
      if (claims.length === 0 && change === undefined) return;
      const draft = this.#draft();
      change?.(draft.record);
      draft.record.claims = [...draft.record.claims, ...claims];
      const places = await this.#check.claims(draft);
      // Of those that cannot be compared yet.
      draft.record.claims = draft.record.claims.slice(-CLAIMS_AT_MOST);
      const isNothing = places.length === 0 && draft.record.claims.length === 0 && this.record.claims.length === 0;
      if (isNothing && change === undefined) return;
      if (places.length > 0) draft.record.revision++;
      await this.#commit(draft);
      if (places.length > 0) this.#parts.listener.onChanged(this, places);
    });
  }

  /** A new connection: what the server could not give before may be there now. */
  newSession(): void {
    this.#reader.newSession();
    this.#copies.length = 0;
    // Newer software may have come since.
    this.record.updateNeeded = false;
  }

  noteHead(sequence: number): void {
    if (sequence > this.record.head) this.record.head = sequence;
  }

  /** Changes the record and commits it, after what is being read now. */
  update(change: (record: ConversationRecord) => void, more: readonly Change[] = []): Promise<void> {
    return this.#lane.run(async () => {
      const record = clone(ConversationSchema, this.record);
      change(record);
      await this.#parts.storage.commit([put(keys.conversation(this.id), schemas.conversation, record), ...more]);
      // What the server named while this was being stored is not forgotten.
      record.head = Math.max(record.head, this.record.head);
      this.record = record;
    });
  }

  /** Everything up to here was read, on this device or another. False: that was known. */
  readUpTo(sequence: number, moment: ReadMoment): Promise<boolean> {
    return this.#lane.run(() => this.#readUpTo({ sequence, moment }));
  }

  async #readUpTo({ sequence, moment }: ReadPosition): Promise<boolean> {
    if (sequence <= this.record.readUpTo) return false;
    const draft = this.#draft();
    const { record } = draft;
    Object.assign(record, { readUpTo: sequence, readFrom: moment.from, readAt: BigInt(moment.at) });
    const left = sequence >= record.lastReceived ? { unread: 0, mentions: 0 } : await this.#countReceived(sequence + 1);
    Object.assign(record, left);
    const begun = this.#timers.waiting(sequence);
    for (const place of begun) {
      const entry = await read(this.#parts.storage, keys.entry(this.id, place), schemas.entry);
      const ends = entry && this.#endOf(draft, place, entry);
      if (ends !== undefined) this.#timers.set(draft, place, ends);
    }
    await this.#commit(draft);
    if (begun.length > 0) this.#parts.listener.onChanged(this, begun);
    return true;
  }

  /** What was read on another device is no news here: nothing of it that is over is stored. */
  async #takeReadPosition(): Promise<void> {
    const position = await this.#parts.readElsewhere(this.id);
    if (position === undefined || position.sequence <= this.record.readUpTo) return;
    if (this.record.high > 0) return void (await this.#readUpTo(position));
    // Nothing is here to be counted, nor perhaps ever will be.
    const { sequence, moment } = position;
    Object.assign(this.record, { readUpTo: sequence, readFrom: moment.from, readAt: BigInt(moment.at) });
  }

  /** Messages of others from here on: as many as are counted at all, and those of them that mention this account. */
  async #countReceived(from: number): Promise<{ unread: number; mentions: number }> {
    const left = { unread: 0, mentions: 0 };
    // What is older than all that is here is counted as it comes.
    for (let next = Math.max(from, this.record.low); left.unread < limits.unreadCounted; next += COUNTED_AT_ONCE) {
      const range = { from: keys.entry(this.id, next), to: keys.entry(this.id, next + COUNTED_AT_ONCE) };
      const page = await this.#parts.storage.range(range);
      if (page.length === 0) break;
      for (const { value } of page) this.#countUnread(left, fromBinary(schemas.entry, value));
    }
    return left;
  }

  /** What is unread and what came last, of all that is stored up to `high`. */
  async #recount({ low, high, readUpTo }: ConversationRecord) {
    const counted = { unread: 0, mentions: 0, lastMessage: 0, lastReceived: 0 };
    for (let to = high; to >= low; to -= COUNTED_AT_ONCE) {
      const range = { from: keys.entry(this.id, Math.max(low, to - COUNTED_AT_ONCE + 1)), to: keys.entry(this.id, to + 1), reverse: true };
      for (const { key, value } of await this.#parts.storage.range(range)) {
        const sequence = sequenceOfKey(key);
        const entry = fromBinary(schemas.entry, value);
        if (!isShown(entry)) continue;
        counted.lastMessage ||= sequence;
        if (!equal(entry.account, idBytes(this.#parts.me.account))) counted.lastReceived ||= sequence;
        if (sequence > readUpTo && counted.unread < limits.unreadCounted) this.#countUnread(counted, entry);
      }
      if (counted.lastReceived > 0 && to - COUNTED_AT_ONCE <= readUpTo) break;
    }
    return counted;
  }

  #countUnread(counted: { unread: number; mentions: number }, entry: StoredEntry): void {
    const { unread, mentions } = this.#unreadIn(entry);
    counted.unread += unread;
    counted.mentions += mentions;
  }

  #unreadIn(entry: StoredEntry): Unread {
    const content = storedMessage(entry)?.content;
    const me = idBytes(this.#parts.me.account);
    if (content?.kind.case !== "text" || equal(entry.account, me)) return { unread: 0, mentions: 0 };
    return { unread: 1, mentions: mentionsIn(content).some((account) => equal(account, me)) ? 1 : 0 };
  }

  /** Entries that came by themselves. What does not continue the log is left for `catchUp`. */
  receive(entries: readonly Entry[], copies: readonly SealedKey[], head: number): Promise<void> {
    return this.#lane.run(async () => {
      // Copies may come ahead of the link that opens their epoch, which is the same for everybody.
      this.#copies.push(...copies);
      this.#copies.splice(0, this.#copies.length - HELD_COPIES);
      this.noteHead(Math.max(head, entries.at(-1)?.sequence ?? 0));
      if (entries.length === 0) return;
      const given = this.#copies.splice(0);
      await this.#compareKnown(entries);
      const wasCurrent = entries[0]?.sequence === this.record.high + 1 && this.record.high > 0;
      await this.#append(entries, given, wasCurrent || entries[0]?.sequence === 1);
      // Those of epochs that open later go ahead of another link.
      const { length } = this.chain.state?.epochs ?? [];
      this.#copies.push(...given.filter(({ epoch }) => epoch > length));
    });
  }

  /** Fetches until nothing is missing between what is stored and the newest entry. */
  catchUp(): Promise<void> {
    return this.#lane.run(async () => {
      if (this.record.high === 0 && this.record.head > 0) await this.#begin();
      // It was interrupted before its first page was stored.
      if (this.record.low > this.record.high && this.record.high > 0 && !this.#isPastLeft) {
        await this.#prepend((await this.#fetch({ before: this.record.low, limit: FIRST_PAGE_ENTRIES })).entries);
      }
      while (this.record.high < this.record.head) {
        const before = this.record.high;
        const page = await this.#fetch({ after: before, limit: limits.entriesPerPage });
        this.noteHead(page.head);
        await this.#append(page.entries, page.sealedKeys, false);
        // The server said there is more and gives nothing that continues the log: perhaps it knows better by now.
        if (this.record.high === before) {
          this.record.head = Math.max(before, page.head);
          return;
        }
      }
    });
  }

  /**
   * An entry that this device had appended comes by itself, mostly before anybody can ask: it is waited for, and fetched when it does not
   * come. Resolves when it is stored.
   */
  async reach(sequence: number): Promise<void> {
    this.noteHead(sequence);
    if (this.record.high < sequence) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, PUSH_MS);
      const awaited = { sequence, resolve };
      this.#awaited.add(awaited);
      await promise;
      clearTimeout(timer);
      this.#awaited.delete(awaited);
    }
    await this.catchUp();
  }

  /** Asks for the newest head, and catches up with it. */
  async lookAgain(): Promise<void> {
    await this.#lane.run(async () => {
      const page = await this.#fetch({ after: this.record.high, limit: limits.entriesPerPage });
      this.noteHead(page.head);
      await this.#append(page.entries, page.sealedKeys, false);
    });
    await this.catchUp();
  }

  /** Whether nothing is left to do for `complete`; what a QuickChat session leaves is nothing to do [H5]. */
  get isComplete(): boolean {
    return this.#isPastLeft || this.record.high === 0 || (this.record.low === 1 ? this.#isChecked : this.#reachesBack);
  }

  /** The log's beginning is not here, and need not be: it is long, and all is here that is counted as unread. */
  get #reachesBack(): boolean {
    const { low, head, readUpTo, unread } = this.record;
    return head > WHOLE_LOG_ENTRIES && (low - 1 <= readUpTo || unread >= limits.unreadCounted);
  }

  get #isChecked(): boolean {
    const { anchor, newest, high } = this.record;
    return anchor?.sequence === 0 && newest?.sequence === high;
  }

  /**
   * On a device that began with the newest page: goes back until what is unread is counted exactly, as far as it is counted at all. The
   * whole of a short log is fetched, so that it can be checked from its beginning [S4]; so is a long one once it was fetched.
   *
   * @param turn waited for before each piece of work
   */
  async complete(session: AbortSignal, turn: () => Promise<void>): Promise<void> {
    while (!session.aborted && this.record.high > 0 && this.record.low > 1 && !this.#reachesBack) {
      await turn();
      if (session.aborted) return;
      if (!(await this.fetchDownTo(Math.max(1, this.record.low - OLDER_PAGE_ENTRIES)))) return;
    }
    while (!session.aborted && (await this.#lane.run(() => this.#checkFurther()))) await turn();
  }

  /** [S4] A piece of a log that is here from its beginning, and was read from its newest page back. False: nothing is left to check. */
  async #checkFurther(): Promise<boolean> {
    if (this.record.low > 1 || this.record.high === 0 || this.#isChecked) return false;
    const draft = this.#draft();
    const changed = await this.#check.fromStart(draft, CHECKED_AT_ONCE);
    if (draft.record.newest?.sequence === this.record.newest?.sequence && this.record.anchor?.sequence === 0) return false;
    if (changed.length > 0) draft.record.revision++;
    await this.#compareClaims(draft);
    await this.#commit(draft);
    if (changed.length > 0) this.#parts.listener.onChanged(this, changed);
    return true;
  }

  /** Makes entries down to (and with) this sequence number available here; false: the server does not give them. */
  fetchDownTo(sequence: number): Promise<boolean> {
    return this.#lane.run(async () => {
      while (this.record.low > Math.max(1, sequence)) {
        const before = this.record.low;
        const wanted = Math.min(limits.entriesPerPage, Math.max(OLDER_PAGE_ENTRIES, before - sequence));
        const page = await this.#fetch({ before, limit: wanted });
        await this.#prepend(page.entries);
        if (this.record.low === before) return false;
      }
      return true;
    });
  }

  /**
   * [H4] Deletes what is over by now: messages older than the policy keeps them, and those whose own lifetime has passed. Their hashes stay, so that
   * the log can still be checked [S4]. False: there is none, as far as was looked.
   */
  deleteOver(): Promise<boolean> {
    return this.#lane.run(async () => {
      const now = this.#parts.clock.now();
      const { retentionSeconds } = this.record;
      const deleted = retentionSeconds > 0 && (await this.#deleteBefore(now - 1_000 * retentionSeconds));
      return (await this.#deleteEnded(now)) || deleted;
    });
  }

  /** When something here is over next, server's time; Infinity: nothing is, as far as this device has it. */
  async nextEnd(): Promise<number> {
    const { retentionSeconds, deletedUpTo } = this.record;
    if (retentionSeconds === 0) return this.#timers.next;
    const range = { from: keys.entry(this.id, deletedUpTo + 1), to: keys.entry(this.id, limits.largestNumber), limit: 1 };
    const [oldest] = await this.#parts.storage.range(range);
    if (oldest === undefined) return this.#timers.next;
    return Math.min(this.#timers.next, Number(fromBinary(schemas.entry, oldest.value).time) + 1_000 * retentionSeconds);
  }

  /** Whether anything here is ever over. */
  get isTimed(): boolean {
    return this.record.retentionSeconds > 0 || this.#timers.next < Infinity;
  }

  async #deleteBefore(time: number): Promise<boolean> {
    const draft = this.#draft();
    const { record } = draft;
    const range = {
      from: keys.entry(this.id, record.deletedUpTo + 1),
      to: keys.entry(this.id, limits.largestNumber),
      limit: DELETED_AT_ONCE,
    };
    for (const { key, value } of await this.#parts.storage.range(range)) {
      const entry = fromBinary(schemas.entry, value);
      if (Number(entry.time) > time) break;
      record.deletedUpTo = sequenceOfKey(key);
      if (!isErasable(entry)) continue;
      this.#erase(draft, record.deletedUpTo, entry);
    }
    if (record.deletedUpTo === this.record.deletedUpTo) return false;
    if (record.lastMessage <= record.deletedUpTo) record.lastMessage = 0;
    if (record.unread > 0) Object.assign(record, await this.#countReceived(Math.max(record.readUpTo, record.deletedUpTo) + 1));
    record.revision++;
    await this.#commit(draft);
    if (draft.stored.size > 0) this.#parts.listener.onDeleted(this);
    return true;
  }

  async #deleteEnded(now: number): Promise<boolean> {
    const ended = this.#timers.over(now).slice(0, DELETED_AT_ONCE);
    if (ended.length === 0) return false;
    const draft = this.#draft();
    const { record } = draft;
    for (const sequence of ended) {
      const entry = await read(this.#parts.storage, keys.entry(this.id, sequence), schemas.entry);
      if (entry !== undefined && isErasable(entry)) this.#erase(draft, sequence, entry);
      else this.#timers.remove(draft, sequence);
    }
    if (draft.stored.has(record.lastMessage)) record.lastMessage = await this.#newestMessage(draft);
    record.revision++;
    await this.#commit(draft);
    this.#parts.listener.onExpired(this, ended);
    return true;
  }

  #erase(draft: LogDraft, sequence: number, entry: StoredEntry): void {
    erase(entry);
    draft.stored.set(sequence, entry);
    this.#timers.remove(draft, sequence);
  }

  /** Of those that the draft leaves; 0: none is left. */
  async #newestMessage({ record, stored }: LogDraft): Promise<number> {
    for (let before = record.lastMessage; before > record.deletedUpTo + 1;) {
      const range = { from: keys.entry(this.id, record.deletedUpTo + 1), to: keys.entry(this.id, before), limit: COUNTED_AT_ONCE };
      const page = await this.#parts.storage.range({ ...range, reverse: true });
      if (page.length === 0) return 0;
      for (const { key, value } of page) {
        before = sequenceOfKey(key);
        if (isShown(stored.get(before) ?? fromBinary(schemas.entry, value))) return before;
      }
    }
    return 0;
  }

  /** What a page brings that is over already is never stored; of the rest it is noted when it will be. */
  #keepTime(draft: LogDraft, sequences: readonly number[]): void {
    const now = this.#parts.clock.now();
    for (const sequence of sequences) {
      const entry = draft.stored.get(sequence)!;
      if (!isErasable(entry)) continue;
      const ends = this.#endOf(draft, sequence, entry);
      if (this.#isTooOld(draft, entry) || (ends !== undefined && ends !== 0 && ends <= now)) this.#erase(draft, sequence, entry);
      else if (ends !== undefined) this.#timers.set(draft, sequence, ends);
    }
  }

  /** By the policy. */
  #isTooOld({ record: { retentionSeconds } }: LogDraft, { time }: StoredEntry): boolean {
    return retentionSeconds > 0 && Number(time) + 1_000 * retentionSeconds <= this.#parts.clock.now();
  }

  /** Undefined: the message has no lifetime. */
  #endOf({ record }: LogDraft, sequence: number, entry: StoredEntry): number | undefined {
    const content = storedMessage(entry)?.content;
    const lifetime = content === undefined ? 0 : lifetimeOf(content);
    if (lifetime === 0) return undefined;
    const mine = equal(entry.account, idBytes(this.#parts.me.account));
    const moment = { from: record.readFrom, at: Number(record.readAt) };
    return endOf({ sequence, time: Number(entry.time), lifetime, mine }, { upTo: record.readUpTo, moment, now: this.#parts.clock.now() });
  }

  /** Asks the server for the keys of these epochs that are not here, and opens what they open [C6]. Whether any is open now. */
  retryKeys(epochs: readonly number[]): Promise<boolean> {
    return this.#lane.run(async () => {
      const { state } = this.chain;
      if (state === undefined) return false;
      const missing: number[] = [];
      for (const epoch of epochs) if ((await this.epochKeys.get(epoch)) === undefined) missing.push(epoch);
      const draft = this.#draft();
      await this.#reader.obtainKeys(draft, state, missing, []);
      if (draft.keys.size > 0) {
        await this.#reader.readProfile(draft);
        this.#await(draft, draft.keys.keys());
        await this.#commit(draft);
        // Its name may be readable now.
        this.#parts.listener.onChanged(this, []);
      }
      await this.#openAwaited();
      return draft.keys.size > 0 || missing.length < epochs.length;
    });
  }

  /** Keys that were waited for in vain may be there now. */
  async retryAwaited(): Promise<void> {
    // What is being read may wait for some, too.
    await this.#lane.run(() => Promise.resolve());
    const { state } = this.chain;
    const awaited = this.record.awaitedEpochs.filter((epoch) => state && isEntitled(state, this.#parts.me.account, epoch));
    if (awaited.length > 0) await this.retryKeys(awaited);
  }

  // ------------------------------------------------------------------ reading forward

  async #append(entries: readonly Entry[], copies: readonly SealedKey[], live: boolean): Promise<void> {
    const next = contiguous(entries, this.record.high + 1);
    if (next.length === 0 || this.record.updateNeeded) return;
    await this.#takeReadPosition();
    const draft = this.#draft();
    const before = this.chain.state?.epochs.length ?? 0;
    await this.#reader.read(draft, next, copies);
    if (draft.stored.size === 0 && !draft.record.updateNeeded) return;
    const sequences = [...draft.stored.keys()];
    const { record } = draft;
    record.high = sequences.at(-1) ?? record.high;
    record.head = Math.max(record.head, record.high);
    // Where the beginning is still being checked, so is this in its turn.
    if (this.record.high === 0 || this.record.low > 1 || this.#isChecked) {
      await this.#check.extendHashes(draft);
      await this.#check.witnesses(draft, sequences);
    }
    await this.#check.counters(draft, sequences, "forward");
    await this.#compareClaims(draft);
    await this.#withdraw(draft);
    this.#keepTime(draft, sequences);
    this.#count(draft, sequences);
    await this.#showLost(draft, sequences[0]);
    this.#await(draft, unopened(draft));
    // Keys that come late open what came before them.
    const late = [...draft.keys.keys()].filter((epoch) => epoch <= before);
    this.#await(draft, late);
    await this.#commit(draft);
    if (late.length > 0) await this.#openAwaited(late);
    this.#parts.listener.onStored(this, sequences, live ? "live" : "missed");
    await this.#tellMissingKey();
  }

  /** [S5] What their authors deleted goes: of what was read now, and of what stands here since before. */
  async #withdraw(draft: LogDraft): Promise<void> {
    const { stored, record } = draft;
    const places = await this.#placesOf(draft);
    this.#withdrawals.note(draft);
    const older = new Map<number, { readonly entry: StoredEntry; readonly counted: Unread }>();
    for (const sequence of places) {
      if (stored.has(sequence) || sequence < this.record.low || sequence > this.record.high) continue;
      const entry = await this.#check.entry(draft, sequence);
      if (entry !== undefined) older.set(sequence, { entry, counted: this.#unreadIn(entry) });
    }
    const entries = [...older].map(([sequence, { entry }]) => [sequence, entry] as const);
    const applied = await this.#withdrawals.apply(draft, [...stored, ...entries]);
    const [changed, gone]: [number[], number[]] = [[], []];
    for (const [sequence, { entry, counted }] of older) {
      const withdrawn = applied.get(sequence);
      if (withdrawn === undefined) continue;
      stored.set(sequence, entry);
      this.#timers.remove(draft, sequence);
      (withdrawn.silent ? gone : changed).push(sequence);
      if (sequence <= record.readUpTo || record.unread >= limits.unreadCounted) continue;
      record.unread -= counted.unread;
      record.mentions -= counted.mentions;
    }
    if (changed.length + gone.length === 0) return;
    if (gone.includes(record.lastMessage)) record.lastMessage = await this.#newestMessage(draft);
    record.revision++;
    draft.done.push(() => this.#parts.listener.onWithdrawn(this, changed, gone));
  }

  /** Where what was read now deletes something: at the places that are named, and wherever else a server has shown it. What it shows later is known by its name. */
  async #placesOf(draft: LogDraft): Promise<Set<number>> {
    const places = new Set<number>();
    for (const named of draft.withdrawn) {
      places.add(named.sequence);
      const entry = await this.#check.entry(draft, named.sequence);
      if (entry !== undefined && standsIn(entry, named)) continue;
      const elsewhere = await this.#check.placeOf(draft, named.device, clientMessageId(named.id));
      if (elsewhere !== undefined) places.add(elsewhere);
    }
    return places;
  }

  /** What the server lost is shown beside this entry [H6]. */
  async #showLost(draft: LogDraft, beside: number | undefined): Promise<void> {
    const entry = beside === undefined ? undefined : draft.stored.get(beside);
    if (draft.record.lost === 0 || entry === undefined) return;
    const kept = await this.#parts.storage.range(prefixRange(prefixes.lost(this.id)));
    const entries = kept.map(({ value }) => fromBinary(schemas.entry, value));
    const lost = lostMessages(entries).filter((each) => !this.#isTooOld(draft, each));
    if (lost.length > 0) entry.notices.push(lostNotice(lost.length));
    entry.others.push(...lost);
    draft.changes.push(...kept.map(({ key }) => remove(key)));
    draft.record.lost = 0;
  }

  async #tellMissingKey(): Promise<void> {
    const { state } = this.chain;
    const missing = state?.members.has(this.#parts.me.account) === true ? newestEpoch(state).epoch : undefined;
    if (missing !== undefined && (await this.epochKeys.get(missing)) === undefined) this.#parts.listener.onKeyMissing(this, missing);
  }

  /** Unread messages, the newest one, the time that orders conversations, this device's counter. */
  #count(draft: LogDraft, sequences: readonly number[]): void {
    const { record, stored } = draft;
    for (const sequence of sequences) {
      const entry = stored.get(sequence)!;
      if (entry.time > record.time) record.time = entry.time;
      const said = identityOf(entry);
      if (said === undefined) continue;
      const mine = equal(entry.account, idBytes(this.#parts.me.account));
      // One that was over when it came was received, and is neither shown nor counted.
      if (!mine) record.lastReceived = Math.max(record.lastReceived, sequence);
      if (isShown(entry)) record.lastMessage = Math.max(record.lastMessage, sequence);
      if (!mine && sequence > record.readUpTo) this.#countUnread(record, entry);
      if (mine && equal(entry.device, idBytes(this.#parts.me.device))) {
        const id = clientMessageId(said.id);
        const isUnknown = said.counter > record.counter && !this.#parts.isOutgoing(id);
        if (isUnknown) draft.done.push(() => this.#parts.listener.onOlderCopy());
        record.counter = Math.max(record.counter, said.counter);
        draft.ownIds.push(id);
      }
    }
  }

  // ------------------------------------------------------------------ reading from the newest back

  /**
   * Nothing is here yet. What is no more than a page of a direct conversation is read from its start, everything else from its newest page
   * back: in a group, most of what is old may not be for this account, and the keys for the rest come with the links.
   */
  async #begin(): Promise<void> {
    const { head } = this.record;
    const links = this.#fetchLinks(0);
    if (head > FIRST_PAGE_ENTRIES || this.#isPastLeft) return this.#beginFromNewest(await Promise.all([links, this.#newestPage(head)]));
    const { entries } = await links;
    const first = entries[0]?.body.case === "link" ? entries[0].body.value : undefined;
    if (first !== undefined && isGroupCreate(first)) await this.#beginFromNewest([{ entries }, await this.#newestPage(head)]);
  }

  #newestPage(head: number) {
    return this.#fetch({ before: head + 1, limit: this.#isPastLeft ? 1 : FIRST_PAGE_ENTRIES });
  }

  /**
   * The first epoch that opened at this time or later, milliseconds since 1970; the one after the newest where none did. By the times that
   * stand in this device's log, which a server cannot change any more.
   */
  async epochSince(time: number): Promise<number> {
    const { epochs = [] } = this.chain.state ?? {};
    for (const { epoch, index } of epochs) {
      const sequence = await this.chain.sequenceOf(index);
      if (sequence === undefined || (sequence < this.record.low && !(await this.fetchDownTo(sequence)))) continue;
      const entry = await read(this.#parts.storage, keys.entry(this.id, sequence), schemas.entry);
      if (entry !== undefined && Number(entry.time) >= time) return epoch;
    }
    return epochs.length + 1;
  }

  #fetchLinks(after: number) {
    return this.#parts.connection.request({ case: "fetchLinks", value: { conversation: idBytes(this.id), after } }, "entries");
  }

  /**
   * Links first, so that what counted at every place is known; then the newest page [H1]. Where the log ends is told by the newest
   * entry that came, not by what head the server names: a false one would leave nothing that continues it.
   */
  async #beginFromNewest([firstLinks, page]: readonly [links: Pick<Entries, "entries">, page: Entries]): Promise<void> {
    if (firstLinks.entries.length === 0) return;
    const newest = page.entries.at(-1);
    const head = newest?.sequence ?? 0;
    // What is newer is told again when there is something.
    this.record.head = head;
    if (head === 0) return;
    const draft = this.#draft();
    // What is known of the chain stays [G5].
    let { state } = this.chain;
    let after = this.chain.sequence;
    let linksRead = state?.head.index ?? 0;
    let part = state === undefined ? firstLinks : await this.#fetchLinks(linksRead);
    for (let links = newLinks(part.entries, after, head); links.length > 0; links = newLinks(part.entries, after, head)) {
      linksRead += part.entries.length;
      const next = ahead(this.#fetchLinks(linksRead));
      for (const entry of links) {
        if (entry.body.case !== "link") continue;
        const result = await this.#reader.applyLink(draft, entry, entry.body.value, state, []);
        if (result === "stop") return this.#commit(draft);
        state = result;
      }
      after = links.at(-1)!.sequence;
      part = await next;
    }
    if (state !== undefined) {
      const epochs = state.epochs.map(({ epoch }) => epoch);
      await this.#reader.obtainKeys(draft, state, epochs, []);
      await this.#reader.readProfile(draft);
    }
    // The links' own entries are stored with their pages.
    draft.stored.clear();
    draft.record.low = head + 1;
    draft.record.high = head;
    if (this.#isPastLeft) draft.record.time = believableTime(newest?.time ?? 0n);
    await this.#commit(draft);
    if (this.#isPastLeft) this.#parts.listener.onStored(this, [], "older");
    else await this.#prepend(page.entries);
    await this.#tellMissingKey();
  }

  /**
   * Nothing of the log is here but the place where it was said to end, and the server has not so much: that was no end. What is known of
   * the chain stays, and is compared [G5]. False: it was not so.
   */
  beginAgain(head: number): Promise<boolean> {
    return this.#lane.run(async () => {
      if (this.record.low <= this.record.high || head >= this.record.high) return false;
      const draft = this.#draft();
      Object.assign(draft.record, { low: 1, high: 0, anchor: undefined, newest: undefined });
      this.record.head = draft.record.head = head;
      await this.#commit(draft);
      return true;
    });
  }

  async #prepend(entries: readonly Entry[]): Promise<void> {
    const page = contiguousBefore(entries, this.record.low);
    if (page.length === 0) return;
    await this.#takeReadPosition();
    const came = this.record.low > this.record.high ? "missed" : "older";
    const draft = this.#draft();
    await this.#reader.read(draft, page, []);
    const sequences = [...draft.stored.keys()];
    if (sequences.length < page.length) return;
    const { record } = draft;
    const above = await read(this.#parts.storage, keys.entry(this.id, record.low), schemas.entry);
    let latest = above?.time ?? BigInt(Number.MAX_SAFE_INTEGER);
    for (const sequence of sequences.toReversed()) {
      const stored = draft.stored.get(sequence)!;
      if (stored.time > latest) stored.time = latest;
      latest = stored.time;
    }
    record.low = sequences[0]!;
    await this.#check.counters(draft, sequences.toReversed(), "back");
    await this.#withdraw(draft);
    await this.#showLost(draft, sequences[0]);
    // What the policy has deleted is looked for from there on again.
    record.deletedUpTo = Math.min(record.deletedUpTo, record.low - 1);
    // A short log is checked before any of it is shown; a long one piece by piece, behind.
    if (record.low === 1 && record.high <= CHECKED_AT_ONCE) {
      const changed = await this.#check.fromStart(draft, CHECKED_AT_ONCE);
      if (changed.length > 0) draft.done.push(() => this.#parts.listener.onChanged(this, changed));
      await this.#compareClaims(draft);
    }
    this.#keepTime(draft, sequences);
    this.#count(draft, sequences);
    this.#await(draft, [...unopened(draft), ...draft.keys.keys()]);
    await this.#commit(draft);
    if (draft.keys.size > 0) await this.#openAwaited();
    this.#parts.listener.onStored(this, sequences, came);
  }

  async #compareClaims(draft: LogDraft): Promise<void> {
    const places = await this.#check.claims(draft);
    if (places.length > 0) draft.done.push(() => this.#parts.listener.onChanged(this, places));
  }

  // ------------------------------------------------------------------ both directions

  #draft(): LogDraft {
    const record = clone(ConversationSchema, this.record);
    return {
      record,
      stored: new Map(),
      changes: [],
      places: [],
      links: new Map(),
      keys: new Map(),
      evidence: new Map(),
      done: [],
      ownIds: [],
      withdrawn: [],
    };
  }

  async #commit(draft: LogDraft): Promise<void> {
    const entries = Array.from(draft.stored, ([sequence, entry]) => put(keys.entry(this.id, sequence), schemas.entry, entry));
    await this.#parts.storage.commit([
      ...entries,
      ...draft.changes,
      ...(await this.chain.save(draft.places)),
      ...this.#parts.arrived(this.id, draft.ownIds),
      put(keys.conversation(this.id), schemas.conversation, draft.record),
    ]);
    // What the server named while this was being stored is not forgotten.
    draft.record.head = Math.max(draft.record.head, this.record.head);
    this.record = draft.record;
    this.chain.advance(draft.places);
    for (const done of draft.done) done();
    if (draft.ownIds.length > 0) this.#parts.settled(this.id, draft.ownIds);
    for (const { sequence, resolve } of this.#awaited) if (sequence <= this.record.high) resolve();
  }

  // ------------------------------------------------------------------ what is not as it was

  /**
   * [H6] The server's data were put in place anew: has it make good what it lost, and follows its log from where it is the same. What it lost stays here,
   * marked. Throws FastChatError, ConnectionLost; then all stays as it is.
   */
  async restore(): Promise<Repair> {
    const repair = await this.#lane.run(() => this.#restore());
    if (repair.kind === "repaired") await this.catchUp();
    return repair;
  }

  async #restore(): Promise<Repair> {
    const { id, record, chain } = this;
    if (record.high === 0 || record.low > record.high) return { kind: "same" };
    const { storage, connection } = this.#parts;
    const repair = await repairLog({ id, storage, chain, check: this.#check, connection }, record);
    const draft = this.#draft();
    if (repair.kind === "forked") {
      draft.record.forked = true;
      await this.#commit(draft);
    }
    if (repair.kind !== "repaired") return repair;
    const { from } = repair;
    const behind = (await chain.linksAfter(from)).map(({ sequence }) => sequence);
    const placeOf = (sequence: number) => (sequence <= from ? sequence : (repair.places[behind.indexOf(sequence)] ?? from));
    const placed = await chain.placeAgain(from, repair.places);
    const stored = await storage.range({ ...prefixRange(prefixes.entries(id)), from: keys.entry(id, from + 1) });
    // What has a lifetime is lost with the server's: whose it was to read when cannot be told any more [H4].
    const timed = new Set(this.#timers.behind(from));
    for (const sequence of timed) {
      this.#timers.remove(draft, sequence);
      draft.changes.push(remove(keys.entry(id, sequence)));
    }
    const left = stored.filter(({ key }) => !timed.has(sequenceOfKey(key)));
    await this.#withdrawals.endAt(draft.changes, from);
    draft.changes.push(...leaveBehind(id, draft.record, { from, stored: left, placeOf }), ...placed.changes);
    await this.#check.endAt(draft.record, from);
    Object.assign(draft.record, await this.#recount(draft.record));
    draft.record.revision++;
    this.record.head = draft.record.head = repair.head;
    draft.done.push(placed.done);
    await this.#commit(draft);
    this.#parts.listener.onChanged(this, []);
    return repair;
  }

  /** The server says that it has less than this device: looks whether what it has is the same. */
  compareWithServer(head: number): Promise<void> {
    return this.#lane.run(async () => {
      if (head === 0) return;
      const page = await this.#fetch({ before: head + 1, limit: limits.entriesPerPage });
      await this.#compareKnown(page.entries);
    });
  }

  /**
   * [G5] An entry at a place where one is stored must be that one. Another one is kept beside it and shown with a notice: it
   * may well be what somebody wrote, and whose doing it is that there are two, cannot be told.
   */
  async #compareKnown(entries: readonly Entry[]): Promise<void> {
    const { low, high } = this.record;
    const draft = this.#draft();
    for (const entry of entries) {
      if (entry.sequence < low || entry.sequence > high) continue;
      const stored = await this.#check.entry(draft, entry.sequence);
      const hash = entryHash(entry);
      if (stored === undefined || hash === undefined) continue;
      if ([stored, ...stored.others].some((known) => equal(known.entryHash, hash))) continue;
      const other = storedBase(entry, hash, stored.time);
      if (isMessage(entry)) {
        const state = await this.chain.at(entry.sequence);
        const result = await readMessage(this.id, entry, state, (epoch) => this.epochKeys.get(epoch));
        storeMessage(other, entry, result, doubtOf(draft.record, entry));
        const message = storedMessage(other);
        if (message !== undefined && equal(other.device, idBytes(this.#parts.me.device))) draft.ownIds.push(message.id);
        const twin = message && (await this.#check.findTwin(draft, 0, other.device, message.content.counter, message.id));
        if (twin === "same-message") other.body = { case: "duplicate", value: { $typeName: "fastchat.profile.v1.StoredDuplicate" } };
      }
      other.notices.push(forkNotice());
      stored.others.push(other);
      await this.#withdrawals.apply(draft, [[entry.sequence, stored]]);
      draft.stored.set(entry.sequence, stored);
    }
    if (draft.stored.size === 0) return;
    draft.record.revision++;
    const changed = [...draft.stored.keys()];
    await this.#commit(draft);
    this.#parts.listener.onChanged(this, changed);
  }

  /** Until what is kept of these epochs is opened, even if that is after a crash. */
  #await({ record }: LogDraft, epochs: Iterable<number>): void {
    record.awaitedEpochs = [...new Set([...record.awaitedEpochs, ...epochs])].sort((one, other) => one - other).slice(-AWAITED_AT_MOST);
  }

  /** Opens what is kept of the awaited epochs whose keys are here; an epoch of which nothing is kept any more is awaited no longer. */
  async #openAwaited(late: readonly number[] = []): Promise<void> {
    const draft = this.#draft();
    const { record } = draft;
    const epochs = new Set<number>();
    for (const epoch of new Set([...record.awaitedEpochs, ...late])) if ((await this.epochKeys.get(epoch)) !== undefined) epochs.add(epoch);
    if (record.awaitedEpochs.length === 0 && epochs.size === 0) return;
    const said = new Set<string>();
    const kept = new Set<number>();
    const openable = new Map<number, StoredEntry>();
    for (const { key, value } of await this.#parts.storage.range(prefixRange(prefixes.entries(this.id)))) {
      const stored = fromBinary(schemas.entry, value);
      const known = identityOf(stored);
      if (known !== undefined) said.add(nameOfMessage(stored, known.id));
      if (stored.body.case !== "unreadable" || !KEY_MISSING.has(stored.body.value.reason)) continue;
      const { epoch } = stored.body.value;
      if (epochs.has(epoch)) openable.set(sequenceOfKey(key), stored);
      else kept.add(epoch);
    }
    for (const [sequence, stored] of openable) await this.#openKept(draft, sequence, stored, said);
    record.awaitedEpochs = record.awaitedEpochs.filter((epoch) => kept.has(epoch));
    const changed = [...draft.stored.keys()];
    if (changed.length > 0) {
      await this.#check.witnesses(draft, changed);
      await this.#withdraw(draft);
      this.#keepTime(draft, changed);
      this.#count(draft, changed);
      record.revision++;
    }
    if (changed.length > 0 || record.awaitedEpochs.length < this.record.awaitedEpochs.length) await this.#commit(draft);
    if (changed.length > 0) this.#parts.listener.onChanged(this, changed);
  }

  /** @param said messages that stand in the log already: one that a server repeats is shown once [S2] */
  async #openKept(draft: LogDraft, sequence: number, stored: StoredEntry, said: Set<string>): Promise<void> {
    const entry = fromBinary(EntrySchema, stored.body.case === "unreadable" ? stored.body.value.entry : new Uint8Array(0));
    if (!isMessage(entry)) return;
    const result = await readMessage(this.id, entry, await this.chain.at(sequence), (epoch) => this.epochKeys.get(epoch));
    stored.notices = stored.notices.filter(({ kind }) => kind !== "unreadable");
    this.#reader.takeMessage(draft, stored, entry, result);
    const name = nameOfMessage(stored, entry.body.value.clientMessageId);
    if (result.kind === "message" && said.has(name)) {
      stored.body = { case: "duplicate", value: { $typeName: "fastchat.profile.v1.StoredDuplicate" } };
    }
    said.add(name);
  }

  async #nameOf(account: Uint8Array): Promise<string> {
    if (!isHash(account)) return "somebody";
    return (await this.#parts.accounts.get(accountId(account)))?.state.name ?? "somebody";
  }

  #fetch(page: { readonly after: number; readonly limit: number } | { readonly before: number; readonly limit: number }) {
    return this.#parts.connection.request({ case: "fetchEntries", value: { conversation: idBytes(this.id), ...page } }, "entries");
  }

  /** Whether this device is recorded in the conversation, active [C1]. */
  ownDevice(state: ConversationState): "no-member" | "unknown" | "active" | "ended" {
    const member = state.members.get(this.#parts.me.account);
    if (member === undefined) return "no-member";
    return deviceAt(member.chain, this.#parts.me.device, member.chain.head.index);
  }
}

/** Links of a part of the chain that are new, and no newer than the newest page. */
const newLinks = (entries: readonly Entry[], after: number, head: number): Entry[] =>
  entries.filter(({ sequence }) => sequence > after && sequence <= head);

/** Asked for before it is needed: whoever waits for it later hears of its failure. */
function ahead<T>(asked: Promise<T>): Promise<T> {
  asked.catch(() => undefined);
  return asked;
}

const isGroupCreate = ({ link }: LinkEntry): boolean => {
  const { change } = fromBinary(ConversationLinkSchema, link?.body ?? new Uint8Array(0));
  return change.case === "create" && change.value.kind === ConversationKind.GROUP;
};

const mentionsIn = ({ kind }: MessageContent): readonly Uint8Array[] =>
  kind.case === "text" ? kind.value.mentions.slice(0, limits.mentionsPerMessage) : [];

const nameOfMessage = ({ device }: StoredEntry, id: Uint8Array): string => `${toHex(device)} ${toHex(id)}`;

/** Epochs of what was read and could not be opened, where the key is this account's to have. */
const unopened = ({ stored }: LogDraft): number[] =>
  [...stored.values()].flatMap(({ body }) => (body.case === "unreadable" && body.value.reason === "key" ? [body.value.epoch] : []));

function contiguous(entries: readonly Entry[], from: number): Entry[] {
  let next = from;
  const run: Entry[] = [];
  for (const entry of entries) {
    if (entry.sequence === next) {
      run.push(entry);
      next++;
    } else if (entry.sequence >= next) {
      break;
    }
  }
  return run;
}

/** The longest run that ends right before this sequence number. */
function contiguousBefore(entries: readonly Entry[], before: number): Entry[] {
  const run: Entry[] = [];
  for (const entry of entries.toReversed()) if (entry.sequence === before - 1 - run.length) run.push(entry);
  return run.reverse();
}
