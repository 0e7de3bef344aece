import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { connect, TestDatabase } from "../../server/store/test-database.ts";
import { noFaults, type PostgresFaults, postgresWire } from "./postgres-wire.ts";
import { TcpProxy } from "./tcp-proxy.ts";

let database: TestDatabase;

beforeAll(async () => {
  database = await TestDatabase.create();
});

afterAll(() => database?.[Symbol.asyncDispose]());

async function startProxy(faults: PostgresFaults): Promise<{ url: string } & AsyncDisposable> {
  const { port } = new URL(database.url);
  const proxy = await TcpProxy.start({ host: "127.0.0.1", port: Number(port) }, postgresWire(faults));
  const url = database.url.replace(`:${port}/`, `:${proxy.port}/`);
  return { url, [Symbol.asyncDispose]: () => proxy[Symbol.asyncDispose]() };
}

const ways: [way: string, insert: (client: pg.Client) => Promise<unknown>][] = [
  ["in one simple query", (client) => client.query("INSERT INTO cut VALUES (1)")],
  ["in a prepared statement", (client) => client.query({ name: "append", text: "INSERT INTO cut VALUES ($1)", values: [1] })],
  [
    "in a transaction of several statements",
    async (client) => {
      await client.query("BEGIN");
      await client.query("INSERT INTO cut VALUES ($1)", [1]);
      await client.query("COMMIT");
    },
  ],
];

test.each(ways)("a commit %s is done and nobody hears so", async (_, insert) => {
  const faults = noFaults();
  await using proxy = await startProxy(faults);
  await using direct = await connect(database.url);
  await direct.query("CREATE TABLE cut (number int)");
  try {
    await using client = await connect(proxy.url);
    await insert(client);
    faults.cutAfterCommitOf = /INSERT INTO cut/;
    await client.query("SELECT 1");
    await expect(insert(client)).rejects.toThrow(/Connection terminated|ECONNRESET/);
    expect((await direct.query("SELECT count(*)::int AS n FROM cut")).rows).toEqual([{ n: 2 }]);
    expect(faults.counts.commitsCut).toBe(1);
    await using again = await connect(proxy.url);
    await insert(again);
    expect((await direct.query("SELECT count(*)::int AS n FROM cut")).rows).toEqual([{ n: 3 }]);
  } finally {
    await direct.query("DROP TABLE cut");
  }
});

test("answers to what was sent before the cut still arrive when statements are pipelined", async () => {
  const faults = noFaults();
  await using proxy = await startProxy(faults);
  await using direct = await connect(database.url);
  await direct.query("CREATE TABLE cut (number int)");
  try {
    const client = new pg.Client({ connectionString: proxy.url, pipeline: true } as pg.ClientConfig);
    client.on("error", () => {});
    await client.connect();
    faults.cutAfterCommitOf = /INSERT INTO cut/;
    const outcomes = await Promise.allSettled([
      client.query("SELECT 1 AS before"),
      client.query("INSERT INTO cut VALUES (1)"),
      client.query("SELECT 2 AS behind"),
    ]);
    expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "rejected"]);
    expect((await direct.query("SELECT count(*)::int AS n FROM cut")).rows).toEqual([{ n: 1 }]);
  } finally {
    await direct.query("DROP TABLE cut");
  }
});

test("notifications are dropped while that is switched on, and only those", async () => {
  const faults = noFaults();
  await using proxy = await startProxy(faults);
  await using client = await connect(proxy.url);
  const heard: (string | undefined)[] = [];
  client.on("notification", ({ payload }) => heard.push(payload));
  await client.query("LISTEN hints");
  for (const [payload, drop] of [
    ["one", false],
    ["two", true],
    ["three", false],
  ] as const) {
    faults.dropNotifications = drop;
    await client.query("SELECT pg_notify('hints', $1)", [payload]);
    await client.query("SELECT 1");
  }
  expect(heard).toEqual(["one", "three"]);
  expect(faults.counts.notificationsDropped).toBe(1);
});

test("a proxy cuts the connections it is told to, and a new one works", async () => {
  const { port } = new URL(database.url);
  await using proxy = await TcpProxy.start({ host: "127.0.0.1", port: Number(port) });
  const url = database.url.replace(`:${port}/`, `:${proxy.port}/`);
  await using client = await connect(url);
  const running = client.query("SELECT pg_sleep(30)");
  running.catch(() => {});
  await expect.poll(() => proxy.connections).toBe(1);
  expect(proxy.cut()).toBe(1);
  await expect(running).rejects.toThrow(/Connection terminated|ECONNRESET/);
  await using again = await connect(url);
  expect((await again.query("SELECT 1 AS one")).rows).toEqual([{ one: 1 }]);
});
