import { fromBinary } from "@bufbuild/protobuf";
import type { AccountId, ClientMessageId, ConversationId } from "@fastchat/protocol";
import { equal, vaultKeysOf } from "@fastchat/protocol/seal";
import { KnownAccounts } from "./accounts.ts";
import type { UploadProgress } from "./api-files.ts";
import type { BroadcastList, ClientEvent, ConnectionState } from "./api.ts";
import { broadcastListsIn } from "./broadcasts.ts";
import type { OwnCalls } from "./calls.ts";
import { ConnectionLost } from "./connection.ts";
import { Contacts } from "./contacts.ts";
import { ConversationSettings } from "./conversation-settings.ts";
import { readHolderConnection } from "./holder-connection.ts";
import { isUploading, leaveInOutbox, type Outgoing, outgoingOf, readOutbox, saysSomething, type Writing } from "./outbox.ts";
import type { PresenceState } from "./presence.ts";
import type { LocalProfile } from "./profile.ts";
import { keys, outboxKeyParts, prefixes, read, schemas, sequenceOfKey } from "./records.ts";
import { loadUnread } from "./requests.ts";
import { type Clocks, ServerClock } from "./server-clock.ts";
import { Standings } from "./standing.ts";
import { prefixRange, type Storage } from "./storage.ts";
import { Vault } from "./vault.ts";
import { Views } from "./views.ts";
import { waitingWarnings } from "./warnings.ts";

/** There may be many requests: they are counted so often, not with everything that happens. */
const TELL_REQUESTS_MS = 1_000;

/** Who is there is asked of the holder again so often. */
const PRESENCE_EVERY_MS = 15_000;

/** How far uploads are is asked of the holder again so often. */
const UPLOADS_EVERY_MS = 1_000;

/** While the holder has not said anything. */
const unknown: ConnectionState = {
  kind: "offline",
  since: 0,
  retryAt: 0,
  reason: "connection-lost",
  detail: "Another process of this profile is about to connect.",
};

const notHere = { request: () => Promise.reject(new ConnectionLost()) };

export interface BesideParts {
  readonly clocks: Clocks;
  readonly askUploads: OwnCalls["uploads"];
  readonly emit: (event: ClientEvent) => void;
  readonly onUnexpected: (error: unknown) => void;
}

/**
 * A process that reads a profile beside its holder [S7]: it sees what the holder stores, leaves messages in the outbox and
 * wishes beside it, and writes nothing else.
 */
export class Beside {
  readonly views: Views;
  readonly contacts: Contacts;
  readonly settings: ConversationSettings;
  readonly clock: ServerClock;
  readonly #storage: Storage;
  readonly #vault: Vault;
  readonly #standings: Standings;
  readonly #askUploads: BesideParts["askUploads"];
  readonly #emit: (event: ClientEvent) => void;
  readonly #onUnexpected: (error: unknown) => void;
  /** Conversation records as last seen. */
  #seen = new Map<ConversationId, Uint8Array>();
  #queued = new Map<string, Uint8Array>();
  /** Messages with a lifetime, by the keys of their timers: when they are over. */
  #timers = new Map<string, number>();
  #notes = new Map<string, Uint8Array>();
  /** Numbers of warnings that were told here, or waited before. */
  #warned = new Set<number>();
  /** How many requests there were. */
  #told = 0;
  #telling: ReturnType<typeof setTimeout> | undefined;
  #uploads = new Map<ClientMessageId, UploadProgress>();
  #askingUploads: ReturnType<typeof setTimeout> | undefined;
  #isClosed = false;
  readonly #presences = new Map<AccountId, PresenceState>();
  #watching: ReturnType<typeof setInterval> | undefined;
  #connection: ConnectionState = unknown;
  #end: (() => void) | undefined;
  #looking: Promise<void> = Promise.resolve();

  constructor(storage: Storage, profile: LocalProfile, { clocks, askUploads, emit, onUnexpected }: BesideParts) {
    this.#storage = storage;
    this.#askUploads = askUploads;
    this.#emit = emit;
    this.#onUnexpected = onUnexpected;
    const { me, signingSeed } = profile;
    const accounts = new KnownAccounts(storage, notHere.request, () => undefined);
    this.#vault = new Vault({
      storage,
      author: { account: me.account, device: me.device, signingSeed },
      accounts,
      connection: notHere,
      vaultKeys: () => vaultKeysOf(profile.accountKeys.at(-1)!),
      renewKeys: () => Promise.resolve(false),
      onChanged: () => undefined,
      onWrong: () => undefined,
      onUnexpected,
    });
    this.contacts = new Contacts({ me, vault: this.#vault, accounts, storage });
    this.settings = new ConversationSettings(this.#vault);
    this.clock = new ServerClock(storage, clocks);
    this.#standings = new Standings(me.account, this.contacts, this.settings);
    const draft = (conversation: ConversationId) => {
      const content = this.#vault.get({ kind: "draft", key: conversation });
      return content?.kind.case === "draft" ? content.kind.value.text : "";
    };
    const live = {
      presence: (account: AccountId) => this.#presences.get(account),
      nameOf: () => undefined,
      typing: () => [],
      isIdentityChanged: () => Promise.resolve(false),
      draft,
      acknowledged: () => undefined,
      upload: (message: ClientMessageId) => this.#uploads.get(message),
    };
    const { contacts, settings, clock } = this;
    this.views = new Views({ storage, me, accounts, contacts, live, settings, standings: this.#standings, clock });
  }

  async open(): Promise<void> {
    // Told of changes before it reads: what comes in between is not missed.
    this.#end = this.#storage.onForeignChange(() => void this.lookAgain());
    const loading = this.#load();
    this.#looking = loading;
    await loading;
  }

  async #load(): Promise<void> {
    await this.#vault.load();
    await this.contacts.load();
    this.#told = await this.requestCount();
    await this.clock.load();
    this.#timers = await this.#timersIn(prefixes.allTimers);
    this.#seen = await this.#conversations();
    this.#queued = await this.#outbox();
    this.#notes = await this.#notesOfConversations();
    this.#warned = new Set((await waitingWarnings(this.#storage)).map(({ number }) => number));
    this.#connection = (await readHolderConnection(this.#storage)) ?? unknown;
  }

  /** The holder's. */
  get connection(): ConnectionState {
    return this.#connection;
  }

  async send(writings: readonly Writing[]) {
    const left = await leaveInOutbox(this.#storage, writings);
    for (const { key } of left) this.#queued.set(key, new Uint8Array(0));
    this.#tellOutgoing(left);
    this.#emit({ kind: "conversations", conversations: [...new Set(left.map(({ conversation }) => conversation))] });
    this.#watchUploads();
    return left.map(({ id }) => id);
  }

  /** Whoever holds the profile watches; it is asked now, and again and again. */
  async watchPresence(people: readonly AccountId[], ask: OwnCalls["presences"]): Promise<void> {
    clearInterval(this.#watching);
    if (people.length === 0) return;
    const look = async (): Promise<void> => {
      const told = await ask(people);
      const changed = told.filter(({ account, online }) => this.#presences.get(account)?.online !== online);
      for (const { account, ...state } of told) this.#presences.set(account, state);
      if (changed.length === 0) return;
      const seen = await Promise.all(changed.map(({ account }) => this.views.person(account)));
      this.#emit({ kind: "presence", people: seen });
    };
    this.#watching = setInterval(() => {
      look().catch((error: unknown) => {
        if (this.#watching !== undefined) this.#onUnexpected(error);
      });
    }, PRESENCE_EVERY_MS);
    await look();
  }

  /** While files are on their way, the holder is asked how far they are. */
  #watchUploads(): void {
    if (this.#isClosed) return;
    this.#askingUploads ??= setTimeout(() => {
      const asked = this.#lookAtUploads().catch((error: unknown) => {
        if (!this.#isClosed) this.#onUnexpected(error);
        return false;
      });
      void asked.then((isGoingOn) => {
        this.#askingUploads = undefined;
        if (isGoingOn) this.#watchUploads();
      });
    }, UPLOADS_EVERY_MS);
  }

  /** Whether something is still on its way. */
  async #lookAtUploads(): Promise<boolean> {
    const uploading = (await readOutbox(this.#storage)).filter(({ item }) => isUploading(item));
    if (uploading.length === 0 || this.#isClosed) return false;
    // A holder that ends answers no more; whoever takes its place is told anew.
    const told = await this.#askUploads(uploading.map(({ id }) => id)).catch(() => []);
    this.#looking = this.#looking.then(() => this.#tellUploads(uploading, told)).catch(this.#onUnexpected);
    await this.#looking;
    return true;
  }

  #tellUploads(uploading: readonly Outgoing[], told: Awaited<ReturnType<BesideParts["askUploads"]>>): void {
    const before = this.#uploads;
    this.#uploads = new Map(told.map(({ message, ...progress }) => [message, progress]));
    // What was told as sent since it was asked for is not told as waiting.
    const changed = uploading.filter(({ id, key }) => {
      const [was, is] = [before.get(id), this.#uploads.get(id)];
      return this.#queued.has(key) && (was?.sent !== is?.sent || was?.held !== is?.held);
    });
    this.#tellOutgoing(changed);
  }

  #tellOutgoing(outgoing: readonly Outgoing[]): void {
    for (const [conversation, some] of Map.groupBy(outgoing.filter(saysSomething), (each) => each.conversation))
      this.#emit({ kind: "items", conversation, items: some.map((each) => this.views.outgoingItem(each)), live: false });
  }

  /** Resolves when all that the holder has stored until now was told. */
  async lookAgain(): Promise<void> {
    this.#looking = this.#looking.then(() => this.#look()).catch(this.#onUnexpected);
    await this.#looking;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#askingUploads);
    clearInterval(this.#watching);
    this.#watching = undefined;
    this.#end?.();
    await this.#looking;
    clearTimeout(this.#telling);
  }

  /** What the holder stored since: told as if it had happened here. */
  async #look(): Promise<void> {
    await this.#lookAtConnection();
    await this.#lookAtWarnings();
    await this.clock.load();
    await this.#vault.load();
    await this.contacts.load();
    // What this process leaves meanwhile is not in what is read now.
    const waited = [...this.#queued.keys()];
    // What is sent is in the log with the change that takes it from here.
    const queued = await this.#outbox();
    const now = await this.#conversations();
    const arrived = new Set<ClientMessageId>();
    const notes = await this.#notesOfConversations();
    const changed = new Set<ConversationId>();
    for (const [id, value] of now) {
      const before = this.#seen.get(id);
      if (before !== undefined && equal(before, value)) continue;
      changed.add(id);
      for (const message of await this.#tellItems(id, before, value)) arrived.add(message);
      await this.#tellTimers(id);
    }
    for (const key of waited) {
      const { conversation, id } = outboxKeyParts(key);
      if (queued.has(key) || arrived.has(id)) continue;
      changed.add(conversation);
      this.#emit({ kind: "taken-back", conversation, messages: [id] });
    }
    // What was sent in between was told as sent: the next look must not miss it.
    for (const key of queued.keys()) if (arrived.has(outboxKeyParts(key).id)) queued.delete(key);
    const become: Outgoing[] = [];
    for (const [key, value] of queued) {
      const before = this.#queued.get(key);
      if (before !== undefined && equal(before, value)) continue;
      const outgoing = outgoingOf(key, value);
      changed.add(outgoing.conversation);
      // As the holder tells it: above all that it was refused.
      if (before !== undefined) become.push(outgoing);
    }
    this.#tellOutgoing(become);
    for (const key of new Set([...notes.keys(), ...this.#notes.keys()])) {
      const [before, after] = [this.#notes.get(key), notes.get(key)];
      if (before === undefined || after === undefined || !equal(before, after)) changed.add(key.split("/")[2] as ConversationId);
    }
    this.#seen = now;
    this.#queued = queued;
    this.#notes = notes;
    if (become.length > 0 || changed.size > 0) this.#watchUploads();
    if (changed.size > 0) this.#emit({ kind: "conversations", conversations: [...changed] });
    this.#telling ??= setTimeout(() => {
      this.#telling = undefined;
      this.#looking = this.#looking.then(() => this.#tellRequests()).catch(this.#onUnexpected);
    }, TELL_REQUESTS_MS);
  }

  async #tellRequests(): Promise<void> {
    const count = await this.requestCount();
    if (count !== this.#told) this.#emit({ kind: "requests", count });
    this.#told = count;
  }

  /** Conversations of strangers that wait to be accepted, also those that were not read. */
  async requestCount(): Promise<number> {
    const read = (await this.views.requests()).length;
    const unread = (await loadUnread(this.#storage)).filter(([id, { by, time }]) => this.#standings.of({ id, by, time }) === "request");
    return read + unread.length;
  }

  broadcastLists(): Promise<BroadcastList[]> {
    return broadcastListsIn(this.#vault, this.views);
  }

  async #lookAtConnection(): Promise<void> {
    const connection = (await readHolderConnection(this.#storage)) ?? unknown;
    if (JSON.stringify(connection) === JSON.stringify(this.#connection)) return;
    this.#connection = connection;
    this.#emit({ kind: "connection", connection });
  }

  /** Some that no person has seen. */
  async hasWarnings(): Promise<boolean> {
    return (await waitingWarnings(this.#storage)).length > 0;
  }

  async #lookAtWarnings(): Promise<void> {
    const waiting = await waitingWarnings(this.#storage);
    const before = this.#warned;
    this.#warned = new Set(waiting.map(({ number }) => number));
    for (const { number, ...warning } of waiting) if (!before.has(number)) this.#emit({ kind: "warning", ...warning });
  }

  /** Ids of own messages among those that came. */
  async #tellItems(id: ConversationId, before: Uint8Array | undefined, after: Uint8Array): Promise<readonly ClientMessageId[]> {
    const was = before && fromBinary(schemas.conversation, before);
    const is = fromBinary(schemas.conversation, after);
    if (is.deletedUpTo > (was?.deletedUpTo ?? 0)) this.#emit({ kind: "deleted", conversation: id, upTo: is.deletedUpTo });
    if ((is.group?.joinRequests ?? 0) > (was?.group?.joinRequests ?? 0)) this.#emit({ kind: "join-request", conversation: id });
    const from = was?.high ?? Math.max(0, is.low - 1);
    const sequences = Array.from({ length: Math.max(0, is.high - from) }, (_, place) => from + 1 + place);
    const came = sequences.length === 0 ? [] : await this.views.itemsAt(id, sequences);
    const arrived = came.flatMap((item) => (item.kind === "message" && item.mine ? [item.id] : []));
    if (sequences.length > 0)
      this.#emit({ kind: "items", conversation: id, items: came, live: this.views.standing(id, is) === "ordinary" });
    if (was === undefined) return arrived;
    // What was deleted for everybody is shown as such.
    const withdrawn = is.withdrawals > was.withdrawals ? is.withdrawnLately.slice(was.withdrawals - is.withdrawals) : [];
    if (withdrawn.length > 0) this.#emit({ kind: "items", conversation: id, items: await this.views.itemsAt(id, withdrawn), live: false });
    const delivered = Math.max(is.othersDelivered, is.othersRead);
    if (is.othersRead > was.othersRead || is.othersDelivered > was.othersDelivered) {
      const items = await this.views.ownItems(id, Math.min(was.othersRead, was.othersDelivered), delivered);
      if (items.length > 0) this.#emit({ kind: "items", conversation: id, items, live: false });
    }
    return arrived;
  }

  /** What is over is gone, and what was read counts from now on. */
  async #tellTimers(id: ConversationId): Promise<void> {
    const prefix = prefixes.timers(id);
    const before = new Map([...this.#timers].filter(([key]) => key.startsWith(prefix)));
    const now = await this.#timersIn(prefix);
    const gone = [...before.keys()].filter((key) => !now.has(key));
    const begun = [...now].filter(([key, ends]) => before.has(key) && before.get(key) !== ends).map(([key]) => sequenceOfKey(key));
    for (const key of gone) this.#timers.delete(key);
    for (const [key, ends] of now) this.#timers.set(key, ends);
    if (gone.length > 0) this.#emit({ kind: "expired", conversation: id, sequences: gone.map(sequenceOfKey) });
    if (begun.length > 0) this.#emit({ kind: "items", conversation: id, items: await this.views.itemsAt(id, begun), live: false });
  }

  async #timersIn(prefix: string): Promise<Map<string, number>> {
    const items = await this.#storage.range(prefixRange(prefix));
    return new Map(items.map(({ key, value }) => [key, Number(fromBinary(schemas.timer, value).ends)]));
  }

  async #conversations(): Promise<Map<ConversationId, Uint8Array>> {
    const items = await this.#storage.range(prefixRange(prefixes.conversations));
    return new Map(items.map(({ key, value }) => [key.slice(prefixes.conversations.length) as ConversationId, value]));
  }

  async #outbox(): Promise<Map<string, Uint8Array>> {
    return new Map((await this.#storage.range(prefixRange(prefixes.outbox))).map(({ key, value }) => [key, value]));
  }

  /** Drafts and settings, also those that wait to be written to the server. */
  async #notesOfConversations(): Promise<Map<string, Uint8Array>> {
    const kinds = ["draft", "conversationSettings"];
    const ranges = kinds.flatMap((kind) => [prefixes.vaultOf(kind), prefixes.vaultPendingOf(kind)]);
    const items = await Promise.all(ranges.map((prefix) => this.#storage.range(prefixRange(prefix))));
    return new Map(items.flat().map(({ key, value }) => [key, value]));
  }

  /** Whether it is a stranger's conversation that was left for later. */
  async isLeft(id: ConversationId): Promise<boolean> {
    return (await this.#storage.get(keys.unread(id))) !== undefined && !(await this.has(id));
  }

  /** Whether the conversation is stored here. */
  async has(id: ConversationId): Promise<boolean> {
    return (await read(this.#storage, keys.conversation(id), schemas.conversation)) !== undefined;
  }
}
