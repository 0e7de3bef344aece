import { setTimeout as wait } from "node:timers/promises";
import { fromBinary } from "@bufbuild/protobuf";
import { type AccountId, accountId, type ConversationId, type DeviceId, ErrorCode, limits } from "@fastchat/protocol";
import { ConversationLinkSchema, LinkEntrySchema, type SealedKey } from "@fastchat/protocol/wire/conversation";
import type { Head } from "../bus/bus.ts";
import { type ConversationPrefix, prefixOf } from "../bus/hint.ts";
import { type Log, reasonOf } from "../events.ts";
import { readSealedKeys } from "../store/conversations.ts";
import type { Database } from "../store/database.ts";
import { entryKinds, readHead, type StoredEntry } from "../store/entries.ts";
import { GatheredReads } from "../store/gathered-reads.ts";
import { formerAmong, formerSince, membersOf } from "../store/members.ts";
import type { Session } from "./session.ts";
import { type EncodedFrame, encodeEntries, encodeEntry } from "./wire.ts";

/** A conversation that some session here is a member of. */
interface Watched {
  readonly conversation: ConversationId;
  /** Those that get what comes. */
  readonly sessions: Set<Session>;
  /** Those of which it is not certain that they are members still: they get nothing until that was looked up. */
  readonly arriving: Set<Session>;
  /** Newest entry that the sessions got, or that was in the log before the first of them came. */
  delivered: number;
  /** Newest entry that is known to be in the log. */
  known: number;
  /** Up to here it was looked up who of the sessions is a member. Whose membership was read at an earlier head may have lost it since. */
  judged: number;
  reading: boolean;
  /** What was pushed meanwhile. */
  readonly held: (readonly [frame: EncodedFrame, except: Session | undefined])[];
}

export interface DeliveryOptions {
  /** The first session here watches a conversation, from this head on. */
  readonly onWatch?: (watched: Head) => void;
  /** No session here watches it any more. */
  readonly onUnwatch?: (prefix: ConversationPrefix) => void;
}

const READ_AGAIN_MS = 500;
/** Pushes that wait for a read to end; further ones are lost, as they may be. */
const MOST_HELD = 256;

/**
 * Hands entries to the sessions of their members, in the order of the log. What this server appended is at hand, and messages that came along with another's word of them; when they follow what was delivered
 * last they go out at once. Otherwise (another server's entries lie between, or only a hint came) the log is read from there on, once for all
 * sessions. A session that misses something (it came while that was delivered, or was dropped) sees the gap and fetches it: nothing here
 * is the truth.
 *
 * But nobody gets what he may not read. Only a link takes a membership away, and a link is always read from the log. Behind each page that holds one
 * it is looked up who is a member: newcomers get the page, too; who is none any more gets it up to the link that ended it, and then nothing. While
 * that goes on, nothing else is handed out or pushed, and a session that comes waits; so does one whose membership was read before the newest such
 * link.
 */
export class Delivery {
  readonly #database: Database;
  readonly #log: Log;
  readonly #reads: GatheredReads;
  readonly #ending = new AbortController();
  readonly #watched = new Map<ConversationId, Watched>();
  readonly #byPrefix = new Map<ConversationPrefix, Watched>();
  readonly #byAccount = new Map<AccountId, Set<Session>>();
  readonly #onWatch: ((watched: Head) => void) | undefined;
  readonly #onUnwatch: ((prefix: ConversationPrefix) => void) | undefined;
  #count = 0;

  constructor(database: Database, log: Log, { onWatch, onUnwatch }: DeliveryOptions = {}) {
    this.#database = database;
    this.#log = log;
    this.#onWatch = onWatch;
    this.#onUnwatch = onUnwatch;
    this.#reads = new GatheredReads(database);
  }

  /** How many are open. */
  get sessions(): number {
    return this.#count;
  }

  accounts(): AccountId[] {
    return [...this.#byAccount.keys()];
  }

  devices(): DeviceId[] {
    return [...this.#byAccount.values()].flatMap((sessions) => Array.from(sessions, ({ device }) => device));
  }

  sessionsOf(account: AccountId): ReadonlySet<Session> {
    return this.#byAccount.get(account) ?? new Set();
  }

  *all(): Generator<Session> {
    for (const sessions of this.#byAccount.values()) yield* sessions;
  }

  add(session: Session): void {
    let sessions = this.#byAccount.get(session.account);
    if (sessions === undefined) this.#byAccount.set(session.account, (sessions = new Set()));
    sessions.add(session);
    this.#count += 1;
  }

  /** True: it was the account's last one here. */
  remove(session: Session): boolean {
    for (const conversation of session.conversations) this.unwatch(session, conversation);
    const sessions = this.#byAccount.get(session.account);
    if (sessions?.delete(session) !== true) return false;
    this.#count -= 1;
    if (sessions.size > 0) return false;
    this.#byAccount.delete(session.account);
    return true;
  }

  /** `head`: newest entry when the session's membership was read; a session then asks for what is older itself. */
  watch(session: Session, conversation: ConversationId, head: number): void {
    let watched = this.#watched.get(conversation);
    if (watched === undefined) {
      const nobody = { sessions: new Set<Session>(), arriving: new Set<Session>(), reading: false, held: [] };
      watched = { conversation, ...nobody, delivered: head, known: head, judged: head };
      this.#watched.set(conversation, watched);
      const prefix = prefixOf(conversation);
      this.#byPrefix.set(prefix, watched);
      this.#onWatch?.({ prefix, head });
    }
    session.conversations.add(conversation);
    if (!watched.sessions.has(session)) {
      if (watched.reading || head < watched.judged) watched.arriving.add(session);
      else admit(watched, session, head);
    }
    this.#advance(watched, head);
  }

  unwatch(session: Session, conversation: ConversationId): void {
    session.conversations.delete(conversation);
    const watched = this.#watched.get(conversation);
    if (watched === undefined) return;
    watched.sessions.delete(session);
    watched.arriving.delete(session);
    if (watched.sessions.size + watched.arriving.size > 0) return;
    this.#watched.delete(conversation);
    const prefix = prefixOf(conversation);
    this.#byPrefix.delete(prefix);
    this.#onUnwatch?.(prefix);
  }

  /** Of each conversation that some session here watches: what is known to be in its log. */
  *heads(): Generator<Head> {
    for (const [prefix, { known }] of this.#byPrefix) yield { prefix, head: known };
  }

  /** Whether any session here does. */
  watches(conversation: ConversationId): boolean {
    return this.#watched.has(conversation);
  }

  /** What this server, or another that says so, appended to a conversation, ascending and gap-free. */
  stored(conversation: ConversationId, entries: readonly StoredEntry[]): void {
    const watched = this.#watched.get(conversation);
    const first = entries[0];
    const last = entries.at(-1);
    if (watched === undefined || first === undefined || last === undefined) return;
    const onlyMessages = entries.every((entry) => entry.kind === entryKinds.message);
    if (!watched.reading && onlyMessages && first.sequence === watched.delivered + 1) {
      watched.known = Math.max(watched.known, last.sequence);
      handOut(watched, entries);
    }
    this.#advance(watched, last.sequence);
  }

  /** Word from another server, by the first half of the id. */
  hinted(prefix: ConversationPrefix, head: number): void {
    const watched = this.#byPrefix.get(prefix);
    if (watched !== undefined) this.#advance(watched, head);
  }

  known(conversation: ConversationId, head: number): void {
    const watched = this.#watched.get(conversation);
    if (watched !== undefined) this.#advance(watched, head);
  }

  /**
   * Something besides entries, for everybody in a conversation but `except`. `link`: sequence number of the newest link when it was let in. Word of
   * that link may still be on its way, from another server: it is read first, so that whom it put out does not get what follows it.
   */
  push(conversation: ConversationId, link: number, frame: EncodedFrame, except?: Session): void {
    const watched = this.#watched.get(conversation);
    if (watched === undefined) return;
    this.#advance(watched, link);
    if (watched.reading) {
      if (watched.held.length < MOST_HELD) watched.held.push([frame, except]);
    } else pushTo(watched.sessions, frame, except);
  }

  /** The sessions here that watch any of these conversations. */
  sessionsIn(conversations: readonly ConversationId[]): Set<Session> {
    const found = new Set<Session>();
    for (const conversation of conversations) for (const session of this.#watched.get(conversation)?.sessions ?? []) found.add(session);
    return found;
  }

  /** Closes the sockets of a device that is let in no more. */
  endDevice(device: DeviceId, why: ErrorCode): void {
    for (const session of this.all()) if (session.device === device) session.connection.close(why);
  }

  /** Closes the sockets of an account that was closed. */
  endAccount(account: AccountId): void {
    for (const session of this.sessionsOf(account)) session.connection.close(ErrorCode.ACCOUNT_CLOSED);
  }

  stop(): void {
    this.#ending.abort();
  }

  #advance(watched: Watched, head: number): void {
    watched.known = Math.max(watched.known, head);
    if (watched.reading || !hasWork(watched)) return;
    watched.reading = true;
    void this.#read(watched);
  }

  async #read(watched: Watched): Promise<void> {
    const { conversation } = watched;
    while (hasWork(watched)) {
      try {
        const behind = watched.delivered < watched.known;
        const entries = behind ? await this.#reads.after(conversation, watched.delivered) : [];
        if (behind && entries.length === 0) {
          // A head without entries: it was restored to an earlier state. What comes will be announced anew.
          watched.known = watched.delivered = Math.min(watched.known, await readHead(this.#database, conversation));
          watched.judged = Math.min(watched.judged, watched.delivered);
        }
        const links = entries.filter((entry) => entry.kind === entryKinds.link);
        if (links.length > 0 || watched.arriving.size > 0) await this.#judge(watched, entries);
        const copies = await this.#copiesBeside(watched, links);
        for (const session of watched.sessions) {
          const own = copies.get(session.account);
          if (own !== undefined) session.connection.send(own);
        }
        handOut(watched, entries);
      } catch (error) {
        this.#log.event("warn", "delivery-read-failed", { reason: reasonOf(error) });
        const stopped = await wait(READ_AGAIN_MS, false, { signal: this.#ending.signal }).catch(() => true);
        if (stopped) break;
      }
    }
    watched.reading = false;
    for (const [frame, except] of watched.held.splice(0)) pushTo(watched.sessions, frame, except);
  }

  /**
   * Looks up who is a member behind these entries. Members with a session here watch from now on; others get what of the entries they may read, and
   * stop watching. Who came meanwhile and is not among the members waits for the next look.
   */
  async #judge(watched: Watched, entries: readonly StoredEntry[]): Promise<void> {
    const { conversation, sessions, arriving } = watched;
    const candidates = [...sessions, ...arriving];
    const members = await membersOf(this.#database, conversation);
    const others = new Set(candidates.map((session) => session.account).filter((account) => !members.has(account)));
    const ended = await formerAmong(this.#database, conversation, others);
    const here = [...members].flatMap((account) => [...this.sessionsOf(account)]);
    if (this.#watched.get(conversation) !== watched) {
      // Everybody who watched has left meanwhile; newcomers begin anew.
      for (const session of here) this.watch(session, conversation, watched.delivered);
      this.known(conversation, await readHead(this.#database, conversation));
      return;
    }
    await this.#tellPassing(watched, entries, candidates);
    watched.judged = Math.max(watched.judged, entries.at(-1)?.sequence ?? 0);
    for (const session of here) {
      session.conversations.add(conversation);
      if (arriving.delete(session)) admit(watched, session, 0);
      else sessions.add(session);
    }
    for (const session of candidates) {
      if (!others.has(session.account)) continue;
      const readable = entries.filter((entry) => entry.sequence <= (ended.get(session.account) ?? 0));
      if (sessions.has(session)) sendEntries([session], conversation, readable, readable.at(-1)?.sequence ?? 0);
      this.unwatch(session, conversation);
    }
  }

  /** Who was brought in and is out again before anybody looked gets what it may read, like others who are put out. */
  async #tellPassing({ conversation }: Watched, entries: readonly StoredEntry[], watching: readonly Session[]): Promise<void> {
    const [first] = entries;
    if (first === undefined) return;
    for (const [account, until] of await formerSince(this.#database, conversation, first.sequence)) {
      const readable = entries.filter((entry) => entry.sequence <= until);
      const sessions = [...this.sessionsOf(account)].filter((session) => !watching.includes(session));
      if (sessions.length > 0) sendEntries(sessions, conversation, readable, readable.at(-1)?.sequence ?? 0);
    }
  }

  /** [C4] The copies of the epochs that these links open, a frame for each account: everybody's own, before the links that go to all alike. */
  async #copiesBeside({ conversation, sessions }: Watched, links: readonly StoredEntry[]): Promise<ReadonlyMap<AccountId, EncodedFrame>> {
    const epochs = openedEpochs(links);
    if (epochs === undefined) return new Map();
    const accounts = new Set([...sessions].map((session) => session.account));
    const keys = new Map<AccountId, SealedKey[]>();
    for (const key of await readSealedKeys(this.#database, conversation, [...accounts], epochs)) {
      const account = accountId(key.account);
      keys.set(account, [...(keys.get(account) ?? []), key]);
    }
    return new Map(
      Array.from(keys, ([account, sealedKeys]) => [account, encodeEntries({ request: 0, conversation, entries: [], head: 0, sealedKeys })]),
    );
  }
}

const hasWork = ({ sessions, arriving, delivered, known }: Watched): boolean =>
  arriving.size > 0 || (delivered < known && sessions.size > 0);

/** What was delivered after `head`, before the session came, is not sent again: it hears that there is something. */
function admit({ sessions, conversation, delivered }: Watched, session: Session, head: number): void {
  sessions.add(session);
  if (head >= delivered) return;
  session.connection.send(encodeEntries({ request: 0, conversation, entries: [], head: delivered, sealedKeys: [] }));
}

function pushTo(sessions: Iterable<Session>, frame: EncodedFrame, except: Session | undefined): void {
  for (const session of sessions) if (session !== except) session.connection.send(frame);
}

function handOut(watched: Watched, entries: readonly StoredEntry[]): void {
  watched.delivered = entries.at(-1)?.sequence ?? watched.delivered;
  sendEntries(watched.sessions, watched.conversation, entries, Math.max(watched.known, watched.delivered));
}

/** The same bytes to all. */
function sendEntries(sessions: Iterable<Session>, conversation: ConversationId, entries: readonly StoredEntry[], head: number): void {
  for (const page of pagesOf(entries)) {
    const frame = encodeEntries({ request: 0, conversation, entries: page, head, sealedKeys: [] });
    for (const session of sessions) session.connection.send(frame);
  }
}

/** Encoded entries, as many together as a frame may hold. */
function pagesOf(entries: readonly StoredEntry[]): Uint8Array[][] {
  const pages: Uint8Array[][] = [];
  let bytes = 0;
  for (const entry of entries) {
    const encoded = encodeEntry(entry);
    const page = pages.at(-1);
    if (page === undefined || bytes + encoded.length > limits.pageBytes) {
      pages.push([encoded]);
      bytes = encoded.length;
    } else {
      page.push(encoded);
      bytes += encoded.length;
    }
  }
  return pages;
}

/** From the first to the last epoch that these links open. */
function openedEpochs(links: readonly StoredEntry[]): { from: number; to: number } | undefined {
  const opened = links.flatMap((entry) => {
    const { link } = fromBinary(LinkEntrySchema, entry.body);
    const epoch = link && fromBinary(ConversationLinkSchema, link.body).opening?.epoch;
    return epoch === undefined ? [] : [epoch];
  });
  return opened.length === 0 ? undefined : { from: Math.min(...opened), to: Math.max(...opened) };
}
