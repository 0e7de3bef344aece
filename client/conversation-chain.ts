import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { accountId, type ConversationId, isHash } from "@fastchat/protocol";
import {
  applyConversationLink,
  type ConversationResult,
  type ConversationState,
  type VerifiedAccounts,
  verifyEvidence,
} from "@fastchat/protocol/chain";
import { ConversationLinkSchema, type LinkEntry, LinkEntrySchema } from "@fastchat/protocol/wire/conversation";
import type { KnownAccounts } from "./accounts.ts";
import { breathe } from "./breathe.ts";
import { keys, prefixes, put, read, remove, schemas, sequenceOfKey } from "./records.ts";
import { decodeLargeSnapshot, encodeLargeSnapshot } from "./snapshot.ts";
import { type Change, prefixRange, type Storage } from "./storage.ts";

/** A larger group's state is encoded that seldom: after so many links. */
const SAVED_EVERY = 16;
const LARGE_GROUP = 64;
/** Evidence of so many accounts is worth a look at what is known. */
const RECALLED_FROM = 8;
/** So many states of accounts are remembered at most; they are verified again when they are needed again. */
const VERIFIED_AT_MOST = 20_000;

interface Place {
  /** Sequence number of the link. */
  readonly sequence: number;
  readonly state: ConversationState;
}

/**
 * The chain of one conversation: verified link by link, once. The newest state is kept as a snapshot; earlier ones are
 * computed again from the links when an old page of the log asks what counted there [S3].
 */
export class ConversationChain {
  readonly conversation: ConversationId;
  readonly #storage: Storage;
  readonly #verified: VerifiedAccounts;
  readonly #accounts: KnownAccounts | undefined;
  /** Ascending; complete from the first link on only when `#complete`. */
  #places: Place[] = [];
  #complete = true;
  /** Index of the newest link of which the state is stored. */
  #saved = 0;
  /** Where the links with these indexes stand. */
  #sequences: Map<number, number> | undefined;

  /** @param accounts chains that were verified before need not be again */
  constructor(storage: Storage, conversation: ConversationId, verified: VerifiedAccounts, accounts?: KnownAccounts) {
    this.#accounts = accounts;
    this.#storage = storage;
    this.conversation = conversation;
    this.#verified = verified;
  }

  async load(): Promise<void> {
    const record = await read(this.#storage, keys.chain(this.conversation), schemas.chain);
    if (record === undefined) return;
    const state = await decodeLargeSnapshot<ConversationState>(record.snapshot);
    this.#complete = false;
    if (state === undefined) return this.#rebuild();
    this.#places = await this.#extended([{ sequence: record.sequence, state }]);
    this.#saved = state.head.index;
  }

  /** After all links known. */
  get state(): ConversationState | undefined {
    return this.#places.at(-1)?.state;
  }

  /** Sequence number of the newest link that counted; 0: none. */
  get sequence(): number {
    return this.#places.at(-1)?.sequence ?? 0;
  }

  /** What counts for an entry at this place: the state after all links before it. */
  async at(sequence: number): Promise<ConversationState | undefined> {
    const first = this.#places[0];
    if (!this.#complete && (first === undefined || first.sequence >= sequence)) await this.#rebuild();
    return this.#places.findLast((place) => place.sequence < sequence)?.state;
  }

  async apply(entry: LinkEntry, state: ConversationState | undefined): Promise<ConversationResult> {
    if (this.#verified.size > VERIFIED_AT_MOST) this.#verified.clear();
    await this.#recall(entry);
    await verifyEvidence(state, entry, this.#verified, breathe);
    if (entry.evidence.length < LARGE_GROUP) return applyConversationLink(state, entry, this.#verified);
    await breathe();
    const result = applyConversationLink(state, entry, this.#verified);
    await breathe();
    return result;
  }

  /** Accounts that are known here at the very heads that come with evidence: this only saves the time of verifying them again. */
  async #recall({ evidence }: LinkEntry): Promise<void> {
    const accounts = evidence.flatMap(({ account }) => (isHash(account) ? [accountId(account)] : []));
    if (accounts.length < RECALLED_FROM || this.#accounts === undefined) return;
    for (const { state } of (await this.#accounts.all(accounts)).values()) this.#verified.set(state.head.hash, state);
  }

  /** To be called after the changes of `save` are committed. */
  advance(places: readonly Place[]): void {
    this.#places.push(...places);
    for (const { state, sequence } of places) this.#sequences?.set(state.head.index, sequence);
    if (places.some(({ state }) => this.#isDue(state))) this.#saved = places.at(-1)!.state.head.index;
  }

  /** The state after the newest of these links, where it is due to be stored; the links themselves always are. */
  async save(places: readonly Place[]): Promise<Change[]> {
    const place = places.at(-1);
    if (place === undefined || !places.some(({ state }) => this.#isDue(state))) return [];
    const record = create(schemas.chain, { snapshot: await encodeLargeSnapshot({ ...place.state }), sequence: place.sequence });
    return [put(keys.chain(this.conversation), schemas.chain, record)];
  }

  #isDue({ members, head }: ConversationState): boolean {
    return members.size < LARGE_GROUP || head.index === 1 || head.index >= this.#saved + SAVED_EVERY;
  }

  saveLink(sequence: number, entry: LinkEntry): Change {
    return { kind: "put", key: keys.link(this.conversation, sequence), value: toBinary(LinkEntrySchema, entry) };
  }

  /** The links behind this place, in order. */
  async linksAfter(sequence: number): Promise<{ readonly sequence: number; readonly entry: LinkEntry }[]> {
    const range = { ...prefixRange(prefixes.links(this.conversation)), from: keys.link(this.conversation, sequence + 1) };
    const stored = await this.#storage.range(range);
    return stored.map(({ key, value }) => ({ sequence: sequenceOfKey(key), entry: fromBinary(LinkEntrySchema, value) }));
  }

  /**
   * [H6] The links behind this place stand at others from now on, in the same order: the chain stays what it is [G5]. The changes are to be committed,
   * `done` called afterwards.
   */
  async placeAgain(
    after: number,
    sequences: readonly number[],
  ): Promise<{ readonly changes: readonly Change[]; readonly done: () => void }> {
    const moved = await this.linksAfter(after);
    if (moved.length !== sequences.length) throw new RangeError("a place for each link");
    await this.#rebuild();
    const places = new Map(moved.map(({ sequence }, index) => [sequence, sequences[index]!]));
    const changes: Change[] = [
      ...moved.map(({ sequence }) => remove(keys.link(this.conversation, sequence))),
      ...moved.map(({ entry }, index) => this.saveLink(sequences[index]!, entry)),
    ];
    const again = this.#places.map(({ sequence, state }) => ({ state, sequence: places.get(sequence) ?? sequence }));
    const last = again.at(-1);
    if (last !== undefined) {
      const snapshot = await encodeLargeSnapshot({ ...last.state });
      changes.push(put(keys.chain(this.conversation), schemas.chain, create(schemas.chain, { snapshot, sequence: last.sequence })));
    }
    const done = () => {
      this.#places = again;
      this.#saved = last?.state.head.index ?? 0;
      this.#sequences = undefined;
    };
    return { changes, done };
  }

  /** Where the link with this index stands in the log; undefined when it is not stored here. */
  async sequenceOf(index: number): Promise<number | undefined> {
    if (this.#sequences === undefined) {
      const sequences = new Map<number, number>();
      for (const { key, value } of await this.#storage.range(prefixRange(prefixes.links(this.conversation)))) {
        sequences.set(linkIndexOf(value), sequenceOfKey(key));
      }
      this.#sequences = sequences;
    }
    return this.#sequences.get(index);
  }

  /** The body of the link with this index, as received; undefined when it is not stored here. */
  async linkBody(index: number): Promise<Uint8Array | undefined> {
    const sequence = await this.sequenceOf(index);
    const value = sequence === undefined ? undefined : await this.#storage.get(keys.link(this.conversation, sequence));
    return value && fromBinary(LinkEntrySchema, value).link?.body;
  }

  async #rebuild(): Promise<void> {
    this.#places = await this.#extended([]);
    this.#complete = true;
  }

  /** Applies the stored links behind these places, or all. */
  async #extended(begun: readonly Place[]): Promise<Place[]> {
    const places = [...begun];
    const from = keys.link(this.conversation, (places.at(-1)?.sequence ?? 0) + 1);
    for (const { key, value } of await this.#storage.range({ ...prefixRange(prefixes.links(this.conversation)), from })) {
      const result = await this.apply(fromBinary(LinkEntrySchema, value), places.at(-1)?.state);
      if (result.kind === "valid") places.push({ sequence: sequenceOfKey(key), state: result.state });
      // In a large group one takes tens of milliseconds.
      await breathe();
    }
    return places;
  }
}

const linkIndexOf = (value: Uint8Array): number =>
  fromBinary(ConversationLinkSchema, fromBinary(LinkEntrySchema, value).link?.body ?? new Uint8Array(0)).index;
