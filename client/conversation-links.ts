import { create } from "@bufbuild/protobuf";
import { type AccountId, type DeviceId, ErrorCode, FastChatError, idBytes, limits } from "@fastchat/protocol";
import {
  type ConversationChange,
  type ConversationState,
  directCreate,
  draftLink,
  finishLink,
  isClosed,
  newestEpoch,
  type OpeningPlan,
} from "@fastchat/protocol/chain";
import {
  accountPublicKeyHash,
  equal,
  keyIdOf,
  newEpochKey,
  random,
  sealedKeysHash,
  sealEpochKey,
  signKeyRequest,
} from "@fastchat/protocol/seal";
import { KeyRequestSchema, type SealedKey } from "@fastchat/protocol/wire/conversation";
import type { KnownAccount, KnownAccounts } from "./accounts.ts";
import type { Connection } from "./connection.ts";
import type { Conversation } from "./conversation.ts";
import { Lane } from "./lane.ts";

const ATTEMPTS = 8;

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

export interface ConversationLinksParts {
  readonly author: LinkAuthor;
  readonly accounts: KnownAccounts;
  readonly connection: Pick<Connection, "request">;
  /** Whether somebody's identity waits to be accepted [A3]. */
  readonly isIdentityChanged: (account: AccountId) => Promise<boolean>;
}

/**
 * Writes links into conversations: `create`, `heads` and `rekey` where the rules ask for them before a message.
 *
 * The dance: read to the end of the log; decide by the state there what is missing; write one link on top of it; read it
 * back from the log, and decide again. The server takes a link only on the head it was written for, so whoever lost a race
 * reads the winner's link and may find that nothing is missing any more [C3].
 */
export class ConversationLinks {
  readonly #parts: ConversationLinksParts;
  readonly #lanes = new Map<Conversation, Lane>();
  /** Accounts whose newest head was asked for since the connection began. */
  #asked = new Set<AccountId>();

  constructor(parts: ConversationLinksParts) {
    this.#parts = parts;
  }

  /** A new connection: heads may have moved unseen. */
  newSession(): void {
    this.#asked = new Set();
  }

  /** Brings a conversation to where this device may send. Throws SendingBlocked, FastChatError, ConnectionLost. */
  prepare(conversation: Conversation): Promise<Sealable> {
    const lane = this.#lanes.get(conversation) ?? new Lane();
    this.#lanes.set(conversation, lane);
    return lane.run(() => this.#prepare(conversation));
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
      const known = await this.#knownMembers(state);
      const recorded = conversation.isOwnDeviceRecorded(state);
      if (recorded === "ended") throw new FastChatError(ErrorCode.DEVICE_REVOKED);
      const turnKnown = [...known.values()].some((each) => losesRight(state, each));
      const key = await conversation.epochKeys.get(newestEpoch(state).epoch);
      if (state.turnDue || turnKnown) {
        await this.#write(conversation, state, known, { case: "rekey", value: { reason: "somebody lost the right to read" } }, "fresh");
      } else if (recorded === "unknown") {
        await this.#write(conversation, state, known, { case: "headsOnly", value: {} });
      } else if (key === undefined) {
        await this.#heal(conversation, state, known);
      } else {
        if (conversation.record.forked) throw new SendingBlocked("forked");
        for (const account of state.members.keys()) {
          if (await this.#parts.isIdentityChanged(account)) throw new SendingBlocked("identity-changed");
        }
        return { state, epoch: newestEpoch(state).epoch, key };
      }
    }
    throw new FastChatError(ErrorCode.UNAVAILABLE, { detail: "Others changed this conversation again and again; it is tried later." });
  }

  /** Makes the direct conversation unless it exists; whoever comes second uses what the first made [C2]. */
  async #create(conversation: Conversation): Promise<void> {
    await conversation.lookAgain().catch(ignoreNotFound);
    if (conversation.chain.state !== undefined) return;
    const { account } = this.#parts.author;
    const { peer } = conversation;
    if (peer === undefined) throw new FastChatError(ErrorCode.NOT_FOUND);
    if (await this.#parts.isIdentityChanged(peer)) throw new SendingBlocked("identity-changed");
    const known = new Map<AccountId, KnownAccount>();
    for (const member of new Set([account, peer])) known.set(member, await this.#newest(member));
    if ([...known.values()].some(({ state }) => state.closed)) throw new FastChatError(ErrorCode.ACCOUNT_CLOSED);
    await this.#write(conversation, undefined, known, directCreate(account, peer, random(32)), "fresh");
  }

  /** [C6] Asks for the key of the newest epoch; who still has none after a while opens a new one. */
  async #heal(conversation: Conversation, state: ConversationState, known: ReadonlyMap<AccountId, KnownAccount>): Promise<void> {
    const { epoch } = newestEpoch(state);
    if (await conversation.retryKeys([epoch])) return;
    const { account, device, signingSeed } = this.#parts.author;
    const parts = { conversation: idBytes(conversation.id), epoch, account: idBytes(account), device: idBytes(device), counter: 1 };
    const request = create(KeyRequestSchema, { ...parts, signature: await signKeyRequest(signingSeed, parts) });
    await this.#parts.connection.request({ case: "sendKeyRequest", value: { request } }, "keyRequested").catch(ignoreRefusal);
    await new Promise((resolve) => setTimeout(resolve, limits.healingMs));
    conversation.newSession();
    await conversation.lookAgain();
    if (await conversation.retryKeys([epoch])) return;
    if (conversation.chain.state !== state) return;
    await this.#write(conversation, state, known, { case: "rekey", value: { reason: "the key could not be opened" } }, "fresh");
  }

  async #knownMembers(state: ConversationState): Promise<Map<AccountId, KnownAccount>> {
    const known = new Map<AccountId, KnownAccount>();
    for (const account of state.members.keys()) known.set(account, await this.#newest(account));
    return known;
  }

  /** The newest head known, asked for once in a session; afterwards the server tells of moves. */
  async #newest(account: AccountId): Promise<KnownAccount> {
    if (this.#asked.has(account)) return this.#parts.accounts.need(account);
    const known = await this.#parts.accounts.refresh(account);
    // Without its account key the server is asked again.
    if (known.publicKey !== undefined) this.#asked.add(account);
    return known;
  }

  async #write(
    conversation: Conversation,
    state: ConversationState | undefined,
    known: ReadonlyMap<AccountId, KnownAccount>,
    change: ConversationChange,
    opening?: "fresh",
  ): Promise<void> {
    const { account, device, signingSeed } = this.#parts.author;
    const plan = { state, author: { account, device }, known, change };
    const withoutKey = opening === undefined ? [] : unsealable(state, known);
    // The one person who should read it could not: better it waits until the server gives the key that the chain names.
    if (withoutKey.length > 0 && (state?.kind ?? "direct") === "direct") {
      throw new FastChatError(ErrorCode.SIGNATURE_INVALID, { detail: "The server does not give the account key that the chain names." });
    }
    const drafted = draftLink(opening === undefined ? plan : { ...plan, opening: { kind: opening, withoutKey } });
    if (drafted.kind === "invalid") throw new FastChatError(ErrorCode.LINK_INVALID, { detail: drafted.reason });
    const { draft } = drafted;
    const made = draft.opening && (await makeEpoch(draft.opening, known));
    if (made !== undefined) conversation.epochKeys.expect(made.keyId, made.key);
    const entry = finishLink(draft, signingSeed, made && { keyId: made.keyId, sealedKeysHash: sealedKeysHash(made.copies) });
    try {
      const { sequence } = await this.#parts.connection.request(
        { case: "appendLink", value: { conversation: idBytes(conversation.id), entry, sealedKeys: made?.copies ?? [] } },
        "appended",
      );
      conversation.noteHead(sequence);
      await conversation.catchUp();
    } catch (error) {
      const code = error instanceof FastChatError ? error.code : undefined;
      if (code === ErrorCode.EVIDENCE_MISSING) this.newSession();
      // Somebody else's link came first: it is read, and everything decided anew.
      else if (code !== ErrorCode.STALE_HEAD && code !== ErrorCode.LINK_INVALID) throw error;
      const before = conversation.record.high;
      await conversation.lookAgain();
      if (code === ErrorCode.LINK_INVALID && conversation.record.high === before) throw error;
    }
  }
}

/** Members whose account key is not at hand as the chain names it [C4]. */
function unsealable(state: ConversationState | undefined, known: ReadonlyMap<AccountId, KnownAccount>): AccountId[] {
  const members = state === undefined ? known.keys() : state.members.keys();
  return [...members].filter((account) => known.get(account)?.publicKey === undefined && known.get(account)?.state.closed === false);
}

/** Whether somebody lost the right to read by links that are not recorded here yet, and can be: on another branch they cannot [G5]. */
function losesRight({ members }: ConversationState, { state }: KnownAccount): boolean {
  const recorded = members.get(state.account)?.chain.head;
  if (recorded === undefined) return state.lastTurn > 0;
  return state.lastTurn > recorded.index && state.hashes[recorded.index - 1] === recorded.hash;
}

async function makeEpoch(opening: OpeningPlan, known: ReadonlyMap<AccountId, KnownAccount>) {
  const key = newEpochKey();
  const copies: SealedKey[] = [];
  for (const { account, generation, publicKeyHash } of opening.recipients) {
    const publicKey = known.get(account)?.publicKey;
    if (publicKey === undefined || !equal(accountPublicKeyHash(publicKey), publicKeyHash)) {
      throw new FastChatError(ErrorCode.UNAVAILABLE, { detail: "An account key is not at hand." });
    }
    const copy = await sealEpochKey(key, opening.context, opening.epoch, { account, generation, publicKey });
    if (copy === undefined) throw new FastChatError(ErrorCode.UNAVAILABLE, { detail: "Nobody can seal to an account key." });
    copies.push(copy);
  }
  return { key, keyId: keyIdOf(opening.context, key), copies };
}

function ignoreNotFound(error: unknown): void {
  if (!(error instanceof FastChatError && error.code === ErrorCode.NOT_FOUND)) throw error;
}

/** The server may limit requests for keys; the own rekey does not need them. */
function ignoreRefusal(error: unknown): void {
  if (!(error instanceof FastChatError)) throw error;
}
