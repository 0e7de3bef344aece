import { create, toBinary } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { type ConversationId, type ErrorCode, errorRow, idBytes, limits } from "@fastchat/protocol";
import { EntrySchema, type SealedKey, SealedKeySchema } from "@fastchat/protocol/wire/conversation";
import { type Error as WireError, ErrorSchema } from "@fastchat/protocol/wire/error";
import { EntriesSchema, type ServerFrame, ServerFrameSchema, ServerPacketSchema } from "@fastchat/protocol/wire/frames";
import { entryKinds, erasedBody, type StoredEntry } from "../store/entries.ts";

// A log holds bodies as bytes, and one entry goes to many sockets: frames with entries are put together from encoded pieces, without reading
// them again. wire.test.ts compares the result with that of the generated code.

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
const frameFields = { request: field("request", ServerFrameSchema.field), entries: field("entries", ServerFrameSchema.field) };
const packetFrames = field("frames", ServerPacketSchema.field);

/** An Entry. */
export function encodeEntry(entry: StoredEntry): Uint8Array {
  const bodyField = bodyFields[entry.kind];
  if (bodyField === undefined) throw new RangeError(`an entry of kind ${entry.kind}`);
  return new BinaryWriter()
    .tag(entryFields.sequence, WireType.Varint)
    .uint32(entry.sequence)
    .tag(entryFields.time, WireType.Varint)
    .uint64(entry.time)
    .tag(entryFields.account, WireType.LengthDelimited)
    .bytes(entry.account)
    .tag(entryFields.device, WireType.LengthDelimited)
    .bytes(entry.device)
    .tag(bodyField, WireType.LengthDelimited)
    .bytes(entry.kind === entryKinds.withdrawn ? erasedBody(entry) : entry.body)
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
  const writer = new BinaryWriter();
  if (request !== 0) writer.tag(frameFields.request, WireType.Varint).uint32(request);
  writer.tag(frameFields.entries, WireType.LengthDelimited).fork();
  writer.tag(entriesFields.conversation, WireType.LengthDelimited).bytes(idBytes(conversation));
  for (const entry of entries) writer.tag(entriesFields.entries, WireType.LengthDelimited).bytes(entry);
  if (head !== 0) writer.tag(entriesFields.head, WireType.Varint).uint32(head);
  for (const key of sealedKeys) writer.tag(entriesFields.sealedKeys, WireType.LengthDelimited).bytes(toBinary(SealedKeySchema, key));
  return new EncodedFrame(writer.join().finish());
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
  const writer = new BinaryWriter();
  for (const { bytes } of frames) writer.tag(packetFrames, WireType.LengthDelimited).bytes(bytes);
  return writer.finish();
}
