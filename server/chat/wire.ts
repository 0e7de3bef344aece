import { create, toBinary } from "@bufbuild/protobuf";
import { type ConversationId, type ErrorCode, errorRow, idBytes, limits } from "@fastchat/protocol";
import {
  EntrySchema,
  type SealedKey,
  SealedKeySchema,
  type SealedMessage,
  SealedMessageSchema,
} from "@fastchat/protocol/wire/conversation";
import { type Error as WireError, ErrorSchema } from "@fastchat/protocol/wire/error";
import { EntriesSchema, SentSchema, type ServerFrame, ServerFrameSchema, ServerPacketSchema } from "@fastchat/protocol/wire/frames";
import { entryKinds, erasedBody, type StoredEntry } from "../store/entries.ts";
import { Bytes, bytesSize, numberSize } from "./bytes.ts";

// A log holds bodies as bytes, and one entry goes to many sockets: frames with entries are put together from encoded pieces, without reading
// them again. Like acknowledgements they are written by hand: the generated code takes a third of what a message costs. wire.test.ts compares both.

export type AnswerBody = Exclude<ServerFrame["body"], { case: undefined }>;

/** A frame, ready to be put into a packet. Many sockets send the same one. */
export class EncodedFrame {
  readonly bytes: Uint8Array;
  #alone: Uint8Array | undefined;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  get length(): number {
    return this.bytes.length;
  }

  /** The packet of this frame alone: made once, the same bytes for every socket. */
  get alone(): Uint8Array {
    this.#alone ??= packetOf([this]);
    return this.#alone;
  }
}

export function encodeFrame(request: number, body: AnswerBody): EncodedFrame {
  return new EncodedFrame(toBinary(ServerFrameSchema, create(ServerFrameSchema, { request, body })));
}

export function wireError(code: ErrorCode, detail?: string, retryAfterMs?: number): WireError {
  const row = errorRow(code);
  return create(ErrorSchema, { code, detail: detail ?? row.sentence, retryAfterMs: retryAfterMs ?? row.retryAfterMs });
}

const field = (name: string, numbers: Record<string, { readonly number: number }>): number => {
  const found = numbers[name];
  if (found === undefined) throw new Error(`the schema has no field ${name}`);
  return found.number;
};
const entryFields = {
  sequence: field("sequence", EntrySchema.field),
  time: field("time", EntrySchema.field),
  account: field("account", EntrySchema.field),
  device: field("device", EntrySchema.field),
};
const bodyFields: Readonly<Record<number, number>> = {
  [entryKinds.message]: field("message", EntrySchema.field),
  [entryKinds.link]: field("link", EntrySchema.field),
  [entryKinds.incarnation]: field("incarnation", EntrySchema.field),
  [entryKinds.erased]: field("erased", EntrySchema.field),
  [entryKinds.withdrawn]: field("erased", EntrySchema.field),
};
const entriesFields = {
  conversation: field("conversation", EntriesSchema.field),
  entries: field("entries", EntriesSchema.field),
  head: field("head", EntriesSchema.field),
  sealedKeys: field("sealedKeys", EntriesSchema.field),
};
const sentFields = { sequence: field("sequence", SentSchema.field), time: field("time", SentSchema.field) };
const messageFields = {
  clientMessageId: field("clientMessageId", SealedMessageSchema.field),
  epoch: field("epoch", SealedMessageSchema.field),
  blobs: field("blobs", SealedMessageSchema.field),
  ciphertext: field("ciphertext", SealedMessageSchema.field),
};
const frameFields = {
  request: field("request", ServerFrameSchema.field),
  sent: field("sent", ServerFrameSchema.field),
  entries: field("entries", ServerFrameSchema.field),
};
const packetFrames = field("frames", ServerPacketSchema.field);

/** A SealedMessage, as it is stored. */
export function encodeMessage(message: SealedMessage): Uint8Array {
  const { clientMessageId, epoch, blobs, withdraws, ciphertext, $unknown } = message;
  if (withdraws.length > 0 || $unknown !== undefined) return toBinary(SealedMessageSchema, message);
  const blobsSize = blobs.reduce((sum, blob) => sum + bytesSize(blob.length), 0);
  const bytes = new Bytes(bytesSize(clientMessageId.length) + numberSize(epoch) + blobsSize + bytesSize(ciphertext.length));
  bytes.field(messageFields.clientMessageId, clientMessageId).number(messageFields.epoch, epoch);
  for (const blob of blobs) bytes.field(messageFields.blobs, blob);
  return bytes.field(messageFields.ciphertext, ciphertext).finish();
}

/** A ServerFrame that holds Sent. */
export function encodeSent(request: number, sequence: number, time: number): EncodedFrame {
  const size = numberSize(sequence) + numberSize(time);
  const bytes = new Bytes(numberSize(request) + bytesSize(size)).number(frameFields.request, request).head(frameFields.sent, size);
  return new EncodedFrame(bytes.number(sentFields.sequence, sequence).number(sentFields.time, time).finish());
}

/** An Entry. */
export function encodeEntry(entry: StoredEntry): Uint8Array {
  const { sequence, time, account, device, kind } = entry;
  const bodyField = bodyFields[kind];
  if (bodyField === undefined) throw new RangeError(`an entry of kind ${kind}`);
  const body = kind === entryKinds.withdrawn ? erasedBody(entry) : entry.body;
  const ids = bytesSize(account.length) + bytesSize(device.length);
  return new Bytes(numberSize(sequence) + numberSize(time) + ids + bytesSize(body.length))
    .number(entryFields.sequence, sequence)
    .number(entryFields.time, time)
    .field(entryFields.account, account)
    .field(entryFields.device, device)
    .field(bodyField, body)
    .finish();
}

export interface EntriesFrame {
  readonly request: number;
  readonly conversation: ConversationId;
  /** As `encodeEntry` gives them, ascending. */
  readonly entries: readonly Uint8Array[];
  readonly head: number;
  readonly sealedKeys: readonly SealedKey[];
}

/** A ServerFrame that holds Entries. */
export function encodeEntries({ request, conversation, entries, head, sealedKeys }: EntriesFrame): EncodedFrame {
  const id = idBytes(conversation);
  const keys = sealedKeys.map((key) => toBinary(SealedKeySchema, key));
  const sizes = (pieces: readonly Uint8Array[]) => pieces.reduce((sum, { length }) => sum + bytesSize(length), 0);
  const size = bytesSize(id.length) + sizes(entries) + (head === 0 ? 0 : numberSize(head)) + sizes(keys);
  const bytes = new Bytes((request === 0 ? 0 : numberSize(request)) + bytesSize(size));
  if (request !== 0) bytes.number(frameFields.request, request);
  bytes.head(frameFields.entries, size).field(entriesFields.conversation, id);
  for (const entry of entries) bytes.field(entriesFields.entries, entry);
  if (head !== 0) bytes.number(entriesFields.head, head);
  for (const key of keys) bytes.field(entriesFields.sealedKeys, key);
  return new EncodedFrame(bytes.finish());
}

/** From here on it is dearer to copy a frame into a packet with others than to send it by itself. */
const LARGE_FRAME_BYTES = 16_384;

/** What a frame takes in a packet besides its bytes, at most. */
const FRAME_OVERHEAD = 6;

/** Frames gathered into packets within the limits, in order; every frame alone fits into one. */
export function encodePackets(frames: readonly EncodedFrame[]): Uint8Array[] {
  const packets: Uint8Array[] = [];
  let some: EncodedFrame[] = [];
  let bytes = 0;
  const close = () => {
    const [first] = some;
    if (first !== undefined) packets.push(some.length === 1 ? first.alone : packetOf(some));
    some = [];
    bytes = 0;
  };
  for (const frame of frames) {
    const size = frame.length + FRAME_OVERHEAD;
    const large = frame.length >= LARGE_FRAME_BYTES;
    if (large || some.length >= limits.framesPerPacket || bytes + size > limits.packetBytes) close();
    some.push(frame);
    bytes += size;
    if (large) close();
  }
  close();
  return packets;
}

function packetOf(frames: readonly EncodedFrame[]): Uint8Array {
  const bytes = new Bytes(frames.reduce((sum, { length }) => sum + bytesSize(length), 0));
  for (const frame of frames) bytes.field(packetFrames, frame.bytes);
  return bytes.finish();
}
