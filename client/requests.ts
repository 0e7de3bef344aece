import { create, fromBinary } from "@bufbuild/protobuf";
import { accountId, type AccountId, type ConversationId, ErrorCode, FastChatError, idBytes, limits } from "@fastchat/protocol";
import type { ClientEvent } from "./api.ts";
import { breathe } from "./breathe.ts";
import { NameConflict } from "./contacts.ts";
import type { Conversation } from "./conversation.ts";
import type { ConversationSettings } from "./conversation-settings.ts";
import type { Conversations } from "./conversations.ts";
import type { People } from "./people.ts";
import { keys, prefixes, put, remove, schemas } from "./records.ts";
import { type Beginning, beginningOf, type Standing, type Standings } from "./standing.ts";
import { type Change, prefixRange, type Storage } from "./storage.ts";

/** How often their number is told while it changes. */
const TELL_MS = 300;
/** What strangers began within this time is noted together. */
const SAVE_MS = 500;
const SAVED_AT_ONCE = 1_000;

/** A conversation that is left for later. */
interface Unread {
  /** Who brought this account in, as the server says: a hint, by which nothing is judged but whether to read. */
  readonly by: AccountId;
  /** Newest sequence number that the server named. */
  readonly head: number;
  readonly time: number;
}

/** What the server tells of a conversation that is not here. */
export interface Heard {
  readonly id: ConversationId;
  /** Who brought this account in; or, where only entries are shown, who wrote them. */
  readonly by: readonly AccountId[];
  readonly head: number;
  readonly time: number;
}

/** Those that wait to be accepted: which of them were read, and how many of the others. */
interface Counted {
  readonly read: Set<ConversationId>;
  waiting: number;
}

export interface RequestsParts {
  readonly storage: Storage;
  readonly me: AccountId;
  readonly standings: Standings;
  readonly settings: ConversationSettings;
  readonly people: People;
  readonly conversations: Conversations;
  /** Fetches what is missing of them. */
  readonly fetch: (conversations: readonly Conversation[]) => Promise<void>;
  readonly isOnline: () => boolean;
  readonly emit: (event: ClientEvent) => void;
  readonly quietly: (work: Promise<unknown>) => void;
}

/**
 * Conversations that strangers began [C8]. A few are read; of any more, however many somebody begins, no more is kept than one small record each,
 * they are counted, and read when their turn comes: when others were accepted or put away, or when somebody asks for them.
 */
export class Requests {
  readonly #parts: RequestsParts;
  readonly #unread = new Map<ConversationId, Unread>();
  readonly #unsaved = new Set<ConversationId>();
  /** Strangers' conversations that are being read, and of which nothing is here yet. */
  readonly #reading = new Set<ConversationId>();
  #counted: Counted | undefined;
  #told = 0;
  #telling: ReturnType<typeof setTimeout> | undefined;
  #saving: ReturnType<typeof setTimeout> | undefined;

  constructor(parts: RequestsParts) {
    this.#parts = parts;
  }

  async load(): Promise<void> {
    for (const [id, unread] of await loadUnread(this.#parts.storage)) {
      // It was stored, and the program ended before its record was removed.
      if (this.#parts.conversations.get(id) === undefined) this.#unread.set(id, unread);
      else this.#unsaved.add(id);
    }
    this.#told = this.count;
  }

  get count(): number {
    const { read, waiting } = this.#count();
    return read.size + waiting;
  }

  standing({ id, record }: Conversation): Standing {
    return this.#parts.standings.of(beginningOf(id, record));
  }

  /** Those of whom the others are told nothing, and of which this person is told quietly. */
  isQuiet(conversation: Conversation): boolean {
    return this.standing(conversation) !== "ordinary";
  }

  /** What the server need not tell of those that are left for later, newest first. */
  get heads(): [ConversationId, number][] {
    const unread = [...this.#unread].filter(([id]) => this.#parts.conversations.get(id) === undefined);
    return unread.sort(byTime).map(([id, { head }]) => [id, head]);
  }

  /** Whether a conversation that is not here is left for later: it is noted then. Where somebody may be known, it is not. */
  defers({ id, by: heardOf, head, time: heardAt }: Heard): boolean {
    const known = this.#unread.get(id);
    const by = heardOf.length === 0 && known !== undefined ? [known.by] : heardOf;
    const time = Math.max(heardAt, known?.time ?? 0);
    const standings = by.map((each) => this.#parts.standings.of({ id, by: each, time }));
    if (by[0] === undefined || standings.includes("ordinary")) return false;
    if (standings.includes("request") && this.#places > 0) {
      this.#reading.add(id);
      return false;
    }
    this.#note(id, { by: by[0], head, time });
    return true;
  }

  /** Reads one that was left for later, now. */
  async read(id: ConversationId): Promise<void> {
    if (this.#unread.has(id) && this.#parts.isOnline()) await this.#parts.fetch(this.#begin([id]));
  }

  /** Something of a conversation is here now. */
  stored(conversation: Conversation): void {
    const { id } = conversation;
    const counted = this.#count();
    const unread = this.#unread.get(id);
    if (unread !== undefined) {
      if (this.#waits([id, unread])) counted.waiting--;
      this.#unread.delete(id);
      this.#save(id);
    }
    this.#reading.delete(id);
    if (this.standing(conversation) === "request") counted.read.add(id);
    else counted.read.delete(id);
    this.#tell();
    if (counted.waiting > 0 && this.#places > 0) this.#readMore();
  }

  /** Other people are strangers now, or other requests were put away. */
  changed(): void {
    this.#counted = undefined;
    this.#tell();
    this.#readMore();
  }

  /** It is an ordinary conversation from now on. Throws NOT_FOUND, NameConflict. */
  async accept(id: ConversationId): Promise<void> {
    await this.read(id);
    const { conversations, people, settings } = this.#parts;
    const conversation = conversations.get(id);
    const by = conversation && beginningOf(id, conversation.record).by;
    if (conversation === undefined || by === undefined) throw this.#unread.has(id) ? notReadYet() : new FastChatError(ErrorCode.NOT_FOUND);
    if (conversation.isGroup) await settings.accept(id);
    else await people.pin(by);
  }

  /** Puts one away, or all that wait now. */
  async decline(id: ConversationId | undefined): Promise<void> {
    const { settings } = this.#parts;
    if (id === undefined) {
      const newest = this.#requests().reduce((latest, { time }) => Math.max(latest, time), 0);
      if (newest > settings.requestsPutAway) await settings.putRequestsAway(newest);
      return;
    }
    const beginning = this.#beginningOf(id);
    if (beginning === undefined) throw new FastChatError(ErrorCode.NOT_FOUND);
    if (this.#parts.standings.of(beginning) === "request") await settings.decline(id);
  }

  /** This person writes there: what was a request is none any more. */
  async spoke(id: ConversationId): Promise<void> {
    const conversation = this.#parts.conversations.get(id);
    const standing = conversation && this.standing(conversation);
    if (standing !== "request" && standing !== "declined") return;
    await this.accept(id).catch((error: unknown) => {
      // Under a name that is another one's: nothing is sent there either.
      if (!(error instanceof NameConflict)) throw error;
    });
  }

  /** Throws NO_SUCH_USER. */
  async setBlocked(name: string, blocked: boolean): Promise<void> {
    const { conversations, people, settings } = this.#parts;
    if (blocked) {
      const { state } = await people.whoIs(name);
      // Groups in which one is already stay: there, who is blocked is a member like others.
      for (const conversation of conversations.all) {
        const { id, record, isGroup } = conversation;
        if (!isGroup || beginningOf(id, record).by !== state.account || this.isQuiet(conversation)) continue;
        if (!settings.isAccepted(id)) await settings.accept(id);
      }
    }
    await people.setBlocked(name, blocked);
  }

  /** Keeps what was noted: many in one commit, but no more than a screen can wait for. */
  async save(): Promise<void> {
    clearTimeout(this.#saving);
    this.#saving = undefined;
    while (this.#unsaved.size > 0) {
      const ids = [...this.#unsaved.values().take(SAVED_AT_ONCE)];
      for (const id of ids) this.#unsaved.delete(id);
      try {
        await this.#parts.storage.commit(ids.map((id) => this.#record(id)));
      } catch (error) {
        for (const id of ids) this.#unsaved.add(id);
        throw error;
      }
      if (this.#unsaved.size > 0) await breathe();
    }
  }

  #record(id: ConversationId): Change {
    const unread = this.#unread.get(id);
    if (unread === undefined) return remove(keys.unread(id));
    const { by, head, time } = unread;
    return put(keys.unread(id), schemas.unread, create(schemas.unread, { by: idBytes(by), head, time: BigInt(time) }));
  }

  async close(): Promise<void> {
    clearTimeout(this.#telling);
    await this.save();
  }

  /** How many more are read unasked. */
  get #places(): number {
    return limits.requestsRead - this.#count().read.size - this.#reading.size;
  }

  #count(): Counted {
    if (this.#counted !== undefined) return this.#counted;
    const read = this.#parts.conversations.all.filter((conversation) => this.standing(conversation) === "request");
    const waiting = [...this.#unread].filter((each) => this.#waits(each));
    return (this.#counted = { read: new Set(read.map(({ id }) => id)), waiting: waiting.length });
  }

  #waits([id, { by, time }]: readonly [ConversationId, Unread]): boolean {
    return this.#parts.standings.of({ id, by, time }) === "request";
  }

  /** All that wait to be accepted. */
  #requests(): Beginning[] {
    const read = this.#parts.conversations.all.map(({ id, record }) => beginningOf(id, record));
    const unread = Array.from(this.#unread, ([id, { by, time }]) => ({ id, by, time }));
    return [...read, ...unread].filter((beginning) => this.#parts.standings.of(beginning) === "request");
  }

  #beginningOf(id: ConversationId): Beginning | undefined {
    const conversation = this.#parts.conversations.get(id);
    if (conversation !== undefined) return beginningOf(id, conversation.record);
    const unread = this.#unread.get(id);
    return unread && { id, by: unread.by, time: unread.time };
  }

  #note(id: ConversationId, unread: Unread): void {
    const counted = this.#count();
    const known = this.#unread.get(id);
    if (known !== undefined && this.#waits([id, known])) counted.waiting--;
    if (this.#waits([id, unread])) counted.waiting++;
    this.#unread.set(id, unread);
    this.#save(id);
    this.#tell();
  }

  /** As many of those left for later as there is room for, newest first; and all of whom it is known by now that no stranger began them. */
  #readMore(): void {
    const { standings, fetch, isOnline, quietly } = this.#parts;
    if (!isOnline()) return;
    const left = [...this.#unread].filter(([id]) => !this.#reading.has(id));
    const by = Map.groupBy(left, ([id, unread]) => standings.of({ id, by: unread.by, time: unread.time }));
    const next = by.get("request")?.sort(byTime).slice(0, Math.max(0, this.#places)) ?? [];
    const ids = [...(by.get("ordinary") ?? []), ...next].map(([id]) => id);
    if (ids.length > 0) quietly(fetch(this.#begin(ids)));
  }

  #begin(ids: readonly ConversationId[]): Conversation[] {
    return ids.map((id) => {
      this.#reading.add(id);
      const conversation = this.#parts.conversations.known(id);
      conversation.noteHead(this.#unread.get(id)?.head ?? 0);
      return conversation;
    });
  }

  #save(id: ConversationId): void {
    this.#unsaved.add(id);
    this.#saving ??= setTimeout(() => this.#parts.quietly(this.save()), SAVE_MS);
  }

  #tell(): void {
    this.#telling ??= setTimeout(() => {
      this.#telling = undefined;
      const { count } = this;
      if (count === this.#told) return;
      this.#told = count;
      this.#parts.emit({ kind: "requests", count });
    }, TELL_MS);
  }
}

/** Those that are left for later, as stored. */
export async function loadUnread(storage: Storage): Promise<[ConversationId, Unread][]> {
  return (await storage.range(prefixRange(prefixes.unread))).map(({ key, value }) => {
    const { by, head, time } = fromBinary(schemas.unread, value);
    return [key.slice(prefixes.unread.length) as ConversationId, { by: accountId(by), head, time: Number(time) }];
  });
}

const byTime = ([, one]: [unknown, Unread], [, other]: [unknown, Unread]): number => other.time - one.time;

const notReadYet = () =>
  new FastChatError(ErrorCode.UNAVAILABLE, { sentence: "This request was not read yet: it can be accepted once there is a connection." });
