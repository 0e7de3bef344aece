import * as fc from "fast-check";
import { expect, test } from "vitest";
import { concat, equal, fromHex, pad, paddedSize, toHex, unpad } from "./index.ts";

test("[S2] Padmé: sizes printed in the paper's rule, worked by hand", () => {
  const expected: [number, number][] = [
    [0, 0],
    [1, 1],
    [2, 2],
    [8, 8],
    [9, 10],
    [10, 10],
    [15, 16],
    [16, 16],
    [17, 18],
    [65, 72],
    [100, 104],
    [1000, 1024],
    [1025, 1088],
    [2 ** 20, 2 ** 20],
    [2 ** 20 + 1, 2 ** 20 + 2 ** 15],
  ];
  for (const [size, padded] of expected) expect(paddedSize(size), `${size}`).toBe(padded);
});

test("[S2] Padmé: never smaller, at most 12 % more, monotonous, and stable", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2 ** 31 }), (size) => {
      const padded = paddedSize(size);
      expect(padded).toBeGreaterThanOrEqual(size);
      expect(padded).toBeLessThanOrEqual(size * 1.12);
      expect(paddedSize(padded)).toBe(padded);
      expect(paddedSize(size + 1)).toBeGreaterThanOrEqual(padded);
    }),
  );
  for (let exponent = 0; exponent < 32; exponent++) expect(paddedSize(2 ** exponent)).toBe(2 ** exponent);
});

test("[S2] Padmé: few sizes are left", () => {
  const sizes = new Set(Array.from({ length: 65_536 }, (_, size) => paddedSize(size)));
  expect(sizes.size).toBeLessThan(200);
});

test("[S2] padded and back; one content has one padded form", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 600 }), fc.nat(), fc.integer({ min: 1, max: 255 }), (content, place, change) => {
      const padded = pad(content);
      expect(padded.length).toBe(paddedSize(content.length + 4));
      expect(unpad(padded)).toEqual({ kind: "unpadded", content });
      expect(unpad(concat(padded, Uint8Array.of(0)))).toEqual({ kind: "malformed" });
      const changed = padded.slice();
      changed[place % changed.length]! ^= change;
      const result = unpad(changed);
      expect(result.kind === "malformed" || equal(pad(result.content), changed)).toBe(true);
    }),
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      const result = unpad(bytes);
      expect(result.kind === "malformed" || equal(pad(result.content), bytes)).toBe(true);
    }),
  );
});

test("[S2] padding that is not zero, not long enough or too long is malformed", () => {
  for (const hex of ["", "000000", "00000001", "000000016101", "00000001610000", "00000005616263646501", "ffffffff00000000"]) {
    expect(unpad(fromHex(hex)), `${hex}`).toEqual({ kind: "malformed" });
  }
});

test("[S2] golden bytes of a padding", () => {
  expect(toHex(pad(fromHex("6162636465")))).toBe("00000005616263646500");
  expect(toHex(pad(new Uint8Array(0)))).toBe("00000000");
});
