import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { UsedStates } from "./used-states.ts";

test("a state is used once, and remembered as long as it could be opened", () => {
  let now = 1_000;
  const used = new UsedStates({ lifetimeMs: 500, most: 10 }, () => now);
  const id = randomUUID();
  expect(used.use(id)).toBe(true);
  expect(used.use(randomUUID())).toBe(true);
  now += 499;
  expect(used.use(id)).toBe(false);
  expect(used.size).toBe(2);
  now += 1;
  expect(used.use(randomUUID())).toBe(true);
  expect(used.size).toBe(1);
});

test("never more are remembered than told; the one that was used first goes first", () => {
  const used = new UsedStates({ lifetimeMs: 500, most: 3 }, () => 0);
  for (const id of ["a", "b", "c", "d"]) expect(used.use(id)).toBe(true);
  expect(used.size).toBe(3);
  for (const id of ["b", "c", "d"]) expect(used.use(id)).toBe(false);
  expect(used.use("a")).toBe(true);
});
