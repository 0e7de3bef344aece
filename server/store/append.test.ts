import { randomBytes } from "node:crypto";
import {
  type AccountId,
  accountId,
  clientMessageId,
  conversationId,
  type ConversationId,
  deviceId,
  type DeviceId,
} from "@fastchat/protocol";
import fc from "fast-check";
import type pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type AppendItem, appendBatch, type AppendVerdict } from "./append.ts";
import { AppendQueue, type QueuedItem } from "./append-queue.ts";
import { type Database, openDatabase } from "./database.ts";
import { entryKinds } from "./entries.ts";
import { connect, type OpenTestDatabase, TestDatabase } from "./test-database.ts";

let opened: OpenTestDatabase;
let database: Database;

beforeAll(async () => {
  opened = await TestDatabase.open();
  ({ database } = opened);
});

afterAll(() => opened?.[Symbol.asyncDispose]());

interface Person {
  account: AccountId;
  device: DeviceId;
}

async function addPerson(): Promise<Person> {
  const account = randomBytes(32);
  const device = randomBytes(32);
  await database.query
    .insertInto("device")
    .values({ device, account, signing_key: randomBytes(32), sealing_key: randomBytes(1216), added: 1, ended: null })
    .execute();
  return { account: accountId(account), device: deviceId(device) };
}

async function addConversation(...people: Person[]): Promise<ConversationId> {
  const conversation = randomBytes(32);
  await database.query.insertInto("conversation").values({ conversation, kind: 1, epoch: 3, oldest_good_epoch: 2 }).execute();
  for (const { account } of people) {
    await database.query
      .insertInto("member")
      .values({ conversation, account: Buffer.from(account, "hex"), role: 2, may_write: true, account_head: 1 })
      .execute();
  }
  return conversationId(conversation);
}

const item = (person: Person, conversation: ConversationId, changes: Partial<AppendItem> = {}): AppendItem => ({
  conversation,
  account: person.account,
  device: person.device,
  clientMessageId: clientMessageId(randomBytes(16)),
  epoch: 3,
  body: randomBytes(40),
  withdraws: [],
  ...changes,
});

const append = (items: AppendItem[], now = 1_000) => appendBatch(database.append, items, now);

async function logOf(conversation: ConversationId) {
  return database.query
    .selectFrom("entry")
    .selectAll()
    .where("conversation", "=", Buffer.from(conversation, "hex"))
    .orderBy("sequence")
    .execute();
}

const shapes = (verdicts: readonly AppendVerdict[]) =>
  verdicts.map((verdict) =>
    "sequence" in verdict ? `${verdict.kind} ${verdict.sequence}` : "reason" in verdict ? verdict.reason : verdict.kind,
  );

test("[D6] a batch gets gap-free sequence numbers in the order of its items, and the bodies as they were", async () => {
  const alice = await addPerson();
  const bob = await addPerson();
  const one = await addConversation(alice, bob);
  const other = await addConversation(alice);
  const items = [item(alice, one), item(alice, other, { body: new Uint8Array(0) }), item(bob, one), item(alice, one)];
  expect(shapes(await append(items))).toEqual(["stored 1", "stored 1", "stored 2", "stored 3"]);
  const log = await logOf(one);
  expect(log.map((entry) => entry.sequence)).toEqual([1, 2, 3]);
  expect(log.map((entry) => Buffer.from(entry.body).toString("hex"))).toEqual(
    [items[0], items[2], items[3]].map((each) => Buffer.from(each!.body).toString("hex")),
  );
});

test("[D2] a retry with the same id gets the first place and time, also beside new ones", async () => {
  const alice = await addPerson();
  const conversation = await addConversation(alice);
  const first = item(alice, conversation);
  expect(await append([first], 5_000)).toEqual([{ kind: "stored", sequence: 1, time: 5_000 }]);
  expect(await append([item(alice, conversation), first, item(alice, conversation)], 6_000)).toEqual([
    { kind: "stored", sequence: 2, time: 6_000 },
    { kind: "duplicate", sequence: 1, time: 5_000 },
    { kind: "stored", sequence: 3, time: 6_000 },
  ]);
});

test("[D6] the time in a log never goes back, whatever the server's clock does", async () => {
  const alice = await addPerson();
  const conversation = await addConversation(alice);
  await append([item(alice, conversation)], 9_000);
  expect(await append([item(alice, conversation)], 4_000)).toEqual([{ kind: "stored", sequence: 2, time: 9_000 }]);
});

test("[S3] what the recorded heads, the epoch or a due turn forbid is refused by the statement that appends", async () => {
  const alice = await addPerson();
  const eve = await addPerson();
  const late = await addPerson();
  const conversation = await addConversation(alice);
  const bytes = Buffer.from(conversation, "hex");
  expect(shapes(await append([item(eve, conversation)]))).toEqual(["not-found"]);
  expect(shapes(await append([item(alice, conversationId(randomBytes(32)))]))).toEqual(["not-found"]);
  expect(shapes(await append([item({ ...alice, device: eve.device }, conversation)]))).toEqual(["device-ended"]);
  expect(shapes(await append([item(alice, conversation, { epoch: 1 })]))).toEqual(["stale-epoch"]);
  expect(shapes(await append([item(alice, conversation, { epoch: 2 })]))).toEqual(["stored 1"]);
  expect(shapes(await append([item(alice, conversation, { epoch: 4 })]))).toEqual(["stale-epoch"]);
  await database.query
    .updateTable("device")
    .set({ account: Buffer.from(alice.account, "hex"), added: 2 })
    .where("device", "=", Buffer.from(late.device, "hex"))
    .execute();
  expect(shapes(await append([item({ ...alice, device: late.device }, conversation)]))).toEqual(["device-not-recorded"]);
  await database.query.updateTable("conversation").set({ turn_due: true }).where("conversation", "=", bytes).execute();
  expect(shapes(await append([item(alice, conversation)]))).toEqual(["stale-epoch"]);
  await database.query.updateTable("conversation").set({ turn_due: false, closed: true }).where("conversation", "=", bytes).execute();
  expect(shapes(await append([item(alice, conversation)]))).toEqual(["closed"]);
  await database.query.updateTable("device").set({ ended: 3 }).where("device", "=", Buffer.from(alice.device, "hex")).execute();
  expect(shapes(await append([item(alice, conversation)]))).toEqual(["device-ended"]);
});

test("[D3] a bad item fails the later ones of its device and conversation, and nothing else", async () => {
  const alice = await addPerson();
  const bob = await addPerson();
  const one = await addConversation(alice, bob);
  const other = await addConversation(alice);
  const verdicts = await append([
    item(alice, one),
    item(alice, one, { epoch: 1 }),
    item(alice, one),
    item(bob, one),
    item(alice, other),
    item(alice, one),
  ]);
  expect(shapes(verdicts)).toEqual(["stored 1", "stale-epoch", "held", "stored 2", "stored 1", "held"]);
});

test("[D2] [D3] [D6] servers racing on the same conversations leave gap-free logs without doubles, each sender's order kept", async () => {
  const people = await Promise.all([addPerson(), addPerson(), addPerson()]);
  const parameters = { numRuns: process.env["SIZE"] === "large" ? 60 : 6 };
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.nat(2), fc.nat(2), fc.nat(3)), { minLength: 60, maxLength: 400 }),
      fc.integer({ min: 1, max: 17 }),
      async (plan, batchSize) => {
        const conversations = await Promise.all([addConversation(...people), addConversation(...people), addConversation(...people)]);
        // Three servers, each with its own pool; every person stays at one server and sends some things twice.
        await using servers = new AsyncDisposableStack();
        const queues = people.map(() => {
          const own = servers.use(openDatabase({ url: database.url, connections: 1, onIdleError: () => undefined }));
          return new AppendQueue({
            append: (items) => appendBatch(own.append, items, Date.now()),
            onStored: () => undefined,
            parallel: 2,
            entries: batchSize,
          });
        });
        const sent = new Map<string, string[]>();
        const answers: Promise<[QueuedItem, AppendVerdict]>[] = [];
        for (const [who, where, again] of plan) {
          const person = people[who]!;
          const conversation = conversations[where]!;
          const message = item(person, conversation);
          const key = person.device + conversation;
          sent.set(key, [...(sent.get(key) ?? []), message.clientMessageId]);
          for (let copy = 0; copy <= (again === 0 ? 1 : 0); copy++) {
            answers.push(
              new Promise((resolve) => {
                const queued: QueuedItem = {
                  ...message,
                  gate: { held: false },
                  resume: false,
                  answer: (verdict) => resolve([queued, verdict]),
                };
                expect(queues[who]!.offer(queued)).toBe(true);
              }),
            );
          }
          if (again === 1) await new Promise((resolve) => setImmediate(resolve));
        }
        const answered = await Promise.all(answers);
        for (const conversation of conversations) {
          const log = await logOf(conversation);
          expect(log.map((entry) => entry.sequence)).toEqual(log.map((_, index) => index + 1));
          expect(log.every((entry, index) => index === 0 || entry.time >= log[index - 1]!.time)).toBe(true);
          for (const person of people) {
            const own = log.filter((entry) => Buffer.from(entry.device).toString("hex") === person.device);
            expect(own.map((entry) => Buffer.from(entry.client_message_id!).toString("hex"))).toEqual(
              sent.get(person.device + conversation) ?? [],
            );
          }
          for (const [queued, verdict] of answered.filter(([each]) => each.conversation === conversation)) {
            if (verdict.kind !== "stored" && verdict.kind !== "duplicate") throw new Error(`unexpected ${verdict.kind}`);
            expect(Buffer.from(log[verdict.sequence - 1]!.client_message_id!).toString("hex")).toBe(queued.clientMessageId);
          }
        }
      },
    ),
    parameters,
  );
});

interface Waiting {
  readonly alice: Person;
  readonly conversation: ConversationId;
  readonly verdicts: readonly AppendVerdict[];
}

/** So many messages of Alice wait, since somebody else has their conversation, who then commits what `change` did. */
async function waitFor(
  count: number,
  change: (client: pg.PoolClient, conversation: Buffer, alice: Person) => Promise<unknown>,
): Promise<Waiting> {
  const alice = await addPerson();
  const conversation = await addConversation(alice);
  const id = Buffer.from(conversation, "hex");
  const client = await database.pool.connect();
  try {
    await client.query("BEGIN");
    await client.query("SELECT 1 FROM conversation WHERE conversation = $1 FOR NO KEY UPDATE", [id]);
    const appending = append(Array.from({ length: count }, () => item(alice, conversation)));
    const waits = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    await expect.poll(async () => (await database.pool.query(waits)).rows.length).toBeGreaterThan(0);
    await change(client, id, alice);
    await client.query("COMMIT");
    return { alice, conversation, verdicts: await appending };
  } finally {
    client.release();
  }
}

for (const [words, count] of [
  ["one message", 1],
  ["several", 2],
] as const) {
  test(`[S3] a refusal by another server's committed change is seen by who waited for the lock: ${words}`, async () => {
    const { alice, conversation, verdicts } = await waitFor(count, (client, id) =>
      client.query("UPDATE conversation SET epoch = 4, oldest_good_epoch = 4, head = head + 1 WHERE conversation = $1", [id]),
    );
    expect(shapes(verdicts)[0]).toBe("stale-epoch");
    const again = Array.from({ length: count }, () => item(alice, conversation, { epoch: 4 }));
    expect(shapes(await append(again))[0]).toBe("stored 2");
  });

  test(`[S3] whom a link put out, or made a reader, while it waited for the lock, is refused: ${words}`, async () => {
    for (const [change, verdict] of [
      ["DELETE FROM member WHERE conversation = $1", "not-found"],
      ["UPDATE member SET may_write = false WHERE conversation = $1", "may-not-write"],
    ] as const) {
      const { conversation, verdicts } = await waitFor(count, async (client, id) => {
        await client.query(change, [id]);
        await client.query("UPDATE conversation SET link_index = link_index + 1, head = head + 1 WHERE conversation = $1", [id]);
      });
      expect(shapes(verdicts)[0]).toBe(verdict);
      expect(await logOf(conversation)).toEqual([]);
    }
  });

  test(`[S3] whose device was revoked while it waited for the lock, by its holder or elsewhere, is refused: ${words}`, async () => {
    for (const isElsewhere of [false, true]) {
      const { conversation, verdicts } = await waitFor(count, (client, _, { device }) =>
        (isElsewhere ? database.pool : client).query("UPDATE device SET ended = 2 WHERE device = $1", [Buffer.from(device, "hex")]),
      );
      expect(shapes(verdicts)[0]).toBe("device-ended");
      expect(await logOf(conversation)).toEqual([]);
    }
  });

  test(`[D6] behind what another server appended while it waited for the lock, gap-free: ${words}`, async () => {
    const { verdicts } = await waitFor(count, (client, id) =>
      client.query("UPDATE conversation SET head = 7, head_time = 9000 WHERE conversation = $1", [id]),
    );
    expect(verdicts[0]).toEqual({ kind: "stored", sequence: 8, time: 9_000 });
  });

  test(`[D4] a connection that ends while it stores gives an unknown outcome, never a refusal: ${words}`, async () => {
    const { verdicts } = await waitFor(count, (client) =>
      client.query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database() AND pid <> pg_backend_pid()",
      ),
    );
    expect(verdicts).toEqual(Array.from({ length: count }, () => ({ kind: "unknown" })));
  });
}

test("[D3] after a refusal the queue holds what is behind it until a send resumes", async () => {
  const alice = await addPerson();
  const conversation = await addConversation(alice);
  const queue = new AppendQueue({ append: (items) => append([...items]), onStored: () => undefined, parallel: 2 });
  const gate = { held: false };
  const offer = (changes: Partial<QueuedItem> = {}) =>
    new Promise<AppendVerdict>((resolve) => {
      queue.offer({ ...item(alice, conversation), gate, resume: false, answer: resolve, ...changes });
    });
  const first = [offer(), offer({ epoch: 1 }), offer()];
  await new Promise((resolve) => setImmediate(resolve));
  const later = [offer(), offer()];
  expect(shapes(await Promise.all([...first, ...later]))).toEqual(["stored 1", "stale-epoch", "held", "held", "held"]);
  expect(shapes(await Promise.all([offer(), offer({ resume: true }), offer()]))).toEqual(["held", "stored 2", "stored 3"]);
  await queue.settled();
  expect(queue.size).toBe(0);
});

test("a message waits for others where others come, and for nothing where it is alone or the next of its device", async () => {
  const alice = await addPerson();
  const bob = await addPerson();
  const [one, other] = [await addConversation(alice, bob), await addConversation(alice)];
  const batches: number[] = [];
  const append = async (items: readonly AppendItem[]): Promise<AppendVerdict[]> => {
    batches.push(items.length);
    return items.map((_, index) => ({ kind: "stored", sequence: index + 1, time: 1 }));
  };
  const queue = new AppendQueue({ append, onStored: () => undefined, parallel: 2, gatherMs: 200 });
  const offer = (person: Person, conversation: ConversationId) =>
    new Promise<AppendVerdict>((resolve) => {
      queue.offer({ ...item(person, conversation), gate: { held: false }, resume: false, answer: resolve });
    });
  // One behind the other: each leaves at the end of its turn, however quickly they come.
  for (let count = 0; count < 40; count++) {
    void offer(alice, count % 2 === 0 ? one : other);
    await new Promise((resolve) => setImmediate(resolve));
    await new Promise((resolve) => setImmediate(resolve));
    expect(batches.length).toBe(count + 1);
  }
  // Two people at the same time: by and by what they write goes together.
  batches.length = 0;
  for (let count = 0; count < 300 && batches.at(-1) !== 2; count++) {
    const first = offer(alice, other);
    await new Promise((resolve) => setTimeout(resolve, 2));
    await Promise.all([first, offer(bob, one)]);
  }
  expect(batches.slice(0, 2)).toEqual([1, 1]);
  expect(batches.at(-1)).toBe(2);
});

const kindsOf = async (conversation: ConversationId) => (await logOf(conversation)).map(({ kind }) => kind);
const { message, withdrawn } = entryKinds;

test("[S5] a message takes what it withdraws out of reach with the commit that stores it: the account's own messages, of this conversation, before it", async () => {
  const alice = await addPerson();
  const bob = await addPerson();
  const one = await addConversation(alice, bob);
  const other = await addConversation(alice, bob);
  await append([item(alice, one), item(bob, one), item(alice, one), item(alice, other)]);
  const [bodies] = [await logOf(one)];
  const withdrawal = item(alice, one, { withdraws: [3, 2, 1_000_000_000, 0] });
  // Others in the batch withdraw nothing, and one of them what came before it in the same batch.
  const verdicts = await append([item(bob, one), item(alice, one), withdrawal, item(bob, other), item(alice, one, { withdraws: [5] })]);
  expect(shapes(verdicts)).toEqual(["stored 4", "stored 5", "stored 6", "stored 2", "stored 7"]);
  expect(await kindsOf(one)).toEqual([message, message, withdrawn, message, withdrawn, message, message]);
  expect(await kindsOf(other)).toEqual([message, message]);
  // Its place, author and id are as they were.
  const after = await logOf(one);
  expect(after[2]).toEqual({ ...bodies[2]!, kind: withdrawn });
  expect(shapes(await append([withdrawal]))).toEqual(["duplicate 6"]);
});

test("[S5] what is refused withdraws nothing, whatever the rest of its batch does", async () => {
  const alice = await addPerson();
  const bob = await addPerson();
  const conversation = await addConversation(alice, bob);
  await append([item(alice, conversation), item(bob, conversation), item(alice, conversation)]);
  const verdicts = await append([
    item(alice, conversation, { withdraws: [1], epoch: 1 }),
    item(alice, conversation, { withdraws: [3] }),
    item(bob, conversation, { withdraws: [2] }),
  ]);
  expect(shapes(verdicts)).toEqual(["stale-epoch", "held", "stored 4"]);
  expect(await kindsOf(conversation)).toEqual([message, withdrawn, message, message]);
});

test("[S5] no message withdraws itself, nor what comes after it in the same batch", async () => {
  const alice = await addPerson();
  const conversation = await addConversation(alice);
  const verdicts = await append([item(alice, conversation, { withdraws: [1, 2] }), item(alice, conversation), item(alice, conversation)]);
  expect(shapes(verdicts)).toEqual(["stored 1", "stored 2", "stored 3"]);
  expect(await kindsOf(conversation)).toEqual([message, message, message]);
});

test("[S5] the files of what is withdrawn are found among however many the conversation has", async () => {
  const alice = await addPerson();
  const conversation = await addConversation(alice);
  const [first, second] = [item(alice, conversation), item(alice, conversation)];
  await append([first, second]);
  await using client = await connect(opened.url);
  await client.query("BEGIN");
  const { rows } = await client.query<{ blob: Buffer }>(
    `INSERT INTO blob (blob, conversation, account, device, client_message_id, size, begun, look_at)
     SELECT uuid_send(gen_random_uuid()), $1, $2, $3, CASE place WHEN 1 THEN $4 ELSE uuid_send(gen_random_uuid()) END, 1, 1, 1
     FROM generate_series(1, 3000) AS place RETURNING blob`,
    [first.conversation, first.account, first.device, first.clientMessageId].map((id) => Buffer.from(id, "hex")),
  );
  const readSoFar = async (): Promise<number> => {
    const counts = await client.query<{ blobs: number }>(
      "SELECT (idx_tup_fetch + seq_tup_read)::integer AS blobs FROM pg_stat_xact_user_tables WHERE relname = 'blob'",
    );
    return counts.rows[0]!.blobs;
  };
  const before = await readSoFar();
  expect(shapes(await appendBatch(client, [item(alice, conversation, { withdraws: [1, 2] })], 1_000))).toEqual(["stored 3"]);
  expect((await readSoFar()) - before).toBeLessThan(20);
  const looked = await client.query("SELECT blob FROM blob WHERE look_at = 0");
  expect(looked.rows).toEqual([rows[0]]);
  await client.query("ROLLBACK");
});
