import * as fc from "fast-check";
import { expect, test } from "vitest";
import { encodeParts, equal, labels, readSafetyCode, safetyCode, safetyNumber, toHex } from "./index.ts";

const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 });
const parties = fc.record({ account: bytes32, identityKey: bytes32 });
const heads = fc.option(bytes32, { nil: undefined });
const alice = { account: new Uint8Array(32).fill(1), identityKey: new Uint8Array(32).fill(2) };
const bob = { account: new Uint8Array(32).fill(3), identityKey: new Uint8Array(32).fill(4) };

function changed(bytes: Uint8Array, bit: number): Uint8Array {
  return bytes.map((byte, index) => (index === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte));
}

test("[A5] both see the same 60 digits and 18 words", () => {
  fc.assert(
    fc.property(parties, parties, (one, other) => {
      const number = safetyNumber(one, other);
      expect(number).toEqual(safetyNumber(other, one));
      expect(number.digits).toMatch(/^\d{60}$/);
      expect(number.words.length).toBe(18);
      for (const word of number.words) expect(word).toMatch(/^[a-z]{3,8}$/);
    }),
  );
});

test("[A5] one changed bit in any id or key, or swapped keys, changes digits and words", () => {
  const number = safetyNumber(alice, bob);
  fc.assert(
    fc.property(fc.nat({ max: 255 }), fc.constantFrom("account", "identityKey"), fc.boolean(), (bit, field, ofAlice) => {
      const party = ofAlice ? alice : bob;
      const other = safetyNumber({ ...party, [field]: changed(party[field], bit) }, ofAlice ? bob : alice);
      expect(other.digits).not.toBe(number.digits);
      expect(other.words).not.toEqual(number.words);
    }),
  );
  const swapped = safetyNumber({ ...alice, identityKey: bob.identityKey }, { ...bob, identityKey: alice.identityKey });
  expect(swapped.digits).not.toBe(number.digits);
});

test("[A5] the code compares accounts and identities, and brings both heads to the right side", () => {
  fc.assert(
    fc.property(parties, parties, heads, heads, (one, other, oneHead, otherHead) => {
      fc.pre(!equal(one.account, other.account));
      const code = safetyCode({ ...one, head: oneHead }, { ...other, head: otherHead });
      expect(code).toMatch(/^[0-9A-Z $%*+\-./:]+$/);
      expect(readSafetyCode(code, one, other)).toEqual({ kind: "same", myHead: oneHead, theirHead: otherHead });
      expect(readSafetyCode(code, other, one)).toEqual({ kind: "same", myHead: otherHead, theirHead: oneHead });
    }),
  );
});

test("[A5] the code of somebody in the middle differs", () => {
  const mallory = { account: bob.account, identityKey: new Uint8Array(32).fill(9) };
  expect(readSafetyCode(safetyCode(mallory, alice), alice, bob)).toEqual({ kind: "different" });
  expect(readSafetyCode(safetyCode(bob, { ...alice, identityKey: mallory.identityKey }), alice, bob)).toEqual({ kind: "different" });
  const stranger = { account: new Uint8Array(32).fill(8), identityKey: new Uint8Array(32).fill(9) };
  expect(readSafetyCode(safetyCode(stranger, bob), alice, bob)).toEqual({ kind: "different" });
});

test("[A5] anything may be scanned: it is never taken for the same, and never an error", () => {
  const code = safetyCode(alice, bob);
  const scanned = fc.oneof(
    fc.string(),
    fc.string().map((text) => `FASTCHAT:VERIFY:${text}`),
    fc.nat({ max: code.length - 1 }).map((length) => code.slice(0, length)),
    fc.uint8Array().map((bytes) => `FASTCHAT:VERIFY:${toHex(bytes).toUpperCase()}`),
  );
  fc.assert(
    fc.property(scanned, (text) => {
      expect(readSafetyCode(text, alice, bob).kind).toBe("not-a-safety-code");
    }),
  );
  const newer = `FASTCHAT:VERIFY:${toHex(encodeParts(labels.show.safetyCode, 2, "something else"))}`;
  expect(readSafetyCode(newer, alice, bob)).toEqual({ kind: "unknown-version", version: 2 });
});

test("[A5] golden safety number and code", () => {
  const { digits, words } = safetyNumber(alice, bob);
  expect(digits).toBe("070741560691412226281899413815610304858169719538171059964067");
  expect(words.join(" ")).toBe(
    "behave loud index snack tank drop cream focus aisle lizard guide pole soon better yellow eagle ethics city",
  );
  expect(safetyCode({ ...alice, head: new Uint8Array(32).fill(5) }, bob)).toBe(
    "FASTCHAT:VERIFY:0000001B66617374636861742F312F73686F772F7361666574792D636F6465000000080000000000000001000000076163636F756E74000000200101010101010101010101010101010101010101010101010101010101010101000000086964656E746974790000002002020202020202020202020202020202020202020202020202020202020202020000000468656164000000200505050505050505050505050505050505050505050505050505050505050505000000076163636F756E74000000200303030303030303030303030303030303030303030303030303030303030303000000086964656E74697479000000200404040404040404040404040404040404040404040404040404040404040404000000046865616400000000",
  );
});
