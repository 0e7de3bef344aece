import { create } from "@bufbuild/protobuf";
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
  isHash,
  limits,
  parseName,
} from "@fastchat/protocol";
import { directConversationId, isClosed, type VerifiedAccounts } from "@fastchat/protocol/chain";
import { CursorSchema, type ServerFrame } from "@fastchat/protocol/wire/frames";
import { AccountForked, KnownAccounts } from "./accounts.ts";
import type { ChatItem, ClientEvent, ConnectionState } from "./api.ts";
import { Connection, ConnectionLost, isWorthRetrying } from "./connection.ts";
import { Contacts } from "./contacts.ts";
import { ConversationLinks, SendingBlocked } from "./conversation-links.ts";
import { Conversation, type ConversationParts } from "./conversation.ts";
import { Drafts } from "./drafts.ts";
import type { Gateway } from "./gateway.ts";
import { ToldConnection } from "./holder-connection.ts";
import { OwnAccount } from "./own-account.ts";
import { Outbox, type Outgoing } from "./outbox.ts";
import { People } from "./people.ts";
import { Presence } from "./presence.ts";
import type { LocalProfile } from "./profile.ts";
import { prefixes } from "./records.ts";
import { Slots } from "./slots.ts";
import { prefixRange, type Storage, StorageFullError } from "./storage.ts";
import { Typing } from "./typing.ts";
import { Vault } from "./vault.ts";
import { Views } from "./views.ts";

/** Conversations that catch up at the same time. */
const CATCH_UP_AT_ONCE = 6;
const CLOSE_FLUSH_MS = 2_000;
const RETRY_MS = 1_000;
const TURN_RETRY_AT_MOST_MS = 60_000;
const STORAGE_RETRY_MS = 5_000;
/** How often a quiet connection is asked whether anything was missed. */
const LOOK_MS = 60_000;

export interface HolderParts {
  readonly storage: Storage;
  readonly profile: LocalProfile;
  readonly gateway: Gateway;
  readonly agent: string;
  readonly offline: boolean;
  readonly onWake: (listener: () => void) => () => void;
  readonly emit: (event: ClientEvent) => void;
  /** Something that no rule foresees: a full disk, a bug. Whoever uses the SDK gets to know. */
  readonly onUnexpected: (error: unknown) => void;
}

type Push = Exclude<ServerFrame["body"], { case: undefined }>;

/** The process that holds a profile's lock: talks to the server, and is the only one that writes more than wishes and the outbox. */
export class Holder {
  readonly #parts: HolderParts;
  readonly views: Views;
  readonly contacts: Contacts;
  readonly people: People;
  readonly accounts: KnownAccounts;
  readonly outbox: Outbox;
  readonly drafts: Drafts;
  readonly #connection: Connection;
  readonly #toldConnection: ToldConnection;
  readonly #links: ConversationLinks;
  readonly #vault: Vault;
  readonly #ownAccount: OwnAccount;
  readonly #slots: Slots;
  readonly #typing: Typing;
  readonly #presence: Presence;
  readonly #conversations = new Map<ConversationId, Conversation>();
  readonly #conversationParts: ConversationParts;
  readonly #catchingUp = new Map<Conversation, Promise<void>>();
  readonly #closing = new AbortController();
  #full = false;
  /** Read positions of the vault that were held against the log. */
  readonly #compared = new WeakSet<object>();
  readonly #forked = new Set<AccountId>();
  /** Counts sessions: work of an earlier one stops. */
  #session = 0;
  #synced: Promise<void> | undefined;

  constructor(parts: HolderParts) {
    this.#parts = parts;
    const { storage, profile, emit } = parts;
    const { me, signingSeed } = profile;
    const onUnexpected = (error: unknown) => this.#onTrouble(error);
    const author = { account: me.account, device: me.device, signingSeed };
    const verified: VerifiedAccounts = new Map();
    const connection = new Connection(
      { gateway: parts.gateway, device: me.device, signingSeed, agent: parts.agent, onWake: parts.onWake },
      {
        onState: (state) => this.#onState(state),
        onOnline: () => this.#onOnline(),
        onPush: (body) => this.#quietly(this.#onPush(body)),
      },
    );
    this.#connection = connection;
    this.#toldConnection = new ToldConnection(storage);
    const isOnline = () => connection.state.kind === "online";
    this.accounts = new KnownAccounts(
      storage,
      (request) => connection.request({ case: "fetchAccount", value: request }, "account"),
      (error) => this.#onFork(error),
    );
    this.#ownAccount = new OwnAccount({
      storage,
      profile,
      accounts: this.accounts,
      connection,
      gateway: parts.gateway,
      vault: () => this.#vault,
      onNewDevice: () => emit({ kind: "warning", warning: "new-device", text: NEW_DEVICE_WARNING }),
    });
    this.#vault = new Vault({
      storage,
      author,
      accounts: this.accounts,
      connection,
      vaultKeys: () => this.#ownAccount.vaultKeys,
      renewKeys: () => this.#ownAccount.renewKeys(),
      onChanged: (places) => this.#quietly(this.#onVaultChanged(places)),
      onWrong: () => emit({ kind: "warning", warning: "vault", text: VAULT_WARNING }),
      onUnexpected,
    });
    this.contacts = new Contacts(me, this.#vault, this.accounts);
    this.#links = new ConversationLinks({
      author,
      accounts: this.accounts,
      connection,
      isIdentityChanged: async (account) => account !== me.account && (await this.contacts.verification(account)) === "changed",
    });
    this.outbox = new Outbox({
      storage,
      author,
      links: this.#links,
      connection,
      isOnline,
      conversationOf: (id) => this.#need(id),
      manifestReference: () => this.#vault.manifestReference(),
      onChanged: (conversation, outgoing) => this.#onOutgoing(conversation, outgoing),
      onBlocked: (conversation) => emit({ kind: "conversations", conversations: [conversation] }),
      onUnexpected,
    });
    this.#slots = new Slots({
      author,
      connection,
      isOnline,
      onPeer: (...more) => this.#quietly(this.#onPeerSlot(...more)),
      onUnexpected,
    });
    this.#typing = new Typing({
      author,
      connection,
      onTyping: ({ id }, account, active) => {
        emit({ kind: "typing", conversation: id, account, active });
        emit({ kind: "conversations", conversations: [id] });
      },
    });
    this.#presence = new Presence({ connection, isOnline, onChanged: (accounts) => this.#quietly(this.#onPresence(accounts)) });
    this.drafts = new Drafts(this.#vault, (conversation) => emit({ kind: "conversations", conversations: [conversation] }));
    this.views = new Views({
      storage,
      me,
      accounts: this.accounts,
      contacts: this.contacts,
      live: {
        presence: (account) => this.#presence.of(account),
        nameOf: (account) => this.people.nameOf(account),
        isTyping: (id, account) => this.#typing.isTyping(id, account),
        draft: (id) => this.drafts.get(id),
        acknowledged: (id) => this.outbox.find(id)?.sent,
      },
    });
    this.people = new People({
      me,
      accounts: this.accounts,
      contacts: this.contacts,
      connection,
      presence: this.#presence,
      person: (account) => this.views.person(account),
      onConflict: (error) => emit({ kind: "warning", warning: "account-fork", text: error.message }),
      onIdentityAccepted: () => this.outbox.driveAll(),
    });
    this.#conversationParts = {
      storage,
      me,
      accounts: this.accounts,
      verified,
      connection,
      accountKeyOf: (generation) => this.#ownAccount.secretOf(generation),
      arrived: (id, ids) => this.outbox.arrived(id, ids),
      settled: (id, ids) => this.outbox.settled(id, ids),
      onReference: (manifest) => this.#quietly(this.#vault.compare(manifest)),
      listener: {
        onStored: (conversation, sequences, live) => this.#quietly(this.#onStored(conversation, sequences, live)),
        onChanged: (conversation, sequences) => this.#quietly(this.#onItemsChanged(conversation, sequences)),
        onFork: (error) => this.#onFork(error),
        onKeyMissing: (conversation) => this.#quietly(this.#links.prepare(conversation)),
      },
    };
  }

  async open(): Promise<void> {
    // Before anything else: what an earlier holder said is not true any more.
    await this.#tellConnection(this.connection);
    await this.#vault.load();
    for (const { key } of await this.#parts.storage.range(prefixRange(prefixes.conversations))) {
      const id = key.slice(prefixes.conversations.length) as ConversationId;
      const conversation = await Conversation.load(this.#conversationParts, id);
      if (conversation !== undefined) this.#conversations.set(id, conversation);
    }
    await this.outbox.load();
    if (!this.#parts.offline) this.#connection.start();
  }

  get connection(): ConnectionState {
    return this.#connection.state;
  }

  // ------------------------------------------------------------------ what people ask for

  /** Everything that had arrived when it was called is stored when it resolves. */
  async caughtUp(signal?: AbortSignal): Promise<void> {
    for (;;) {
      signal?.throwIfAborted();
      if (this.#closing.signal.aborted) throw new FastChatError(ErrorCode.UNAVAILABLE, { detail: "The client was closed." });
      const { state } = this.#connection;
      if (state.kind === "ended") throw new FastChatError(state.code);
      if (state.kind === "online") {
        try {
          // What began before this call may have asked too early.
          await this.#synced;
          await this.#sync(this.#session);
          return;
        } catch (error) {
          if (!isWorthRetrying(error)) throw error;
        }
      }
      await this.#pause(100, signal);
    }
  }

  watchPresence(people: readonly AccountId[]): Promise<void> {
    return this.#presence.watch(people);
  }

  async openDirect(givenName: string): Promise<ConversationId> {
    const parsed = parseName(givenName);
    if (parsed.kind === "invalid") throw new FastChatError(ErrorCode.NO_SUCH_USER);
    const { me } = this.#parts.profile;
    const account = parsed.name === me.name ? me.account : await this.people.accountNamed(parsed.name);
    const id = directConversationId(me.account, account);
    let conversation = this.#conversations.get(id);
    if (conversation === undefined) {
      conversation = Conversation.begin(this.#conversationParts, id, account);
      this.#conversations.set(id, conversation);
      await conversation.update(() => undefined);
      this.#parts.emit({ kind: "conversations", conversations: [id] });
    }
    if (conversation.chain.state === undefined && this.#connection.state.kind === "online") {
      // Made now if that is possible, else before the first message.
      await this.#links.prepare(conversation).catch((error: unknown) => {
        const missing = error instanceof FastChatError && error.code === ErrorCode.NOT_FOUND;
        if (!missing && !isWorthRetrying(error) && !(error instanceof SendingBlocked)) throw error;
      });
    }
    return id;
  }

  async fetchDownTo(id: ConversationId, sequence: number): Promise<boolean> {
    const conversation = this.#conversations.get(id);
    return conversation !== undefined && this.#connection.state.kind === "online" && conversation.fetchDownTo(sequence);
  }

  async markRead(id: ConversationId, sequence: number): Promise<void> {
    const conversation = this.#conversations.get(id);
    if (conversation === undefined) return;
    const upTo = Math.min(sequence, conversation.record.high);
    if (!(await this.#readUpTo(conversation, upTo))) return;
    const read = await conversation.witnessAt(upTo);
    await this.#vault.set({ kind: { case: "readPosition", value: { conversation: idBytes(id), read } } });
  }

  async setTyping(id: ConversationId, active: boolean): Promise<void> {
    const conversation = this.#conversations.get(id);
    if (conversation !== undefined && this.#connection.state.kind === "online") await this.#typing.say(conversation, active);
  }

  /** [H3] Also `heads` with a new epoch in every conversation [C1]. */
  async revokeDevices(password: string, devices: readonly DeviceId[]): Promise<void> {
    await this.#ownAccount.revoke(password, devices).catch((error: unknown) => {
      if (error instanceof AccountForked) this.#onFork(error);
      throw error;
    });
    await this.#turn();
    this.#quietly(this.#keepTurning(this.#session));
  }

  /**
   * [C1] Writes down wherever it is not yet that a device of this account lost its rights, with a new epoch. What refuses stops none of
   * the others.
   */
  async #turn(): Promise<void> {
    for (const conversation of await this.#dueToTurn()) {
      await this.#links.prepare(conversation).catch((error: unknown) => this.#onTrouble(error));
    }
  }

  /** What could not be turned is tried again for as long as the session lasts; the next one begins with it. */
  async #keepTurning(session: number): Promise<void> {
    for (let wait = RETRY_MS; (await this.#dueToTurn()).length > 0; wait = Math.min(2 * wait, TURN_RETRY_AT_MOST_MS)) {
      await this.#pause(wait);
      if (session !== this.#session || this.#closing.signal.aborted) return;
      await this.#turn();
    }
  }

  async #dueToTurn(): Promise<Conversation[]> {
    const { account } = this.#parts.profile.me;
    const lastTurn = (await this.accounts.get(account))?.state.lastTurn ?? 0;
    return [...this.#conversations.values()].filter(({ chain: { state } }) => {
      const recorded = state?.members.get(account)?.chain.head.index ?? Infinity;
      return state !== undefined && !isClosed(state) && recorded < lastTurn;
    });
  }

  async acceptFork(id: ConversationId): Promise<void> {
    const conversation = await this.#need(id);
    if (!conversation.record.forked) return;
    await conversation.update((record) => {
      record.forked = false;
    });
    this.#parts.emit({ kind: "conversations", conversations: [id] });
    this.outbox.drive(id);
  }

  retry(message: ClientMessageId): Promise<void> {
    return this.outbox.retry(message);
  }

  /** [H3] The device signs itself out; whether the server heard it. The profile is erased by whoever owns it. */
  async signOut(): Promise<"told" | "not-reached"> {
    if (this.#connection.state.kind === "connecting") await this.#connection.online().catch(() => undefined);
    if (this.#connection.state.kind !== "online") return "not-reached";
    await Promise.race([this.#vault.flush().catch(() => undefined), this.#pause(CLOSE_FLUSH_MS)]);
    return this.#ownAccount.signOut();
  }

  async close(): Promise<void> {
    if (this.#closing.signal.aborted) return;
    await this.drafts.flush();
    if (this.#connection.state.kind === "online") {
      // What others should know before this device is gone; it would be told the next time.
      await Promise.race([Promise.allSettled([this.#vault.flush(), this.#slots.flush()]), this.#pause(CLOSE_FLUSH_MS)]);
    }
    this.#closing.abort();
    this.#session++;
    await this.#connection.close();
    await this.outbox.close();
    this.#slots.close();
    this.#typing.close();
    await this.#vault.close();
    await this.#toldConnection.forget().catch((error: unknown) => this.#onTrouble(error));
  }

  // ------------------------------------------------------------------ the connection

  #onState(state: ConnectionState): void {
    if (state.kind !== "online") {
      this.#session++;
      this.outbox.connectionLost();
      this.#vault.offline();
      this.#presence.offline();
    }
    void this.#tellConnection(state);
    this.#parts.emit({ kind: "connection", connection: state });
  }

  /** Only shown to others: a full disk stops nothing. */
  async #tellConnection(state: ConnectionState): Promise<void> {
    await this.#toldConnection.tell(state).catch((error: unknown) => this.#onTrouble(error));
  }

  #onOnline(): void {
    const session = ++this.#session;
    this.#links.newSession();
    for (const conversation of this.#conversations.values()) conversation.newSession();
    this.#synced = this.#begin(session);
    this.#quietly(this.#synced);
    this.#quietly(this.#lookNowAndThen(session));
  }

  /** Heads first, then everything at once that a session begins with; newest conversations first. */
  async #begin(session: number): Promise<void> {
    for (;;) {
      try {
        // Who was given a new account key reads the vault with it.
        const vault = this.#ownAccount.refresh().then(() => this.#vault.online());
        const beside = Promise.all([vault, this.#presence.online()]);
        // A connection that ends spoils all of them: whoever waits for the first hears of it.
        beside.catch(() => undefined);
        await this.#sync(session);
        this.outbox.driveAll();
        await beside;
        await this.#fetchSlots(session);
        this.#quietly(this.#turn().then(() => this.#keepTurning(session)));
        return;
      } catch (error) {
        if (session !== this.#session) return;
        if (!isWorthRetrying(error) || error instanceof ConnectionLost) throw error;
        await this.#pause(RETRY_MS);
      }
    }
  }

  /** Should the last thing that the server had to say by itself be lost, nothing after it would show the gap. */
  async #lookNowAndThen(session: number): Promise<void> {
    for (;;) {
      await this.#pause(LOOK_MS);
      if (session !== this.#session || this.#closing.signal.aborted) return;
      await this.#catchUpAll(session);
    }
  }

  async #sync(session: number): Promise<void> {
    await this.#catchUpAll(session);
    if (session === this.#session) this.#parts.emit({ kind: "caught-up" });
  }

  async #catchUpAll(session: number): Promise<void> {
    const cursors = Array.from(this.#conversations.values(), ({ id, record }) =>
      create(CursorSchema, { conversation: idBytes(id), sequence: record.high }),
    ).slice(0, limits.cursorsPerCatchUp);
    // What arrives while the answer is under way makes no difference to what the server should have had.
    const had = new Map(Array.from(this.#conversations.values(), ({ id, record }) => [id, record.high]));
    const { heads } = await this.#connection.request({ case: "catchUp", value: { cursors } }, "heads");
    const behind: Conversation[] = [];
    for (const head of heads) {
      if (!isHash(head.conversation)) continue;
      const conversation = this.#known(conversationId(head.conversation));
      if (head.sequence < (had.get(conversation.id) ?? 0) && !(await conversation.beginAgain(head.sequence))) {
        this.#warnShorter(conversation);
        this.#quietly(conversation.compareWithServer(head.sequence));
      }
      conversation.noteHead(head.sequence);
      if (conversation.isBehind) behind.push(conversation);
    }
    // Sending need not wait for conversations it does not concern.
    this.outbox.driveAll();
    const next = behind[Symbol.iterator]();
    const work = async () => {
      for (const conversation of next) if (session === this.#session) await this.#catchUp(conversation);
    };
    await Promise.all(Array.from({ length: CATCH_UP_AT_ONCE }, work));
  }

  async #fetchSlots(session: number): Promise<void> {
    for (const conversation of this.#conversations.values()) {
      if (session !== this.#session) return;
      this.#slots.schedule(conversation);
      const { lastMessage, peerRead } = conversation.record;
      if (conversation.chain.state !== undefined && lastMessage > peerRead) await this.#slots.fetch(conversation);
    }
  }

  /** One at a time for each conversation; whoever comes meanwhile waits for the same. */
  #catchUp(conversation: Conversation): Promise<void> {
    const running = this.#catchingUp.get(conversation);
    if (running !== undefined) return running;
    const catchingUp = conversation.catchUp().finally(() => this.#catchingUp.delete(conversation));
    this.#catchingUp.set(conversation, catchingUp);
    return catchingUp;
  }

  async #onPush(body: Push): Promise<void> {
    switch (body.case) {
      case "entries": {
        if (!isHash(body.value.conversation)) return;
        const conversation = this.#known(conversationId(body.value.conversation));
        await conversation.receive(body.value.entries, body.value.sealedKeys, body.value.head);
        if (conversation.isBehind) await this.#catchUp(conversation);
        return;
      }
      case "slots": {
        const conversation = this.#conversations.get(conversationId(body.value.conversation));
        if (conversation !== undefined) await this.#slots.receive(conversation, body.value.slots);
        return;
      }
      case "signal": {
        const conversation = this.#conversations.get(conversationId(body.value.conversation));
        if (conversation !== undefined && body.value.signal !== undefined) await this.#typing.receive(conversation, body.value.signal);
        return;
      }
      case "presence":
        this.#presence.receive(body.value.accounts);
        return;
      case "accountMoved":
        if (body.value.head !== undefined && isHash(body.value.head.account)) await this.#accountMoved(accountId(body.value.head.account));
        return;
      case "vaultMoved":
        await this.#vault.moved(body.value.revision);
        return;
      case "keyRequested":
        // Whoever asked opens a new epoch soon: the own rekey suffices [C6].
        return;
      case "error":
      case "welcome":
      case "sent":
      case "appended":
      case "heads":
      case "sealedKeys":
      case "account":
      case "people":
      case "vault":
      case "vaultWritten":
      case "slotWritten":
      case "pong":
      case "move":
        // Answers that nobody asked for.
        return;
      default:
        body satisfies never;
    }
  }

  // ------------------------------------------------------------------ people

  async #accountMoved(account: AccountId): Promise<void> {
    if (account === this.#parts.profile.me.account) {
      await this.#ownAccount.refresh();
      return;
    }
    const before = (await this.accounts.get(account))?.state;
    if (before === undefined) return;
    const { state } = await this.accounts.refresh(account);
    if (state.head.index === before.head.index) return;
    this.#parts.emit({ kind: "presence", people: [await this.views.person(account)] });
    await this.#tellConversationsWith(account);
    // Who knows of a lost right writes it down before sending [C1].
    this.outbox.driveAll();
  }

  async #tellConversationsWith(account: AccountId): Promise<void> {
    const concerned = [...this.#conversations.values()].filter(({ peer }) => peer === account).map(({ id }) => id);
    if (concerned.length > 0) this.#parts.emit({ kind: "conversations", conversations: concerned });
  }

  // ------------------------------------------------------------------ conversations

  /** Also one that this device never heard of: its log will tell what it is. */
  #known(id: ConversationId): Conversation {
    let conversation = this.#conversations.get(id);
    if (conversation === undefined) {
      conversation = Conversation.begin(this.#conversationParts, id);
      this.#conversations.set(id, conversation);
    }
    return conversation;
  }

  async #need(id: ConversationId): Promise<Conversation> {
    const conversation = this.#conversations.get(id) ?? (await Conversation.load(this.#conversationParts, id));
    if (conversation === undefined) throw new FastChatError(ErrorCode.NOT_FOUND);
    this.#conversations.set(id, conversation);
    return conversation;
  }

  async #onStored(conversation: Conversation, sequences: readonly number[], live: boolean): Promise<void> {
    // Without a valid beginning it is nobody's conversation, and not shown.
    if (conversation.peer === undefined) return;
    await this.people.pinPeer(conversation.peer);
    const items = await this.views.itemsAt(conversation.id, sequences);
    for (const item of items) if (item.kind === "message" && !item.mine) this.#typing.stopped(conversation, item.from.account);
    this.#parts.emit({ kind: "items", conversation: conversation.id, items, live });
    this.#parts.emit({ kind: "conversations", conversations: [conversation.id] });
    this.#applyReadPosition(conversation);
    this.#slots.schedule(conversation);
  }

  async #onItemsChanged({ id }: Conversation, sequences: readonly number[]): Promise<void> {
    this.#emitItems(id, await this.views.itemsAt(id, sequences));
  }

  async #onPeerSlot({ id }: Conversation, from: number, to: number): Promise<void> {
    this.#emitItems(id, await this.views.ownItems(id, from, to));
  }

  #onOutgoing(id: ConversationId, outgoing: readonly Outgoing[]): void {
    this.#emitItems(
      id,
      outgoing.map((each) => this.views.outgoingItem(each)),
    );
  }

  #emitItems(id: ConversationId, items: readonly ChatItem[]): void {
    if (items.length > 0) this.#parts.emit({ kind: "items", conversation: id, items, live: false });
    this.#parts.emit({ kind: "conversations", conversations: [id] });
  }

  /** Told once for each account: it shows with every answer of the server. */
  #onFork(error: AccountForked): void {
    if (this.#forked.has(error.account)) return;
    this.#forked.add(error.account);
    this.#parts.emit({ kind: "warning", warning: "account-fork", text: error.message });
  }

  /** [G5] The server has less than this device: held back, or restored from a backup. */
  #warnShorter(conversation: Conversation): void {
    this.#parts.emit({
      kind: "warning",
      warning: "incarnation",
      text: "The server has fewer messages than this device: it was restored from a backup, or it holds some back. What is here was kept.",
    });
    this.#parts.emit({ kind: "conversations", conversations: [conversation.id] });
  }

  // ------------------------------------------------------------------ the vault

  async #onVaultChanged(places: readonly { readonly kind: string; readonly key: string }[]): Promise<void> {
    const concerned = new Set<ConversationId>();
    for (const { kind, key } of places) {
      if (kind === "contact") {
        const contact = this.contacts.byName(key);
        if (contact === undefined) continue;
        const account = accountId(contact.account);
        for (const { id, peer } of this.#conversations.values()) if (peer === account) concerned.add(id);
        this.#parts.emit({ kind: "presence", people: [await this.views.person(account)] });
      }
      if (kind === "draft") concerned.add(key as ConversationId);
      const conversation = kind === "readPosition" ? this.#conversations.get(key as ConversationId) : undefined;
      if (conversation !== undefined) this.#applyReadPosition(conversation);
    }
    if (concerned.size > 0) this.#parts.emit({ kind: "conversations", conversations: [...concerned] });
  }

  /** What was read on another device is read here. */
  #applyReadPosition(conversation: Conversation): void {
    const content = this.#vault.get({ kind: "readPosition", key: conversation.id });
    if (content?.kind.case !== "readPosition") return;
    const { read } = content.kind.value;
    if (read === undefined) return;
    if (!this.#compared.has(read)) {
      this.#compared.add(read);
      this.#quietly(conversation.claimed(this.#parts.profile.me.account, [read]));
    }
    const upTo = read.sequence;
    if (upTo > conversation.record.readUpTo) this.#quietly(this.#readUpTo(conversation, upTo));
  }

  async #readUpTo(conversation: Conversation, upTo: number): Promise<boolean> {
    if (!(await conversation.readUpTo(upTo))) return false;
    this.#parts.emit({ kind: "conversations", conversations: [conversation.id] });
    this.#slots.schedule(conversation);
    return true;
  }

  async #onPresence(accounts: readonly AccountId[]): Promise<void> {
    const people = await this.views.named(accounts);
    if (people.length > 0) this.#parts.emit({ kind: "presence", people });
    for (const account of accounts) await this.#tellConversationsWith(account);
  }

  // ------------------------------------------------------------------

  /**
   * Work that follows from what the server said. What no rule foresees there ends the session, not the program: it may be the
   * server's doing, and another one, or the same one later, may do better.
   */
  #quietly(work: Promise<unknown>): void {
    work.catch((error: unknown) => {
      if (isForeseen(error) || !this.#connection.endSession(error)) this.#onTrouble(error);
    });
  }

  /** Of work that nobody waits for: what the connection spoils is done again with the next one. */
  #onTrouble(error: unknown): void {
    if (error instanceof AccountForked) this.#onFork(error);
    else if (error instanceof StorageFullError) this.#onStorageFull(error);
    else if (!isForeseen(error) && !this.#closing.signal.aborted) this.#parts.onUnexpected(error);
  }

  /** What could not be stored is still on the server or in memory: it is tried again until there is room. */
  #onStorageFull(error: StorageFullError): void {
    if (this.#full || this.#closing.signal.aborted) return;
    this.#full = true;
    this.#parts.emit({ kind: "warning", warning: "storage", text: error.message });
    void this.#pause(STORAGE_RETRY_MS).then(() => {
      this.#full = false;
      this.outbox.driveAll();
      if (this.#connection.state.kind === "online") this.#quietly(this.#sync(this.#session));
    });
  }

  #pause(milliseconds: number, signal?: AbortSignal): Promise<void> {
    const ending = signal === undefined ? this.#closing.signal : AbortSignal.any([signal, this.#closing.signal]);
    return new Promise((resolve) => {
      if (ending.aborted) return resolve();
      const done = () => {
        clearTimeout(timer);
        ending.removeEventListener("abort", done);
        resolve();
      };
      const timer = setTimeout(done, milliseconds);
      ending.addEventListener("abort", done, { once: true });
    });
  }
}

const NEW_DEVICE_WARNING = "A new device signed in to your account. If that was not you, change your password and revoke it.";
const isForeseen = (error: unknown): boolean =>
  [AccountForked, ConnectionLost, FastChatError, SendingBlocked, StorageFullError].some((kind) => error instanceof kind);

const VAULT_WARNING =
  "Your contacts and settings on the server are not what your devices wrote: something was changed, swapped, held back or is old. What this device has was kept.";
