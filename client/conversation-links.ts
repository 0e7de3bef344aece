import { create, toBinary } from "@bufbuild/protobuf";
import {
  type AccountId,
  accountId,
  conversationId,
  type ConversationId,
  type DeviceId,
  ErrorCode,
  FastChatError,
  idBytes,
  isHash,
  limits,
} from "@fastchat/protocol";
import {
  type ConversationChange,
  type ConversationState,
  directCreate,
  draftLink,
  epochContext,
  finishLink,
  groupCreate,
  groupIdOf,
  isClosed,
  type LinkDraft,
  type LinkPlan,
  newestEpoch,
} from "@fastchat/protocol/chain";
import { random, sealedKeysHash, sealedProfileHash, sealProfile, signKeyRequest, signProfile } from "@fastchat/protocol/seal";
import {
  KeyRequestSchema,
  type LinkEntry,
  LinkEntrySchema,
  type ProfileContent,
  type SealedKey,
  type SignedProfile,
  SignedProfileSchema,
} from "@fastchat/protocol/wire/conversation";
import type { AccountHead } from "@fastchat/protocol/wire/account";
import type { KnownAccount, KnownAccounts } from "./accounts.ts";
import { breathe } from "./breathe.ts";
import { type Connection, ConnectionLost } from "./connection.ts";
import type { Contacts } from "./contacts.ts";
import type { Conversation } from "./conversation.ts";
import { makeEpoch, publicKeysOf } from "./epoch-making.ts";
import { signedProfileOf } from "./group-record.ts";
import { Lane } from "./lane.ts";
import { givenEpochs } from "./link-pieces.ts";
import { notAllowed, refusal } from "./refusals.ts";

/** How often a message waits for others' changes before it is tried later. */
const ATTEMPTS = 8;
/** Of many who change one conversation at once, each loses to each of the others at most. */
const CHANGE_ATTEMPTS = 100;
const LOST_RACE_MS = 100;
/** So often a server may say that a head is old, and give no newer one. */
const OLD_HEADS_BELIEVED = 3;
const LEARNED_AT_ONCE = 32;
/** What frames a link and what lies beside it, at most. */
const PACKET_ROOM = 65_536;

export interface LinkAuthor {
  readonly account: AccountId;
  readonly device: DeviceId;
  readonly signingSeed: Uint8Array;
}

/** What sending waits for; nothing is sealed before somebody or something changed it. */
export class SendingBlocked extends Error {
  readonly why: "identity-changed" | "forked" | "update-needed";

  constructor(why: SendingBlocked["why"]) {
    super(`sending waits: ${why}`);
    this.name = "SendingBlocked";
    this.why = why;
  }
}

/** Everything that a message is sealed with. */
export interface Sealable {
  readonly state: ConversationState;
  readonly epoch: number;
  readonly key: Uint8Array;
}

/** What somebody wants of a conversation, as the state is now; `done`: nothing is left to do. */
export type Wanted =
  | { readonly kind: "done" }
  | { readonly kind: "change"; readonly change: ConversationChange; readonly newcomers?: ReadonlyMap<AccountId, KnownAccount> }
  | { readonly kind: "profile"; readonly content: ProfileContent };

export interface NewGroupPlan {
  readonly members: ReadonlyMap<AccountId, "admin" | "member">;
  /** All of them. */
  readonly known: ReadonlyMap<AccountId, KnownAccount>;
  readonly profile: ProfileContent;
  readonly policy: Parameters<typeof groupCreate>[2];
}

export interface ConversationLinksParts {
  readonly author: LinkAuthor;
  readonly accounts: KnownAccounts;
  readonly connection: Pick<Connection, "request" | "online">;
  /** Whose identity waits to be accepted before anything is sealed to them [A3]. */
  readonly contacts: Pick<Contacts, "verification" | "isChangedIn">;
  /** One that begins here, or that is given up. */
  readonly conversations: { known(id: ConversationId): Conversation; forget(id: ConversationId): void };
  /** How many copies of a new key are sealed, in a large group. */
  readonly onSealing: (conversation: ConversationId, done: number, total: number) => void;
}

/**
 * Writes links into conversations: those that people ask for, and `create`, `heads` and `rekey` where the rules ask for them before a
 * message.
 *
 * The dance: read to the end of the log; decide by the state there what is wanted; write one link on top of it; read it
 * back from the log, and decide again. The server takes a link only on the head it was written for, so whoever lost a race
 * reads the winner's link and may find that nothing is missing any more [C3]. A key that was made for a lost link is thrown away with it:
 * nobody can derive anything from it, since a derived key depends on the link before.
 */
export class ConversationLinks {
  readonly #parts: ConversationLinksParts;
  readonly #lanes = new Map<Conversation, Lane>();
  /** Accounts whose newest head was asked for since the connection began. */
  #asked = new Set<AccountId>();
  /** Groups of which it was asked whose heads moved, likewise. */
  #askedGroups = new Set<Conversation>();
  /** Since when a conversation's newest key has been missing here, milliseconds since 1970. */
  readonly #missingSince = new WeakMap<Conversation, number>();
  /** How often in a row a server called a head old and gave no newer one. */
  readonly #oldHeads = new WeakMap<Conversation, number>();
  /** What was known of a group's members, for as long as neither it nor anything known of accounts changes. */
  readonly #moved = new WeakMap<ConversationState, { readonly changes: number; readonly known: Map<AccountId, KnownAccount> }>();

  constructor(parts: ConversationLinksParts) {
    this.#parts = parts;
  }

  /** A new connection: heads may have moved unseen. */
  newSession(): void {
    this.#asked = new Set();
    this.#askedGroups = new Set();
  }

  /** Whether an account's chain moved while no server told this device of it: asked once in a session. Throws FastChatError, ConnectionLost. */
  async learn(account: AccountId): Promise<boolean> {
    const before = (await this.#parts.accounts.get(account))?.state.head.index;
    const { state } = await this.#newest(account);
    return state.head.index !== before;
  }

  /** Brings a conversation to where this device may send. Throws SendingBlocked, FastChatError, ConnectionLost. */
  prepare(conversation: Conversation): Promise<Sealable> {
    return this.#inLane(conversation, () => this.#prepare(conversation));
  }

  /** Makes a change of a conversation, as `decide` says anew for each state that it is tried on. Throws FastChatError, ConnectionLost. */
  change(conversation: Conversation, decide: (state: ConversationState) => Promise<Wanted>): Promise<void> {
    return this.#inLane(conversation, () => this.#change(conversation, decide));
  }

  #inLane<Result>(conversation: Conversation, work: () => Promise<Result>): Promise<Result> {
    const lane = this.#lanes.get(conversation) ?? new Lane();
    this.#lanes.set(conversation, lane);
    return lane.run(work);
  }

  async #prepare(conversation: Conversation): Promise<Sealable> {
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      if (conversation.isBehind) await conversation.catchUp();
      if (conversation.record.updateNeeded) throw new SendingBlocked("update-needed");
      const { state } = conversation.chain;
      if (state === undefined) {
        await this.#create(conversation);
        continue;
      }
      if (isClosed(state)) throw new FastChatError(ErrorCode.ACCOUNT_CLOSED);
      const recorded = this.#ownDevice(conversation, state);
      const known = await this.#knownMembers(conversation, state);
      const key = await conversation.epochKeys.get(newestEpoch(state).epoch);
      if (key !== undefined) this.#missingSince.delete(conversation);
      if (isTurnDue(state, known)) {
        await this.#write(conversation, state, known, turn);
      } else if (recorded === "unknown") {
        await this.#write(conversation, state, known, { kind: "change", change: { case: "headsOnly", value: {} } });
      } else if (key === undefined) {
        await this.#heal(conversation, state, known);
      } else {
        if (conversation.record.group?.mayWrite === false) {
          throw refusal("write");
        }
        if (conversation.record.forked) throw new SendingBlocked("forked");
        if (await this.#parts.contacts.isChangedIn(state)) throw new SendingBlocked("identity-changed");
        return { state, epoch: newestEpoch(state).epoch, key };
      }
    }
    throw new FastChatError(ErrorCode.UNAVAILABLE, { detail: "Others changed this conversation again and again; it is tried later." });
  }

  async #change(conversation: Conversation, decide: (state: ConversationState) => Promise<Wanted>): Promise<void> {
    for (let attempt = 1; attempt <= CHANGE_ATTEMPTS; attempt++) {
      if (conversation.isBehind) await conversation.catchUp();
      if (conversation.record.updateNeeded) throw new FastChatError(ErrorCode.VERSION_TOO_OLD);
      const { state } = conversation.chain;
      if (state === undefined) {
        await this.#create(conversation);
        continue;
      }
      this.#ownDevice(conversation, state);
      const wanted = await decide(state);
      if (wanted.kind === "done") return;
      const known = await this.#knownMembers(conversation, state);
      // A name is sealed with a key that is open here, and not for those who lost the right to read.
      const isKeyOpen = (await conversation.epochKeys.get(newestEpoch(state).epoch)) !== undefined;
      const first = wanted.kind === "profile" && (!isKeyOpen || isTurnDue(state, known)) ? turn : wanted;
      const written = await this.#write(conversation, state, known, first);
      if (written && first === wanted) return;
      if (!written) await new Promise((resolve) => setTimeout(resolve, Math.random() * LOST_RACE_MS));
    }
    throw new FastChatError(ErrorCode.UNAVAILABLE, { detail: "Others changed this conversation again and again." });
  }

  #ownDevice(conversation: Conversation, state: ConversationState): "unknown" | "active" {
    const recorded = conversation.ownDevice(state);
    if (recorded === "no-member") throw new FastChatError(ErrorCode.NOT_A_MEMBER);
    if (recorded === "ended") throw new FastChatError(ErrorCode.DEVICE_REVOKED);
    return recorded;
  }

  /** Makes the direct conversation unless it exists; whoever comes second uses what the first made [C2]. */
  async #create(conversation: Conversation): Promise<void> {
    await conversation.lookAgain().catch(ignoreNotFound);
    if (conversation.chain.state !== undefined) return;
    const { account } = this.#parts.author;
    const { peer } = conversation;
    if (peer === undefined) throw new FastChatError(ErrorCode.NOT_FOUND);
    if ((await this.#parts.contacts.verification(peer)) === "changed") throw new SendingBlocked("identity-changed");
    const known = new Map<AccountId, KnownAccount>();
    for (const member of new Set([account, peer])) known.set(member, await this.#newest(member));
    if ([...known.values()].some(({ state }) => state.closed)) throw new FastChatError(ErrorCode.ACCOUNT_CLOSED);
    await this.#write(conversation, undefined, known, { kind: "change", change: directCreate(account, peer, random(32)) });
  }

  /** Makes a group. Resolves when its `create` is in its log. A `create` whose answer was lost is sent again: it is the same group. */
  async createGroup({ members, known, profile: content, policy }: NewGroupPlan): Promise<Conversation> {
    const { conversations, onSealing } = this.#parts;
    const nonce = random(32);
    const change = groupCreate(members, nonce, policy);
    const { author, accounts } = this.#parts;
    const plan = { state: undefined, author, change, opening: { kind: "fresh" }, profile: true } as const;
    let drafted = await this.#draft({ ...plan, known });
    for (let attempt = 1; drafted === "moved" && attempt < ATTEMPTS; attempt++) {
      drafted = await this.#draft({ ...plan, known: await accounts.all(known.keys()) });
    }
    if (drafted === "moved") throw new FastChatError(ErrorCode.UNAVAILABLE, { detail: "Somebody's account changes again and again." });
    // Who sets the name signs it for link 1.
    const signed = await signProfile(content, { nonce, index: 1 }, this.#parts.author);
    const { entry, copies, key, keyId } = await this.#finish(drafted, undefined, undefined, signed, (done, total) =>
      onSealing(conversationId(nonce), done, total),
    );
    const conversation = conversations.known(groupIdOf(entry.link!));
    conversation.epochKeys.expect(keyId!, key!);
    try {
      const { sequence } = await this.#send(conversation, entry, copies, true);
      await conversation.reach(sequence);
      return conversation;
    } catch (error) {
      if (conversation.chain.state === undefined) conversations.forget(conversation.id);
      throw error;
    }
  }

  /** [C6] Asks for the key of the newest epoch; who still has none after a while opens a new one. */
  async #heal(conversation: Conversation, state: ConversationState, known: ReadonlyMap<AccountId, KnownAccount>): Promise<void> {
    const { epoch } = newestEpoch(state);
    if (await conversation.retryKeys([epoch])) return;
    const { account, device, signingSeed } = this.#parts.author;
    const parts = { conversation: idBytes(conversation.id), epoch, account: idBytes(account), device: idBytes(device), counter: 1 };
    const request = create(KeyRequestSchema, { ...parts, signature: await signKeyRequest(signingSeed, parts) });
    await this.#parts.connection.request({ case: "sendKeyRequest", value: { request } }, "keyRequested").catch(ignoreRefusal);
    const since = this.#missingSince.get(conversation) ?? Date.now();
    this.#missingSince.set(conversation, since);
    // Counted from the first key that was missing: others' new ones, which cannot be opened either, put nothing off.
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, since + limits.healingMs - Date.now())));
    conversation.newSession();
    await conversation.lookAgain();
    const now = conversation.chain.state;
    if (now !== state && now !== undefined && newestEpoch(now).epoch !== epoch) {
      if (await conversation.retryKeys([newestEpoch(now).epoch])) return;
    } else if (await conversation.retryKeys([epoch])) return;
    if (now !== state) return;
    const rekey = { case: "rekey", value: { reason: "the key could not be opened" } } as const;
    await this.#write(conversation, state, known, { kind: "change", change: rekey });
  }

  /**
   * Of a direct conversation both accounts, at their newest heads; of a group those whose heads moved beyond what it records, and one's
   * own. The server is asked once in a session; afterwards it tells of moves.
   */
  async #knownMembers(conversation: Conversation, state: ConversationState): Promise<ReadonlyMap<AccountId, KnownAccount>> {
    const { accounts, author } = this.#parts;
    if (state.kind === "direct") {
      const known = new Map<AccountId, KnownAccount>();
      for (const account of state.members.keys()) known.set(account, await this.#newest(account));
      return known;
    }
    if (!this.#askedGroups.has(conversation)) {
      await this.#learnMoved(conversation, state);
      this.#askedGroups.add(conversation);
    }
    const remembered = this.#moved.get(state);
    if (remembered?.changes === accounts.changes) return remembered.known;
    const { changes } = accounts;
    const known = await accounts.all(state.members.keys());
    for (const [account, each] of known) {
      const recorded = state.members.get(account)?.chain.head.index ?? 0;
      if (account !== author.account && each.state.head.index <= recorded) known.delete(account);
    }
    this.#moved.set(state, { changes, known });
    return known;
  }

  async #learnMoved(conversation: Conversation, { members }: ConversationState): Promise<void> {
    const { accounts, connection } = this.#parts;
    const asked = { conversation: idBytes(conversation.id) };
    const { heads } = await connection.request({ case: "fetchMovedHeads", value: asked }, "movedHeads");
    const learn = async ({ account: bytes, index }: AccountHead) => {
      const account = isHash(bytes) ? accountId(bytes) : undefined;
      if (account === undefined || !members.has(account)) return;
      const known = await accounts.get(account);
      if ((known?.state.head.index ?? 0) < index) await accounts.refresh(account);
    };
    const named = heads.slice(0, members.size);
    for (let at = 0; at < named.length; at += LEARNED_AT_ONCE) await Promise.all(named.slice(at, at + LEARNED_AT_ONCE).map(learn));
  }

  /** The newest head known, asked for once in a session; afterwards the server tells of moves. */
  async #newest(account: AccountId): Promise<KnownAccount> {
    if (this.#asked.has(account)) return this.#parts.accounts.need(account);
    const known = await this.#parts.accounts.refresh(account);
    // Without its account key the server is asked again.
    if (known.publicKey !== undefined) this.#asked.add(account);
    return known;
  }

  /** False: somebody else's link came first, and was read. */
  async #write(
    conversation: Conversation,
    state: ConversationState | undefined,
    known: ReadonlyMap<AccountId, KnownAccount>,
    wanted: Exclude<Wanted, { kind: "done" }>,
  ): Promise<boolean> {
    const { author } = this.#parts;
    const planned = { state, author };
    let drafted: LinkDraft | "moved";
    let signed: SignedProfile | undefined;
    if (wanted.kind === "profile") {
      signed = await signProfile(wanted.content, { nonce: state!.nonce, index: state!.head.index + 1 }, author);
      const change = { case: "profile", value: { profileHash: new Uint8Array(32) } } as const;
      drafted = await this.#draft({ ...planned, known, change });
    } else {
      const { change, newcomers = new Map() } = wanted;
      const joining = await this.#parts.accounts.all(newcomers.keys());
      // Keys that one had no use for are theirs as well.
      if (change.case === "add" && state !== undefined) await conversation.retryKeys(givenEpochs(state).map(([first]) => first!.epoch));
      const isKeyOpen = state !== undefined && (await conversation.epochKeys.get(newestEpoch(state).epoch)) !== undefined;
      const opening = openingOf(change, isKeyOpen ? state : undefined, known);
      drafted = await this.#draft({ ...planned, known: new Map([...known, ...joining]), change, ...(opening && { opening }) });
    }
    if (drafted === "moved") return false;
    const onSealed = (done: number, total: number) => this.#parts.onSealing(conversation.id, done, total);
    const { entry, copies, key, keyId } = await this.#finish(drafted, state, conversation, signed, onSealed);
    if (key !== undefined && keyId !== undefined) conversation.epochKeys.expect(keyId, key);
    try {
      const { sequence } = await this.#send(conversation, entry, copies);
      await conversation.reach(sequence);
      this.#oldHeads.delete(conversation);
      return true;
    } catch (error) {
      if (keyId !== undefined && !(error instanceof ConnectionLost)) conversation.epochKeys.forget(keyId);
      const code = error instanceof FastChatError ? error.code : undefined;
      if (code === ErrorCode.EVIDENCE_MISSING) this.newSession();
      // Somebody else's link came first: it is read, and everything decided anew.
      else if (code !== ErrorCode.STALE_HEAD && code !== ErrorCode.LINK_INVALID) throw error;
      const before = conversation.record.high;
      await conversation.lookAgain();
      const isNews = conversation.record.high !== before || conversation.chain.state !== state;
      if (code === ErrorCode.LINK_INVALID && !isNews) throw error;
      const believed = code === ErrorCode.STALE_HEAD && !isNews ? (this.#oldHeads.get(conversation) ?? 0) + 1 : 0;
      this.#oldHeads.set(conversation, believed);
      if (believed > OLD_HEADS_BELIEVED) throw error;
      return false;
    }
  }

  /**
   * A link that would be valid; whose account key nobody gives, gets no copy, and the link says so [C4]. "moved": somebody's key is a newer one,
   * and the head that names it is known now: everything is decided anew.
   */
  async #draft(plan: LinkPlan): Promise<LinkDraft | "moved"> {
    const first = draftLink(plan);
    if (first.kind === "invalid") throw notAllowed(plan.change, first.reason, plan.state?.policy.mayAdd === "members");
    const { opening } = first.draft;
    if (opening === undefined || plan.opening === undefined) return first.draft;
    const lacking = async (recipients: typeof opening.recipients) => {
      const publicKeys = await publicKeysOf(recipients, this.#parts);
      return recipients.filter(({ account }) => !publicKeys.has(account));
    };
    const unknown = await lacking(opening.recipients);
    if (unknown.length === 0) return first.draft;
    const people = unknown.map(({ account }) => account);
    if (await this.#haveMoved(people, first.draft.after)) return "moved";
    // Those were looked up, and may be known only since then.
    const withoutKey = (await lacking(unknown)).map(({ account }) => account);
    if (withoutKey.length === 0) return first.draft;
    // The one person who should read it could not: better it waits until the server gives the key that the chain names.
    if (first.draft.after.kind === "direct") {
      throw new FastChatError(ErrorCode.SIGNATURE_INVALID, { detail: "The server does not give the account key that the chain names." });
    }
    const again = draftLink({ ...plan, opening: { ...plan.opening, withoutKey } });
    if (again.kind === "invalid") throw notAllowed(plan.change, again.reason, plan.state?.policy.mayAdd === "members");
    return again.draft;
  }

  /** Whether any of these have heads beyond what a state records: they are looked up, and known afterwards. */
  async #haveMoved(people: readonly AccountId[], { members }: ConversationState): Promise<boolean> {
    let moved = false;
    const look = async (account: AccountId) => {
      const known = await this.#parts.accounts.refresh(account).catch(ignoreRefusal);
      moved ||= known !== undefined && known.state.head.index > (members.get(account)?.chain.head.index ?? 0);
    };
    for (let at = 0; at < people.length; at += LEARNED_AT_ONCE) await Promise.all(people.slice(at, at + LEARNED_AT_ONCE).map(look));
    return moved;
  }

  /** Makes the epoch that a draft opens, seals the profile that belongs beside it, and signs. */
  async #finish(
    draft: LinkDraft,
    state: ConversationState | undefined,
    conversation: Conversation | undefined,
    signed: SignedProfile | undefined,
    onSealed: (done: number, total: number) => void,
  ) {
    const { author, accounts, connection } = this.#parts;
    const { opening, after } = draft;
    if (opening === undefined) {
      if (signed === undefined || state === undefined || conversation === undefined) {
        return { entry: finishLink(draft, author.signingSeed), copies: [] };
      }
      const epoch = newestEpoch(state);
      const key = await conversation.epochKeys.get(epoch.epoch);
      if (key === undefined) throw new FastChatError(ErrorCode.UNAVAILABLE, { detail: "The key of this conversation is not open here." });
      const sealed = sealProfile(key, epochContext(state, epoch), epoch.epoch, signed);
      const { change } = draft.body;
      if (change.case === "profile") change.value.profileHash = sealedProfileHash(sealed);
      return { entry: finishLink(draft, author.signingSeed, undefined, sealed), copies: [] };
    }
    const publicKeys = await publicKeysOf(opening.recipients, { accounts, connection });
    const made = await makeEpoch(draft, state, conversation?.epochKeys, publicKeys, onSealed);
    await breathe();
    const kept = signed ?? (after.profileHash === undefined ? undefined : this.#currentProfile(conversation));
    const sealed = kept && sealProfile(made.key, opening.context, opening.epoch, kept);
    const commitments = {
      keyId: made.keyId,
      sealedKeysHash: sealedKeysHash(made.copies),
      ...(sealed && { profileHash: sealedProfileHash(sealed) }),
    };
    return { entry: finishLink(draft, author.signingSeed, commitments, sealed), copies: made.copies, key: made.key, keyId: made.keyId };
  }

  /** The newest profile, to be sealed again [C8]; who cannot open it seals nothing that anybody would take for one. */
  #currentProfile(conversation: Conversation | undefined): SignedProfile {
    return (conversation && signedProfileOf(conversation.record)) ?? create(SignedProfileSchema);
  }

  /** @param again whether it is sent again, the very same, when its answer was lost */
  async #send(conversation: Conversation, entry: LinkEntry, sealedKeys: readonly SealedKey[], again = false) {
    const { connection } = this.#parts;
    // A group's `create` has no id yet: it is the hash of that link.
    const id = again ? new Uint8Array(0) : idBytes(conversation.id);
    const value = { conversation: id, entry, sealedKeys: [...sealedKeys] };
    // A large one takes tens of milliseconds to make, to size and to send.
    await breathe();
    // What no server takes would end the connection, again and again.
    if (sizeOf(entry, sealedKeys) > limits.packetBytes - PACKET_ROOM) throw new FastChatError(ErrorCode.TOO_LARGE);
    await breathe();
    for (;;) {
      try {
        return await connection.request({ case: "appendLink", value }, "appended");
      } catch (error) {
        if (!again || !(error instanceof ConnectionLost)) throw error;
        await connection.online();
      }
    }
  }
}

function sizeOf(entry: LinkEntry, sealedKeys: readonly SealedKey[]): number {
  return sealedKeys.reduce((sum, { sealed }) => sum + sealed.length + 48, toBinary(LinkEntrySchema, entry).length);
}

const turn: Wanted & { kind: "change" } = {
  kind: "change",
  change: { case: "rekey", value: { reason: "somebody lost the right to read" } },
};

/** Whether the next message needs a fresh key, by what is recorded or known [C1]. */
function isTurnDue(state: ConversationState, known: ReadonlyMap<AccountId, KnownAccount>): boolean {
  return state.turnDue || [...known.values()].some((each) => losesRight(state, each));
}

/** Whether somebody lost the right to read by links that are not recorded here yet, and can be: on another branch they cannot [G5]. */
function losesRight({ members }: ConversationState, { state }: KnownAccount): boolean {
  const recorded = members.get(state.account)?.chain.head;
  if (recorded === undefined) return false;
  return state.lastTurn > recorded.index && state.hashes[recorded.index - 1] === recorded.hash;
}

/**
 * [C4] Which epoch a change opens.
 *
 * @param state undefined: there is no newest epoch that is open here
 */
function openingOf(
  change: ConversationChange,
  state: ConversationState | undefined,
  known: ReadonlyMap<AccountId, KnownAccount>,
): LinkPlan["opening"] {
  switch (change.case) {
    case "create":
    case "remove":
    case "rekey":
      return { kind: "fresh" };
    case "add":
      return { kind: state === undefined || isTurnDue(state, known) ? "fresh" : "derived" };
    case "headsOnly":
    case "leave":
    case "policy":
    case "profile":
    case "role":
    case undefined:
      return undefined;
    default:
      return change satisfies never;
  }
}

function ignoreNotFound(error: unknown): void {
  if (!(error instanceof FastChatError && error.code === ErrorCode.NOT_FOUND)) throw error;
}

/** The server refuses to answer: one goes on without. */
function ignoreRefusal(error: unknown): undefined {
  if (!(error instanceof FastChatError)) throw error;
}
