import { Readable } from "node:stream";
import fc from "fast-check";
import { expect, test } from "vitest";
import { linesOf } from "./standard-input.ts";

async function collect(chunks: readonly Buffer[], options = { atOnce: 3, longest: 1_000 }): Promise<string[][]> {
  const batches: string[][] = [];
  for await (const batch of linesOf(Readable.from(chunks), options)) batches.push(batch);
  return batches;
}

test("lines come whole and in order, however the input is cut", async () => {
  const line = fc.array(fc.constantFrom("a", "ü", "漢", "👩", " ", "\t"), { minLength: 1, maxLength: 8 }).map((parts) => parts.join(""));
  await fc.assert(
    fc.asyncProperty(
      fc.array(line, { maxLength: 20 }),
      fc.constantFrom("\n", "\r\n"),
      fc.boolean(),
      fc.integer({ min: 1, max: 9 }),
      async (lines, end, last, size) => {
        const bytes = Buffer.from(lines.join(end) + (last && lines.length > 0 ? end : ""));
        const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) =>
          bytes.subarray(index * size, (index + 1) * size),
        );
        const batches = await collect(chunks);
        expect(batches.flat()).toEqual(lines);
        expect(batches.every((batch) => batch.length > 0 && batch.length <= 3)).toBe(true);
      },
    ),
  );
});

test("empty lines are left out", async () => {
  expect(await collect([Buffer.from("\n\none\n\n\ntwo\n\n")])).toEqual([["one", "two"]]);
});

test("a line that is too long ends the input, after all before it", async () => {
  const got: string[] = [];
  const reading = (async () => {
    for await (const batch of linesOf(Readable.from([Buffer.from(`one\ntwo\n${"x".repeat(2_000)}\nthree\n`)]), {
      atOnce: 100,
      longest: 1_000,
    }))
      got.push(...batch);
  })();
  await expect(reading).rejects.toThrow("Line 3 is too long");
  expect(got).toEqual(["one", "two"]);
  // Also one that never ends, before it fills the memory.
  const endless = linesOf(Readable.from(Array.from({ length: 10 }, () => Buffer.alloc(500, "x"))), { atOnce: 100, longest: 1_000 });
  await expect(endless.next()).rejects.toThrow("Line 1 is too long");
});
