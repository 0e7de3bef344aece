import { create } from "@bufbuild/protobuf";
import { accountId, type AccountId, FastChatError, idBytes, limits } from "@fastchat/protocol";
import { newestEpoch } from "@fastchat/protocol/chain";
import { equal, openSlot, sealSlot } from "@fastchat/protocol/seal";
import { type SealedSlot, type SlotContent, SlotContentSchema } from "@fastchat/protocol/wire/conversation";
import { breathe } from "./breathe.ts";
import { type Connection, ConnectionLost } from "./connection.ts";
import type { LinkAuthor } from "./conversation-links.ts";
import type { Conversation } from "./conversation.ts";
import type { MemberSlot } from "./generated/fastchat/profile/v1/profile_pb.ts";
import { countReceipts } from "./group-record.ts";
import { sealedAuthor } from "./sealed-author.ts";

/** Receipts within this time go together. */
const COALESCE_MS = 50;
/** In a busy conversation, from one to the next: a tick is in time, and each costs all members more than a message does. */
export const SPACED_MS = 500;
/** What others say of one conversation is taken in at once where it is quiet, else this long after the last time. */
const TAKEN_EVERY_MS = 250;
/** In groups whose members are not told live. */
const COALESCE_LARGE_MS = 10_000;
const OPENED_AT_ONCE = 16;

export interface SlotsParts {
  readonly author: LinkAuthor;
  readonly connection: Pick<Connection, "request">;
  readonly isOnline: () => boolean;
  /** Conversations of which the others are told nothing: strangers', until they are accepted [C8]. */
  readonly isQuiet: (conversation: Conversation) => boolean;
  /** The others received or read more. `from` and `to`: sequence numbers, `from` excluded. */
  readonly onOthers: (conversation: Conversation, from: number, to: number) => void;
  readonly onUnexpected: (error: unknown) => void;
  /** Work of the session by itself. */
  readonly quietly: (work: Promise<unknown>) => void;
}

interface Arrived {
  readonly slots: SealedSlot[];
  timer: ReturnType<typeof setTimeout> | undefined;
}

/** [S5] What was delivered to and read by each member: one sealed value per account, the newest counts. */
export class Slots {
  readonly #parts: SlotsParts;
  readonly #due = new Map<Conversation, ReturnType<typeof setTimeout>>();
  /** When this account's was written last, as `performance.now()` tells it. */
  readonly #written = new WeakMap<Conversation, number>();
  /** What came since the last was taken in, a moment ago. */
  readonly #arrived = new Map<Conversation, Arrived>();

  constructor(parts: SlotsParts) {
    this.#parts = parts;
  }

  /** More was delivered to or read by this account: tells the others soon. */
  schedule(conversation: Conversation): void {
    if (this.#due.has(conversation) || !this.#parts.isOnline() || !isOutdated(conversation) || this.#parts.isQuiet(conversation)) return;
    const now = performance.now();
    const timer = setTimeout(
      () => {
        this.#due.delete(conversation);
        this.#write(conversation).catch((error: unknown) => {
          // Told with the next one, or after the next connection.
          if (!(error instanceof ConnectionLost || error instanceof FastChatError)) this.#parts.onUnexpected(error);
        });
      },
      isLarge(conversation) ? COALESCE_LARGE_MS : Math.max(COALESCE_MS, (this.#written.get(conversation) ?? -Infinity) + SPACED_MS - now),
    );
    this.#due.set(conversation, timer);
  }

  async fetch(conversation: Conversation): Promise<void> {
    const { slots } = await this.#parts.connection.request(
      { case: "fetchSlots", value: { conversation: idBytes(conversation.id) } },
      "slots",
    );
    await this.receive(conversation, slots);
  }

  async receive(conversation: Conversation, slots: readonly SealedSlot[]): Promise<void> {
    const arrived = this.#arrived.get(conversation);
    if (arrived !== undefined) return void arrived.slots.push(...slots);
    const next: Arrived = { slots: [], timer: undefined };
    this.#arrived.set(conversation, next);
    try {
      await this.#take(conversation, slots);
    } finally {
      // Closed meanwhile, it takes nothing any more.
      if (this.#arrived.get(conversation) === next) next.timer = setTimeout(() => this.#takeNext(conversation, next.slots), TAKEN_EVERY_MS);
    }
  }

  #takeNext(conversation: Conversation, slots: readonly SealedSlot[]): void {
    this.#arrived.delete(conversation);
    if (slots.length > 0) this.#parts.quietly(this.receive(conversation, slots));
  }

  /** In one commit. */
  async #take(conversation: Conversation, slots: readonly SealedSlot[]): Promise<void> {
    const { account: me } = this.#parts.author;
    const fresh: { readonly account: AccountId; readonly slot: SealedSlot; readonly content: SlotContent }[] = [];
    for (const slot of slots) {
      const content = await this.#open(conversation, slot);
      const known = content && placeOf(conversation.record, slot.account, me);
      if (content !== undefined && known !== undefined && isNewer(slot, known))
        fresh.push({ account: accountId(slot.account), slot, content });
    }
    if (fresh.length === 0) return;
    const { othersDelivered, othersRead } = conversation.record;
    const signed = fresh.flatMap(({ account, content: { delivered, read } }) => [delivered, read].map((witness) => ({ account, witness })));
    await conversation.claimed(signed, (record) => {
      for (const { slot, content } of fresh) note(record, slot, content, me);
      countReceipts(record);
    });
    const { record } = conversation;
    // Only what moved has another status now: who never reads has not the whole log looked through each time.
    const moved = [
      ...(record.othersDelivered > othersDelivered ? [othersDelivered] : []),
      ...(record.othersRead > othersRead ? [othersRead] : []),
    ];
    if (moved.length > 0) this.#parts.onOthers(conversation, Math.min(...moved), record.othersDelivered);
  }

  /** What each of the others signed to have, as the server has it now: also where a group is too large to be told live. */
  async receipts(conversation: Conversation): Promise<{ account: AccountId; delivered: number; read: number }[]> {
    const asked = { conversation: idBytes(conversation.id) };
    const { slots } = await this.#parts.connection.request({ case: "fetchSlots", value: asked }, "slots");
    const receipts = [];
    for (const [place, slot] of slots.entries()) {
      const opened = await this.#open(conversation, slot);
      if (opened !== undefined && accountId(slot.account) !== this.#parts.author.account) {
        const read = opened.read?.sequence ?? 0;
        receipts.push({ account: accountId(slot.account), delivered: Math.max(opened.delivered?.sequence ?? 0, read), read });
      }
      if (place % OPENED_AT_ONCE === 0) await breathe();
    }
    return receipts;
  }

  /** Tells now what was to be told soon. */
  async flush(): Promise<void> {
    const due = [...this.#due.keys()];
    this.#forget();
    await Promise.all(due.map((conversation) => this.#write(conversation)));
  }

  close(): void {
    this.#forget();
    for (const { timer } of this.#arrived.values()) clearTimeout(timer);
    this.#arrived.clear();
  }

  #forget(): void {
    for (const timer of this.#due.values()) clearTimeout(timer);
    this.#due.clear();
  }

  async #write(conversation: Conversation): Promise<void> {
    const { author, connection } = this.#parts;
    const { state } = conversation.chain;
    this.#written.set(conversation, performance.now());
    // Another device's, which wait: the next number follows theirs.
    await this.#take(conversation, this.#arrived.get(conversation)?.slots.splice(0) ?? []);
    if (state === undefined || !isOutdated(conversation) || conversation.ownDevice(state) !== "active") return;
    const { epoch, openingLink } = newestEpoch(state);
    const key = await conversation.epochKeys.get(epoch);
    if (key === undefined) return;
    const { high, readUpTo, ownSlotEpoch, ownSlotCounter } = conversation.record;
    const counter = epoch > ownSlotEpoch ? 1 : ownSlotCounter + 1;
    // Used up by somebody who has a device of this account: the next epoch begins anew.
    if (counter >= limits.largestNumber) return;
    const content: SlotContent = create(SlotContentSchema, {
      counter,
      delivered: await conversation.witnessAt(high),
    });
    if (readUpTo > 0) content.read = await conversation.witnessAt(readUpTo);
    const { account, device, signingSeed } = author;
    const slot = await sealSlot(key, { conversation: conversation.id, account, device, epoch, openingLink }, content, signingSeed);
    await connection.request({ case: "writeSlot", value: { conversation: idBytes(conversation.id), slot } }, "slotWritten");
    await conversation.update((record) => {
      if (isNewer({ epoch, counter }, { epoch: record.ownSlotEpoch, counter: record.ownSlotCounter })) {
        record.ownSlotEpoch = epoch;
        record.ownSlotCounter = counter;
      }
      record.deliveredWritten = Math.max(record.deliveredWritten, high);
      record.readWritten = Math.max(record.readWritten, readUpTo);
    });
    this.schedule(conversation);
  }

  async #open(conversation: Conversation, slot: SealedSlot): Promise<SlotContent | undefined> {
    const { state } = conversation.chain;
    const sealedBy = state && sealedAuthor(state, slot);
    const key = sealedBy && (await conversation.epochKeys.get(slot.epoch));
    if (sealedBy === undefined || key === undefined || slot.counter >= limits.largestNumber) return undefined;
    const opened = await openSlot(key, { conversation: conversation.id, ...sealedBy }, slot, sealedBy.signingKey);
    return opened.kind === "opened" ? opened.content : undefined;
  }
}

const isLarge = ({ chain }: Conversation): boolean => (chain.state?.members.size ?? 0) > limits.liveReceiptsMembers;

const slotOf = ({ memberSlots }: Conversation["record"], account: Uint8Array): MemberSlot | undefined =>
  memberSlots.find((slot) => equal(slot.account, account));

type SlotPlace = Pick<SealedSlot, "epoch" | "counter">;

/** Up to where an account's slots are known; undefined: nobody of whom anything is kept. */
function placeOf(record: Conversation["record"], account: Uint8Array, me: AccountId): SlotPlace | undefined {
  if (accountId(account) === me) return { epoch: record.ownSlotEpoch, counter: record.ownSlotCounter };
  return slotOf(record, account);
}

/** Unless a newer one was noted meanwhile. */
function note(record: Conversation["record"], slot: SealedSlot, content: SlotContent, me: AccountId): void {
  const known = placeOf(record, slot.account, me);
  if (known === undefined || !isNewer(slot, known)) return;
  const { epoch, counter } = slot;
  if (accountId(slot.account) === me) return void Object.assign(record, { ownSlotEpoch: epoch, ownSlotCounter: counter });
  const kept = slotOf(record, slot.account)!;
  const read = content.read?.sequence ?? 0;
  const delivered = Math.max(content.delivered?.sequence ?? 0, read);
  Object.assign(kept, { epoch, counter, delivered: Math.max(kept.delivered, delivered), read: Math.max(kept.read, read) });
}

/** Counters count within an epoch: what a revoked device left behind does not outlast the turn. */
const isNewer = (one: SlotPlace, other: SlotPlace): boolean =>
  one.epoch === other.epoch ? one.counter > other.counter : one.epoch > other.epoch;

/** Only what others wrote needs a receipt. */
function isOutdated({ record }: Conversation): boolean {
  return record.lastReceived > record.deliveredWritten || record.readUpTo > record.readWritten;
}
