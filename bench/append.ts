/**
 * What does a batch of messages cost the database, by its size, beside a plain INSERT with the same two indexes? `node bench/append.ts`. One connection, 100
 * conversations, 330 bytes a body; CPU time of its backend from /proc/PID/schedstat.
 */
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { accountId, clientMessageId, conversationId, deviceId } from "@fastchat/protocol";
import { startSystem } from "./on-disk.ts";
import type pg from "pg";
import { type AppendItem, appendBatch } from "../server/store/append.ts";
import { openDatabase } from "../server/store/database.ts";
import { noise } from "./measure.ts";
import { seedConversations, seedUsers } from "./load/seed.ts";

const MESSAGES = 12_000;
const BODY_BYTES = 330;
const PAIRS = 100;

await noise();
await using system = await startSystem({ servers: 1 });
await using database = openDatabase({ url: system.databaseUrl, connections: 1, onIdleError: () => undefined });
const client = await database.append.connect();
const users = await seedUsers(client, 2 * PAIRS);
const pairs = Array.from({ length: PAIRS }, (_, pair) => [2 * pair, 2 * pair + 1]);
const conversations = await seedConversations(client, users, pairs, "direct");
await client.query(
  "CREATE TABLE plain (conversation bytea, sequence bigint, id bytea, body bytea, PRIMARY KEY (conversation, sequence), UNIQUE (conversation, id))",
);
const { rows } = await client.query<{ pid: number }>("SELECT pg_backend_pid() AS pid");
let turn = 0;

function item(): AppendItem {
  const writer = turn++ % users.length;
  const { account, device } = users[writer]!;
  return {
    conversation: conversationId(conversations[Math.floor(writer / 2)]!.id),
    account: accountId(account),
    device: deviceId(device),
    clientMessageId: clientMessageId(randomBytes(16)),
    epoch: 1,
    body: randomBytes(BODY_BYTES),
    withdraws: [],
  };
}

async function appended(items: readonly AppendItem[]): Promise<void> {
  const verdicts = await appendBatch(client as unknown as pg.Pool, items, Date.now());
  if (verdicts.some(({ kind }) => kind !== "stored")) throw new Error("a message was not stored");
}

async function inserted(items: readonly AppendItem[]): Promise<void> {
  await client.query({
    name: "plain",
    text: "INSERT INTO plain SELECT * FROM unnest($1::bytea[], $2::bigint[], $3::bytea[], $4::bytea[])",
    values: [
      items.map(({ conversation }) => Buffer.from(conversation, "hex")),
      items.map(() => turn++),
      items.map((each) => Buffer.from(each.clientMessageId, "hex")),
      items.map(({ body }) => body),
    ],
  });
}

/** Microseconds of the backend's CPU time a message. */
async function costOf(size: number, store: (items: readonly AppendItem[]) => Promise<void>): Promise<string> {
  const spent = () => Number(readFileSync(`/proc/${rows[0]!.pid}/schedstat`, "utf8").split(" ")[0]) / 1_000;
  const batches = Math.min(2_000, Math.ceil(MESSAGES / size));
  for (let count = 0; count < 20; count++) await store(Array.from({ length: size }, item));
  const before = spent();
  for (let count = 0; count < batches; count++) await store(Array.from({ length: size }, item));
  return `${((spent() - before) / batches / size).toFixed(1)} µs`;
}

for (const size of [1, 4, 16, 64, 200])
  console.log(`batch of ${size}: appended ${await costOf(size, appended)}, plain INSERT ${await costOf(size, inserted)} a message`);
client.release();
