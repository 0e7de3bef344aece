import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { accountId, type AccountId, type ConversationId, type DeviceId, idBytes, isHash } from "@fastchat/protocol";
import { type ConversationResult, type ConversationState, isEntitled, isTooMuchEvidence, newestEpoch } from "@fastchat/protocol/chain";
import { entryHash, equal } from "@fastchat/protocol/seal";
import { type Entry, type LinkEntry, LinkEntrySchema, type SealedKey } from "@fastchat/protocol/wire/conversation";
import { AccountForked, type KnownAccounts, type Learned } from "./accounts.ts";
import { breathe } from "./breathe.ts";
import type { Connection } from "./connection.ts";
import type { ConversationChain } from "./conversation-chain.ts";
import { type EpochKeys, type LinkBodyOf, pagesOfCopies } from "./epoch-keys.ts";
import {
  RevokedDeviceSchema,
  StoredErasedSchema,
  type StoredEntry,
  type StoredNotice,
} from "./generated/fastchat/profile/v1/profile_pb.ts";
import { keepProfile, lastProfileOf, openGroupProfile, recordStep, signedProfileOf } from "./group-record.ts";
import { type LogDraft, witnessRecord } from "./log-check.ts";
import { doubtOf, isMessage, type MessageEntry, type ReadMessage, readMessage, storedBase, storeMessage } from "./log-page.ts";
import { evidenceNotice, incarnationNotice, invalidLinkNotice, linkMismatchNotice, linkNotices, profileSentence } from "./notices.ts";
import { keys } from "./records.ts";
import { believableTime } from "./server-words.ts";
import type { Storage } from "./storage.ts";
import { withdrawnBy } from "./withdrawals.ts";

/** Accounts taken in between two pauses. */
const LEARNED_AT_ONCE = 64;

export interface LogReaderParts {
  readonly storage: Storage;
  readonly me: { readonly account: AccountId; readonly device: DeviceId };
  readonly accounts: KnownAccounts;
  readonly connection: Pick<Connection, "request">;
  /** An own message was stored that refers to a manifest of the vault [P4]. */
  readonly onReference: (manifest: Uint8Array) => void;
  readonly listener: LogListener;
}

/** Told after the commit. */
export interface LogListener {
  onFork(error: AccountForked): void;
  /** Who decides about whom in a group may be another now: roles, or the policy. */
  onRules(conversation: ConversationId): void;
  /** These accounts became members of a group. */
  onJoined(conversation: ConversationId, accounts: readonly AccountId[]): void;
}

/** Reads entries of one conversation's log into a draft: verifies links, opens messages [C3], [S3]. Commits nothing. */
export class LogReader {
  readonly #id: ConversationId;
  readonly #parts: LogReaderParts;
  readonly #chain: ConversationChain;
  readonly #epochKeys: EpochKeys;
  readonly #nameOf: (account: Uint8Array) => Promise<string>;
  /** When it was last looked whose devices were revoked. */
  #revokedKnown: { readonly state: ConversationState; readonly changes: number } | undefined;
  /** Epochs whose copies the server was asked for since the connection began. */
  readonly #askedKeys = new Set<number>();
  /** Drafts with a link that let this account in. */
  readonly #askedAgain = new WeakSet<LogDraft>();

  constructor(
    id: ConversationId,
    parts: LogReaderParts,
    chain: ConversationChain,
    epochKeys: EpochKeys,
    nameOf: (account: Uint8Array) => Promise<string>,
  ) {
    this.#id = id;
    this.#parts = parts;
    this.#chain = chain;
    this.#epochKeys = epochKeys;
    this.#nameOf = nameOf;
  }

  newSession(): void {
    this.#askedKeys.clear();
  }

  /** Reads entries into the draft, in order; stops before one that this software does not understand. */
  async read(draft: LogDraft, entries: readonly Entry[], copies: readonly SealedKey[]): Promise<void> {
    await this.#noteRevoked(draft);
    for (let start = 0; start < entries.length;) {
      const entry = entries[start]!;
      let end = start + 1;
      if (isMessage(entry)) {
        while (end < entries.length && isMessage(entries[end]!)) end++;
        await this.#readMessages(draft, entries.slice(start, end), copies);
      } else if (!(await this.#readOther(draft, entry, copies))) {
        break;
      }
      start = end;
    }
    await this.readProfile(draft);
  }

  /**
   * [C1] Devices of which this device knows by now that they were revoked, and of which this conversation does not know it yet. Whatever
   * they have in the log beyond this place is kept apart, however it comes.
   */
  async #noteRevoked({ record, done }: LogDraft): Promise<void> {
    const { state } = this.#chain;
    const { changes } = this.#parts.accounts;
    if (state === undefined || record.high === 0) return;
    // As long as nothing new is known of anybody, nothing new is known here.
    if (this.#revokedKnown?.state === state && this.#revokedKnown.changes === changes) return;
    done.push(() => (this.#revokedKnown = { state, changes }));
    for (const { account, chain } of state.members.values()) {
      const known = (await this.#parts.accounts.get(account))?.state;
      for (const { device, status } of known?.devices.values() ?? []) {
        if (status.kind !== "revoked" || chain.devices.get(device)?.status.kind === "revoked") continue;
        const bytes = idBytes(device);
        if (!record.revoked.some((each) => equal(each.device, bytes)))
          record.revoked.push(create(RevokedDeviceSchema, { device: bytes, high: record.high }));
      }
    }
  }

  async #readMessages(draft: LogDraft, entries: readonly Entry[], copies: readonly SealedKey[]): Promise<void> {
    const state = await this.#stateAt(draft, entries[0]!.sequence);
    // Those opened with a link of this very page are not committed yet.
    const keyOf = async (epoch: number) => draft.keys.get(epoch) ?? (await this.#epochKeys.get(epoch));
    if (state !== undefined) {
      const epochs = new Set(entries.filter(isMessage).map((entry) => entry.body.value.epoch));
      const missing: number[] = [];
      for (const epoch of epochs) if (epoch >= 1 && epoch <= state.epochs.length && (await keyOf(epoch)) === undefined) missing.push(epoch);
      if (missing.length > 0) {
        await this.obtainKeys(draft, state, missing, copies);
      }
    }
    const messages = entries.filter(isMessage);
    const opened = await Promise.all(messages.map((entry) => readMessage(this.#id, entry, state, keyOf)));
    for (const [place, entry] of messages.entries()) {
      const result = this.#judged(draft, entry, opened[place]!);
      const stored = this.#base(draft, entry);
      if (stored === undefined) return;
      this.takeMessage(draft, stored, entry, result);
    }
  }

  /** A message that was read, into its entry, with what follows from it. */
  takeMessage(draft: LogDraft, stored: StoredEntry, entry: MessageEntry, result: ReadMessage): void {
    const doubt = doubtOf(draft.record, entry);
    storeMessage(stored, entry, result, doubt);
    draft.stored.set(entry.sequence, stored);
    draft.withdrawn.push(...withdrawnBy(entry, result, doubt));
    this.#noteReference(draft, result);
  }

  #noteReference(draft: LogDraft, message: ReadMessage): void {
    if (message.kind === "unreadable" || message.author.account !== this.#parts.me.account) return;
    const { manifest } = message.content;
    if (manifest.length > 0) draft.done.push(() => this.#parts.onReference(manifest));
  }

  /** A key that this account is not meant to have does not come late: the message was written before its time [S3]. */
  #judged({ record, places }: LogDraft, entry: Entry, read: ReadMessage): ReadMessage {
    if (read.kind !== "unreadable" || read.reason !== "key" || entry.body.case !== "message") return read;
    const newest = places.at(-1)?.state ?? this.#chain.state;
    if (newest === undefined || newest.kind === "direct") return read;
    const isOut = !newest.members.has(this.#parts.me.account);
    if (isOut || entry.sequence < (record.group?.memberSince ?? 0)) return { kind: "unreadable", reason: "before-joining" };
    return isEntitled(newest, this.#parts.me.account, entry.body.value.epoch) ? read : { kind: "unreadable", reason: "missed-joining" };
  }

  /** Whether what is written in the newest epoch of this state is this account's to read. */
  #isMeant({ places }: LogDraft, state: ConversationState | undefined): boolean {
    const newest = places.at(-1)?.state ?? this.#chain.state;
    return state === undefined || newest === undefined || isEntitled(newest, this.#parts.me.account, newestEpoch(state).epoch);
  }

  readonly #bodyOf =
    (draft: LogDraft): LinkBodyOf =>
    async (index) =>
      draft.links.get(index)?.link?.body ?? this.#chain.linkBody(index);

  /** [C8] Opens the newest profile where that is possible now and was not before. */
  async readProfile(draft: LogDraft): Promise<void> {
    const { record } = draft;
    const state = draft.places.at(-1)?.state ?? this.#chain.state;
    const { group } = record;
    if (state === undefined || group === undefined || signedProfileOf(record) !== undefined) return;
    // Beside the newest link it may be garbage, or sealed for others.
    for (const place of new Set(group.profilePlaces)) {
      const key = draft.keys.get(place.epoch) ?? (await this.#epochKeys.get(place.epoch));
      if (key === undefined) continue;
      const drafted = draft.places.find(({ sequence }) => sequence === place.link)?.state.head.index;
      const link = drafted === undefined ? await this.#storedLink(place.link) : draft.links.get(drafted);
      const profile = link && (await openGroupProfile(record, { id: this.#id, state }, link, place, key));
      if (profile === undefined) continue;
      const told = draft.stored.get(place.link)?.notices.find(({ kind }) => kind === "profile");
      if (told !== undefined) told.text = profileSentence(told.text, lastProfileOf(record), profile);
      return keepProfile(record, profile);
    }
  }

  async #storedLink(sequence: number): Promise<LinkEntry | undefined> {
    const value = await this.#parts.storage.get(keys.link(this.#id, sequence));
    return value && fromBinary(LinkEntrySchema, value);
  }

  /** False: the chain stops here until it is complete. */
  async #readOther(draft: LogDraft, entry: Entry, copies: readonly SealedKey[]): Promise<boolean> {
    const stored = this.#base(draft, entry);
    if (stored === undefined) {
      draft.record.updateNeeded = true;
      return false;
    }
    switch (entry.body.case) {
      case "link": {
        const known = await this.#parts.storage.get(keys.link(this.#id, entry.sequence));
        stored.body = { case: "link", value: { $typeName: "fastchat.profile.v1.StoredLink" } };
        const isBelow = entry.sequence <= this.#chain.sequence;
        if (isBelow) {
          if (known === undefined || !sameLink(fromBinary(LinkEntrySchema, known), entry.body.value))
            stored.notices.push(linkMismatchNotice());
          else {
            const before = await this.#chain.at(entry.sequence);
            const result = await this.#chain.apply(entry.body.value, before);
            if (result.kind === "valid") stored.notices.push(...this.#noticesOf(draft, before, result));
          }
        } else {
          const state = await this.#stateAt(draft, entry.sequence);
          draft.stored.set(entry.sequence, stored);
          const result = await this.applyLink(draft, entry, entry.body.value, state, copies);
          if (result === "stop") {
            draft.stored.delete(entry.sequence);
            return false;
          }
        }
        break;
      }
      case "incarnation":
        stored.body = { case: "incarnation", value: witnessRecord(entry.body.value) };
        stored.notices.push(incarnationNotice());
        break;
      case "erased": {
        const notMeant = !this.#isMeant(draft, await this.#stateAt(draft, entry.sequence));
        stored.body = { case: "erased", value: create(StoredErasedSchema, { notMeant }) };
        break;
      }
      case "message":
      case undefined:
        break;
      default:
        entry.body satisfies never;
    }
    draft.stored.set(entry.sequence, stored);
    return true;
  }

  /** Undefined for an entry of a kind that this software does not know: not even its hash can be told. */
  #base(draft: LogDraft, entry: Entry): StoredEntry | undefined {
    const hash = entryHash(entry);
    if (hash === undefined) return undefined;
    const before = draft.stored.get(entry.sequence - 1)?.time ?? (entry.sequence === draft.record.high + 1 ? draft.record.time : 0n);
    return storedBase(entry, hash, believableTime(entry.time > before ? entry.time : before));
  }

  async #stateAt(draft: LogDraft, sequence: number): Promise<ConversationState | undefined> {
    return draft.places.findLast((place) => place.sequence < sequence)?.state ?? (await this.#chain.at(sequence));
  }

  /** The state after the link: the same as before when it does not count. "stop": incomplete [G4]. */
  async applyLink(
    draft: LogDraft,
    entry: Entry,
    link: LinkEntry,
    state: ConversationState | undefined,
    copies: readonly SealedKey[],
  ): Promise<ConversationState | undefined | "stop"> {
    let complete = link;
    let result = await this.#chain.apply(complete, state);
    if (result.kind === "incomplete" && result.reason === "evidence") {
      complete = await this.#completed(
        link,
        result.missing.map(({ account }) => account),
        state,
      );
      result = await this.#chain.apply(complete, state);
    }
    const stored = draft.stored.get(entry.sequence);
    if (result.kind === "incomplete" && result.reason === "version") {
      draft.record.updateNeeded = true;
      return "stop";
    }
    if (result.kind === "incomplete" && result.reason === "evidence") return "stop";
    if (result.kind !== "valid" || !this.#isOwn(result.state)) {
      stored?.notices.push(invalidLinkNotice(await this.#nameOf(entry.account)));
      return state;
    }
    if (complete !== link) stored?.notices.push(evidenceNotice());
    draft.places.push({ sequence: entry.sequence, state: result.state });
    draft.links.set(result.state.head.index, complete);
    draft.changes.push(this.#chain.saveLink(entry.sequence, complete));
    const { account: me } = this.#parts.me;
    recordStep(draft.record, me, { before: state, after: result.state, author: result.author, sequence: entry.sequence });
    stored?.notices.push(...this.#noticesOf(draft, state, result));
    await this.#learn(draft, result.state, complete);
    if (result.changes.some(({ kind }) => kind === "role-changed" || kind === "policy-changed")) {
      draft.done.push(() => this.#parts.listener.onRules(this.#id));
    }
    const joined = result.changes.flatMap((change) =>
      change.kind === "added" ? [change.account] : change.kind === "created" ? change.members : [],
    );
    if (result.state.kind === "group" && joined.length > 0) draft.done.push(() => this.#parts.listener.onJoined(this.#id, joined));
    if (result.changes.some(({ kind }) => kind === "epoch-opened")) {
      const { epoch } = newestEpoch(result.state);
      // Who was here before has entries that older keys may open; a device that begins asks for all keys once it has all links.
      const letsInAgain = draft.record.group?.memberSince === entry.sequence && draft.record.high > 0;
      if (letsInAgain) await this.#obtainGiven(draft, result.state, copies);
      else await this.#open(draft, result.state, [epoch], copies);
    }
    return result.state;
  }

  /**
   * [C2] [G2] Whether a chain is of this conversation: a direct one of two accounts, this one among them, as the id commits to. A group is
   * never taken for the conversation with one of its members; whether this account ever was one of them, its record tells.
   */
  #isOwn({ conversation, kind, members }: ConversationState): boolean {
    return conversation === this.#id && (kind === "group" || members.has(this.#parts.me.account));
  }

  #noticesOf(draft: LogDraft, before: ConversationState | undefined, step: Extract<ConversationResult, { kind: "valid" }>): StoredNotice[] {
    const { changes, state, author } = step;
    return linkNotices({ changes, before, after: state, author: author.account, me: this.#parts.me.account });
  }

  /** [C3] Evidence that this device has already, or that the server gives under the account's name. */
  async #completed(link: LinkEntry, missing: readonly Uint8Array[], state: ConversationState | undefined): Promise<LinkEntry> {
    const evidence = [...link.evidence];
    for (const bytes of missing) {
      const account = accountId(bytes);
      const known = await this.#parts.accounts.refresh(account).catch(() => this.#parts.accounts.get(account));
      if (known === undefined) continue;
      const from = state?.members.get(account)?.chain.head.index ?? 0;
      evidence.push({ $typeName: "fastchat.v1.AccountChainPart", account: bytes, links: known.links.slice(from) });
    }
    return create(LinkEntrySchema, { link: link.link!, evidence });
  }

  async #learn(draft: LogDraft, state: ConversationState, { evidence }: LinkEntry): Promise<void> {
    if (isTooMuchEvidence(evidence)) return;
    let learning: Learned[] = [];
    // An account is true by itself: of many, most are stored ahead, in pieces, so that one commit does not hold up everything.
    const keep = async () => {
      await this.#parts.storage.commit(learning.flatMap(({ changes }) => changes));
      for (const { done } of learning) done();
      learning = [];
    };
    for (const part of evidence) {
      if (learning.length >= LEARNED_AT_ONCE) {
        await keep();
        await breathe();
      }
      const member = isHash(part.account) ? state.members.get(accountId(part.account)) : undefined;
      if (member === undefined) continue;
      try {
        // What earlier links of this page brought is not known yet where it goes with the page's own commit.
        const links = [...(draft.evidence.get(member.account) ?? []), ...part.links];
        draft.evidence.set(member.account, links);
        const learned = await this.#parts.accounts.learn(member.chain, links);
        learning.push(learned);
      } catch (error) {
        if (!(error instanceof AccountForked)) throw error;
        if (!draft.record.forkedAccounts.some((account) => equal(account, part.account))) {
          draft.record.forkedAccounts.push(part.account);
          draft.record.forked = true;
        }
        draft.done.push(() => this.#parts.listener.onFork(error));
      }
    }
    draft.changes.push(...learning.flatMap(({ changes }) => changes));
    draft.done.push(...learning.map(({ done }) => done));
    if (evidence.length >= LEARNED_AT_ONCE) await breathe();
  }

  async #open(draft: LogDraft, state: ConversationState, epochs: readonly number[], copies: readonly SealedKey[]): Promise<void> {
    const opened = await this.#epochKeys.open(state, epochs, copies, this.#bodyOf(draft), draft.keys);
    draft.changes.push(...opened.changes);
    draft.done.push(opened.done);
    for (const [epoch, key] of opened.opened) draft.keys.set(epoch, key);
  }

  /** [C4] The keys that are this account's now and are not here. */
  async #obtainGiven(draft: LogDraft, state: ConversationState, copies: readonly SealedKey[]): Promise<void> {
    const missing: number[] = [];
    for (const { epoch } of state.epochs) {
      if (!isEntitled(state, this.#parts.me.account, epoch) || draft.keys.has(epoch)) continue;
      if ((await this.#epochKeys.get(epoch)) === undefined) missing.push(epoch);
    }
    // Asked before in this session, they were not to be had; where one is let in again and again, the server gave all of them the first time.
    if (!this.#askedAgain.has(draft)) for (const epoch of missing) this.#askedKeys.delete(epoch);
    this.#askedAgain.add(draft);
    await this.obtainKeys(draft, state, missing, copies);
  }

  /** Keys of these epochs, into the draft: from the copies at hand, else from the server, asked once in a session. */
  async obtainKeys(draft: LogDraft, state: ConversationState, epochs: readonly number[], copies: readonly SealedKey[]): Promise<void> {
    await this.#open(draft, state, epochs, copies);
    const missing = epochs.filter((epoch) => !draft.keys.has(epoch) && !this.#askedKeys.has(epoch)).sort((one, other) => one - other);
    for (const epoch of missing) this.#askedKeys.add(epoch);
    const given: SealedKey[] = [];
    for (const fromEpoch of pagesOfCopies(state.epochs, missing)) {
      const page = { case: "fetchSealedKeys", value: { conversation: idBytes(this.#id), fromEpoch } } as const;
      given.push(...(await this.#parts.connection.request(page, "sealedKeys")).keys);
    }
    if (missing.length > 0) await this.#open(draft, state, missing, given);
  }
}

function sameLink(one: LinkEntry, other: LinkEntry): boolean {
  const bytes = ({ link }: LinkEntry) => toBinary(LinkEntrySchema, create(LinkEntrySchema, { link: link! }));
  return one.link !== undefined && other.link !== undefined && equal(bytes(one), bytes(other));
}
