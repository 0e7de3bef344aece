import {
  type AccountId,
  type ClientMessageId,
  type ConversationId,
  type DeviceId,
  ErrorCode,
  FastChatError,
  limits,
  parseName,
} from "@fastchat/protocol";
import { directConversationId, newestEpoch } from "@fastchat/protocol/chain";
import { deleteAccount } from "./account-deletion.ts";
import { AccountForked, KnownAccounts } from "./accounts.ts";
import { Admissions } from "./admissions.ts";
import type { AccountDeletion, BroadcastList, ClientEvent, ConnectionState, SuccessionResult } from "./api.ts";
import type { Receipt } from "./api-groups.ts";
import { Broadcasts, broadcastListsIn } from "./broadcasts.ts";
import type { OwnCalls } from "./calls.ts";
import { CatchUp } from "./catch-up.ts";
import { Completion } from "./completion.ts";
import { Connection, ConnectionLost, isWorthRetrying } from "./connection.ts";
import { Contacts } from "./contacts.ts";
import { ConversationSettings } from "./conversation-settings.ts";
import { ConversationLinks } from "./conversation-links.ts";
import type { Conversation } from "./conversation.ts";
import { Conversations } from "./conversations.ts";
import { deleteMessages } from "./deletion.ts";
import { Devices } from "./devices.ts";
import { Drafts } from "./drafts.ts";
import type { Blobs } from "./files/blobs.ts";
import type { Staging } from "./files/staging.ts";
import { Uploads } from "./files/uploads.ts";
import { Expiry } from "./expiry.ts";
import type { Gateway } from "./gateway.ts";
import { GroupCalls } from "./groups.ts";
import { ToldConnection } from "./holder-connection.ts";
import { News } from "./news.ts";
import { Outbox, saysSomething } from "./outbox.ts";
import { OwnAccount, type ToldDevices } from "./own-account.ts";
import { pause } from "./pause.ts";
import { People } from "./people.ts";
import { Presence } from "./presence.ts";
import type { LocalProfile } from "./profile.ts";
import { type PushReceivers, receivePush } from "./pushes.ts";
import { ReadPositions } from "./read-positions.ts";
import { Requests } from "./requests.ts";
import { Restore } from "./restore.ts";
import { SealedCalls } from "./sealed-calls.ts";
import { setRetention } from "./retention.ts";
import { type Clocks, ServerClock } from "./server-clock.ts";
import { Slots } from "./slots.ts";
import { Standings } from "./standing.ts";
import type { Storage } from "./storage.ts";
import { Trouble } from "./trouble.ts";
import { Turns } from "./turns.ts";
import { Typing } from "./typing.ts";
import { Vault } from "./vault.ts";
import { Views } from "./views.ts";
import { Warnings } from "./warnings.ts";

const CLOSE_FLUSH_MS = 2_000;
const RETRY_MS = 1_000;
/** So long, at most, is waited for who is being let in, by who only looks in for a moment. */
const LETTING_IN_MS = 5_000;
/** So long it is waited for the vault to tell strangers from contacts, and what was read elsewhere; what it tells later is looked at again then. */
const VAULT_MS = 2_000;

export interface HolderParts {
  readonly storage: Storage;
  readonly staging: Staging;
  readonly blobs: Blobs;
  readonly profile: LocalProfile;
  readonly gateway: Gateway;
  readonly agent: string;
  readonly deviceName?: string;
  readonly offline: boolean;
  readonly clocks: Clocks;
  /** A QuickChat session [H5]. */
  readonly quick: boolean;
  readonly onWake: (listener: () => void) => () => void;
  readonly emit: (event: ClientEvent) => void;
  /** Something that no rule foresees: a full disk, a bug. Whoever uses the SDK gets to know. */
  readonly onUnexpected: (error: unknown) => void;
}

/** The process that holds a profile's lock: talks to the server, and is the only one that writes more than wishes and the outbox. */
export class Holder {
  readonly #parts: HolderParts;
  readonly #emit: (event: ClientEvent) => void;
  readonly #warnings: Warnings;
  readonly views: Views;
  readonly contacts: Contacts;
  readonly people: People;
  readonly accounts: KnownAccounts;
  readonly outbox: Outbox;
  readonly uploads: Uploads;
  readonly drafts: Drafts;
  readonly settings: ConversationSettings;
  readonly requests: Requests;
  readonly own: OwnCalls;
  readonly clock: ServerClock;
  readonly #connection: Connection;
  readonly #toldConnection: ToldConnection;
  readonly #sealedCalls: SealedCalls;
  readonly #links: ConversationLinks;
  readonly #vault: Vault;
  readonly #ownAccount: OwnAccount;
  readonly #devices: Devices;
  readonly #slots: Slots;
  readonly #typing: Typing;
  readonly #presence: Presence;
  readonly #readPositions: ReadPositions;
  readonly #conversations: Conversations;
  readonly #catchUp: CatchUp;
  readonly #turns: Turns;
  readonly #news: News;
  readonly #trouble: Trouble;
  readonly #admissions: Admissions;
  readonly #expiry: Expiry;
  #expiring: Promise<void> = Promise.resolve();
  #turning: Promise<void> = Promise.resolve();
  readonly #restore: Restore;
  readonly groups: GroupCalls;
  #isOlderCopy = false;
  readonly #completion: Completion;
  readonly #closing = new AbortController();
  /** Aborted when the connection ends: work of an earlier session stops. */
  #session = new AbortController();
  /** The session, until what it begins with is done. */
  #beginning: AbortController | undefined;
  #synced: Promise<void> | undefined;
  /** Settles when what the server lost was made good; undefined: that is done. */
  #restored: Promise<void> | undefined;
  /** The vault of this connection was read, or could not be. */
  #vaultRead: Promise<unknown> = Promise.resolve();
  /** The same for who comes before it is begun to be read: what makes good what the server lost comes first, and must not wait for this. */
  #vaultKnown: Promise<void> = Promise.resolve();

  constructor(parts: HolderParts) {
    this.#parts = parts;
    const { storage, profile } = parts;
    // Nobody may be there who shows it: what people have to know waits until somebody does.
    const emit = (event: ClientEvent): void => {
      if (event.kind === "warning" && event.warning !== "storage") void this.#warnings.add(event);
      else parts.emit(event);
    };
    this.#emit = emit;
    const { me, signingSeed } = profile;
    this.#trouble = new Trouble({
      emit,
      closing: this.#closing.signal,
      endSession: (error) => connection.endSession(error),
      onRetry: () => {
        this.#driveAll();
        if (isOnline()) quietly(this.#catchUp.all(this.#session.signal));
      },
      onUnexpected: parts.onUnexpected,
    });
    const { quietly, tell: onUnexpected, tellFork } = this.#trouble;
    this.#warnings = new Warnings({ storage, emit: parts.emit, onTrouble: onUnexpected });
    const author = { account: me.account, device: me.device, signingSeed };
    const connection = new Connection(
      {
        gateway: parts.gateway,
        device: me.device,
        signingSeed,
        agent: parts.agent,
        onWake: parts.onWake,
        offline: parts.offline,
      },
      {
        onState: (state) => this.#onState(state),
        onOnline: (running) => this.#onOnline(running),
        isBeginning: () => this.#beginning !== undefined,
        onUnknown: () => this.#ownAccount.putBack(),
        // What a restored server says is read on top of what was made good.
        onPush: (body) =>
          quietly(this.#restored === undefined ? receivePush(body, receivers) : this.#restored.then(() => receivePush(body, receivers))),
        onTime: (time) => quietly(this.clock.hear(time)),
      },
    );
    this.clock = new ServerClock(storage, parts.clocks);
    this.#connection = connection;
    this.#sealedCalls = new SealedCalls({
      revokeDevices: (password, devices) => this.revokeDevices(password, devices),
      succeed: (old, fresh) => this.succeed(old, fresh),
      deleteAccount: (password) => this.deleteAccount(password),
    });
    this.#toldConnection = new ToldConnection(storage, () => this.#sealedCalls.publicKey);
    const isOnline = () => connection.state.kind === "online";
    /** And nothing is left to be made good: what is written follows what the server has. */
    const isReady = () => isOnline() && this.#restored === undefined;
    this.accounts = new KnownAccounts(
      storage,
      (request) => connection.request({ case: "fetchAccount", value: request }, "account"),
      tellFork,
      (before, after) => quietly(this.#ownAccount.grown(before, after)),
    );
    this.#ownAccount = new OwnAccount({
      storage,
      profile,
      accounts: this.accounts,
      connection,
      gateway: parts.gateway,
      vault: () => this.#vault,
      closing: this.#closing.signal,
      told: this.#toldDevices(),
      onNewKeys: () => quietly(this.#openWithNewKeys(this.#session.signal)),
    });
    this.#vault = new Vault({
      storage,
      author,
      accounts: this.accounts,
      connection,
      vaultKeys: () => this.#ownAccount.vaultKeys,
      renewKeys: () => this.#ownAccount.lookForNewerKeys(),
      onChanged: (places) => {
        // Another device may have accepted an identity that something here waits for.
        if (places.some(({ kind }) => kind === "contact")) this.#driveAll();
        this.#devices.vaultChanged();
        quietly(this.#news.vaultChanged(places));
      },
      onWrong: () => emit({ kind: "warning", warning: "vault", text: VAULT_WARNING }),
      onUnexpected,
    });
    this.contacts = new Contacts({ me, vault: this.#vault, accounts: this.accounts, storage });
    this.settings = new ConversationSettings(this.#vault);
    const standings = new Standings(me.account, this.contacts, this.settings);
    this.#links = new ConversationLinks({
      author,
      accounts: this.accounts,
      connection,
      contacts: this.contacts,
      conversations: {
        known: (id) => this.#conversations.known(id),
        forget: (id) => this.#conversations.forget(id),
      },
      onSealing: (conversation, done, total) => emit({ kind: "sealing", conversation, done, total }),
    });
    this.#admissions = new Admissions({
      account: me.account,
      accounts: this.accounts,
      connection,
      links: this.#links,
      isQuiet: (conversation) => this.requests.isQuiet(conversation),
      emit,
    });
    this.outbox = new Outbox({
      storage,
      author,
      links: this.#links,
      connection,
      isOnline: isReady,
      conversationOf: (id) => this.#conversations.need(id),
      manifestReference: () => this.#vault.manifestReference(),
      onChanged: (conversation, outgoing) => {
        this.#news.outgoing(conversation, outgoing.filter(saysSomething));
        quietly(this.requests.spoke(conversation));
      },
      onBlocked: (conversation) => emit({ kind: "conversations", conversations: [conversation] }),
      onFiles: (outgoing) => this.uploads.add(outgoing),
      onGone: (outgoing) => quietly(this.uploads.gone(outgoing)),
      onTakenBack: (conversation, messages) => {
        emit({ kind: "taken-back", conversation, messages });
        emit({ kind: "conversations", conversations: [conversation] });
      },
      onUnexpected,
    });
    this.uploads = new Uploads({
      blobs: parts.blobs,
      staging: parts.staging,
      outbox: this.outbox,
      links: this.#links,
      conversationOf: (id) => this.#conversations.need(id),
      isOnline: isReady,
      onBlocked: (conversation) => emit({ kind: "conversations", conversations: [conversation] }),
      onUnexpected,
    });
    this.#slots = new Slots({
      author,
      connection,
      isOnline: isReady,
      isQuiet: (conversation) => this.requests.isQuiet(conversation) || this.#readPositions.isUnreadLeftOut(conversation),
      onOthers: (conversation, from, to) => quietly(this.#news.othersMoved(conversation, from, to)),
      onUnexpected,
      quietly,
    });
    this.#typing = new Typing({
      author,
      connection,
      onTyping: ({ id }, account, active) => {
        emit({ kind: "typing", conversation: id, account, active });
        emit({ kind: "conversations", conversations: [id] });
      },
    });
    this.#presence = new Presence({ connection, isOnline, onChanged: (accounts) => quietly(this.#news.presenceChanged(accounts)) });
    this.drafts = new Drafts(this.#vault, (conversation) => emit({ kind: "conversations", conversations: [conversation] }));
    this.views = new Views({
      storage,
      me,
      accounts: this.accounts,
      contacts: this.contacts,
      live: {
        presence: (account) => this.#presence.of(account),
        nameOf: (account) => this.people.nameOf(account),
        typing: (id) => this.#typing.typing(id),
        isIdentityChanged: async (id) => {
          const { state } = this.#conversations.get(id)?.chain ?? {};
          return state !== undefined && this.contacts.isChangedIn(state);
        },
        draft: (id) => this.drafts.get(id),
        acknowledged: (id) => this.outbox.find(id)?.sent,
        upload: (id) => this.uploads.progressOf(id),
      },
      settings: this.settings,
      standings,
      clock: this.clock,
      leavesPast: parts.quick,
    });
    this.people = new People({
      me,
      accounts: this.accounts,
      contacts: this.contacts,
      connection,
      presence: this.#presence,
      person: (account) => this.views.person(account),
      onConflict: (error) => emit({ kind: "warning", warning: "account-fork", text: error.message }),
      onIdentityAccepted: () => this.#driveAll(),
    });
    this.#conversations = new Conversations({
      storage,
      me,
      accounts: this.accounts,
      verified: new Map(),
      connection,
      accountKeyOf: (generation) => this.#ownAccount.secretOf(generation),
      isOutgoing: (id) => this.outbox.find(id) !== undefined,
      arrived: (id, ids) => this.outbox.arrived(id, ids),
      settled: (id, ids) => this.outbox.settled(id, ids),
      onReference: (manifest) => quietly(this.#vault.compare(manifest)),
      clock: this.clock,
      readElsewhere: async (id) => {
        await this.#vaultRead;
        return this.#readPositions.readElsewhere(id);
      },
      listener: {
        onStored: (conversation, sequences, came) => {
          this.#expiry.look(conversation);
          quietly(this.#news.stored(conversation, sequences, came));
          if (came !== "live") this.#completion.add(conversation);
        },
        onChanged: (conversation, sequences) => {
          this.#expiry.look(conversation);
          quietly(this.#news.itemsChanged(conversation, sequences));
        },
        onFork: tellFork,
        onDeleted: ({ id, record }) => {
          emit({ kind: "deleted", conversation: id, upTo: record.deletedUpTo });
          emit({ kind: "conversations", conversations: [id] });
        },
        onExpired: ({ id }, sequences) => {
          emit({ kind: "expired", conversation: id, sequences });
          emit({ kind: "conversations", conversations: [id] });
        },
        onWithdrawn: (conversation, shown, gone) => {
          const { id } = conversation;
          if (gone.length > 0) emit({ kind: "expired", conversation: id, sequences: gone });
          quietly(this.#news.itemsChanged(conversation, shown));
          this.#expiry.deleted();
        },
        onRules: (id) => {
          const conversation = this.#conversations.get(id);
          // Somebody may wait whom this device lets in from now on.
          if (isOnline() && conversation !== undefined) quietly(this.#admissions.look(conversation));
        },
        onJoined: (id, accounts) => {
          const conversation = this.#conversations.get(id);
          if (conversation !== undefined && !this.requests.isQuiet(conversation)) quietly(this.people.checkNames(accounts));
        },
        onOlderCopy: () => this.#warnOlderCopy(),
        onKeyMissing: (conversation, epoch) => quietly(this.#findKey(conversation, epoch)),
      },
    });
    this.#restore = new Restore({
      account: me.account,
      storage,
      accounts: this.accounts,
      conversations: this.#conversations,
      links: this.#links,
      connection,
      vault: this.#vault,
      besideOwn: () => this.#ownAccount.besideLinks(),
      emit,
    });
    this.requests = new Requests({
      storage,
      me: me.account,
      standings,
      settings: this.settings,
      people: this.people,
      conversations: this.#conversations,
      fetch: (conversations) => this.#catchUp.several(conversations),
      isOnline,
      emit,
      quietly,
    });
    this.#completion = new Completion(quietly);
    const contactsKnown = async (): Promise<void> => {
      await this.#vaultRead;
    };
    this.#catchUp = new CatchUp({
      conversations: this.#conversations,
      requests: this.requests,
      contactsKnown,
      connection,
      emit,
      onHeads: () => this.#driveAll(),
      onJoinRequests: (conversation) => quietly(this.#admissions.look(conversation)),
      leavesPast: parts.quick,
      quietly,
    });
    const shared = { account: me.account, accounts: this.accounts, conversations: this.#conversations };
    this.#turns = new Turns({ ...shared, links: this.#links, onTrouble: onUnexpected });
    this.#readPositions = new ReadPositions({
      account: me.account,
      vault: this.#vault,
      slots: this.#slots,
      clock: this.clock,
      emit,
      quietly,
    });
    this.#expiry = new Expiry({ conversations: this.#conversations, clock: this.clock, storage, onTrouble: onUnexpected });
    this.#news = new News({
      conversations: this.#conversations,
      contacts: this.contacts,
      people: this.people,
      requests: this.requests,
      readPositions: this.#readPositions,
      slots: this.#slots,
      typing: this.#typing,
      views: this.views,
      emit,
    });
    this.groups = new GroupCalls({
      me,
      author,
      accounts: this.accounts,
      people: this.people,
      contacts: this.contacts,
      connection,
      conversations: this.#conversations,
      links: this.#links,
      admissions: this.#admissions,
      views: this.views,
      accept: (id) => this.settings.accept(id),
      onChanged: ({ id }) => this.requests.spoke(id),
      // A stranger's group that one leaves waits for nothing any more.
      onLeft: async (conversation) => {
        if (this.requests.isQuiet(conversation)) await this.requests.decline(conversation.id);
      },
      emit,
      closing: this.#closing.signal,
    });
    const broadcasts = new Broadcasts({
      vault: this.#vault,
      people: this.people,
      outbox: this.outbox,
      openDirect: (name) => this.openDirect(name),
      timerOf: (id) => this.settings.timerOf(id),
    });
    const devices = new Devices({
      ownAccount: this.#ownAccount,
      vault: this.#vault,
      connection: this.#connection,
      gateway: parts.gateway,
      me: this.#parts.profile.me,
      vaultKnown: () => this.#vaultKnown,
      givenName: parts.deviceName,
      quick: parts.quick,
    });
    this.#devices = devices;
    this.own = {
      setMute: (id, mute) => this.settings.setMute(id, mute),
      setTimer: (id, seconds) => this.settings.setTimer(id, seconds),
      setRetention: (id, seconds) =>
        setRetention(
          {
            connection,
            links: this.#links,
            closing: this.#closing.signal,
            conversations: this.#conversations,
            groups: this.groups,
            onChanged: (changed) => this.requests.spoke(changed),
            emit,
          },
          id,
          seconds,
        ),
      setPinned: (id, pinned) => this.settings.setPinned(id, pinned),
      accept: async (id) => {
        await this.requests.accept(id);
        const conversation = this.#conversations.get(id);
        const epoch = conversation?.chain.state && newestEpoch(conversation.chain.state).epoch;
        const isMissing = epoch !== undefined && (await conversation?.epochKeys.get(epoch)) === undefined;
        if (isMissing && conversation !== undefined) quietly(this.#findKey(conversation, epoch));
        // What strangers do waits until here.
        if (conversation?.isGroup === true && isOnline()) quietly(this.#admissions.look(conversation));
      },
      decline: (id) => this.requests.decline(id),
      setBlocked: (name, blocked) => this.requests.setBlocked(name, blocked),
      setBroadcastList: (name, people) => broadcasts.setList(name, people),
      broadcast: (people, text) => broadcasts.send(people, text),
      receipts: (id) => this.#receipts(id),
      devices: () => devices.all(),
      nameDevice: (device, name) => devices.name(device, name),
      sessionPolicy: () => devices.sessionPolicy(),
      setSessionPolicy: (account) => devices.setSessionPolicy(account),
      readRequest: (id) => this.requests.read(id),
      deleteMessages: (id, messages) => deleteMessages({ storage, account: me.account, outbox: this.outbox }, id, messages),
      cancelMessage: (message) => this.outbox.cancel(message),
      sealed: (call) => this.#sealedCalls.take(call),
      presences: (people) => this.#presence.look(people),
      uploads: (messages) => Promise.resolve(this.uploads.among(messages)),
      claimWarning: () => Promise.resolve(this.#warnings.claim()),
      warningShown: (number) => this.#warnings.shown(number),
    };
    const receivers: PushReceivers = {
      ...shared,
      ownAccount: this.#ownAccount,
      requests: this.requests,
      contactsKnown,
      catchUp: this.#catchUp,
      outbox: this.outbox,
      news: this.#news,
      slots: this.#slots,
      typing: this.#typing,
      presence: this.#presence,
      vault: this.#vault,
      admissions: this.#admissions,
    };
  }

  async open(): Promise<void> {
    // Before anything else: what an earlier holder said is not true any more.
    await this.#tellConnection(this.connection);
    await this.clock.load();
    await this.#vault.load();
    await this.#warnings.load((device) => this.#devices.nameOf(device));
    await this.contacts.load();
    await this.#conversations.load();
    await this.requests.load();
    await this.outbox.load();
    this.#trouble.quietly(this.uploads.cleanUp(new Set(this.outbox.staged())));
    this.#expiring = this.#expiry.keep(this.#closing.signal);
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
          const session = this.#session.signal;
          await this.#catchUp.all(session);
          if (session.aborted) continue;
          // A device that is there for a moment lets in who asks, too.
          await Promise.race([this.#admissions.settled(), pause(LETTING_IN_MS, this.#closing.signal)]);
          return;
        } catch (error) {
          if (!isWorthRetrying(error)) throw error;
        }
      }
      await pause(100, signal === undefined ? this.#closing.signal : AbortSignal.any([signal, this.#closing.signal]));
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
    await this.requests.read(id);
    // Its chain begins with the first message: that somebody looked is nobody's business.
    if (this.#conversations.get(id) === undefined) {
      await this.#conversations.begin(id, account);
      this.#parts.emit({ kind: "conversations", conversations: [id] });
    }
    return id;
  }

  #toldDevices(): ToldDevices {
    const warnings = this.#warnings;
    const quickEnded = (device: DeviceId) => {
      const name = this.#devices.quickName(device);
      return name === undefined ? [] : [{ device, name }];
    };
    return {
      get upTo() {
        return warnings.toldUpTo;
      },
      tell: async (upTo, { added, signedOut }) => {
        await warnings.addDevices({ upTo, added, quickEnded: signedOut.flatMap(quickEnded) });
        for (const device of added) this.#trouble.quietly(this.#tellNewDevice(device));
      },
    };
  }

  /** [A5] As soon as it has said what it is called. A process that ends before leaves it to the next one. */
  async #tellNewDevice(device: DeviceId): Promise<void> {
    const name = await this.#devices.introductionOf(device, this.#closing.signal);
    if (!this.#closing.signal.aborted) await this.#warnings.name(device, name);
  }

  /** Whoever looks at a direct conversation sees what became of the other account while this device was away. */
  look(id: ConversationId): void {
    const peer = this.#conversations.get(id)?.peer;
    if (peer !== undefined && this.#connection.state.kind === "online") this.#trouble.quietly(this.#learn(peer));
  }

  async #learn(account: AccountId): Promise<void> {
    if (!(await this.#links.learn(account))) return;
    await this.#news.accountMoved(account);
    this.#driveAll();
  }

  async fetchDownTo(id: ConversationId, sequence: number): Promise<boolean> {
    const conversation = this.#conversations.get(id);
    if (conversation === undefined || this.#connection.state.kind !== "online") return false;
    return this.first(conversation.fetchDownTo(sequence));
  }

  /** Somebody waits for this. */
  first = <T>(work: Promise<T>): Promise<T> => this.#completion.first(work);

  async markRead(id: ConversationId, sequence: number): Promise<void> {
    const conversation = this.#conversations.get(id);
    if (conversation !== undefined && !this.requests.isQuiet(conversation)) await this.#readPositions.mark(conversation, sequence);
  }

  async setTyping(id: ConversationId, active: boolean): Promise<void> {
    const conversation = this.#conversations.get(id);
    if (conversation === undefined || this.requests.isQuiet(conversation)) return;
    if (this.#connection.state.kind === "online") await this.#typing.say(conversation, active);
  }

  #driveAll(): void {
    this.outbox.driveAll();
    this.uploads.drive();
  }

  /** [H3] Also `heads` with a new epoch in every conversation [C1]. */
  async revokeDevices(password: string, devices: readonly DeviceId[]): Promise<void> {
    await this.#tellingForks(this.#ownAccount.revoke(password, devices));
    await this.#turnAll();
  }

  /** [P2] The same with everything that opens the account. */
  async succeed(old: string, fresh: string): Promise<SuccessionResult> {
    const result = await this.#tellingForks(this.#ownAccount.succeed(old, fresh));
    // Who has the recovery words to get does not wait for the rest; a session that ends before it is done leaves it to the next one.
    if (result.kind === "succeeded") {
      this.#turning = this.#ownAccount.refresh().then(() => this.#turnAll());
      this.#trouble.quietly(this.#turning);
    }
    return result;
  }

  async #tellingForks<Result>(work: Promise<Result>): Promise<Result> {
    return work.catch((error: unknown) => {
      if (error instanceof AccountForked) this.#trouble.tellFork(error);
      throw error;
    });
  }

  async #turnAll(): Promise<void> {
    await this.#turns.turn();
    this.#trouble.quietly(this.#turns.keepTurning(this.#session.signal));
  }

  async deleteAccount(password: string): Promise<AccountDeletion> {
    const { profile, gateway } = this.#parts;
    const shared = { profile, gateway, accounts: this.accounts, conversations: this.#conversations, connection: this.#connection };
    return deleteAccount({ ...shared, leaveGroup: (id) => this.groups.leave(id) }, password).catch((error: unknown) => {
      if (error instanceof AccountForked) this.#trouble.tellFork(error);
      throw error;
    });
  }

  broadcastLists(): Promise<BroadcastList[]> {
    return broadcastListsIn(this.#vault, this.views);
  }

  async acceptFork(id: ConversationId): Promise<void> {
    const conversation = await this.#conversations.need(id);
    if (!conversation.record.forked) return;
    await conversation.update((record) => {
      record.forked = false;
    });
    this.#parts.emit({ kind: "conversations", conversations: [id] });
    this.outbox.drive(id);
  }

  /** [S2] Once: it has caught up, and sends under counters that follow. */
  #warnOlderCopy(): void {
    if (this.#isOlderCopy) return;
    this.#isOlderCopy = true;
    this.#emit({ kind: "warning", warning: "older-copy", text: OLDER_COPY_WARNING });
  }

  async #receipts(id: ConversationId): Promise<Receipt[]> {
    const conversation = await this.#conversations.need(id);
    const receipts = await this.#slots.receipts(conversation);
    const named = receipts.map(async (each) => ({ ...each, name: (await this.views.person(each.account)).name }));
    return (await Promise.all(named)).sort((one, other) => other.read - one.read || other.delivered - one.delivered);
  }

  /** [C6] A copy that did not come by itself is asked for; strangers are told nothing, not even that theirs did not arrive. */
  async #findKey(conversation: Conversation, epoch: number): Promise<void> {
    if (await conversation.retryKeys([epoch])) return;
    if (!this.requests.isQuiet(conversation)) return void (await this.#links.prepare(conversation));
    await pause(limits.healingMs, this.#session.signal);
    conversation.newSession();
    if (!this.#session.signal.aborted) await conversation.retryKeys([epoch]);
  }

  retry(message: ClientMessageId): Promise<void> {
    return this.outbox.retry(message);
  }

  /** [H3] The device signs itself out; whether the server heard it. The profile is erased by whoever owns it. */
  async signOut(): Promise<"told" | "not-reached"> {
    if (this.#connection.state.kind === "connecting") await this.#connection.online().catch(() => undefined);
    // By its last word the session is over already.
    if (this.#connection.state.kind === "ended") return "told";
    if (this.#connection.state.kind !== "online") return "not-reached";
    if (this.#parts.quick) await this.#introduce();
    await Promise.race([this.#vault.flush().catch(() => undefined), pause(CLOSE_FLUSH_MS, this.#closing.signal)]);
    return this.#ownAccount.signOut();
  }

  /** However short the session was, the other devices hear whose it was [H3]. */
  async #introduce(): Promise<void> {
    if (this.#devices.isIntroduced) return;
    await this.#vaultKnown;
    await this.#devices.introduce();
  }

  async close(): Promise<void> {
    if (this.#closing.signal.aborted) return;
    await this.drafts.flush();
    if (this.#connection.state.kind === "online") {
      // What others should know before this device is gone; it would be told the next time.
      const noted = this.#introduce().then(() => this.#vault.flush());
      const work = Promise.allSettled([noted, this.#slots.flush(), this.#turning]);
      await Promise.race([work, pause(CLOSE_FLUSH_MS, this.#closing.signal)]);
    }
    this.#closing.abort();
    this.#session.abort();
    await this.#expiring;
    await this.#connection.close();
    await this.uploads.close();
    await this.outbox.close();
    await this.requests.close().catch(this.#trouble.tell);
    this.#slots.close();
    this.#typing.close();
    await this.#vault.close();
    await this.#warnings.close();
    await this.#toldConnection.forget().catch(this.#trouble.tell);
  }

  // ------------------------------------------------------------------ the connection

  #onState(state: ConnectionState): void {
    if (state.kind !== "online") {
      this.#session.abort();
      this.outbox.connectionLost();
      this.uploads.connectionLost();
      this.#vault.offline();
      this.#presence.offline();
    }
    void this.#tellConnection(state);
    this.#parts.emit({ kind: "connection", connection: state });
  }

  /** Only shown to others: a full disk stops nothing. */
  async #tellConnection(state: ConnectionState): Promise<void> {
    await this.#toldConnection.tell(state).catch(this.#trouble.tell);
  }

  #onOnline(running: Uint8Array): void {
    this.#session.abort();
    this.#session = new AbortController();
    const session = AbortSignal.any([this.#session.signal, this.#closing.signal]);
    this.#links.newSession();
    for (const conversation of this.#conversations.all) conversation.newSession();
    const restored = this.#restore.look(running, session).finally(() => {
      if (this.#restored === restored) this.#restored = undefined;
    });
    this.#restored = restored;
    restored.catch(() => undefined);
    const vaultKnown = Promise.withResolvers<void>();
    this.#vaultKnown = vaultKnown.promise;
    this.#synced = this.#begin(session, vaultKnown.resolve);
    this.#synced.then(vaultKnown.resolve, vaultKnown.resolve);
    const mine = this.#session;
    this.#beginning = mine;
    const begun = () => {
      if (this.#beginning === mine) this.#beginning = undefined;
    };
    this.#synced.then(begun, begun);
    this.#trouble.quietly(this.#synced);
    this.#trouble.quietly(this.#catchUp.nowAndThen(session));
  }

  /** Heads first, then everything at once that a session begins with; newest conversations first. */
  async #begin(session: AbortSignal, vaultKnown: () => void): Promise<void> {
    for (;;) {
      try {
        await this.#restored;
        if (session.aborted) return;
        // Who was given a new account key reads the vault with it.
        const read = this.#ownAccount
          .refresh()
          .then(() => this.#restore.lookAtVault())
          .then(() => this.#vault.online());
        this.#vaultRead = Promise.race([read.catch(() => undefined), pause(VAULT_MS, session)]);
        void this.#vaultRead.then(vaultKnown);
        const vault = read.then(() => this.#devices.introduce()).then(() => this.#vault.writeWaiting());
        const beside = Promise.all([vault, this.#presence.online()]);
        // A connection that ends spoils all of them: whoever waits for the first hears of it.
        beside.catch(() => undefined);
        await this.#catchUp.all(session);
        // The next session has begun meanwhile: it does the rest.
        if (session.aborted) return;
        this.#driveAll();
        this.#completion.begin(session, this.#conversations.all);
        await beside;
        await this.#fetchSlots(session);
        if (session.aborted) return;
        // That nobody asks any more, no head says.
        for (const conversation of this.#conversations.all) {
          if ((conversation.record.group?.joinRequests ?? 0) > 0) this.#trouble.quietly(this.#admissions.look(conversation));
        }
        this.#trouble.quietly(this.#turns.turn().then(() => this.#turns.keepTurning(session)));
        this.#trouble.quietly(this.#retryAwaited(session));
        return;
      } catch (error) {
        if (session.aborted) return;
        if (!isWorthRetrying(error) || error instanceof ConnectionLost) throw error;
        await pause(RETRY_MS, session);
        if (session.aborted) return;
      }
    }
  }

  /** Copies that could not be opened are asked for again: entries may have come before the account's own new key. */
  async #openWithNewKeys(session: AbortSignal): Promise<void> {
    for (const conversation of this.#conversations.all) conversation.newSession();
    await this.#retryAwaited(session);
  }

  async #retryAwaited(session: AbortSignal): Promise<void> {
    for (const conversation of this.#conversations.all) {
      if (session.aborted) return;
      await conversation.retryAwaited().catch(ignoreNotFound);
    }
  }

  async #fetchSlots(session: AbortSignal): Promise<void> {
    for (const conversation of this.#conversations.all) {
      if (session.aborted) return;
      if (this.requests.isQuiet(conversation)) continue;
      this.#slots.schedule(conversation);
      const { lastMessage, othersRead, memberSlots } = conversation.record;
      const isMember = conversation.chain.state?.members.has(this.#parts.profile.me.account) === true;
      if (!isMember || memberSlots.length === 0 || lastMessage <= othersRead) continue;
      await this.#slots.fetch(conversation).catch(ignoreNotFound);
    }
  }
}

/** Put out of a conversation just now, its link says so in a moment; or the server does not have it any more. */
function ignoreNotFound(error: unknown): void {
  if (!(error instanceof FastChatError && error.code === ErrorCode.NOT_FOUND)) throw error;
}

const OLDER_COPY_WARNING =
  "This is an older copy of this device's profile: it has caught up with what was sent since. If another copy is still in use, sign out on one of the two.";
const VAULT_WARNING =
  "Your contacts and settings on the server are not what your devices wrote: something was changed, swapped, held back or is old. What this device has was kept.";
