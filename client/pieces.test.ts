import fc from "fast-check";
import { expect, test } from "vitest";
import { inPieces } from "./pieces.ts";

test("pieces are what was given, in order, and none is larger than it may be unless a single item is", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(100)), fc.integer({ min: 1, max: 200 }), fc.integer({ min: 1, max: 8 }), (sizes, bytes, count) => {
      const pieces = inPieces(sizes, (size) => size, { bytes, count });
      expect(pieces.flat()).toEqual(sizes);
      for (const piece of pieces) {
        expect(piece.length).toBeGreaterThan(0);
        expect(piece.length).toBeLessThanOrEqual(count);
        expect(piece.length === 1 || piece.reduce((sum, size) => sum + size, 0) <= bytes).toBe(true);
      }
      // None could have been filled further.
      for (const [place, piece] of pieces.slice(0, -1).entries()) {
        const isFull = piece.length === count || piece.reduce((sum, size) => sum + size, 0) + pieces[place + 1]![0]! > bytes;
        expect(isFull).toBe(true);
      }
    }),
  );
});
