import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import type { ConversationId } from "@fastchat/protocol";
import { applyConversationLink, type ConversationResult, type ConversationState, type VerifiedAccounts } from "@fastchat/protocol/chain";
import { type LinkEntry, LinkEntrySchema } from "@fastchat/protocol/wire/conversation";
import { keys, prefixes, put, read, schemas, sequenceOfKey } from "./records.ts";
import { decodeSnapshot, encodeSnapshot } from "./snapshot.ts";
import { type Change, prefixRange, type Storage } from "./storage.ts";

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
  /** Ascending; complete from the first link on only when `#complete`. */
  #places: Place[] = [];
  #complete = true;

  constructor(storage: Storage, conversation: ConversationId, verified: VerifiedAccounts) {
    this.#storage = storage;
    this.conversation = conversation;
    this.#verified = verified;
  }

  async load(): Promise<void> {
    const record = await read(this.#storage, keys.chain(this.conversation), schemas.chain);
    if (record === undefined) return;
    const state = decodeSnapshot<ConversationState>(record.snapshot);
    this.#complete = false;
    if (state !== undefined) this.#places = [{ sequence: record.sequence, state }];
    else await this.#rebuild();
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

  apply(entry: LinkEntry, state: ConversationState | undefined): ConversationResult {
    return applyConversationLink(state, entry, this.#verified);
  }

  /** To be called after the changes of `save` are committed. */
  advance(places: readonly Place[]): void {
    this.#places.push(...places);
  }

  save(place: Place): Change {
    const record = create(schemas.chain, { snapshot: encodeSnapshot(place.state), sequence: place.sequence });
    return put(keys.chain(this.conversation), schemas.chain, record);
  }

  saveLink(sequence: number, entry: LinkEntry): Change {
    return { kind: "put", key: keys.link(this.conversation, sequence), value: toBinary(LinkEntrySchema, entry) };
  }

  async #rebuild(): Promise<void> {
    const places: Place[] = [];
    for (const { key, value } of await this.#storage.range(prefixRange(prefixes.links(this.conversation)))) {
      const result = this.apply(fromBinary(LinkEntrySchema, value), places.at(-1)?.state);
      if (result.kind === "valid") places.push({ sequence: sequenceOfKey(key), state: result.state });
    }
    this.#places = places;
    this.#complete = true;
  }
}
