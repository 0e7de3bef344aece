import type { AccountId, ConversationId, DeviceId } from "@fastchat/protocol";

/** The first half of a conversation's id: enough to find it among those that somebody here is a member of, and half as long. */
export type ConversationPrefix = string;

const PREFIX_BYTES = 16;
const ENTRY_BYTES = PREFIX_BYTES + 4;

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
  readonly heads: readonly { readonly prefix: ConversationPrefix; readonly head: number }[];
  readonly hints: readonly Hint[];
}

/**
 * Splits what is to be said into payloads of at most `largest` bytes; one, nearly always: the heads of a full append batch fit into one.
 * `number` is called once a payload, in order.
 */
export function encodeHints(
  run: string,
  heads: ReadonlyMap<ConversationId, number>,
  hints: readonly Hint[],
  largest: number,
  number: () => number,
): string[] {
  const payloads: string[] = [];
  const envelopeBytes = run.length + 40;
  let records: Buffer[] = [];
  let others: string[] = [];
  let size = envelopeBytes;
  const close = () => {
    payloads.push(
      `{"r":${JSON.stringify(run)},"n":${number()},"e":"${Buffer.concat(records).toString("base64")}","h":[${others.join(",")}]}`,
    );
    records = [];
    others = [];
    size = envelopeBytes;
  };
  for (const [conversation, head] of heads) {
    const bytes = Math.ceil(ENTRY_BYTES / 3) * 4;
    if (size + bytes > largest) close();
    const record = Buffer.alloc(ENTRY_BYTES);
    record.write(prefixOf(conversation), "hex");
    record.writeUInt32BE(head, PREFIX_BYTES);
    records.push(record);
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

/** Undefined for what is no payload of ours; others may notify on the channel, too. */
export function decodeHints(payload: string): HintMessage | undefined {
  let read: { r?: unknown; n?: unknown; e?: unknown; h?: unknown };
  try {
    read = JSON.parse(payload) as typeof read;
  } catch {
    return undefined;
  }
  if (typeof read.r !== "string" || typeof read.n !== "number" || typeof read.e !== "string" || !Array.isArray(read.h)) return undefined;
  const packed = Buffer.from(read.e, "base64");
  const heads: { prefix: ConversationPrefix; head: number }[] = [];
  for (let at = 0; at + ENTRY_BYTES <= packed.length; at += ENTRY_BYTES) {
    heads.push({ prefix: packed.toString("hex", at, at + PREFIX_BYTES), head: packed.readUInt32BE(at + PREFIX_BYTES) });
  }
  return { run: read.r, number: read.n, heads, hints: read.h.filter(isHint) };
}

/** What is pushed; an older server's, which says not behind which link, is left: it may get lost. */
const pushed: ReadonlySet<string> = new Set<Hint[0]>(["slot", "signal", "key-request"]);

function isHint(value: unknown): value is Hint {
  if (!Array.isArray(value) || typeof value[0] !== "string") return false;
  return typeof value[1] === "string" && /^[0-9a-f]{64}$/.test(value[1]) && (!pushed.has(value[0]) || Number.isSafeInteger(value[3]));
}
