import { setTimeout as wait } from "node:timers/promises";
import { fromBinary } from "@bufbuild/protobuf";
import { type AccountId, accountId, type ConversationId, type DeviceId, ErrorCode, idBytes, limits } from "@fastchat/protocol";
import { ConversationLinkSchema, LinkEntrySchema, type SealedKey } from "@fastchat/protocol/wire/conversation";
import { type ConversationPrefix, prefixOf } from "../bus/hint.ts";
import { type Log, reasonOf } from "../events.ts";
import { readSealedKeys } from "../store/conversations.ts";
import type { Database } from "../store/database.ts";
import { entryKinds, readEntries, type StoredEntry } from "../store/entries.ts";
import type { Session } from "./session.ts";
import { type EncodedFrame, encodeEntries, encodeEntry } from "./wire.ts";

/** A conversation that some session here is a member of. */
interface Watched {
  readonly conversation: ConversationId;
  readonly sessions: Set<Session>;
  /** Newest entry that the sessions got, or that was in the log before the first of them came. */
  delivered: number;
  /** Newest entry that is known to be in the log. */
  known: number;
  reading: boolean;
}

const READ_AGAIN_MS = 500;

/**
 * Hands entries to the sessions of their members, in the order of the log. What this server appended is at hand; when it follows what was delivered
 * last it goes out at once. Otherwise (another server's entries lie between, or only a hint came) the log is read from there on, once for all
 * sessions. A session that misses something (it came while that was delivered, or was dropped) sees the gap and fetches it: nothing here
 * is the truth.
 */
export class Delivery {
  readonly #database: Database;
  readonly #log: Log;
  readonly #ending = new AbortController();
  readonly #watched = new Map<ConversationId, Watched>();
  readonly #byPrefix = new Map<ConversationPrefix, Watched>();
  readonly #byAccount = new Map<AccountId, Set<Session>>();
  #count = 0;

  constructor(database: Database, log: Log) {
    this.#database = database;
    this.#log = log;
  }

  /** How many are open. */
  get sessions(): number {
    return this.#count;
  }

  accounts(): AccountId[] {
    return [...this.#byAccount.keys()];
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
      watched = { conversation, sessions: new Set(), delivered: head, known: head, reading: false };
      this.#watched.set(conversation, watched);
      this.#byPrefix.set(prefixOf(conversation), watched);
    }
    watched.sessions.add(session);
    session.conversations.add(conversation);
    this.#advance(watched, head);
  }

  unwatch(session: Session, conversation: ConversationId): void {
    session.conversations.delete(conversation);
    const watched = this.#watched.get(conversation);
    if (watched === undefined || !watched.sessions.delete(session) || watched.sessions.size > 0) return;
    this.#watched.delete(conversation);
    this.#byPrefix.delete(prefixOf(conversation));
  }

  /** What this server appended to a conversation, ascending and gap-free. */
  stored(conversation: ConversationId, entries: readonly StoredEntry[]): void {
    const watched = this.#watched.get(conversation);
    const first = entries[0];
    const last = entries.at(-1);
    if (watched === undefined || first === undefined || last === undefined) return;
    const onlyMessages = entries.every((entry) => entry.kind === entryKinds.message);
    if (!watched.reading && onlyMessages && first.sequence === watched.delivered + 1) {
      watched.known = Math.max(watched.known, last.sequence);
      this.#handOut(watched, entries, () => []);
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

  /** Something besides entries, for everybody in a conversation but `except`. */
  push(conversation: ConversationId, frame: EncodedFrame, except?: Session): void {
    for (const session of this.#watched.get(conversation)?.sessions ?? []) if (session !== except) session.connection.send(frame);
  }

  /** The sessions here that watch any of these conversations. */
  sessionsIn(conversations: readonly ConversationId[]): Set<Session> {
    const found = new Set<Session>();
    for (const conversation of conversations) for (const session of this.#watched.get(conversation)?.sessions ?? []) found.add(session);
    return found;
  }

  /** Closes the sockets of a device that lost its rights. */
  endDevice(device: DeviceId): void {
    for (const session of this.all()) if (session.device === device) session.connection.close(ErrorCode.DEVICE_REVOKED);
  }

  stop(): void {
    this.#ending.abort();
  }

  #advance(watched: Watched, head: number): void {
    watched.known = Math.max(watched.known, head);
    if (watched.reading || watched.delivered >= watched.known) return;
    watched.reading = true;
    void this.#read(watched);
  }

  async #read(watched: Watched): Promise<void> {
    const { conversation } = watched;
    while (watched.delivered < watched.known && watched.sessions.size > 0) {
      try {
        const { entries, head } = await readEntries(this.#database, conversation, { after: watched.delivered }, limits.entriesPerPage);
        if (entries.length === 0) {
          // A head without entries: it was restored to an earlier state. What comes will be announced anew.
          watched.known = watched.delivered = Math.min(watched.known, head);
          break;
        }
        const epochs = openedEpochs(entries);
        const accounts = new Set([...watched.sessions].map((session) => session.account));
        const keys = epochs === undefined ? [] : await readSealedKeys(this.#database, conversation, [...accounts], epochs);
        this.#handOut(watched, entries, (account) => keys.filter((key) => accountId(key.account) === account));
        if (entries.some((entry) => entry.kind === entryKinds.link)) await this.#dropFormerMembers(watched);
      } catch (error) {
        this.#log.event("warn", "delivery-read-failed", { reason: reasonOf(error) });
        const stopped = await wait(READ_AGAIN_MS, false, { signal: this.#ending.signal }).catch(() => true);
        if (stopped) break;
      }
    }
    watched.reading = false;
  }

  #handOut(watched: Watched, entries: readonly StoredEntry[], keysOf: (account: AccountId) => readonly SealedKey[]): void {
    const { conversation, sessions } = watched;
    watched.delivered = entries.at(-1)?.sequence ?? watched.delivered;
    const head = Math.max(watched.known, watched.delivered);
    const pages: Uint8Array[][] = [[]];
    let bytes = 0;
    for (const entry of entries) {
      const encoded = encodeEntry(entry);
      if (bytes > 0 && bytes + encoded.length > limits.pageBytes) {
        pages.push([]);
        bytes = 0;
      }
      pages.at(-1)!.push(encoded);
      bytes += encoded.length;
    }
    for (const page of pages) {
      const shared = encodeEntries({ request: 0, conversation, entries: page, head, sealedKeys: [] });
      for (const session of sessions) {
        const sealedKeys = keysOf(session.account);
        session.connection.send(
          sealedKeys.length === 0 ? shared : encodeEntries({ request: 0, conversation, entries: page, head, sealedKeys }),
        );
      }
    }
  }

  /** A link may have removed somebody: they got that link as their last entry. */
  async #dropFormerMembers(watched: Watched): Promise<void> {
    const rows = await this.#database.query
      .selectFrom("member")
      .select("account")
      .where("conversation", "=", idBytes(watched.conversation))
      .execute();
    const members = new Set(rows.map((row) => accountId(row.account)));
    for (const session of watched.sessions) if (!members.has(session.account)) this.unwatch(session, watched.conversation);
  }
}

/** From the first to the last epoch that links among these entries open. */
function openedEpochs(entries: readonly StoredEntry[]): { from: number; to: number } | undefined {
  const opened = entries
    .filter((entry) => entry.kind === entryKinds.link)
    .flatMap((entry) => {
      const { link } = fromBinary(LinkEntrySchema, entry.body);
      const epoch = link && fromBinary(ConversationLinkSchema, link.body).opening?.epoch;
      return epoch === undefined ? [] : [epoch];
    });
  return opened.length === 0 ? undefined : { from: Math.min(...opened), to: Math.max(...opened) };
}
