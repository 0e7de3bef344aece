import pg from "pg";
import { expect, test } from "vitest";
import { migrate } from "./migrate.ts";
import { TestDatabase } from "./test-database.ts";

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
