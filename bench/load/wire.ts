import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { create, toBinary } from "@bufbuild/protobuf";
import { limits } from "@fastchat/protocol";
import { ClientPacketSchema, HelloSchema } from "@fastchat/protocol/wire/frames";

// What a crowd speaks, written and read without objects, so that the driver costs little beside what it measures. Field numbers are those of
// frames.proto and conversation.proto; wire.test.ts holds them against the generated code.

/** What stands at the beginning of a body that the crowd makes up: when it was meant to be sent, by whom, and its number there. */
export const BODY_HEAD_BYTES = 16;

/** Microseconds of a clock that all processes of this machine share. */
export const now = (): number => Number(process.hrtime.bigint() / 1_000n);

export function helloPacket(ticket: Uint8Array): Uint8Array {
  const value = create(HelloSchema, { versions: [...limits.protocolVersions], suites: [...limits.suites], ticket, agent: "fastchat-load" });
  return toBinary(ClientPacketSchema, create(ClientPacketSchema, { frames: [{ request: 1, body: { case: "hello", value } }] }));
}

export interface OutgoingMessage {
  readonly request: number;
  readonly conversation: Uint8Array;
  readonly clientMessageId: Uint8Array;
  readonly epoch: number;
  readonly ciphertext: Uint8Array;
}

/** A packet of Sends. */
export function sendPacket(messages: readonly OutgoingMessage[]): Uint8Array {
  const writer = new BinaryWriter();
  for (const { request, conversation, clientMessageId, epoch, ciphertext } of messages) {
    writer.tag(1, WireType.LengthDelimited).fork();
    writer.tag(1, WireType.Varint).uint32(request);
    writer.tag(11, WireType.LengthDelimited).fork();
    writer.tag(1, WireType.LengthDelimited).bytes(conversation);
    writer.tag(2, WireType.LengthDelimited).fork();
    writer.tag(1, WireType.LengthDelimited).bytes(clientMessageId);
    writer.tag(2, WireType.Varint).uint32(epoch);
    writer.tag(5, WireType.LengthDelimited).bytes(ciphertext);
    writer.join().join().join();
  }
  return writer.finish();
}

/** What somebody has of a log. */
export interface Cursor {
  readonly conversation: Uint8Array;
  readonly sequence: number;
}

export function catchUpPacket(request: number, cursors: readonly Cursor[]): Uint8Array {
  const writer = new BinaryWriter().tag(1, WireType.LengthDelimited).fork().tag(1, WireType.Varint).uint32(request);
  writer.tag(13, WireType.LengthDelimited).fork();
  for (const { conversation, sequence } of cursors)
    writer
      .tag(1, WireType.LengthDelimited)
      .fork()
      .tag(1, WireType.LengthDelimited)
      .bytes(conversation)
      .tag(2, WireType.Varint)
      .uint32(sequence)
      .join();
  return writer.join().join().finish();
}

/** Asks for what follows in a log. */
export const fetchPacket = (request: number, { conversation, sequence }: Cursor): Uint8Array =>
  new BinaryWriter()
    .tag(1, WireType.LengthDelimited)
    .fork()
    .tag(1, WireType.Varint)
    .uint32(request)
    .tag(14, WireType.LengthDelimited)
    .fork()
    .tag(1, WireType.LengthDelimited)
    .bytes(conversation)
    .tag(2, WireType.Varint)
    .uint32(sequence)
    .tag(4, WireType.Varint)
    .uint32(limits.entriesPerPage)
    .join()
    .join()
    .finish();

export const pingPacket = (request: number): Uint8Array =>
  new BinaryWriter()
    .tag(1, WireType.LengthDelimited)
    .fork()
    .tag(1, WireType.Varint)
    .uint32(request)
    .tag(27, WireType.LengthDelimited)
    .bytes(new Uint8Array())
    .join()
    .finish();

/** `request` is 0 for what comes live. */
export interface Heard {
  welcomed(): void;
  sent(request: number): void;
  refused(request: number, code: number): void;
  /** A message of a conversation, in the order of the packet. `ciphertext` is undefined where the body is none that a crowd made. */
  entry(request: number, conversation: Uint8Array, sequence: number, ciphertext: Uint8Array | undefined): void;
  /** All entries of a frame came; the log was so long when it was made. */
  entries(request: number, conversation: Uint8Array, head: number): void;
  /** How long a log is, of those that a catch-up did not name so long. */
  stands(conversation: Uint8Array, head: number): void;
  /** All of them. */
  heads(): void;
  move(): void;
}

/** Tells what a packet from the server holds. */
export function readPacket(data: Uint8Array, heard: Heard): void {
  const reader = new BinaryReader(data);
  while (reader.pos < reader.len) {
    reader.tag();
    readFrame(reader, reader.uint32(), heard);
  }
}

function readFrame(reader: BinaryReader, length: number, heard: Heard): void {
  const end = reader.pos + length;
  let request = 0;
  while (reader.pos < end) {
    const [number, type] = reader.tag();
    switch (number) {
      case 1:
        request = reader.uint32();
        break;
      case 9:
        heard.refused(request, readCode(reader, reader.uint32()));
        break;
      case 10:
        reader.skip(type);
        heard.welcomed();
        break;
      case 11:
        reader.skip(type);
        heard.sent(request);
        break;
      case 13:
        readHeads(reader, reader.uint32(), heard);
        break;
      case 14:
        readEntries(reader, reader.uint32(), request, heard);
        break;
      case 29:
        reader.skip(type);
        heard.move();
        break;
      default:
        reader.skip(type);
    }
  }
}

function readCode(reader: BinaryReader, length: number): number {
  const end = reader.pos + length;
  let code = 0;
  while (reader.pos < end) {
    const [number, type] = reader.tag();
    if (number === 1) code = reader.uint32();
    else reader.skip(type);
  }
  return code;
}

function readHeads(reader: BinaryReader, length: number, heard: Heard): void {
  const end = reader.pos + length;
  while (reader.pos < end) {
    reader.tag();
    const headEnd = reader.uint32() + reader.pos;
    let conversation: Uint8Array = new Uint8Array();
    let sequence = 0;
    while (reader.pos < headEnd) {
      const [number, type] = reader.tag();
      if (number === 1) conversation = reader.bytes();
      else if (number === 2) sequence = reader.uint32();
      else reader.skip(type);
    }
    heard.stands(conversation, sequence);
  }
  heard.heads();
}

function readEntries(reader: BinaryReader, length: number, request: number, heard: Heard): void {
  const end = reader.pos + length;
  let conversation: Uint8Array = new Uint8Array();
  let head = 0;
  while (reader.pos < end) {
    const [number, type] = reader.tag();
    if (number === 1) conversation = reader.bytes();
    else if (number === 2) readEntry(reader, reader.uint32(), request, conversation, heard);
    else if (number === 3) head = reader.uint32();
    else reader.skip(type);
  }
  heard.entries(request, conversation, head);
}

function readEntry(reader: BinaryReader, length: number, request: number, conversation: Uint8Array, heard: Heard): void {
  const end = reader.pos + length;
  let sequence = 0;
  let ciphertext: Uint8Array | undefined;
  while (reader.pos < end) {
    const [number, type] = reader.tag();
    if (number === 1) sequence = reader.uint32();
    else if (number === 10) {
      const bodyEnd = reader.uint32() + reader.pos;
      while (reader.pos < bodyEnd) {
        const [field, fieldType] = reader.tag();
        if (field === 5) ciphertext = reader.bytes();
        else reader.skip(fieldType);
      }
    } else reader.skip(type);
  }
  heard.entry(request, conversation, sequence, ciphertext);
}
