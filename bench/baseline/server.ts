import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { SealedMessageSchema } from "@fastchat/protocol/wire/conversation";
import { ClientPacketSchema } from "@fastchat/protocol/wire/frames";
import pg from "pg";
import { type WebSocket, WebSocketServer } from "ws";

// The least that a durable messenger on PostgreSQL can be: one process, one INSERT a batch with gap-free numbers and the duplicate index, an
// acknowledgement and a delivery. No accounts, no membership, no second server. It speaks FastChat's frames, so that the same crowd drives both.
// Started with the database's address; its first message says by which ticket one hears which conversations, as [ticket, conversations][] in hexadecimal.

interface Waiting {
  readonly conversation: string;
  readonly socket: WebSocket;
  readonly request: number;
  readonly id: Uint8Array;
  readonly body: Uint8Array;
}

const MOST_IN_A_BATCH = 256;
const database = new pg.Client(process.argv[2]);
await database.connect();
await database.query(
  "CREATE TABLE IF NOT EXISTS baseline (conversation bytea, sequence bigint, id bytea, body bytea, PRIMARY KEY (conversation, sequence), UNIQUE (conversation, id))",
);
const hears = new Map<string, readonly string[]>();
const heads = new Map<string, number>();
const listeners = new Map<string, Set<WebSocket>>();
const outgoing = new Map<WebSocket, Uint8Array[]>();
const waiting: Waiting[] = [];
let isStoring = false;

const hex = (bytes: Uint8Array) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("hex");
const frame = () => new BinaryWriter().tag(1, WireType.LengthDelimited).fork();

function post(socket: WebSocket, bytes: Uint8Array): void {
  if (outgoing.size === 0) setImmediate(sendAll);
  const frames = outgoing.get(socket);
  if (frames === undefined) outgoing.set(socket, [bytes]);
  else frames.push(bytes);
}

function sendAll(): void {
  for (const [socket, frames] of outgoing) socket.send(frames.length === 1 ? frames[0]! : Buffer.concat(frames));
  outgoing.clear();
}

async function storeAll(): Promise<void> {
  isStoring = true;
  for (let batch = waiting.splice(0, MOST_IN_A_BATCH); batch.length > 0; batch = waiting.splice(0, MOST_IN_A_BATCH)) {
    const sequences = batch.map(({ conversation }) => {
      const next = (heads.get(conversation) ?? 0) + 1;
      heads.set(conversation, next);
      return next;
    });
    const values = [
      batch.map((item) => Buffer.from(item.conversation, "hex")),
      sequences,
      batch.map((item) => item.id),
      batch.map((item) => item.body),
    ];
    await database.query({
      name: "store",
      text: "INSERT INTO baseline SELECT * FROM unnest($1::bytea[], $2::bigint[], $3::bytea[], $4::bytea[])",
      values,
    });
    for (const [index, { conversation, socket, request, body }] of batch.entries()) {
      const sequence = sequences[index]!;
      post(
        socket,
        frame()
          .tag(1, WireType.Varint)
          .uint32(request)
          .tag(11, WireType.LengthDelimited)
          .fork()
          .tag(1, WireType.Varint)
          .uint32(sequence)
          .join()
          .join()
          .finish(),
      );
      const entries = frame()
        .tag(14, WireType.LengthDelimited)
        .fork()
        .tag(1, WireType.LengthDelimited)
        .bytes(Buffer.from(conversation, "hex"));
      entries
        .tag(2, WireType.LengthDelimited)
        .fork()
        .tag(1, WireType.Varint)
        .uint32(sequence)
        .tag(10, WireType.LengthDelimited)
        .bytes(body)
        .join();
      const delivery = entries.join().join().finish();
      for (const listener of listeners.get(conversation) ?? []) if (listener !== socket) post(listener, delivery);
    }
  }
  isStoring = false;
}

const http = createServer().listen(0, "127.0.0.1", () =>
  process.send!({ kind: "ready", url: `ws://127.0.0.1:${(http.address() as AddressInfo).port}` }),
);
new WebSocketServer({ server: http, perMessageDeflate: false }).on("connection", (socket) =>
  socket.on("message", (data: Buffer) => {
    for (const { request, body } of fromBinary(ClientPacketSchema, data).frames) {
      if (body.case === "hello") {
        for (const id of hears.get(hex(body.value.ticket)) ?? []) listeners.set(id, (listeners.get(id) ?? new Set()).add(socket));
        post(socket, frame().tag(10, WireType.LengthDelimited).bytes(new Uint8Array()).join().finish());
      } else if (body.case === "send") {
        const { conversation, message } = body.value;
        waiting.push({
          conversation: hex(conversation),
          socket,
          request,
          id: message!.clientMessageId,
          body: toBinary(SealedMessageSchema, message!),
        });
        if (!isStoring) {
          isStoring = true;
          setImmediate(() => void storeAll());
        }
      }
    }
  }),
);
process.on("message", (said: readonly (readonly [string, readonly string[]])[]) => {
  for (const [ticket, conversations] of said) hears.set(ticket, conversations);
});
process.on("disconnect", () => process.exit());
