import { randomBytes } from "node:crypto";
import pg from "pg";
import { expect, test } from "vitest";
import { migrate } from "./migrate.ts";
import { start } from "./migrations/0001-start.ts";
import { accountLinkTimes } from "./migrations/0002-account-link-times.ts";
import { connect, TestDatabase } from "./test-database.ts";

test("many processes that start at once migrate once; a later start changes nothing", async () => {
  await using database = await TestDatabase.create();
  const { url } = database;
  const results = await Promise.all([migrate(url), migrate(url), migrate(url), migrate(url)]);
  expect(results.filter((result) => result.kind === "migrated" && result.from === 0)).toHaveLength(1);
  expect(results.every((result) => result.kind === "migrated")).toBe(true);
  const again = await migrate(url);
  expect(again.kind === "migrated" && again.from === again.to).toBe(true);
});

test("a database of a newer FastChat is refused with one sentence and left as it is", async () => {
  await using database = await TestDatabase.create();
  const { url } = database;
  await migrate(url);
  const client = new pg.Client(url);
  await client.connect();
  await client.query("INSERT INTO migration (version, name) VALUES (999, 'from the future')");
  const result = await migrate(url);
  expect(result.kind).toBe("newer");
  expect(result.kind === "newer" && result.sentence).toMatch(/newer FastChat.*update FastChat\.$/);
  expect((await client.query("SELECT max(version) AS version FROM migration")).rows[0]).toEqual({ version: 999 });
  await client.end();
});

test("a database from before groups knows afterwards how many members its conversations have, and who brought them in", async () => {
  await using database = await TestDatabase.create();
  await using client = await connect(database.url);
  await client.query(
    "CREATE TABLE migration (version integer PRIMARY KEY, name text NOT NULL, applied timestamptz NOT NULL DEFAULT now())",
  );
  await client.query(start + accountLinkTimes);
  await client.query("INSERT INTO migration (version, name) VALUES (1, 'start'), (2, 'account-link-times')");
  const [conversation, self, author, other] = Array.from({ length: 4 }, () => randomBytes(32));
  for (const [id, accounts] of [[conversation, [author, other]] as const, [self, [author]] as const]) {
    await client.query("INSERT INTO conversation (conversation, kind, head, link_index) VALUES ($1, 1, 2, 1)", [id]);
    for (const account of accounts) await client.query("INSERT INTO member VALUES ($1, $2, 1, true, 1)", [id, account]);
    for (const [sequence, writer] of [[1, author] as const, [2, accounts.at(-1)] as const]) {
      await client.query("INSERT INTO entry VALUES ($1, $2, 0, $3, $3, NULL, 2, '')", [id, sequence, writer]);
    }
  }
  expect(await migrate(database.url)).toMatchObject({ kind: "migrated", from: 2 });
  const counts = await client.query<{ members: number }>("SELECT members FROM conversation ORDER BY members");
  expect(counts.rows.map((row) => row.members)).toEqual([1, 2]);
  const members = await client.query<{ added_by: Buffer }>("SELECT added_by FROM member");
  expect(members.rows.map((row) => row.added_by)).toEqual([author, author, author]);
});
