import { randomBytes } from "node:crypto";
import { limits } from "@fastchat/protocol";
import { afterAll, beforeAll, expect, test } from "vitest";
import { giveBackSignInAttempt, type SignInAttempt, takeSignInAttempt } from "./sign-in-attempts.ts";
import { forgetFullBuckets } from "./shared-rate.ts";
import { type OpenTestDatabase, TestDatabase } from "./test-database.ts";

let opened: OpenTestDatabase;
beforeAll(async () => {
  opened = await TestDatabase.open();
});
afterAll(() => opened?.[Symbol.asyncDispose]());

const EACH = limits.signInsPerMinutePerNameAndAddress;
const somewhere = () => randomBytes(16);
const take = (attempt: SignInAttempt) => takeSignInAttempt(opened.database, attempt);
const count = async (attempts: readonly SignInAttempt[]) => {
  const kinds = (await Promise.all(attempts.map(take))).map(({ kind }) => kind);
  const of = (wanted: string) => kinds.filter((kind) => kind === wanted).length;
  return { taken: of("taken"), late: of("taken-late"), refused: of("refused") };
};
/** As if so much time had passed. */
const pass = (ms: number) => opened.database.pool.query("UPDATE rate SET full_at = full_at - $1 * interval '1 millisecond'", [ms]);

test("[W5] of many at once from one place as many are taken as there may be, and one is more a while later", async () => {
  const attempt = { name: "anna", who: somewhere() };
  expect(await count(Array.from({ length: 3 * EACH }, () => attempt))).toEqual({ taken: EACH, late: 0, refused: 2 * EACH });
  const refused = await take(attempt);
  expect(refused).toMatchObject({ kind: "refused" });
  const { retryAfterMs } = refused as { retryAfterMs: number };
  expect(retryAfterMs).toBeLessThanOrEqual(60_000 / EACH);
  await pass(retryAfterMs);
  expect(await count([attempt, attempt])).toEqual({ taken: 1, late: 0, refused: 1 });
  await pass(10 * 60_000);
  expect(await count(Array.from({ length: EACH + 1 }, () => attempt))).toEqual({ taken: EACH, late: 0, refused: 1 });
});

test("[W5] from everywhere together some wait, and none is refused; what is refused counts for nobody", async () => {
  const places = Array.from({ length: limits.signInsPerMinutePerName / EACH }, somewhere);
  const attempts = places.flatMap((who) => Array.from({ length: EACH }, () => ({ name: "bert", who })));
  for (const attempt of attempts.slice(0, EACH)) await take(attempt);
  expect(await count(Array.from({ length: 30 }, () => attempts[0]!))).toEqual({ taken: 0, late: 0, refused: 30 });
  const { late, refused } = await count(attempts.slice(EACH));
  expect([late, refused]).toEqual([0, 0]);
  expect(await take({ name: "bert", who: somewhere() })).toEqual({ kind: "taken-late" });
  expect(await take({ name: "other", who: places[0]! })).toEqual({ kind: "taken" });
});

test("what is given back is there again, and never more than there may be; what is full is forgotten", async () => {
  const attempt = { name: "carl", who: somewhere() };
  for (let times = 0; times < 2 * EACH; times++) {
    expect(await take(attempt)).toEqual({ kind: "taken" });
    await giveBackSignInAttempt(opened.database, attempt);
  }
  for (let times = 0; times < EACH; times++) await giveBackSignInAttempt(opened.database, attempt);
  expect(await count(Array.from({ length: 2 * EACH }, () => attempt))).toEqual({ taken: EACH, late: 0, refused: EACH });
  const rows = async () => (await opened.database.pool.query("SELECT FROM rate WHERE key LIKE 'sign-in carl%'")).rowCount;
  await forgetFullBuckets(opened.database);
  expect(await rows()).toBe(2);
  await pass(60_000);
  await forgetFullBuckets(opened.database);
  expect(await rows()).toBe(0);
});
