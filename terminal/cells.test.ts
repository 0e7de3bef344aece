import stringWidth from "string-width";
import { expect, test } from "vitest";
import { SIMPLE, cells, graphemes, wrap } from "./cells.ts";

test("what counts as simple takes one cell a code unit, also beside any other of it", () => {
  const segmenter = new Intl.Segmenter(undefined, { granularity: "grapheme" });
  const simple = Array.from({ length: 0x1_0000 }, (_, code) => String.fromCharCode(code)).filter((each) => SIMPLE.test(each));
  expect(simple.length).toBeGreaterThan(600);
  for (const each of simple) expect(stringWidth(each), `U+${each.charCodeAt(0).toString(16)}`).toBe(1);
  for (const line of [simple, simple.toReversed()]) {
    expect(stringWidth(line.join(""))).toBe(line.length);
    expect(Array.from(segmenter.segment(line.join("")), ({ segment }) => segment)).toEqual(line);
  }
});

test("a simple text with anything else in it is measured whole", () => {
  for (const [text, width] of [
    ["©\ufe0f", 2],
    ["é", 1],
    ["e\u0301", 1],
    ["── 漢 ──", 8],
    ["a\u00adb", 2],
  ] as const)
    expect({ text, cells: cells(text) }).toEqual({ text, cells: width });
  expect(graphemes("ae\u0301")).toEqual(["a", "e\u0301"]);
  expect(wrap("naïve – café", 7).map(({ text }) => text)).toEqual(["naïve –", "café"]);
});
