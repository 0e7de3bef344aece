import { randomBytes } from "node:crypto";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  type AccountId,
  accountId,
  clientMessageId,
  conversationId,
  type ConversationId,
  deviceId,
  idBytes,
  limits,
} from "@fastchat/protocol";
import { entryHash } from "@fastchat/protocol/seal";
import { EntrySchema, SealedMessageSchema } from "@fastchat/protocol/wire/conversation";
import { sql } from "kysely";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { Retention } from "../chat/retention.ts";
import { encodeEntry } from "../chat/wire.ts";
import { reasonOf, silentLog } from "../events.ts";
import { openChatMetrics } from "../metrics.ts";
import { type AppendItem, appendBatch } from "./append.ts";
import { openDatabase } from "./database.ts";
import { entryKinds, readEntries, type StoredEntry } from "./entries.ts";
import { conversationsDue, conversationsWithdrawn, eraseDue, eraseWithdrawn } from "./retention.ts";
import { connect, type OpenTestDatabase, TestDatabase } from "./test-database.ts";

// Times are chosen: the tests say what time it is.

let opened: OpenTestDatabase;
let account: AccountId;
const device = randomBytes(32);
beforeAll(async () => {
  opened = await TestDatabase.open();
  account = accountId(randomBytes(32));
  const keys = { signing_key: randomBytes(32), sealing_key: randomBytes(1_216) };
  await opened.database.query
    .insertInto("device")
    .values({ device, account: idBytes(account), ...keys, added: 1, ended: null })
    .execute();
});
afterAll(() => opened?.[Symbol.asyncDispose]());

beforeEach(async () => {
  await opened.database.query.updateTable("conversation").set({ erase_at: null }).execute();
});

/** As the link that sets it leaves it. */
async function addConversation(retentionSeconds: number): Promise<ConversationId> {
  const conversation = randomBytes(32);
  const retention = { retention_seconds: retentionSeconds, erase_at: retentionSeconds > 0 ? 0 : null };
  await opened.database.query
    .insertInto("conversation")
    .values({ conversation, kind: 2, epoch: 1, oldest_good_epoch: 1, ...retention })
    .execute();
  await opened.database.query
    .insertInto("member")
    .values({ conversation, account: idBytes(account), role: 2, may_write: true, account_head: 1 })
    .execute();
  return conversationId(conversation);
}

function message(conversation: ConversationId, bytes = 50): AppendItem {
  const id = randomBytes(16);
  const sealed = create(SealedMessageSchema, {
    clientMessageId: id,
    epoch: 1,
    blobs: [randomBytes(32)],
    withdraws: [7],
    ciphertext: randomBytes(bytes),
  });
  const body = toBinary(SealedMessageSchema, sealed);
  return { conversation, account, device: deviceId(device), clientMessageId: clientMessageId(id), epoch: 1, body, withdraws: [] };
}

const append = (items: readonly AppendItem[], now: number) => appendBatch(opened.database.append, items, now);

/** An entry that is no message, behind the others. */
async function addOther(conversation: ConversationId, kind: number, time: number): Promise<void> {
  const { query } = opened.database;
  const id = idBytes(conversation);
  const { head } = await query
    .updateTable("conversation")
    .set((row) => ({ head: row("head", "+", 1), head_time: time }))
    .where("conversation", "=", id)
    .returning("head")
    .executeTakeFirstOrThrow();
  const by = { account: idBytes(account), device, client_message_id: null };
  await query
    .insertInto("entry")
    .values({ conversation: id, sequence: head, time, kind, body: randomBytes(30), ...by })
    .execute();
}

const read = (conversation: ConversationId) => readEntries(opened.database, conversation, { after: 0 }, { upTo: limits.largestNumber });

/** As a reader finds it. */
const hashOf = (entry: StoredEntry) => Buffer.from(entryHash(fromBinary(EntrySchema, encodeEntry(entry)))!);

const kinds = async (conversation: ConversationId) => (await read(conversation)).map(({ kind }) => kind);
const erase = (conversation: ConversationId, now: number) => eraseDue(opened.database, conversation, now);
const { message: whole, link, incarnation, erased, withdrawn } = entryKinds;

test("[S4] a message is erased when its time is over and not before; its hash, author, time and id outlive the body", async () => {
  const conversation = await addConversation(10);
  const items = [message(conversation), message(conversation), message(conversation)];
  for (const [place, item] of items.entries()) await append([item], 1_000 * (place + 1));
  const before = await read(conversation);
  expect(await erase(conversation, 10_999)).toEqual({ kind: "erased", messages: 0 });
  expect(await kinds(conversation)).toEqual([whole, whole, whole]);
  expect(await erase(conversation, 11_000)).toEqual({ kind: "erased", messages: 1 });
  expect(await kinds(conversation)).toEqual([erased, whole, whole]);
  expect(await erase(conversation, 500_000)).toEqual({ kind: "erased", messages: 2 });
  const after = await read(conversation);
  for (const [place, entry] of after.entries()) {
    expect(entry).toEqual({ ...before[place]!, kind: erased, body: entry.body });
    expect(entry.body.length).toBe(34);
    expect(hashOf(entry)).toEqual(hashOf(before[place]!));
  }
  expect(await append([items[1]!], 600_000)).toEqual([{ kind: "duplicate", sequence: 2, time: 2_000 }]);
});

test("[S4] links and incarnations are never erased, and what stands behind them is", async () => {
  const conversation = await addConversation(10);
  await addOther(conversation, link, 1_000);
  await append([message(conversation)], 1_000);
  await addOther(conversation, incarnation, 1_000);
  await append([message(conversation), message(conversation)], 2_000);
  const before = await read(conversation);
  expect(await erase(conversation, 20_000)).toEqual({ kind: "erased", messages: 3 });
  expect(await kinds(conversation)).toEqual([link, erased, incarnation, erased, erased]);
  const after = await read(conversation);
  expect([after[0], after[2]]).toEqual([before[0], before[2]]);
});

test("what is kept for ever is not looked at, nor what is not due yet or came since", async () => {
  const [forEver, later] = [await addConversation(0), await addConversation(10)];
  for (const conversation of [forEver, later]) await append([message(conversation)], 1_000);
  expect(await conversationsDue(opened.database, 5_000)).toEqual([later]);
  await erase(later, 5_000);
  expect(await conversationsDue(opened.database, 10_999)).toEqual([]);
  expect(await conversationsDue(opened.database, 11_000)).toEqual([later]);
  await erase(later, 11_000);
  // All is erased: what comes now is not due before its own time.
  await append([message(later)], 12_000);
  expect(await conversationsDue(opened.database, 20_999)).toEqual([]);
  expect(await conversationsDue(opened.database, 9_000_000)).toEqual([later]);
  expect(await erase(forEver, 9_000_000)).toEqual({ kind: "erased", messages: 0 });
  expect(await kinds(forEver)).toEqual([whole]);
});

test("a step is bounded in entries and in bytes, and what is left waits behind other conversations", async () => {
  const [long, large] = [await addConversation(10), await addConversation(10)];
  for (let round = 0; round < 3; round++)
    await append(
      Array.from({ length: 200 }, () => message(long)),
      1_000,
    );
  const bytes = Math.floor(limits.erasedBytesAtOnce / 3);
  await append([message(large, limits.erasedBytesAtOnce + 1), ...Array.from({ length: 4 }, () => message(large, bytes))], 1_000);
  expect(await erase(long, 20_000)).toEqual({ kind: "erased", messages: limits.erasedEntriesAtOnce });
  expect(await conversationsDue(opened.database, 20_000)).toEqual([large, long]);
  expect(await erase(large, 20_000)).toEqual({ kind: "erased", messages: 1 });
  expect(await erase(large, 20_000)).toEqual({ kind: "erased", messages: 2 });
  expect(await erase(large, 20_000)).toEqual({ kind: "erased", messages: 2 });
  expect(await conversationsDue(opened.database, 20_000)).toEqual([long]);
});

const waits = "FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%erased_to%'";
const isWaiting = async () => (await opened.database.pool.query(`SELECT 1 ${waits}`)).rowCount;

test("a policy that changes while it is erased is obeyed: nothing is, or all before it", async () => {
  const conversation = await addConversation(10);
  await append([message(conversation)], 1_000);
  await using other = await connect(opened.url);
  await other.query("BEGIN");
  await other.query("UPDATE conversation SET retention_seconds = 3600, erase_at = 0 WHERE conversation = $1", [idBytes(conversation)]);
  const erasing = erase(conversation, 20_000);
  await expect.poll(isWaiting).toBe(1);
  await other.query("COMMIT");
  expect(await erasing).toEqual({ kind: "changed" });
  expect(await kinds(conversation)).toEqual([whole]);
  expect(await erase(conversation, 20_000)).toEqual({ kind: "erased", messages: 0 });
  expect(await erase(conversation, 3_601_000)).toEqual({ kind: "erased", messages: 1 });
});

test("a crash in between changes nothing, and while one server erases another does not", async () => {
  const conversation = await addConversation(10);
  await append([message(conversation), message(conversation)], 1_000);
  const before = await read(conversation);
  await using other = await connect(opened.url);
  await other.query("BEGIN");
  await other.query("SELECT 1 FROM conversation WHERE conversation = $1 FOR UPDATE", [idBytes(conversation)]);
  const ended = erase(conversation, 20_000).catch(reasonOf);
  await expect.poll(isWaiting).toBe(1);
  expect(await erase(conversation, 20_000)).toEqual({ kind: "busy" });
  await opened.database.pool.query(`SELECT pg_terminate_backend(pid) ${waits}`);
  expect(await ended).toMatch(/terminat/);
  await other.query("ROLLBACK");
  expect(await read(conversation)).toEqual(before);
  await expect.poll(() => erase(conversation, 20_000)).toEqual({ kind: "erased", messages: 2 });
  expect((await read(conversation)).map(hashOf)).toEqual(before.map(hashOf));
});

/** A message that withdraws these. */
const withdrawal = (conversation: ConversationId, withdraws: readonly number[]) => ({ ...message(conversation), withdraws });

test("[S5] what was withdrawn is read as erased from that moment on, with the hash that it had, and the next sweep erases it", async () => {
  const conversation = await addConversation(0);
  await append([message(conversation), message(conversation), message(conversation)], 1_000);
  const before = await read(conversation);
  await append([withdrawal(conversation, [1, 3])], 2_000);
  const between = await read(conversation);
  expect(between.map(({ kind }) => kind)).toEqual([withdrawn, whole, withdrawn, whole]);
  const bodies = between.map((entry) => fromBinary(EntrySchema, encodeEntry(entry)).body);
  expect(bodies.map((body) => body.case)).toEqual(["erased", "message", "erased", "message"]);
  expect(between.slice(0, 3).map(hashOf)).toEqual(before.map(hashOf));
  expect(await conversationsWithdrawn(opened.database)).toEqual([conversation]);
  expect(await eraseWithdrawn(opened.database, conversation)).toEqual({ kind: "erased", messages: 2 });
  const after = await read(conversation);
  expect(after.map(({ kind }) => kind)).toEqual([erased, whole, erased, whole]);
  expect(after.slice(0, 3).map(hashOf)).toEqual(before.map(hashOf));
  expect(after[0]!.body.length).toBe(34);
  expect(await conversationsWithdrawn(opened.database)).toEqual([]);
});

test("[S5] what was withdrawn and what is too old goes once, whichever comes first, in steps of bounded size", async () => {
  const conversation = await addConversation(10);
  const large = Math.floor(limits.erasedBytesAtOnce / 2);
  await append(
    Array.from({ length: 3 }, () => message(conversation, large)),
    1_000,
  );
  await append([withdrawal(conversation, [1, 2, 3])], 1_000);
  expect(await eraseWithdrawn(opened.database, conversation)).toEqual({ kind: "erased", messages: 1 });
  expect(await erase(conversation, 20_000)).toEqual({ kind: "erased", messages: 1 });
  expect(await eraseWithdrawn(opened.database, conversation)).toEqual({ kind: "erased", messages: 1 });
  expect(await erase(conversation, 20_000)).toEqual({ kind: "erased", messages: 1 });
  expect(await kinds(conversation)).toEqual([erased, erased, erased, erased]);
});

test("what is withdrawn at the moment in which it is erased stands in nobody's way", async () => {
  const conversation = await addConversation(10);
  await append([message(conversation), message(conversation)], 1_000);
  await using other = await connect(opened.url);
  const isHeldUp = async (words: string) =>
    (
      await opened.database.pool.query(
        `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%${words}%'`,
      )
    ).rowCount;
  await other.query("BEGIN");
  await other.query("SELECT 1 FROM conversation WHERE conversation = $1 FOR UPDATE", [idBytes(conversation)]);
  const appending = append([withdrawal(conversation, [1, 2])], 2_000);
  await expect.poll(() => isHeldUp("append_")).toBe(1);
  const erasing = erase(conversation, 11_500);
  await expect.poll(() => isHeldUp("erased_to")).toBe(1);
  await other.query("COMMIT");
  expect(await appending).toEqual([{ kind: "stored", sequence: 3, time: 2_000 }]);
  expect(await erasing).toEqual({ kind: "erased", messages: 2 });
  expect(await kinds(conversation)).toEqual([erased, erased, whole]);
});

test("[S5] where much waits to be erased, conversations are found by a look at each", async () => {
  const conversations = [await addConversation(0), await addConversation(0), await addConversation(0)].toSorted();
  await opened.database.query.transaction().execute(async (query) => {
    for (const conversation of conversations)
      await sql`
        INSERT INTO entry (conversation, sequence, time, account, device, client_message_id, kind, body)
        SELECT ${idBytes(conversation)}, place, 1, ${idBytes(account)}, ${device}, uuid_send(gen_random_uuid()), ${withdrawn}, ''
        FROM generate_series(1, 2000) AS place`.execute(query);
    const readSoFar = async (): Promise<number> => {
      const { rows } = await sql<{ entries: number }>`
        SELECT (idx_tup_fetch + seq_tup_read)::integer AS entries FROM pg_stat_xact_user_tables WHERE relname = 'entry'`.execute(query);
      return rows[0]!.entries;
    };
    const before = await readSoFar();
    expect(await conversationsWithdrawn({ query })).toEqual(conversations);
    expect((await readSoFar()) - before).toBeLessThan(100);
  });
  await opened.database.query.deleteFrom("entry").where("conversation", "in", conversations.map(idBytes)).execute();
});

test("servers that sweep at once erase everything, and nothing twice", async () => {
  const conversations = [await addConversation(10), await addConversation(10), await addConversation(10)];
  for (const conversation of conversations) {
    for (let round = 0; round < 3; round++)
      await append(
        Array.from({ length: 200 }, () => message(conversation)),
        1_000,
      );
  }
  const sweep = async () => {
    await using database = openDatabase({ url: opened.url, connections: 2, onIdleError: () => undefined });
    const metrics = openChatMetrics();
    await new Retention({ database, log: silentLog, metrics, now: () => 20_000, everyMs: 1 }).sweep();
    return (await metrics.erased.get()).values[0]!.value;
  };
  const counts = await Promise.all([sweep(), sweep(), sweep()]);
  expect(counts.reduce((sum, count) => sum + count, 0)).toBe(1_800);
  const left = await opened.database.query
    .selectFrom("entry")
    .select("kind")
    .where("conversation", "in", conversations.map(idBytes))
    .where("kind", "!=", erased)
    .execute();
  expect(left).toEqual([]);
});

test("a log that cannot be erased does not hold up the others, and is reported", async () => {
  const [broken, good] = [await addConversation(10), await addConversation(10)];
  await append([{ ...message(broken), body: Uint8Array.of(0xff) }], 1_000);
  await append([message(good)], 1_000);
  const { database } = opened;
  const retention = new Retention({ database, log: silentLog, metrics: openChatMetrics(), now: () => 20_000, everyMs: 1 });
  await expect(retention.sweep()).rejects.toThrow("premature EOF");
  const counts = await database.query
    .selectFrom("entry")
    .select("kind")
    .where("conversation", "in", [idBytes(broken), idBytes(good)])
    .execute();
  expect(new Set(counts.map(({ kind }) => kind))).toEqual(new Set([whole, erased]));
});
