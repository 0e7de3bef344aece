import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeLargeSnapshot, decodeSnapshot, encodeLargeSnapshot, encodeSnapshot } from "./snapshot.ts";

test("[S7] a snapshot gives back the state it was made of", () => {
  const { state } = fc.letrec((tie) => ({
    leaf: fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.uint8Array({ maxLength: 40 })),
    state: fc.oneof(
      { depthSize: "small" },
      tie("leaf"),
      fc.array(tie("state"), { maxLength: 4 }),
      fc.dictionary(fc.stringMatching(/^[a-z]{1,8}$/), tie("state"), { maxKeys: 4 }),
      fc.array(fc.tuple(fc.string(), tie("state")), { maxLength: 4 }).map((entries) => new Map(entries)),
      fc.array(fc.string(), { maxLength: 4 }).map((values) => new Set(values)),
    ),
  }));
  fc.assert(
    fc.property(state, (value) => {
      const encoded = encodeSnapshot({ value });
      expect(decodeSnapshot<{ value: unknown }>(encoded)?.value).toEqual(plain(value));
    }),
  );
});

test("what is encoded with pauses is the same, and so is what is decoded", async () => {
  const members = new Map(
    Array.from({ length: 1_000 }, (_, number) => [`account-${number}`, { order: number, keys: new Set([`key-${number}`]) }]),
  );
  const state = {
    kind: "group",
    nonce: new Uint8Array([1, 2]),
    members,
    former: new Map(),
    epochs: [{ epoch: 1, profileHash: undefined }],
  };
  const bytes = encodeSnapshot(state);
  expect(await encodeLargeSnapshot(state)).toEqual(bytes);
  expect(await decodeLargeSnapshot(bytes)).toEqual(decodeSnapshot(bytes));
  expect(await decodeLargeSnapshot(bytes)).toEqual({ ...state, epochs: [{ epoch: 1 }] });
});

test("bytes of another version are no snapshot, so that the links are read again", () => {
  expect(decodeSnapshot(new TextEncoder().encode(JSON.stringify([2, {}])))).toBeUndefined();
  expect(decodeSnapshot(new Uint8Array(0))).toBeUndefined();
});

/** Dictionaries of fast-check may have no prototype. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array || value instanceof Set) return value;
  if (value instanceof Map) return new Map([...value].map(([key, inner]) => [key, plain(inner)]));
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value === "object" && value !== null)
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]));
  return value;
}
