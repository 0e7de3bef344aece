import {
  accountId,
  type AccountId,
  type ClientMessageId,
  conversationId,
  type ConversationId,
  type DeviceId,
  ErrorCode,
  FastChatError,
  idBytes,
  limits,
  parseName,
} from "@fastchat/protocol";
import { clientMessageId } from "@fastchat/protocol";
import { directConversationId } from "@fastchat/protocol/chain";
import { loadKnownAccount } from "./accounts.ts";
import type {
  AccountDeletion,
  BroadcastList,
  ChatItem,
  Client,
  ClientEvent,
  ConnectionState,
  ConversationSummary,
  DeviceInfo,
  Me,
  Mute,
  OpenOptions,
  PasswordChangeResult,
  SuccessionResult,
  Person,
  ProfileRole,
  SafetyNumber,
  SendOptions,
  SessionPolicy,
  Warning,
  MessagePlace,
} from "./api.ts";
import type { ExportOptions, ExportResult } from "./api-export.ts";
import type { GroupInfo, Groups, Receipt } from "./api-groups.ts";
import { Beside } from "./beside.ts";
import { call, callsThrough, type OwnCalls } from "./calls.ts";
import { ConnectionLost, defaultAgent } from "./connection.ts";
import { ConversationChain } from "./conversation-chain.ts";
import type { ExportSource } from "./export-source.ts";
import type { Files } from "./api-files.ts";
import { Blobs } from "./files/blobs.ts";
import { ClientFiles } from "./files/client-files.ts";
import type { Staging } from "./files/staging.ts";
import { Gateway } from "./gateway.ts";
import type { Wish } from "./generated/fastchat/profile/v1/profile_pb.ts";
import { Holder } from "./holder.ts";
import type { HeldLock } from "./lock.ts";
import { checkedLifetime } from "./lifetimes.ts";
import { readOutbox, type Writing } from "./outbox.ts";
import { changePassword } from "./new-password.ts";
import type { Platform } from "./platform.ts";
import { loadProfile, type LocalProfile } from "./profile.ts";
import { keys, read, schemas } from "./records.ts";
import { refusal } from "./refusals.ts";
import { decodeSnapshot, encodeSnapshot } from "./snapshot.ts";
import { type Storage, StorageFullError } from "./storage.ts";
import { type SecretCalls, sealedCallsThrough } from "./sealed-calls.ts";
import { wish, WishGranter, type WishKind } from "./wishes.ts";

const ITEMS_AT_MOST = 10_000;
/** How long a QuickChat session that ends waits for its last messages. */
const QUICK_SENT_MS = 2_000;

type Role =
  | { readonly kind: "holder"; readonly holder: Holder; readonly lock: HeldLock }
  | { readonly kind: "beside"; readonly beside: Beside };

/** Opens a profile: as its holder when nobody else holds it, else beside. Undefined: nobody is signed in here. */
export async function openClientOn<Place>(
  platform: Platform<Place>,
  place: Place,
  options: OpenOptions & { readonly quick?: boolean } = {},
): Promise<Client | undefined> {
  if (!(await platform.exists(place))) return undefined;
  const storage = await platform.openStorage(place);
  try {
    const profile = await loadProfile(storage);
    if (profile === undefined) {
      await storage.close();
      return undefined;
    }
    const client = new OpenedClient(platform, place, storage, profile, options);
    await client.open();
    return client;
  } catch (error) {
    await storage.close();
    throw error;
  }
}

class OpenedClient<Place> implements Client {
  readonly me: Me;
  readonly quick: boolean;
  readonly #platform: Platform<Place>;
  readonly #place: Place;
  readonly #storage: Storage;
  readonly #profile: LocalProfile;
  readonly #options: OpenOptions;
  readonly #listeners = new Set<(event: ClientEvent) => void>();
  readonly #closing = new AbortController();
  readonly files: Files;
  readonly #gateway: Gateway;
  readonly #staging: Staging;
  readonly #blobs: Blobs;
  #role!: Role;
  /** What the holder is asked to do by name. */
  readonly #callsBeside = callsThrough((name, given) => this.#wish({ case: "call", value: { name, arguments: encodeSnapshot(given) } }));
  #takingOver: Promise<void> = Promise.resolve();
  #endForeign: (() => void) | undefined;

  /** Of a QuickChat session. */
  #leaving: Promise<{ readonly server: "told" | "not-reached" }> | undefined;

  constructor(
    platform: Platform<Place>,
    place: Place,
    storage: Storage,
    profile: LocalProfile,
    options: OpenOptions & { readonly quick?: boolean },
  ) {
    this.#platform = platform;
    this.#place = place;
    this.#storage = storage;
    this.#options = options;
    this.quick = options.quick === true;
    const gateway = options.gateway ?? profile.me.gateway;
    this.#profile = { ...profile, me: { ...profile.me, gateway } };
    this.me = this.#profile.me;
    this.#gateway = new Gateway(gateway);
    this.#staging = platform.staging(place);
    this.#blobs = new Blobs(this.#gateway, { device: this.me.device, signingSeed: this.#profile.signingSeed });
    this.files = new ClientFiles({
      staging: this.#staging,
      mostBytes: this.quick ? limits.quickFilesBytes : undefined,
      blobs: this.#blobs,
      check: (id, { expiresAfter }) => this.#prepare(id, expiresAfter),
      leave: async (id, files, { text = "", expiresAfter }) => (await this.#write(id, { texts: [text], files }, expiresAfter))[0]!,
      cancel: (message) => this.#own.cancelMessage(message),
      fileAt: ({ conversation, sequence, place: index }) => this.#views.fileAt(conversation, sequence, index),
    });
  }

  async open(): Promise<void> {
    const lock = this.#platform.lock(this.#place);
    const held = await lock.tryAcquire();
    if (held !== undefined) {
      await this.#hold(held);
      return;
    }
    const beside = new Beside(this.#storage, this.#profile, {
      clocks: this.#platform.clocks,
      askUploads: (messages) => this.#callsBeside.own.uploads(messages),
      emit: this.#emit,
      onUnexpected: this.#onUnexpected,
    });
    this.#role = { kind: "beside", beside };
    await beside.open();
    this.#takingOver = lock.acquire(this.#closing.signal).then(
      (taken) => this.#takeOver(beside, taken),
      () => undefined,
    );
  }

  get role(): ProfileRole {
    return this.#role.kind;
  }

  get connection(): ConnectionState {
    return this.#role.kind === "holder" ? this.#role.holder.connection : this.#role.beside.connection;
  }

  get serverTime(): number {
    return this.#role.kind === "holder" ? this.#role.holder.clock.now() : this.#role.beside.clock.now();
  }

  subscribe(listener: (event: ClientEvent) => void): () => void {
    // Two subscriptions of one function are two.
    const own = (event: ClientEvent) => listener(event);
    this.#listeners.add(own);
    return () => this.#listeners.delete(own);
  }

  async showWarning(show: (warning: Warning) => void | Promise<void>): Promise<boolean> {
    // The holder is not troubled for nothing.
    if (this.#role.kind === "beside" && !(await this.#role.beside.hasWarnings())) return false;
    const claimed = await this.#own.claimWarning();
    if (claimed === undefined) return false;
    const { number, ...warning } = claimed;
    await show(warning);
    await this.#own.warningShown(number);
    return true;
  }

  async caughtUp(signal?: AbortSignal): Promise<void> {
    if (this.#role.kind === "holder") return this.#role.holder.caughtUp(signal);
    return this.#wish({ case: "caughtUp", value: {} }, signal);
  }

  async people(text = ""): Promise<readonly Person[]> {
    if (this.#role.kind === "holder") return this.#role.holder.people.find(text);
    return this.#wish({ case: "findPeople", value: text });
  }

  async watchPresence(people: readonly AccountId[]): Promise<void> {
    if (this.#role.kind === "holder") return this.#role.holder.watchPresence(people);
    await this.#role.beside.watchPresence(people, (some) => this.#callsBeside.own.presences(some));
  }

  conversations(): Promise<readonly ConversationSummary[]> {
    return this.#views.conversations();
  }

  async conversation(id: ConversationId): Promise<ConversationSummary | undefined> {
    await this.#readRequest(id);
    return this.#views.conversation(id);
  }

  async openDirect(name: string): Promise<ConversationId> {
    if (this.#role.kind === "holder") return this.#role.holder.openDirect(name);
    const { beside } = this.#role;
    const parsed = parseName(name);
    if (parsed.kind === "valid") {
      const contact = beside.contacts.byName(parsed.name);
      const account = parsed.name === this.me.name ? this.me.account : contact && accountId(contact.account);
      const id = account && directConversationId(this.me.account, account);
      if (id !== undefined && (await beside.has(id))) return id;
    }
    return this.#wish({ case: "openDirect", value: name });
  }

  async items(
    id: ConversationId,
    { before, limit }: { before?: number; limit: number },
  ): Promise<{ items: readonly ChatItem[]; more: boolean }> {
    await this.#readRequest(id);
    if (this.#role.kind !== "holder") return this.#items(id, { before, limit });
    const { holder } = this.#role;
    if (before === undefined) holder.look(id);
    return holder.first(this.#items(id, { before, limit }));
  }

  async #items(
    id: ConversationId,
    { before, limit }: { readonly before: number | undefined; readonly limit: number },
  ): Promise<{ items: readonly ChatItem[]; more: boolean }> {
    const wanted = { limit: Math.min(limit, ITEMS_AT_MOST), ...(before !== undefined && { before }) };
    for (;;) {
      const { items, more, missing } = await this.#views.items(id, wanted);
      if (missing === undefined || (this.quick && before === undefined)) return { items, more };
      const fetched = await this.#fetchDownTo(id, missing).catch(ignoreWithoutConnection);
      if (fetched !== true) return { items, more };
    }
  }

  async send(id: ConversationId, text: string, options: SendOptions = {}): Promise<ClientMessageId> {
    return (await this.sendAll(id, [text], options))[0]!;
  }

  async sendAll(id: ConversationId, texts: readonly string[], options: SendOptions = {}): Promise<readonly ClientMessageId[]> {
    await this.#prepare(id, options.expiresAfter);
    return this.#write(id, { texts }, options.expiresAfter);
  }

  /** What would only fail later is refused at once, and stands in nobody's outbox; a stranger's request is read only for what can be sent. */
  async #prepare(id: ConversationId, expiresAfter: number | undefined): Promise<void> {
    if (expiresAfter !== undefined) checkedLifetime(expiresAfter);
    await this.#readRequest(id);
    await this.#checkMayWrite(id);
  }

  async #write(id: ConversationId, what: Pick<Writing, "texts" | "files">, given: number | undefined): Promise<readonly ClientMessageId[]> {
    const { settings } = this.#role.kind === "holder" ? this.#role.holder : this.#role.beside;
    const expiresAfter = given === undefined ? settings.timerOf(id) : checkedLifetime(given);
    const writing = { conversation: id, ...what, expiresAfter };
    if (this.#role.kind === "holder") return this.#role.holder.outbox.add([writing]);
    return this.#role.beside.send([writing]);
  }

  async #checkMayWrite(id: ConversationId): Promise<void> {
    const record = await read(this.#storage, keys.conversation(id), schemas.conversation);
    const blocked = record && (await this.#views.blockedIn(record));
    if (blocked === "closed") throw new FastChatError(ErrorCode.ACCOUNT_CLOSED);
    if (blocked === "out") throw new FastChatError(ErrorCode.NOT_A_MEMBER);
    if (blocked === "announce-only") throw refusal("write");
  }

  async sent(id: ConversationId | undefined, signal?: AbortSignal): Promise<void> {
    const isSent = async () => {
      if (this.#role.kind === "holder") return !this.#role.holder.outbox.isWaiting(id);
      const { beside } = this.#role;
      if (!(await readOutbox(this.#storage, id)).every(({ item }) => item.failed !== 0)) return false;
      // Whoever waits for this has been told what became of it.
      await beside.lookAgain();
      return true;
    };
    while (!(await isSent())) {
      signal?.throwIfAborted();
      if (this.#closing.signal.aborted) throw new FastChatError(ErrorCode.UNAVAILABLE, { detail: "The client was closed." });
      const { promise, resolve } = Promise.withResolvers<void>();
      const end = this.subscribe(() => resolve());
      const timer = setTimeout(resolve, 200);
      signal?.addEventListener("abort", () => resolve(), { once: true });
      await promise;
      clearTimeout(timer);
      end();
    }
  }

  async retry(message: ClientMessageId): Promise<void> {
    if (this.#role.kind === "holder") return this.#role.holder.retry(message);
    return this.#wish({ case: "retry", value: { clientMessageId: idBytes(message) } });
  }

  async markRead(id: ConversationId, sequence: number): Promise<void> {
    if (this.#role.kind === "holder") return this.#role.holder.markRead(id, sequence);
    return this.#wish({ case: "read", value: { conversation: idBytes(id), sequence } });
  }

  async setDraft(id: ConversationId, text: string): Promise<void> {
    if (this.#role.kind === "holder") return this.#role.holder.drafts.set(id, text);
    return this.#wish({ case: "draft", value: { conversation: idBytes(id), text } });
  }

  async setTyping(id: ConversationId, active: boolean): Promise<void> {
    if (this.#role.kind === "holder") await this.#role.holder.setTyping(id, active);
  }

  async deleteMessages(id: ConversationId, messages: readonly MessagePlace[]): Promise<void> {
    await this.#checkMayWrite(id);
    const blocked = (await this.#views.conversation(id))?.blocked ?? "none";
    // It would wait for an answer that has nothing to do with it.
    const sentence = "Nothing is sent there at present: open the conversation and answer what it asks first.";
    if (blocked !== "none") throw new FastChatError(ErrorCode.FORBIDDEN, { sentence });
    await this.#own.deleteMessages(id, messages);
  }

  async receipts(id: ConversationId): Promise<readonly Receipt[]> {
    return this.#own.receipts(id);
  }

  get groups(): Groups {
    if (this.#role.kind === "holder") return this.#role.holder.groups;
    return { ...this.#callsBeside.groups, info: (id) => this.#groupInfoBeside(id) };
  }

  async #groupInfoBeside(id: ConversationId): Promise<GroupInfo | undefined> {
    const record = await read(this.#storage, keys.chain(id), schemas.chain);
    const chain = new ConversationChain(this.#storage, id, new Map());
    if (record === undefined) return undefined;
    await chain.load();
    return chain.state && this.#views.groupInfo(id, chain.state);
  }

  async setMute(id: ConversationId, mute: Mute): Promise<void> {
    await this.#own.setMute(id, mute);
  }

  async setTimer(id: ConversationId, seconds: number): Promise<void> {
    await this.#own.setTimer(id, checkedLifetime(seconds));
  }

  async setRetention(id: ConversationId, seconds: number): Promise<void> {
    await this.#own.setRetention(id, seconds);
  }

  async setPinned(id: ConversationId, pinned: boolean): Promise<void> {
    await this.#own.setPinned(id, pinned);
  }

  async requests(): Promise<{ readonly count: number; readonly conversations: readonly ConversationSummary[] }> {
    const conversations = await this.#views.requests();
    const count = this.#role.kind === "holder" ? this.#role.holder.requests.count : await this.#role.beside.requestCount();
    return { count, conversations };
  }

  async accept(id: ConversationId): Promise<void> {
    await this.#own.accept(id);
  }

  async decline(id: ConversationId | undefined): Promise<void> {
    await this.#own.decline(id);
  }

  async setBlocked(name: string, blocked: boolean): Promise<void> {
    await this.#own.setBlocked(name, blocked);
  }

  async broadcastLists(): Promise<readonly BroadcastList[]> {
    return this.#role.kind === "holder" ? this.#role.holder.broadcastLists() : this.#role.beside.broadcastLists();
  }

  async setBroadcastList(name: string, people: readonly string[]): Promise<void> {
    await this.#own.setBroadcastList(name, people);
  }

  async broadcast(people: readonly string[], text: string): Promise<readonly ConversationId[]> {
    return this.#own.broadcast(people, text);
  }

  async safetyNumber(name: string): Promise<SafetyNumber> {
    if (this.#role.kind === "holder") return this.#role.holder.people.safetyNumber(name);
    return this.#wish({ case: "safetyNumber", value: name });
  }

  async setVerified(name: string, verified: boolean): Promise<void> {
    if (this.#role.kind === "holder") return this.#role.holder.people.setVerified(name, verified);
    return this.#wish({ case: "verified", value: { name, verified } });
  }

  async acceptIdentity(name: string): Promise<void> {
    if (this.#role.kind === "holder") return this.#role.holder.people.acceptIdentity(name);
    return this.#wish({ case: "acceptIdentity", value: name });
  }

  async acceptFork(id: ConversationId): Promise<void> {
    if (this.#role.kind === "holder") return this.#role.holder.acceptFork(id);
    return this.#wish({ case: "acceptFork", value: idBytes(id) });
  }

  async setNote(name: string, note: string): Promise<void> {
    if (this.#role.kind === "holder") return this.#role.holder.people.setNote(name, note);
    return this.#wish({ case: "note", value: { name, note } });
  }

  async changePassword(old: string, fresh: string): Promise<PasswordChangeResult> {
    const { me, passwordServerKey } = this.#profile;
    const own = await loadKnownAccount(this.#storage, me.account);
    if (own === undefined) throw new FastChatError(ErrorCode.UNAVAILABLE);
    return changePassword(new Gateway(this.#options.gateway ?? me.gateway), me.name, {
      old,
      fresh,
      known: { state: own.state, passwordServerKey },
    });
  }

  async succeed(old: string, fresh: string): Promise<SuccessionResult> {
    return this.#secretCalls.succeed(old, fresh);
  }

  devices(): Promise<readonly DeviceInfo[]> {
    return this.#own.devices();
  }

  async nameDevice(device: DeviceId, name: string): Promise<void> {
    await this.#own.nameDevice(device, name);
  }

  sessionPolicy(): Promise<SessionPolicy> {
    return this.#own.sessionPolicy();
  }

  async setSessionPolicy(account: SessionPolicy["account"]): Promise<void> {
    await this.#own.setSessionPolicy(account);
  }

  async revokeDevices(password: string, devices: readonly DeviceId[]): Promise<void> {
    return this.#secretCalls.revokeDevices(password, devices);
  }

  async export(options: ExportOptions): Promise<ExportResult> {
    // Few ever need it.
    const { exportArchive } = await import("./export-archive.ts");
    return exportArchive(this.#exportSource, options);
  }

  get #exportSource(): ExportSource {
    return {
      me: this.me,
      conversations: () => this.#views.all(),
      requestsNotRead: async () => {
        const { count, conversations } = await this.requests();
        return Math.max(0, count - conversations.length);
      },
      group: (id) => this.groups.info(id),
      contacts: () => this.#views.contacts(),
      devices: () => this.devices().catch(ignoreWithoutConnection),
      broadcastLists: () => this.broadcastLists(),
      placesHere: (id) => this.#views.placesHere(id),
      fetchDownTo: async (id, sequence) => (await this.#fetchDownTo(id, sequence).catch(ignoreWithoutConnection)) === true,
      itemsAt: (id, sequences) => this.#views.itemsAt(id, sequences),
      fetchFile: (place, sink, progress) => this.files.fetch(place, sink, progress),
      outgoing: (id) => this.#views.outgoing(id),
    };
  }

  async deleteAccount(password: string): Promise<AccountDeletion> {
    const deletion = await this.#secretCalls.deleteAccount(password);
    // Nothing is left to sign out.
    if (this.quick) this.#leaving = Promise.resolve({ server: "told" });
    await this.#erase();
    return deletion;
  }

  async signOut(): Promise<{ readonly server: "told" | "not-reached" }> {
    return this.quick ? (this.#leaving ??= this.#leaveQuick()) : this.#signOut();
  }

  async #signOut(): Promise<{ readonly server: "told" | "not-reached" }> {
    // Beside, the holder only signs out: who was asked to erases.
    const server =
      this.#role.kind === "holder"
        ? await this.#role.holder.signOut()
        : await this.#wish<"told" | "not-reached">({ case: "signOut", value: {} });
    await this.#erase();
    return { server };
  }

  async close(): Promise<void> {
    if (this.quick) await this.signOut();
    else await this.#close();
  }

  /** [H5] What was written goes first, if that takes no longer than a moment. */
  async #leaveQuick(): Promise<{ readonly server: "told" | "not-reached" }> {
    await this.sent(undefined, AbortSignal.timeout(QUICK_SENT_MS)).catch(() => undefined);
    return this.#signOut();
  }

  async #close(): Promise<void> {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort();
    this.#endForeign?.();
    await this.#takingOver;
    if (this.#role.kind === "holder") {
      await this.#role.holder.close();
      await this.#storage.close();
      await this.#role.lock.release();
    } else {
      await this.#role.beside.close();
      await this.#storage.close();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  get #views() {
    return this.#role.kind === "holder" ? this.#role.holder.views : this.#role.beside.views;
  }

  get #own(): OwnCalls {
    return this.#role.kind === "holder" ? this.#role.holder.own : this.#callsBeside.own;
  }

  /** Whoever asks for a stranger's conversation by its id need not wait for its turn. */
  async #readRequest(id: ConversationId): Promise<void> {
    if (this.#role.kind === "beside" && !(await this.#role.beside.isLeft(id))) return;
    await this.#own.readRequest(id).catch(ignoreWithoutConnection);
  }

  #wish<Result = void>(kind: WishKind, signal?: AbortSignal): Promise<Result> {
    const ending = signal === undefined ? this.#closing.signal : AbortSignal.any([signal, this.#closing.signal]);
    return wish<Result>(this.#storage, kind, ending);
  }

  /** What needs the password, which is not left lying readable in the profile. */
  get #secretCalls(): SecretCalls {
    if (this.#role.kind === "holder") return this.#role.holder;
    return sealedCallsThrough(this.#storage, (sealed) => this.#callsBeside.own.sealed(sealed));
  }

  #fetchDownTo(id: ConversationId, sequence: number): Promise<boolean> {
    if (this.#role.kind === "holder") return this.#role.holder.fetchDownTo(id, sequence);
    return this.#wish<boolean>({ case: "older", value: { conversation: idBytes(id), before: sequence } });
  }

  async #hold(lock: HeldLock): Promise<void> {
    const { offline = false, agent = defaultAgent, deviceName } = this.#options;
    const holder = new Holder({
      storage: this.#storage,
      staging: this.#staging,
      blobs: this.#blobs,
      profile: this.#profile,
      gateway: this.#gateway,
      agent,
      ...(deviceName !== undefined && { deviceName: deviceName(this.me) }),
      offline,
      clocks: this.#platform.clocks,
      quick: this.quick,
      onWake: (listener) => this.#platform.onWake(listener),
      emit: this.#emit,
      onUnexpected: this.#onUnexpected,
    });
    this.#role = { kind: "holder", holder, lock };
    await holder.open();
    const granter = new WishGranter(this.#storage, (asked) => this.#fulfil(holder, asked));
    const look = () => {
      holder.outbox.load().catch(this.#onUnexpected);
      granter.look().catch(this.#onUnexpected);
    };
    this.#endForeign = this.#storage.onForeignChange(look);
    look();
  }

  /** The holder is gone, and nobody else took its place [S7]. */
  async #takeOver(beside: Beside, lock: HeldLock): Promise<void> {
    if (this.#closing.signal.aborted) return lock.release();
    // Perhaps it signed out.
    if ((await loadProfile(this.#storage)) === undefined) return lock.release();
    await beside.close();
    await this.#hold(lock);
    this.#emit({ kind: "role", role: "holder" });
  }

  async #fulfil(holder: Holder, { kind }: Wish): Promise<unknown> {
    switch (kind.case) {
      case "openDirect":
        return holder.openDirect(kind.value);
      case "read":
        return holder.markRead(conversationId(kind.value.conversation), kind.value.sequence);
      case "draft":
        return holder.drafts.set(conversationId(kind.value.conversation), kind.value.text);
      case "older":
        return holder.fetchDownTo(conversationId(kind.value.conversation), kind.value.before);
      case "verified":
        return holder.people.setVerified(kind.value.name, kind.value.verified);
      case "acceptIdentity":
        return holder.people.acceptIdentity(kind.value);
      case "acceptFork":
        return holder.acceptFork(conversationId(kind.value));
      case "note":
        return holder.people.setNote(kind.value.name, kind.value.note);
      case "retry":
        return holder.retry(clientMessageId(kind.value.clientMessageId));
      case "caughtUp":
        return holder.caughtUp(this.#closing.signal);
      case "findPeople":
        return holder.people.find(kind.value);
      case "safetyNumber":
        return holder.people.safetyNumber(kind.value);
      case "signOut":
        return holder.signOut();
      case "call":
        return call({ groups: holder.groups, own: holder.own }, kind.value.name, decodeSnapshot<unknown[]>(kind.value.arguments) ?? []);
      case undefined:
        return undefined;
      default:
        return kind satisfies never;
    }
  }

  async #erase(): Promise<void> {
    await this.#close();
    await this.#platform.erase(this.#place);
  }

  readonly #emit = (event: ClientEvent): void => {
    for (const listener of this.#listeners) {
      try {
        listener(event);
      } catch (error) {
        // One listener's fault is not another's.
        this.#onUnexpected(error);
      }
    }
  };

  /** Ends up where uncaught errors of a program do, without taking a turn of this client with it. */
  readonly #onUnexpected = (error: unknown): void => {
    if (this.#closing.signal.aborted) return;
    // Whoever waits for room is told elsewhere, and tried again.
    if (error instanceof StorageFullError) return;
    reportError(error);
  };
}

/** What is here is better than nothing. */
function ignoreWithoutConnection(error: unknown): undefined {
  if (!(error instanceof FastChatError || error instanceof ConnectionLost)) throw error;
}

function reportError(error: unknown): void {
  if (typeof globalThis.reportError === "function") globalThis.reportError(error);
  else
    setTimeout(() => {
      throw error;
    });
}
