import { randomBytes } from "node:crypto";
import pg from "pg";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { getTicket, signIn, signUp, TestConversation, type TestPerson, TestSocket } from "../test-client.ts";
import { TestInstallation } from "../test-installation.ts";

// Everything that is asked of the database while people come, write, read and go: no statement may walk through a table that grows, and each names conversations, accounts or
// devices, by which the tables can be divided. What is small stays small however many people there are.

const SMALL = new Set(["chat_server", "installation", "migration", "setting"]);
/** What divides a table: of all its indexes that are used one condition names such a column. */
const DIVIDES = /\b(conversation|account|device|hash|name|key|run|blob|server)\b/u;
const ROWS = 20_000;

let installation: TestInstallation;
let alice: TestPerson;
let bob: TestPerson;
beforeAll(async () => {
  installation = await TestInstallation.start({ servers: 2 });
  alice = await signUp(installation.gateway.url, "alice");
  bob = await signUp(installation.gateway.url, "bob");
  await fill();
});
afterAll(() => installation?.[Symbol.asyncDispose]());
afterEach(() => vi.restoreAllMocks());

/** So many rows of others that the planner has a reason to use indexes. */
async function fill(): Promise<void> {
  const { pool } = installation.database;
  const id = "sha256(int4send(i))";
  await pool.query(
    `INSERT INTO account (account, name, head_index, head_hash) SELECT ${id}, 'somebody-' || i, 1, ${id} FROM generate_series(1, ${ROWS}) i`,
  );
  await pool.query(
    `INSERT INTO device (device, account, signing_key, sealing_key, added) SELECT ${id}, ${id}, ${id}, ${id}, 1 FROM generate_series(1, ${ROWS}) i`,
  );
  await pool.query(
    `INSERT INTO conversation (conversation, kind, head, link_index, epoch, oldest_good_epoch) SELECT ${id}, 1, 1, 1, 1, 1 FROM generate_series(1, ${ROWS}) i`,
  );
  await pool.query(
    `INSERT INTO conversation_link (conversation, index, hash, sequence) SELECT ${id}, 1, ${id}, 1 FROM generate_series(1, ${ROWS}) i`,
  );
  await pool.query(
    `INSERT INTO member (conversation, account, role, may_write, account_head) SELECT ${id}, ${id}, 1, true, 1 FROM generate_series(1, ${ROWS}) i`,
  );
  await pool.query(`INSERT INTO entry (conversation, sequence, time, account, device, client_message_id, kind, body)
    SELECT ${id}, 1, 1, ${id}, ${id}, substring(${id} FROM 1 FOR 16), 1, ${id} FROM generate_series(1, ${ROWS}) i`);
  await pool.query(
    `INSERT INTO vault_entry (account, slot, generation, version, sealed, revision) SELECT ${id}, ${id}, 1, 1, ${id}, 1 FROM generate_series(1, ${ROWS}) i`,
  );
  await pool.query(`INSERT INTO presence (account, run) SELECT ${id}, 'somewhere' FROM generate_series(1, ${ROWS}) i`);
  await pool.query(
    `INSERT INTO account_link (account, index, hash, body, signature, cosignature) SELECT ${id}, 1, ${id}, ${id}, ${id}, ${id} FROM generate_series(1, ${ROWS}) i`,
  );
  await pool.query(`INSERT INTO sign_in_record (account, record, setup) SELECT ${id}, ${id}, '' FROM generate_series(1, ${ROWS}) i`);
  await pool.query("ANALYZE");
}

async function useAll(): Promise<void> {
  const { url } = installation.gateway;
  expect(await signIn(url, alice.name, alice.password)).not.toBe("wrong-password");
  await getTicket(url, alice.devices[0]!);
  await using a = await TestSocket.welcome(url, alice.devices[0]!, ["chat-2"]);
  await using b = await TestSocket.welcome(url, bob.devices[0]!, ["chat-1"]);
  const conversation = new TestConversation(alice, bob);
  await conversation.open(a, alice);
  const id = Buffer.from(conversation.id, "hex");
  await a.ask(conversation.send(await conversation.message("hello", alice)), "sent");
  await b.until(() => b.live(conversation.id).length === 2);
  await b.ask({ case: "catchUp", value: { cursors: [{ conversation: id, sequence: 1 }] } }, "heads");
  await b.ask({ case: "fetchEntries", value: { conversation: id, after: 0, limit: 10 } }, "entries");
  await b.ask({ case: "fetchEntries", value: { conversation: id, before: 9, limit: 10 } }, "entries");
  await b.ask({ case: "fetchLinks", value: { conversation: id, after: 0 } }, "entries");
  await b.ask({ case: "fetchSealedKeys", value: { conversation: id, fromEpoch: 1 } }, "sealedKeys");
  await b.ask({ case: "fetchAccount", value: { by: { case: "account", value: Buffer.from(alice.account, "hex") }, after: 0 } }, "account");
  await b.ask({ case: "watchPresence", value: { accounts: [Buffer.from(alice.account, "hex")] } }, "presence");
  await b.ask({ case: "readVault", value: { afterRevision: 0 } }, "vault");
  await b.ask({ case: "fetchSlots", value: { conversation: id } }, "slots");
}

interface Plan {
  readonly "Node Type": string;
  readonly "Relation Name"?: string;
  readonly "Index Cond"?: string;
  readonly Plans?: readonly Plan[];
}

const nodesOf = (plan: Plan): Plan[] => [plan, ...(plan.Plans ?? []).flatMap(nodesOf)];

test("every statement of the way of a message walks an index, by what the tables can be divided by", { timeout: 120_000 }, async () => {
  const asked = vi.spyOn(pg.Client.prototype, "query");
  await useAll();
  const statements = new Set(
    asked.mock.calls.map((words) => {
      const [statement] = words as unknown as [string | { readonly text?: string }];
      return typeof statement === "string" ? statement : (statement.text ?? "");
    }),
  );
  vi.restoreAllMocks();
  const explained = [...statements].filter((text) => /^\s*(with|select|insert|update|delete)\b/iu.test(text));
  expect(explained.length).toBeGreaterThan(25);
  await using client = Object.assign(new pg.Client(installation.database.url), { [Symbol.asyncDispose]: () => client.end() });
  await client.connect();
  // Of the tables that hold little here a walk through the whole is cheapest; that an index is there to be taken is what counts.
  await client.query("SET enable_seqscan = off");
  const faults: string[] = [];
  for (const text of explained) {
    const { rows } = await client.query<{ "QUERY PLAN": readonly { readonly Plan: Plan }[] }>(
      `EXPLAIN (GENERIC_PLAN, FORMAT JSON) ${text}`,
    );
    for (const node of nodesOf(rows[0]!["QUERY PLAN"][0]!.Plan)) {
      const { "Node Type": kind, "Relation Name": table, "Index Cond": condition } = node;
      if (table === undefined || SMALL.has(table) || !kind.endsWith("Scan")) continue;
      const isIndexed = /^(Index|Index Only|Tid) Scan$|^Bitmap Heap Scan$/u.test(kind);
      const isDivided = kind === "Bitmap Heap Scan" || DIVIDES.test(condition ?? "");
      if (!isIndexed || !isDivided)
        faults.push(`${kind} of ${table} by ${condition ?? "nothing"}: ${text.replaceAll(/\s+/gu, " ").slice(0, 160)}`);
    }
  }
  expect(faults).toEqual([]);
});

test("a batch is appended by walks along indexes alone, in large tables and by the first plan", async () => {
  const { pool } = installation.database;
  const scans = async () => {
    await pool.query("SELECT pg_stat_force_next_flush()");
    const { rows } = await pool.query<{ scans: number }>(
      "SELECT sum(seq_scan)::integer AS scans FROM pg_stat_user_tables WHERE relname IN ('conversation', 'member', 'device', 'entry', 'account')",
    );
    return rows[0]!.scans;
  };
  const url = installation.gateway.url;
  const carol = await signUp(url, `carol-${randomBytes(4).toString("hex")}`);
  await using c = await TestSocket.welcome(url, carol.devices[0]!);
  const conversation = new TestConversation(carol);
  await conversation.open(c, carol);
  const before = await scans();
  for (let count = 0; count < 5; count++) await c.ask(conversation.send(await conversation.message(`number ${count}`, carol)), "sent");
  // Statistics of other connections come when these have nothing to do.
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  expect((await scans()) - before).toBe(0);
});
