import { randomBytes } from "node:crypto";
import { create, toBinary } from "@bufbuild/protobuf";
import { conversationId, idBytes, limits } from "@fastchat/protocol";
import { EntrySchema, LinkEntrySchema, SealedKeySchema, SealedMessageSchema, WitnessSchema } from "@fastchat/protocol/wire/conversation";
import { EntriesSchema, ServerFrameSchema, ServerPacketSchema } from "@fastchat/protocol/wire/frames";
import { expect, test } from "vitest";
import { entryKinds, type StoredEntry } from "../store/entries.ts";
import { encodeEntries, encodeEntry, encodeFrame, encodePackets } from "./wire.ts";

const message = create(SealedMessageSchema, {
  clientMessageId: randomBytes(16),
  epoch: 7,
  withdraws: [3, 4],
  ciphertext: randomBytes(300),
});
const link = create(LinkEntrySchema, { link: { body: randomBytes(90), signature: randomBytes(64) } });
const witness = create(WitnessSchema, { incarnation: 2, sequence: 4_000_000_000, hash: randomBytes(32) });
const base = { sequence: 4_294_967_295, time: 1_790_000_000_123, account: randomBytes(32), device: randomBytes(32) };
const stored: readonly [StoredEntry, object][] = [
  [
    { ...base, kind: entryKinds.message, body: toBinary(SealedMessageSchema, message) },
    { case: "message", value: message },
  ],
  [
    { ...base, kind: entryKinds.link, body: toBinary(LinkEntrySchema, link) },
    { case: "link", value: link },
  ],
  [
    { ...base, kind: entryKinds.incarnation, body: toBinary(WitnessSchema, witness) },
    { case: "incarnation", value: witness },
  ],
];

test("entries and frames put together from stored bytes are those of the generated code", () => {
  const entries = stored.map(([, body]) => create(EntrySchema, { ...base, time: BigInt(base.time), body: body as never }));
  for (const [index, [entry]] of stored.entries()) {
    expect(Buffer.from(encodeEntry(entry))).toEqual(Buffer.from(toBinary(EntrySchema, entries[index]!)));
  }
  const conversation = conversationId(randomBytes(32));
  const sealedKeys = [create(SealedKeySchema, { account: randomBytes(32), generation: 1, epoch: 2, sealed: randomBytes(1170) })];
  for (const request of [0, 5]) {
    const value = create(EntriesSchema, { conversation: idBytes(conversation), entries, head: 9, sealedKeys });
    const encoded = encodeEntries({ request, conversation, entries: stored.map(([entry]) => encodeEntry(entry)), head: 9, sealedKeys });
    expect(Buffer.from(encoded.bytes)).toEqual(
      Buffer.from(toBinary(ServerFrameSchema, create(ServerFrameSchema, { request, body: { case: "entries", value } }))),
    );
  }
});

test("packets keep their frames in order and stay within the limits", () => {
  const conversation = conversationId(randomBytes(32));
  const frames = Array.from({ length: 1_300 }, (_, index) =>
    index % 3 === 0
      ? encodeEntries({ request: index, conversation, entries: [randomBytes(20_000)], head: 1, sealedKeys: [] })
      : encodeFrame(index + 1, { case: "pong", value: { $typeName: "fastchat.v1.Pong", time: 1n } }),
  );
  const packets = encodePackets(frames);
  const all = Buffer.concat(frames.map((frame) => frame.bytes));
  expect(Buffer.concat(packets.flatMap((packet) => fromFrames(packet))).equals(all)).toBe(true);
  for (const packet of packets) {
    expect(packet.length).toBeLessThanOrEqual(limits.packetBytes);
    expect(fromFrames(packet).length).toBeLessThanOrEqual(limits.framesPerPacket);
  }
});

test("[D10] a frame that leaves alone, or is large, is the same packet for every socket", () => {
  const conversation = conversationId(randomBytes(32));
  const entries = (bytes: number) => encodeEntries({ request: 0, conversation, entries: [randomBytes(bytes)], head: 1, sealedKeys: [] });
  const [small, large, last] = [entries(300), entries(100_000), entries(300)];
  expect(encodePackets([small])[0]).toBe(encodePackets([small])[0]);
  const packets = encodePackets([small, last, large, small, last]);
  expect(packets.map((packet) => fromFrames(packet).length)).toEqual([2, 1, 2]);
  expect(packets[1]).toBe(encodePackets([large])[0]);
});

/** The frames of a packet as bytes, by the packet's own wire format alone. */
function fromFrames(packet: Uint8Array): Uint8Array[] {
  const frames: Uint8Array[] = [];
  for (let at = 0; at < packet.length;) {
    if (packet[at] !== ((ServerPacketSchema.field.frames.number << 3) | 2)) throw new Error("not a frame");
    at += 1;
    let length = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = packet[at++]!;
      length |= (byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
    frames.push(packet.subarray(at, at + length));
    at += length;
  }
  return frames;
}
