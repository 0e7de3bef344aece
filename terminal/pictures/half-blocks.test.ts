import fc from "fast-check";
import { expect, test } from "vitest";
import { paint, rowCells, rowText } from "../ui/rows.ts";
import { halfBlocks } from "./half-blocks.ts";
import { nearest256 } from "./palette-256.ts";
import { cellsOf, resampled } from "./pixels.ts";
import { corner, painted, plain, rainbow } from "./test-pictures.ts";

const cell = { width: 8, height: 16 };

test("a cell is two pixels: the upper one is the letter, the lower one its background", () => {
  const two = painted(1, 2, (_x, y) => (y === 0 ? [255, 0, 0] : [0, 0, 255]));
  const [row] = halfBlocks(two, { columns: 1, rows: 1 }, "truecolor");
  expect(paint(row!, true)).toBe("\u001b[38;2;255;0;0;48;2;0;0;255m▀\u001b[0m");
  const [indexed] = halfBlocks(two, { columns: 1, rows: 1 }, "256");
  expect(paint(indexed!, true)).toBe("\u001b[38;5;196;48;5;21m▀\u001b[0m");
});

test("where a pixel is transparent, the terminal's background shows", () => {
  const only = (x: number, y: number): ReturnType<typeof halfBlocks>[number] =>
    halfBlocks(
      painted(1, 2, (_x, at) => [9, 9, 9, at === y ? x : 0]),
      { columns: 1, rows: 1 },
      "truecolor",
    )[0]!;
  expect(only(255, 0)).toEqual([{ text: "▀", style: "text", sgr: "38;2;9;9;9" }]);
  expect(only(255, 1)).toEqual([{ text: "▄", style: "text", sgr: "38;2;9;9;9" }]);
  expect(only(100, 0)).toEqual([{ text: " ", style: "text" }]);
});

test("an even area is one piece of background, which is not cut away at the end of a row", () => {
  const [row] = halfBlocks(plain(8, 2, [10, 20, 30]), { columns: 8, rows: 1 }, "truecolor");
  expect(row).toEqual([{ text: " ".repeat(8), style: "text", sgr: "48;2;10;20;30" }]);
  expect(paint(row!, true)).toBe(`\u001b[48;2;10;20;30m${" ".repeat(8)}\u001b[0m`);
});

test("every row has exactly its cells, whatever the picture", () => {
  const size = fc.integer({ min: 1, max: 30 });
  fc.assert(
    fc.property(size, size, size, size, fc.constantFrom("truecolor" as const, "256" as const), (width, height, columns, rows, depth) => {
      const block = halfBlocks(rainbow(width, height), { columns, rows }, depth);
      expect(block).toHaveLength(rows);
      expect(block.map(rowCells)).toEqual(block.map(() => columns));
      expect(block.map(rowText).join("")).toMatch(/^[ ▀▄]*$/u);
    }),
    { numRuns: 50 },
  );
});

test("fewer pixels are the mean of their light, and what is transparent adds no colour", () => {
  const checked = painted(8, 8, (x, y) => ((x + y) % 2 === 0 ? [255, 255, 255] : [0, 0, 0]));
  // Half of the light is not half of the number.
  expect([...resampled(checked, { width: 1, height: 1 }).rgba]).toEqual([188, 188, 188, 255]);
  const half = painted(2, 1, (x) => (x === 0 ? [200, 10, 10, 255] : [0, 255, 0, 0]));
  expect([...resampled(half, { width: 1, height: 1 }).rgba]).toEqual([200, 10, 10, 128]);
  expect(resampled(corner, { width: 8, height: 4 }).rgba.slice(0, 8)).toEqual(Uint8Array.of(0, 0, 64, 255, 0, 0, 64, 255));
});

test("a picture keeps its shape, never is wider or higher than there is room, and is not enlarged", () => {
  const room = { columns: 60, rows: 12 };
  expect(cellsOf({ width: 1_200, height: 800 }, room, cell, 1)).toEqual({ columns: 36, rows: 12 });
  expect(cellsOf({ width: 4_000, height: 500 }, room, cell, 1)).toEqual({ columns: 60, rows: 4 });
  expect(cellsOf({ width: 10, height: 6 }, room, cell, 1)).toEqual({ columns: 10, rows: 3 });
  expect(cellsOf({ width: 16, height: 16 }, room, cell, cell.width)).toEqual({ columns: 2, rows: 1 });
  // Whoever sends it may write any numbers.
  for (const wrong of [0, -5, Number.NaN, Infinity, 1e300]) {
    const cells = cellsOf({ width: wrong, height: 800 }, room, cell, 1);
    expect(cells.columns).toBeGreaterThanOrEqual(1);
    expect(cells.columns).toBeLessThanOrEqual(60);
    expect(cells.rows).toBeGreaterThanOrEqual(1);
    expect(cells.rows).toBeLessThanOrEqual(12);
  }
});

test("of 256 colours the one is taken that looks most alike, and a dark hue stays a hue", () => {
  expect([nearest256(0, 0, 0), nearest256(255, 255, 255), nearest256(255, 0, 0), nearest256(95, 135, 175)]).toEqual([16, 231, 196, 67]);
  expect(nearest256(128, 128, 128)).toBe(244);
  expect(nearest256(20, 90, 40)).toBe(22);
});
