import { create, toBinary } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { type ConversationId, type ErrorCode, errorRow, idBytes, limits } from "@fastchat/protocol";
import { EntrySchema, type SealedKey, SealedKeySchema } from "@fastchat/protocol/wire/conversation";
import { type Error as WireError, ErrorSchema } from "@fastchat/protocol/wire/error";
import { EntriesSchema, type ServerFrame, ServerFrameSchema, ServerPacketSchema } from "@fastchat/protocol/wire/frames";
import { entryKinds, type StoredEntry } from "../store/entries.ts";

// A log holds bodies as bytes, and one entry goes to many sockets: frames with entries are put together from encoded pieces, without reading
// them again. wire.test.ts compares the result with that of the generated code.

export type AnswerBody = Exclude<ServerFrame["body"], { case: undefined }>;

/** A frame, ready to be put into a packet. */
export type EncodedFrame = Uint8Array;

export function encodeFrame(request: number, body: AnswerBody): EncodedFrame {
  return toBinary(ServerFrameSchema, create(ServerFrameSchema, { request, body }));
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
    .bytes(entry.body)
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
  return writer.join().finish();
}

/** Frames gathered into packets within the limits; every frame alone fits into one. */
export function encodePackets(frames: readonly EncodedFrame[]): Uint8Array[] {
  const packets: Uint8Array[] = [];
  let writer = new BinaryWriter();
  let count = 0;
  let bytes = 0;
  for (const frame of frames) {
    if (count > 0 && (count >= limits.framesPerPacket || bytes + frame.length + 6 > limits.packetBytes)) {
      packets.push(writer.finish());
      writer = new BinaryWriter();
      count = 0;
      bytes = 0;
    }
    writer.tag(packetFrames, WireType.LengthDelimited).bytes(frame);
    count += 1;
    bytes += frame.length + 6;
  }
  if (count > 0) packets.push(writer.finish());
  return packets;
}
