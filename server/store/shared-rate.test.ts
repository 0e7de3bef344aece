import { ErrorCode } from "@fastchat/protocol";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openDatabase } from "./database.ts";
import { forgetFullBuckets, SharedRate } from "./shared-rate.ts";
import { TestDatabase } from "./test-database.ts";

let opened: Awaited<ReturnType<typeof TestDatabase.open>>;
beforeAll(async () => {
  opened = await TestDatabase.open();
});
afterAll(() => opened[Symbol.asyncDispose]());

const hourly = { perSecond: 1 / 3_600, burst: 5 };

test("[W5] what is taken at one server is taken at all of them, also at once", async () => {
  const { database } = opened;
  await using elsewhere = openDatabase({ url: database.url, connections: 4, onIdleError: () => undefined });
  const servers = [
    new SharedRate(database, "test", hourly),
    new SharedRate(elsewhere, "test", hourly),
    new SharedRate(elsewhere, "test", hourly),
  ];
  const taken = await Promise.all(servers.flatMap((server) => Array.from({ length: 5 }, () => server.tryTake("alice"))));
  expect(taken.filter(Boolean)).toHaveLength(hourly.burst);
  for (const server of servers) {
    const refused = { code: ErrorCode.RATE_LIMITED, retryAfterMs: expect.any(Number) };
    await expect(server.takeOrThrow("alice")).rejects.toMatchObject(refused);
  }
  // Somebody else's, and another rate, have buckets of their own.
  expect(await servers[0]!.tryTake("bob")).toBe(true);
  expect(await new SharedRate(database, "other", hourly).tryTake("alice")).toBe(true);
});

test("tokens come back with time, and full buckets are forgotten", async () => {
  const { database } = opened;
  const fast = new SharedRate(database, "fast", { perSecond: 50, burst: 1 });
  await expect.poll(() => fast.tryTake("alice")).toBe(true);
  await expect.poll(() => fast.tryTake("alice")).toBe(true);
  const slow = new SharedRate(database, "slow", hourly);
  await slow.takeOrThrow("alice");
  const keys = async () => {
    await forgetFullBuckets(database);
    const rows = await database.query.selectFrom("rate").select("key").where("key", "in", ["fast alice", "slow alice"]).execute();
    return rows.map(({ key }) => key);
  };
  await expect.poll(keys).toEqual(["slow alice"]);
});
