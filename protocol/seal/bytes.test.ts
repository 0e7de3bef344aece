import { runInNewContext } from "node:vm";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { concat, decodeList, encodeList, encodeParts, equal, fromHex, labels, random, toHex, utf8 } from "./index.ts";

const lists = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 8 });

test("[G1] the encoding is injective: what was encoded can be read back, and only that", () => {
  fc.assert(
    fc.property(lists, (parts) => {
      expect(decodeList(encodeList(parts))).toEqual(parts);
    }),
  );
  fc.assert(
    fc.property(lists, lists, (one, other) => {
      const alike = one.length === other.length && one.every((part, index) => equal(part, other[index]!));
      expect(equal(encodeList(one), encodeList(other))).toBe(alike);
    }),
  );
});

test("[G1] what is neither bytes nor a number nor text is not encoded, and bytes are bytes wherever they were made", () => {
  for (const part of [undefined, null, {}, [1], new ArrayBuffer(2)]) expect(() => encodeList([part as never])).toThrow(TypeError);
  const foreign = runInNewContext("Uint8Array.of(1, 2)") as Uint8Array;
  expect(encodeList([foreign])).toEqual(encodeList([Uint8Array.of(1, 2)]));
});

test("[G1] bytes move between neighbouring parts: another encoding", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1 }), fc.nat(), fc.nat(), (bytes, first, second) => {
      const [one, other] = [first % (bytes.length + 1), second % (bytes.length + 1)];
      const split = (at: number) => encodeList([bytes.slice(0, at), bytes.slice(at)]);
      expect(equal(split(one), split(other))).toBe(one === other);
    }),
  );
});

test("[G1] bytes that are no encoding are not read as one", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      const parts = decodeList(bytes);
      expect(parts === undefined || equal(encodeList(parts), bytes)).toBe(true);
    }),
  );
  expect(decodeList(fromHex("0000000361"))).toBeUndefined();
  expect(decodeList(fromHex("000000"))).toBeUndefined();
  expect(decodeList(fromHex("ffffffff61"))).toBeUndefined();
});

test("[G1] golden bytes of the encoding", () => {
  expect(toHex(encodeParts(labels.hash.keyId, Uint8Array.of(1, 2), "é", 258, 2n ** 64n - 1n, ""))).toBe(
    "00000016" +
      toHex(utf8("fastchat/1/hash/key-id")) +
      "000000020102" +
      "00000002c3a9" +
      "000000080000000000000102" +
      "00000008ffffffffffffffff" +
      "00000000",
  );
});

test("[G1] numbers and texts that have no one encoding are refused", () => {
  for (const number of [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, -1n, 2n ** 64n]) {
    expect(() => encodeList([number]), `${number}`).toThrow(RangeError);
  }
  expect(() => encodeList(["\ud800"])).toThrow(RangeError);
  expect(() => utf8("a\udc00")).toThrow(RangeError);
});

test("hexadecimal with and without the platform's own functions", () => {
  const check = () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        expect(fromHex(toHex(bytes))).toEqual(bytes);
        expect(fromHex(toHex(bytes).toUpperCase())).toEqual(bytes);
      }),
    );
    expect(toHex(Uint8Array.of(0, 10, 255))).toBe("000aff");
    for (const text of ["0", "0g", "0x00", " 00", "00 "]) expect(() => fromHex(text), `${text}`).toThrow(SyntaxError);
  };
  check();
  const native = {
    toHex: Object.getOwnPropertyDescriptor(Uint8Array.prototype, "toHex")!,
    fromHex: Object.getOwnPropertyDescriptor(Uint8Array, "fromHex")!,
  };
  try {
    Object.defineProperty(Uint8Array.prototype, "toHex", { ...native.toHex, value: undefined });
    Object.defineProperty(Uint8Array, "fromHex", { ...native.fromHex, value: undefined });
    check();
  } finally {
    Object.defineProperty(Uint8Array.prototype, "toHex", native.toHex);
    Object.defineProperty(Uint8Array, "fromHex", native.fromHex);
  }
});

test("equal, concat, random", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1 }), fc.nat(), fc.integer({ min: 1, max: 255 }), (bytes, place, change) => {
      const changed = bytes.slice();
      changed[place % bytes.length]! ^= change;
      expect(equal(bytes, bytes.slice())).toBe(true);
      expect(equal(bytes, changed)).toBe(false);
      expect(equal(bytes, concat(bytes, Uint8Array.of(0)))).toBe(false);
    }),
  );
  expect(concat(Uint8Array.of(1), new Uint8Array(0), Uint8Array.of(2, 3))).toEqual(Uint8Array.of(1, 2, 3));
  // More than the platform gives at once; the tail is filled too.
  const much = random(200_001);
  expect(much.length).toBe(200_001);
  expect(much.subarray(-32).some((byte) => byte !== 0)).toBe(true);
  expect(equal(random(32), random(32))).toBe(false);
});
