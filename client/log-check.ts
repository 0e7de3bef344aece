import { create, fromBinary } from "@bufbuild/protobuf";
import { type AccountId, clientMessageId, type ClientMessageId, type ConversationId, idBytes } from "@fastchat/protocol";
import type { ConversationState } from "@fastchat/protocol/chain";
import { equal, runningHash, startHash, toHex } from "@fastchat/protocol/seal";
import type { SignedLink } from "@fastchat/protocol/wire/account";
import type { LinkEntry, Witness } from "@fastchat/protocol/wire/conversation";
import {
  type Claim,
  type Conversation as ConversationRecord,
  DeviceCountersSchema,
  type StoredEntry,
  type WitnessRecord,
  WitnessRecordSchema,
} from "./generated/fastchat/profile/v1/profile_pb.ts";
import { identityOf, storedMessage } from "./log-page.ts";
import { claimNotice, contradictionNotice, falseIncarnationNotice, orderNotice, runsTwiceNotice } from "./notices.ts";
import { keys, prefixes, read, schemas, sequenceOfKey } from "./records.ts";
import { type Change, prefixRange, type Storage } from "./storage.ts";
import type { Withdrawn } from "./withdrawals.ts";

/** Running hashes kept at hand: witnesses mostly name recent entries. */
const RECENT_HASHES = 4_096;

/** What a page changes, before it is committed. */
export interface LogDraft {
  readonly record: ConversationRecord;
  readonly stored: Map<number, StoredEntry>;
  readonly changes: Change[];
  readonly places: { sequence: number; state: ConversationState }[];
  /** Links of this page that count, by index. */
  readonly links: Map<number, LinkEntry>;
  /** Keys that were opened with this page, by epoch. */
  readonly keys: Map<number, Uint8Array>;
  /** Links of accounts that came with this page, by account; ascending. */
  readonly evidence: Map<AccountId, readonly SignedLink[]>;
  readonly done: (() => void)[];
  readonly ownIds: ClientMessageId[];
  /** What messages of this page delete [S5]. */
  readonly withdrawn: Withdrawn[];
}

/** Whether a log is whole and in order, as far as what people signed tells [S2], [S4]. Writes what it finds into the draft. */
export class LogCheck {
  readonly #storage: Storage;
  readonly #conversation: ConversationId;
  readonly #me: AccountId;
  readonly #nameOf: (account: Uint8Array) => Promise<string>;
  /** Of devices whose messages did not stand where they should, hex: where they are. */
  readonly #placed = new Map<string, Places>();
  /** Running hashes of entries read lately. */
  #recent = new Map<number, Uint8Array>();

  constructor(storage: Storage, conversation: ConversationId, me: AccountId, nameOf: (account: Uint8Array) => Promise<string>) {
    this.#storage = storage;
    this.#conversation = conversation;
    this.#me = me;
    this.#nameOf = nameOf;
  }

  /**
   * [S2] A device's messages stand in the log in the order of its counter. One that does not either was said before, by
   * a server that repeats, or comes from a second copy of the profile, or was moved.
   *
   * @param sequences ascending when reading forward, descending when reading back
   */
  async counters(draft: LogDraft, sequences: readonly number[], direction: "forward" | "back"): Promise<void> {
    for (const sequence of sequences) {
      const stored = draft.stored.get(sequence)!;
      const message = storedMessage(stored);
      if (message === undefined) continue;
      const { counter } = message.content;
      const placed = this.#placed.get(toHex(stored.device));
      const seen = draft.record.counters.find(({ device }) => equal(device, stored.device));
      if (seen === undefined) {
        draft.record.counters.push(create(DeviceCountersSchema, { device: stored.device, lowest: counter, highest: counter }));
        continue;
      }
      const inOrder = direction === "forward" ? counter > seen.highest : counter < seen.lowest;
      seen.highest = Math.max(seen.highest, counter);
      seen.lowest = Math.min(seen.lowest, counter);
      if (inOrder) {
        if (placed !== undefined) notePlace(placed, sequence, message.id, counter);
        continue;
      }
      const twin = await this.findTwin(draft, sequence, stored.device, counter, message.id);
      const name = await this.#nameOf(stored.account);
      if (twin === "same-message") stored.body = { case: "duplicate", value: { $typeName: "fastchat.profile.v1.StoredDuplicate" } };
      else stored.notices.push(twin === "same-counter" ? runsTwiceNotice(name) : orderNotice(name));
    }
  }

  /** Looks at everything stored once for each device whose messages do not stand in order. */
  async findTwin(
    draft: LogDraft,
    sequence: number,
    device: Uint8Array,
    counter: number,
    id: ClientMessageId,
  ): Promise<"same-message" | "same-counter" | undefined> {
    const places = await this.#placesOf(draft, device);
    const isElsewhere = (place: number | undefined): boolean => place !== undefined && place !== sequence;
    const found = isElsewhere(places.byId.get(id))
      ? "same-message"
      : isElsewhere(places.byCounter.get(counter))
        ? "same-counter"
        : undefined;
    notePlace(places, sequence, id, counter);
    return found;
  }

  /** Where a message stands that does not stand where it should; undefined: nowhere here. Looks at everything stored once for each such device. */
  async placeOf(draft: LogDraft, device: Uint8Array, id: ClientMessageId): Promise<number | undefined> {
    return (await this.#placesOf(draft, device)).byId.get(id);
  }

  async #placesOf(draft: LogDraft, device: Uint8Array): Promise<Places> {
    const known = this.#placed.get(toHex(device));
    if (known !== undefined) return known;
    const places: Places = { byId: new Map(), byCounter: new Map() };
    const stored = await this.#storage.range(prefixRange(prefixes.entries(this.#conversation)));
    for (const { key, value } of stored) notePlaces(places, sequenceOfKey(key), fromBinary(schemas.entry, value), device);
    for (const [place, entry] of draft.stored) notePlaces(places, place, entry, device);
    this.#placed.set(toHex(device), places);
    return places;
  }

  /** The log ends at this place from now on [H6]: what was known of the places behind it is not so any more. */
  async endAt(record: ConversationRecord, sequence: number): Promise<void> {
    for (const place of this.#recent.keys()) if (place > sequence) this.#recent.delete(place);
    this.#placed.clear();
    const incarnation = incarnationAt(record, sequence) ?? 0;
    const hash = (await read(this.#storage, keys.entry(this.#conversation, sequence), schemas.entry))?.runningHash ?? new Uint8Array(0);
    record.incarnationStarts = record.incarnationStarts.filter((start) => start <= sequence);
    record.incarnation = incarnation;
    if (hash.length > 0) record.newest = witnessRecord({ incarnation, sequence, hash });
    else {
      delete record.anchor;
      delete record.newest;
    }
  }

  /** Computes running hashes up to a place, where they have a beginning [S4]. */
  async extendHashes(draft: LogDraft, upTo = draft.record.high): Promise<void> {
    const { record } = draft;
    if (record.anchor === undefined && record.low === 1) this.#anchorAtStart(record);
    if (record.newest === undefined) return;
    let { incarnation, sequence, hash } = record.newest;
    while (sequence < upTo) {
      const entry = await this.entry(draft, sequence + 1);
      if (entry === undefined) break;
      if (entry.body.case === "incarnation") {
        const continued = entry.body.value;
        const isTrue = continued.incarnation === incarnation && continued.sequence === sequence && equal(continued.hash, hash);
        if (isTrue) {
          incarnation++;
          record.incarnationStarts.push(sequence + 1);
        } else entry.notices.push(falseIncarnationNotice());
      }
      sequence++;
      hash = runningHash(hash, sequence, entry.entryHash);
      entry.runningHash = hash;
      draft.stored.set(sequence, entry);
      this.#recent.set(sequence, hash);
    }
    record.incarnation = incarnation;
    record.newest = witnessRecord({ incarnation, sequence, hash });
    for (const old of this.#recent.keys()) {
      if (this.#recent.size <= RECENT_HASHES) break;
      this.#recent.delete(old);
    }
  }

  #anchorAtStart(record: ConversationRecord): void {
    record.anchor = witnessRecord({ incarnation: 0, sequence: 0, hash: startHash(this.#conversation) });
    record.newest = record.anchor;
    record.incarnationStarts = [];
  }

  async witnesses(draft: LogDraft, sequences: readonly number[]): Promise<void> {
    for (const sequence of sequences) {
      const entry = draft.stored.get(sequence)!;
      const witness = storedMessage(entry)?.content.witness;
      if (witness === undefined) continue;
      const verdict = await this.#judge(draft, sequence, witness);
      if (verdict === "contradicts") entry.notices.push(contradictionNotice(await this.#nameOf(entry.account)));
      if (verdict === "first" && draft.record.anchor === undefined && witness.sequence >= draft.record.low - 1) {
        // Nothing before is known here: from now on everything is held against what this author saw.
        draft.record.anchor = witnessRecord(witness);
        draft.record.newest = draft.record.anchor;
        draft.record.incarnationStarts = [];
        await this.extendHashes(draft);
      }
    }
  }

  async #judge(draft: LogDraft, sequence: number, witness: Witness): Promise<"agrees" | "contradicts" | "first"> {
    if (witness.sequence >= sequence) return "contradicts";
    const incarnation = incarnationAt(draft.record, witness.sequence);
    if (incarnation === undefined) return "first";
    if (witness.incarnation !== incarnation) return "contradicts";
    const known = await this.#hashAt(draft, witness.sequence);
    if (known === undefined) return "first";
    return equal(known, witness.hash) ? "agrees" : "contradicts";
  }

  /**
   * [S4] [S5] Compares what people signed outside the log about how far they have it, as far as this device has it from its start.
   *
   * @returns the places where something is shown now
   */
  async claims(draft: LogDraft): Promise<readonly number[]> {
    const { record } = draft;
    if (record.anchor?.sequence !== 0 || record.newest === undefined) return [];
    const waiting: Claim[] = [];
    const places: number[] = [];
    for (const claim of record.claims.toSorted((one, other) => one.witness!.sequence - other.witness!.sequence)) {
      const { incarnation, sequence, hash } = claim.witness!;
      if (sequence > record.newest.sequence) waiting.push(claim);
      if (sequence > record.newest.sequence) continue;
      const known = await this.#hashAt(draft, sequence);
      const agrees = incarnation === incarnationAt(record, sequence) && known !== undefined && equal(known, hash);
      if (known === undefined || agrees || record.contradicted.some((account) => equal(account, claim.account))) continue;
      const entry = await this.entry(draft, sequence);
      if (entry === undefined) continue;
      record.contradicted.push(claim.account);
      const isOwn = equal(claim.account, idBytes(this.#me));
      entry.notices.push(claimNotice(isOwn ? "Another of your devices" : await this.#nameOf(claim.account)));
      draft.stored.set(sequence, entry);
      places.push(sequence);
    }
    record.claims = waiting;
    return places;
  }

  /** Undefined while what comes before is not here. */
  async knownHashAt(record: ConversationRecord, sequence: number): Promise<Uint8Array | undefined> {
    if (record.anchor?.sequence !== 0) return undefined;
    const hash =
      this.#recent.get(sequence) ?? (await read(this.#storage, keys.entry(this.#conversation, sequence), schemas.entry))?.runningHash;
    return hash === undefined || hash.length === 0 ? undefined : hash;
  }

  async #hashAt(draft: LogDraft, sequence: number): Promise<Uint8Array | undefined> {
    const { anchor } = draft.record;
    if (anchor?.sequence === sequence) return anchor.hash;
    const hash = this.#recent.get(sequence) ?? (await this.entry(draft, sequence))?.runningHash;
    return hash === undefined || hash.length === 0 ? undefined : hash;
  }

  async entry(draft: LogDraft, sequence: number): Promise<StoredEntry | undefined> {
    return draft.stored.get(sequence) ?? (await read(this.#storage, keys.entry(this.#conversation, sequence), schemas.entry));
  }

  /**
   * The whole log is here now: every running hash and every witness in it can be checked. So many entries at once: a long log holds nothing up.
   *
   * @returns the places where something else is shown now
   */
  async fromStart(draft: LogDraft, count: number): Promise<readonly number[]> {
    const { record } = draft;
    if (record.anchor?.sequence !== 0) {
      this.#recent = new Map();
      this.#anchorAtStart(record);
    }
    const from = record.newest!.sequence + 1;
    const to = Math.min(record.high, from + count - 1);
    const shown = new Map<number, readonly string[]>();
    const range = { from: keys.entry(this.#conversation, from), to: keys.entry(this.#conversation, to + 1) };
    for (const { key, value } of await this.#storage.range(range)) {
      const entry = draft.stored.get(sequenceOfKey(key)) ?? fromBinary(schemas.entry, value);
      draft.stored.set(sequenceOfKey(key), entry);
      shown.set(sequenceOfKey(key), textsOf(entry));
      if (entry.notices.length === 0) continue;
      // Of what was held against a beginning that somebody only claimed.
      const found = [contradictionNotice(await this.#nameOf(entry.account)), falseIncarnationNotice()].map(({ text }) => text);
      entry.notices = entry.notices.filter((each) => !found.includes(each.text));
    }
    await this.extendHashes(draft, to);
    const sequences = [...draft.stored.keys()];
    await this.witnesses(draft, sequences);
    return sequences.filter((sequence) => {
      const [before, after] = [shown.get(sequence) ?? [], textsOf(draft.stored.get(sequence)!)];
      return before.length !== after.length || before.some((text, place) => text !== after[place]);
    });
  }
}

const textsOf = ({ notices }: StoredEntry): string[] => notices.map(({ text }) => text);

/** The incarnation that a place of the log belongs to; undefined before what is known of it. */
export function incarnationAt({ anchor, incarnationStarts }: ConversationRecord, sequence: number): number | undefined {
  if (anchor === undefined || sequence < anchor.sequence) return undefined;
  return anchor.incarnation + incarnationStarts.filter((start) => start <= sequence).length;
}

/** Where the messages of a device stand; the first place counts. */
interface Places {
  readonly byId: Map<ClientMessageId, number>;
  readonly byCounter: Map<number, number>;
}

function notePlaces(places: Places, sequence: number, entry: StoredEntry, device: Uint8Array): void {
  for (const each of [entry, ...entry.others]) {
    const said = equal(each.device, device) ? identityOf(each) : undefined;
    if (said !== undefined) notePlace(places, sequence, clientMessageId(said.id), said.counter);
  }
}

function notePlace({ byId, byCounter }: Places, sequence: number, id: ClientMessageId, counter: number): void {
  if (!byId.has(id)) byId.set(id, sequence);
  if (!byCounter.has(counter)) byCounter.set(counter, sequence);
}

export function witnessRecord({ incarnation, sequence, hash }: { incarnation: number; sequence: number; hash: Uint8Array }): WitnessRecord {
  return create(WitnessRecordSchema, { incarnation, sequence, hash });
}
