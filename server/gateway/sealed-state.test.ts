import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { SealedStates } from "./sealed-state.ts";

test("what a gateway sealed it opens, for the same purpose and in time, and so does another with the same key", () => {
  let now = 1_000_000;
  const key = randomBytes(32);
  const one = new SealedStates(key, () => now);
  const sealed = one.seal("grant", 500, { account: "a" });
  expect(new SealedStates(key, () => now).open("grant", sealed)).toEqual({ account: "a" });
  expect(one.open("challenge", sealed)).toBe(undefined);
  expect(new SealedStates(randomBytes(32), () => now).open("grant", sealed)).toBe(undefined);
  now += 499;
  expect(one.open("grant", sealed)).toEqual({ account: "a" });
  now += 1;
  expect(one.open("grant", sealed)).toBe(undefined);
});

test("any changed bit, any missing byte, and garbage are refused", () => {
  const states = new SealedStates(randomBytes(32));
  const sealed = states.seal("sign-in", 60_000, { name: "alice" });
  for (let bit = 0; bit < sealed.length * 8; bit++) {
    const changed = Buffer.from(sealed);
    changed[bit >> 3]! ^= 1 << (bit & 7);
    expect(states.open("sign-in", changed)).toBe(undefined);
  }
  for (let length = 0; length < sealed.length; length++) expect(states.open("sign-in", sealed.subarray(0, length))).toBe(undefined);
});
