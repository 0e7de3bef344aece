import { randomBytes } from "node:crypto";
import type { AddressInfo } from "node:net";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { type AccountId, accountId, conversationId, type ConversationId, deviceId, idBytes } from "@fastchat/protocol";
import { ConversationLinkSchema, LinkEntrySchema, SealedMessageSchema } from "@fastchat/protocol/wire/conversation";
import { type Entries, ServerPacketSchema, SignalSchema } from "@fastchat/protocol/wire/frames";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { prefixOf } from "../bus/hint.ts";
import { silentLog } from "../events.ts";
import { entryKinds, type StoredEntry } from "../store/entries.ts";
import { type OpenTestDatabase, TestDatabase } from "../store/test-database.ts";
import { Connection } from "./connection.ts";
import { Delivery } from "./delivery.ts";
import { Session } from "./session.ts";
import { encodeFrame } from "./wire.ts";

// What is handed to whom, in the moments in which somebody comes or goes: the log is written by the test, so that each moment can be made.

let opened: OpenTestDatabase;
let server: WebSocketServer;
beforeAll(async () => {
  opened = await TestDatabase.open();
  server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  await new Promise((resolve) => server.once("listening", resolve));
});
afterAll(async () => {
  for (const socket of server?.clients ?? []) socket.terminate();
  server?.close();
  await opened?.[Symbol.asyncDispose]();
});

let delivery: Delivery;
let conversation: ConversationId;
beforeEach(async () => {
  delivery = new Delivery(opened.database, silentLog);
  conversation = conversationId(randomBytes(32));
  await query()
    .insertInto("conversation")
    .values({ conversation: idBytes(conversation), kind: 2 })
    .execute();
});

const query = () => opened.database.query;

interface Ear {
  readonly session: Session;
  readonly frames: Entries[];
  /** What else came. */
  readonly others: (string | undefined)[];
  /** Sequence numbers that came, in order. */
  readonly heard: () => number[];
}

/** A connected session of an account, which the server's side knows and which watches nothing yet. */
async function connect(account: AccountId): Promise<Ear> {
  const accepted = new Promise<WebSocket>((resolve) => server.once("connection", resolve));
  const frames: Entries[] = [];
  const others: (string | undefined)[] = [];
  const client = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`);
  client.on("message", (data: Buffer) => {
    for (const { body } of fromBinary(ServerPacketSchema, data).frames) {
      if (body.case === "entries") frames.push(body.value);
      else others.push(body.case);
    }
  });
  const events = { frame: () => undefined, received: () => 0, sent: () => undefined, closed: () => undefined };
  const session = new Session(new Connection(await accepted, events), account, deviceId(randomBytes(32)));
  delivery.add(session);
  return { session, frames, others, heard: () => frames.flatMap((frame) => frame.entries.map((entry) => entry.sequence)) };
}

const newAccount = () => accountId(randomBytes(32));

async function join(account: AccountId): Promise<void> {
  const row = { conversation: idBytes(conversation), account: idBytes(account) };
  await query()
    .insertInto("member")
    .values({ ...row, role: 1, may_write: true, account_head: 1 })
    .execute();
}

async function leave(account: AccountId, until: number): Promise<void> {
  const row = { conversation: idBytes(conversation), account: idBytes(account) };
  await query().deleteFrom("member").where("account", "=", row.account).execute();
  await query()
    .insertInto("former_member")
    .values({ ...row, until, added_by: randomBytes(32) })
    .execute();
}

const message = (sequence: number): StoredEntry => ({
  sequence,
  time: sequence,
  account: randomBytes(32),
  device: randomBytes(32),
  kind: entryKinds.message,
  body: toBinary(SealedMessageSchema, create(SealedMessageSchema, { clientMessageId: randomBytes(16), ciphertext: randomBytes(50) })),
});

const link = (sequence: number, epoch = 0): StoredEntry => {
  const opening = epoch === 0 ? {} : { opening: { epoch } };
  const body = toBinary(ConversationLinkSchema, create(ConversationLinkSchema, opening));
  const entry = create(LinkEntrySchema, { link: { body, signature: randomBytes(64) } });
  return { ...message(sequence), kind: entryKinds.link, body: toBinary(LinkEntrySchema, entry) };
};

/** Puts entries into the log; nobody is told. */
async function append(...entries: StoredEntry[]): Promise<void> {
  const id = idBytes(conversation);
  await query()
    .insertInto("entry")
    .values(entries.map((entry) => ({ ...entry, conversation: id, client_message_id: null })))
    .execute();
  const head = entries.at(-1)!.sequence;
  await query().updateTable("conversation").set({ head }).where("conversation", "=", id).execute();
}

/** Whatever was sent to this one has come: a frame of another conversation follows it. */
async function settled({ session, frames }: Ear): Promise<void> {
  const other = conversationId(randomBytes(32));
  const own = new Delivery(opened.database, silentLog);
  own.watch(session, other, 0);
  own.stored(other, [message(1)]);
  await expect.poll(() => frames.some((frame) => conversationId(frame.conversation) === other)).toBe(true);
  frames.splice(
    frames.findIndex((frame) => conversationId(frame.conversation) === other),
    1,
  );
}

test("it is told of which conversations somebody is here, from which head on, and when nobody is any more", async () => {
  const told: string[] = [];
  const prefix = prefixOf(conversation);
  const own = new Delivery(opened.database, silentLog, {
    onWatch: ({ prefix: begun, head }) => told.push(`${begun === prefix} ${head}`),
    onUnwatch: (left) => told.push(`${left === prefix} left`),
  });
  const [one, other] = [await connect(accountId(randomBytes(32))), await connect(accountId(randomBytes(32)))];
  own.add(one.session);
  own.watch(one.session, conversation, 0);
  own.watch(other.session, conversation, 0);
  expect([...own.heads()]).toEqual([{ prefix, head: 0 }]);
  own.unwatch(other.session, conversation);
  expect(told).toEqual(["true 0"]);
  own.remove(one.session);
  expect([...own.heads()]).toEqual([]);
  expect(told).toEqual(["true 0", "true left"]);
});

test("[W8] whose membership was read before a removal gets nothing that follows it, whenever the session comes to watch", async () => {
  const [alice, bob] = [newAccount(), newAccount()];
  await join(alice);
  await join(bob);
  await append(link(1), message(2));
  const [a, b] = [await connect(alice), await connect(bob)];
  delivery.watch(a.session, conversation, 2);
  // Bob's session has read its heads; now comes the removal, and what follows.
  await append(link(3), message(4));
  await leave(bob, 3);
  delivery.known(conversation, 4);
  await expect.poll(a.heard).toEqual([3, 4]);
  delivery.watch(b.session, conversation, 2);
  const next = message(5);
  await append(next);
  delivery.stored(conversation, [next]);
  await expect.poll(a.heard).toEqual([3, 4, 5]);
  await expect.poll(() => b.session.conversations.has(conversation)).toBe(false);
  await settled(b);
  // The removal itself, and not even how far the log goes.
  expect(b.frames.map((frame) => frame.head)).toEqual([3]);
  expect(b.heard()).toEqual([3]);
});

test("[W8] the same where nobody else watches, and where the session comes while the page is read", async () => {
  const [alice, bob, carol] = [newAccount(), newAccount(), newAccount()];
  for (const account of [alice, bob, carol]) await join(account);
  await append(link(1));
  const [a, b, c] = [await connect(alice), await connect(bob), await connect(carol)];
  // Alice's heads are newer than those that bob's session has read.
  await append(link(2), message(3));
  await leave(bob, 2);
  delivery.watch(a.session, conversation, 3);
  delivery.watch(b.session, conversation, 1);
  await append(link(4), message(5));
  await leave(carol, 4);
  delivery.known(conversation, 5);
  delivery.watch(c.session, conversation, 3);
  await expect.poll(a.heard).toEqual([4, 5]);
  await expect.poll(() => [b, c].map(({ session }) => session.conversations.has(conversation))).toEqual([false, false]);
  for (const ear of [b, c]) await settled(ear);
  expect(b.frames).toEqual([]);
  expect(c.heard().filter((sequence) => sequence > 4)).toEqual([]);
});

test("[W8] what is pushed behind a removal reaches those who are members after it, and not who was removed", async () => {
  const [alice, bob] = [newAccount(), newAccount()];
  await join(alice);
  await join(bob);
  await append(link(1));
  const [a, b] = [await connect(alice), await connect(bob)];
  for (const { session } of [a, b]) delivery.watch(session, conversation, 1);
  const signal = encodeFrame(0, { case: "signal", value: create(SignalSchema) });
  delivery.push(conversation, 1, signal, a.session);
  await append(link(2));
  await leave(bob, 2);
  delivery.known(conversation, 2);
  delivery.push(conversation, 1, signal);
  await expect.poll(() => a.others).toEqual(["signal"]);
  expect(a.heard()).toEqual([2]);
  await settled(b);
  expect([b.heard(), b.others]).toEqual([[2], ["signal"]]);
});

test("[W8] what is pushed reads the link behind which it was let in, so that it overtakes no removal", async () => {
  const [alice, bob] = [newAccount(), newAccount()];
  await join(alice);
  await join(bob);
  await append(link(1), message(2));
  const [a, b] = [await connect(alice), await connect(bob)];
  for (const { session } of [a, b]) delivery.watch(session, conversation, 2);
  // Another server took the removal, and no word of it came here yet.
  await append(link(3), message(4));
  await leave(bob, 3);
  delivery.push(conversation, 3, encodeFrame(0, { case: "signal", value: create(SignalSchema) }));
  await expect.poll(() => a.others).toEqual(["signal"]);
  expect(a.heard()).toEqual([3, 4]);
  await settled(b);
  expect([b.heard(), b.others]).toEqual([[3], []]);
});

test("[D8] a member who comes while others got something hears how far the log goes, and then what follows", async () => {
  const [alice, bob] = [newAccount(), newAccount()];
  await join(alice);
  await join(bob);
  await append(link(1), message(2));
  const a = await connect(alice);
  delivery.watch(a.session, conversation, 2);
  await append(link(3));
  delivery.known(conversation, 3);
  await expect.poll(a.heard).toEqual([3]);
  const b = await connect(bob);
  delivery.watch(b.session, conversation, 2);
  await expect.poll(() => b.frames.map((frame) => [frame.head, frame.entries.length])).toEqual([[3, 0]]);
  const next = message(4);
  await append(next);
  delivery.stored(conversation, [next]);
  await expect.poll(b.heard).toEqual([4]);
  expect(a.heard()).toEqual([3, 4]);
});

test("[C3] who is added gets the link live, although no word of it came but the head", async () => {
  const [alice, bob] = [newAccount(), newAccount()];
  await join(alice);
  await append(link(1));
  const [a, b] = [await connect(alice), await connect(bob)];
  delivery.watch(a.session, conversation, 1);
  await append(message(2), link(3));
  await join(bob);
  delivery.known(conversation, 3);
  await expect.poll(b.heard).toContain(3);
  await leave(bob, 5);
  await append(message(4), link(5), message(6));
  delivery.known(conversation, 6);
  await expect.poll(a.heard).toEqual([2, 3, 4, 5, 6]);
  await settled(b);
  expect(b.heard().filter((sequence) => sequence > 2)).toEqual([3, 4, 5]);
});

test("[C4] each account's own copies come before the link that opens their epoch, and the entries as the same bytes to all", async () => {
  const people = Array.from({ length: 3 }, newAccount);
  for (const account of people) await join(account);
  const ears: Ear[] = [];
  for (const account of people) ears.push(await connect(account));
  for (const { session } of ears) delivery.watch(session, conversation, 0);
  for (const [index, account] of people.slice(0, 2).entries()) {
    const row = { conversation: idBytes(conversation), account: idBytes(account), generation: 1 };
    const copies = [1, 2].map((epoch) => ({ ...row, epoch, sealed: Buffer.from([index, epoch]) }));
    await query().insertInto("sealed_key").values(copies).execute();
  }
  const entries = [link(1, 1), message(2), link(3, 2)];
  await append(...entries);
  delivery.known(conversation, 3);
  for (const { heard } of ears) await expect.poll(heard).toEqual([1, 2, 3]);
  const shapes = ears.map(({ frames }) =>
    frames.map(({ head, entries: list, sealedKeys }) => [
      head,
      list.length,
      ...sealedKeys.map((key) => Buffer.from(key.sealed).toString("hex")),
    ]),
  );
  const page = [3, 3];
  expect(shapes).toEqual([[[0, 0, "0001", "0002"], page], [[0, 0, "0101", "0102"], page], [page]]);
});
