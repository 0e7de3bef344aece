import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { SealedMessageSchema } from "@fastchat/protocol/wire/conversation";
import { ClientPacketSchema, ServerPacketSchema } from "@fastchat/protocol/wire/frames";
import fc from "fast-check";
import { expect, test } from "vitest";
import { catchUpPacket, fetchPacket, type Heard, pingPacket, readPacket, sendPacket } from "./wire.ts";

// A crowd writes and reads packets by hand: the generated code says whether it does so rightly.

const id = (first: number) => Uint8Array.from({ length: 32 }, (_, index) => (first + index) % 256);
const written = (packet: Uint8Array) => fromBinary(ClientPacketSchema, packet).frames.map(({ request, body }) => ({ request, body }));
const number = fc.integer({ min: 1, max: 4_294_967_295 });
const bytes = fc.uint8Array({ minLength: 1, maxLength: 400 });

test("what a crowd sends is what the generated code reads", () => {
  fc.assert(
    fc.property(number, number, bytes, (request, sequence, ciphertext) => {
      const message = { request, conversation: id(1), clientMessageId: id(2).slice(0, 16), epoch: 1, ciphertext };
      const [first, second] = written(sendPacket([message, { ...message, request: 7 }]));
      expect(first).toMatchObject({ request, body: { case: "send", value: { conversation: id(1), resume: false } } });
      expect(first!.body.case === "send" && first!.body.value.message).toMatchObject({
        clientMessageId: message.clientMessageId,
        epoch: 1,
        ciphertext,
      });
      expect(second!.request).toBe(7);
      const cursors = [
        { conversation: id(3), sequence },
        { conversation: id(4), sequence: 1 },
      ];
      expect(written(catchUpPacket(request, cursors))).toMatchObject([{ request, body: { case: "catchUp", value: { cursors } } }]);
      expect(written(fetchPacket(request, cursors[0]!))).toMatchObject([
        { request, body: { case: "fetchEntries", value: { conversation: id(3), after: sequence, limit: 512 } } },
      ]);
      expect(written(pingPacket(request))).toMatchObject([{ request, body: { case: "ping" } }]);
    }),
  );
});

test("what the generated code writes is what a crowd hears", () => {
  const message = create(SealedMessageSchema, { clientMessageId: id(9).slice(0, 16), epoch: 3, ciphertext: id(5) });
  const frames = [
    { request: 1, body: { case: "welcome", value: { server: "chat-1", time: 5n, account: id(1), device: id(2) } } },
    { request: 2, body: { case: "sent", value: { sequence: 8, time: 900n } } },
    { request: 3, body: { case: "error", value: { code: 21, detail: "no" } } },
    { request: 4, body: { case: "heads", value: { heads: [{ conversation: id(6), sequence: 12, time: 4n }] } } },
    { request: 5, body: { case: "pong", value: { time: 1n } } },
    {
      request: 0,
      body: {
        case: "entries",
        value: {
          conversation: id(7),
          entries: [
            { sequence: 70_000, time: 3n, account: id(1), device: id(2), body: { case: "message", value: message } },
            { sequence: 70_001, time: 3n, account: id(1), device: id(2), body: { case: "erased", value: { entryHash: id(3) } } },
          ],
          head: 70_001,
        },
      },
    },
    { request: 0, body: { case: "move", value: {} } },
  ] as const;
  const packet = toBinary(ServerPacketSchema, create(ServerPacketSchema, { frames: frames as never }));
  const said: unknown[] = [];
  const heard = new Proxy({} as Heard, {
    get:
      (_, name) =>
      (...what: unknown[]) =>
        void said.push([name, ...what]),
  });
  readPacket(packet, heard);
  expect(said).toEqual([
    ["welcomed"],
    ["sent", 2],
    ["refused", 3, 21],
    ["stands", id(6), 12],
    ["heads"],
    ["entry", 0, id(7), 70_000, id(5)],
    ["entry", 0, id(7), 70_001, undefined],
    ["entries", 0, id(7), 70_001],
    ["move"],
  ]);
});
