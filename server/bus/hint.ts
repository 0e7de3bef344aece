import { type AccountId, type ConversationId, type DeviceId, limits } from "@fastchat/protocol";
import type { Head } from "./bus.ts";
import { isTagOf, packTold, tagBytes, tagOf, type ToldEntries, unpackTold } from "./told-entries.ts";

/** The first half of a conversation's id: enough to find it among those that somebody here is a member of, and half as long. */
export type ConversationPrefix = string;

const PREFIX_BYTES = 16;
export const HEAD_BYTES = PREFIX_BYTES + 4;

export const prefixOf = (conversation: ConversationId): ConversationPrefix => conversation.slice(0, 2 * PREFIX_BYTES);

/** What one chat server tells the others besides new entries. Binary fields are base64. */
export type Hint =
  /** The link with this sequence number brought members. */
  | readonly ["members", ConversationId, number]
  /** Somebody asks to join. */
  | readonly ["join-asked", ConversationId]
  /** An account chain grew to this index and hash (hex). */
  | readonly ["account", AccountId, number, string]
  /** A device was revoked or signed out. */
  | readonly ["ended", DeviceId]
  /** An account was closed. */
  | readonly ["closed", AccountId]
  /** Another device was signed in in its place. */
  | readonly ["replaced", DeviceId]
  | readonly ["vault", AccountId, number]
  /** Somebody came or went. */
  | readonly ["presence", AccountId]
  /** SealedSlot; sequence number of the newest link when it was let in. */
  | readonly ["slot", ConversationId, string, number]
  /** SealedSignal; the same. */
  | readonly ["signal", ConversationId, string, number]
  /** KeyRequest; the same. */
  | readonly ["key-request", ConversationId, string, number];

/** One notification: everything that one server had to say since its last one. */
export interface HintMessage {
  readonly run: string;
  /** One more than the run's notification before; 0: not counted (a gateway's). */
  readonly number: number;
  /** Newest sequence numbers. */
  readonly heads: readonly Head[];
  /** Some of what lies up to those heads: none where it would not fit. */
  readonly entries: readonly ToldEntries[];
  readonly hints: readonly Hint[];
}

export interface ToEncode {
  readonly run: string;
  /** Of conversations, by their ids or the first half of those. */
  readonly heads: ReadonlyMap<ConversationPrefix, number>;
  readonly hints: readonly Hint[];
  /** Go along where they fit into the first payload with all heads. */
  readonly entries?: readonly ToldEntries[];
  /** Of the installation; without it no entries go along. */
  readonly key?: Uint8Array;
  /** Bytes. */
  readonly largest: number;
  /** Called once a payload, in order. */
  readonly number: () => number;
}

/** Splits what is to be said into payloads; one, nearly always: the heads of a full append batch fit into one. */
export function encodeHints({ run, heads, hints, entries = [], key, largest, number }: ToEncode): string[] {
  const payloads: string[] = [];
  const envelopeBytes = run.length + 40;
  let records: Buffer[] = [];
  let others: string[] = [];
  let size = envelopeBytes;
  let packed = key === undefined || entries.length === 0 ? undefined : packTold(entries);
  if (packed !== undefined) {
    const bytes = base64Bytes(packed.length) + base64Bytes(tagBytes) + 14;
    if (size + bytes + heads.size * base64Bytes(HEAD_BYTES) > largest) packed = undefined;
    else size += bytes;
  }
  const close = () => {
    const count = number();
    const told = packed && `,"m":"${packed.toString("base64")}","t":"${tagOf(key!, run, count, packed).toString("base64")}"`;
    payloads.push(`${startOf(run)}"n":${count},"e":"${Buffer.concat(records).toString("base64")}","h":[${others.join(",")}]${told ?? ""}}`);
    packed = undefined;
    records = [];
    others = [];
    size = envelopeBytes;
  };
  for (const [conversation, head] of heads) {
    const bytes = base64Bytes(HEAD_BYTES);
    if (size + bytes > largest) close();
    records.push(packHead(conversation, head));
    size += bytes;
  }
  for (const hint of hints) {
    const text = JSON.stringify(hint);
    // A hint that fits into no payload is dropped: hints may get lost.
    if (envelopeBytes + text.length + 1 > largest) continue;
    if (size + text.length + 1 > largest) close();
    others.push(text);
    size += text.length + 1;
  }
  if (records.length > 0 || others.length > 0) close();
  return payloads;
}

function packHead(conversation: ConversationPrefix, head: number): Buffer {
  const record = Buffer.allocUnsafe(HEAD_BYTES);
  record.write(conversation, 0, PREFIX_BYTES, "hex");
  record.writeUInt32BE(Math.min(Math.max(head, 0), limits.largestNumber), PREFIX_BYTES);
  return record;
}

export const packHeads = (heads: Iterable<Head>): Buffer => Buffer.concat(Array.from(heads, ({ prefix, head }) => packHead(prefix, head)));

/** What is too short for one at the end is left. */
export function unpackHeads(packed: Buffer): Head[] {
  const heads: Head[] = [];
  for (let at = 0; at + HEAD_BYTES <= packed.length; at += HEAD_BYTES) {
    heads.push({ prefix: packed.toString("hex", at, at + PREFIX_BYTES), head: packed.readUInt32BE(at + PREFIX_BYTES) });
  }
  return heads;
}

const base64Bytes = (bytes: number): number => Math.ceil(bytes / 3) * 4;

/** With which each payload of a run begins. */
export const startOf = (run: string): string => `{"r":${JSON.stringify(run)},`;

export const isOf = (run: string, payload: string): boolean => payload.startsWith(startOf(run));

/** Undefined for what is no payload of ours; others may notify on the channel, too. Entries that are not under the key are left out. */
export function decodeHints(payload: string, key?: Uint8Array): HintMessage | undefined {
  let read: { r?: unknown; n?: unknown; e?: unknown; h?: unknown; m?: unknown; t?: unknown };
  try {
    read = Object(JSON.parse(payload)) as typeof read;
  } catch {
    return undefined;
  }
  if (typeof read.r !== "string" || !isNumber(read.n) || typeof read.e !== "string" || !Array.isArray(read.h)) return undefined;
  const packed = Buffer.from(read.e, "base64");
  const { r: run, n: number, m: told, t: tag } = read;
  const bytes = typeof told === "string" && typeof tag === "string" ? Buffer.from(told, "base64") : undefined;
  const isTrue = key !== undefined && bytes !== undefined && isTagOf(Buffer.from(tag as string, "base64"), key, run, number, bytes);
  return { run, number, heads: unpackHeads(packed), entries: isTrue ? unpackTold(bytes) : [], hints: read.h.filter(isHint) };
}

const isNumber = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

/** A sequence number. */
const isPlace = (value: unknown): boolean => isNumber(value) && value <= limits.largestNumber;

/** What is pushed; an older server's, which says not behind which link, is left: it may get lost. */
const pushed: ReadonlySet<string> = new Set<Hint[0]>(["slot", "signal", "key-request"]);

function isHint(value: unknown): value is Hint {
  if (!Array.isArray(value) || typeof value[0] !== "string") return false;
  return (
    typeof value[1] === "string" &&
    /^[0-9a-f]{64}$/.test(value[1]) &&
    (!pushed.has(value[0]) || isPlace(value[3])) &&
    (value[0] !== "members" || isPlace(value[2]))
  );
}
