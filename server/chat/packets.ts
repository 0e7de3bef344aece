import { fromBinary } from "@bufbuild/protobuf";
import type { SealedMessage } from "@fastchat/protocol/wire/conversation";
import { type ClientFrame, ClientFrameSchema, ClientPacketSchema } from "@fastchat/protocol/wire/frames";

/** Frames of a packet, in order. Throws where it is none. */
export function readPacket(data: Uint8Array): ClientFrame[] {
  const frames: ClientFrame[] = [];
  const reader = new Reader(data);
  while (reader.at < reader.end) {
    const piece = reader.bytes(FRAMES);
    // Something that only a newer client knows stands beside the frames.
    if (piece === undefined) return fromBinary(ClientPacketSchema, data).frames;
    frames.push(readSend(piece) ?? fromBinary(ClientFrameSchema, piece));
  }
  return frames;
}

// Messages are most of what comes, and are read by hand: the generated code takes a tenth of what one costs. What is not written as every client
// writes it is left to that code. Tags: field number and wire type.
const FRAMES = tag(1, 2);
const frame = { request: tag(1, 0), send: tag(11, 2) };
const send = { conversation: tag(1, 2), message: tag(2, 2), resume: tag(3, 0) };
const message = { clientMessageId: tag(1, 2), epoch: tag(2, 0), blobs: tag(3, 2), ciphertext: tag(5, 2) };

function tag(field: number, type: number): number {
  return (field << 3) | type;
}

/** Undefined: it is another frame, or not as usual. */
function readSend(data: Uint8Array): ClientFrame | undefined {
  const reader = new Reader(data);
  const request = reader.number(frame.request);
  const body = new Reader(reader.bytes(frame.send));
  const conversation = body.bytes(send.conversation);
  const sealed = readMessage(body.bytes(send.message));
  const resume = body.at < body.end ? body.number(send.resume) : 0;
  if (request === undefined || conversation === undefined || sealed === undefined || resume === undefined) return undefined;
  if (body.at !== body.end || reader.at !== reader.end) return undefined;
  const value = { $typeName: "fastchat.v1.Send", conversation, message: sealed, resume: resume !== 0 } as const;
  return { $typeName: "fastchat.v1.ClientFrame", request, body: { case: "send", value } };
}

function readMessage(data: Uint8Array | undefined): SealedMessage | undefined {
  const reader = new Reader(data);
  const clientMessageId = reader.bytes(message.clientMessageId);
  const epoch = reader.number(message.epoch);
  const blobs: Uint8Array[] = [];
  for (let blob = reader.bytes(message.blobs); blob !== undefined; blob = reader.bytes(message.blobs)) blobs.push(blob);
  const ciphertext = reader.bytes(message.ciphertext);
  if (clientMessageId === undefined || epoch === undefined || ciphertext === undefined || reader.at !== reader.end) return undefined;
  return { $typeName: "fastchat.v1.SealedMessage", clientMessageId, epoch, blobs, withdraws: [], ciphertext };
}

/** Reads fields that stand where they are expected; undefined, and nothing is read, where another one stands, or what is no field. */
class Reader {
  readonly #data: Uint8Array;
  readonly end: number;
  at = 0;

  constructor(data: Uint8Array = new Uint8Array()) {
    this.#data = data;
    this.end = data.length;
  }

  number(expected: number): number | undefined {
    if (this.#data[this.at] !== expected) return undefined;
    return this.#varint(this.at + 1);
  }

  bytes(expected: number): Uint8Array | undefined {
    const before = this.at;
    const length = this.number(expected);
    if (length === undefined) return undefined;
    const from = this.at;
    if (from + length > this.end) {
      this.at = before;
      return undefined;
    }
    this.at = from + length;
    return this.#data.subarray(from, this.at);
  }

  /** Up to 32 bits. */
  #varint(from: number): number | undefined {
    let value = 0;
    for (let index = 0; index < 5; index++) {
      const byte = this.#data[from + index];
      if (byte === undefined) return undefined;
      value += (byte & 0x7f) * 2 ** (7 * index);
      if (byte > 0x7f) continue;
      if (value > 0xffff_ffff) return undefined;
      this.at = from + index + 1;
      return value;
    }
    return undefined;
  }
}
