import fc from "fast-check";
import { expect, test } from "vitest";
import { cells, fit, graphemes, pad, wrap } from "../cells.ts";
import * as editing from "./editor.ts";

const large = process.env["SIZE"] === "large";

const written = fc
  .array(fc.constantFrom("a", "word", " ", "  ", "\n", "\t", "漢字", "é", "e\u0301", "👨‍👩‍👧", "🇩🇪", "❤️", "ü", ".", "한"), { maxLength: 40 })
  .map((parts) => parts.join(""));

const isBoundary = (text: string, offset: number): boolean =>
  graphemes(text.slice(0, offset)).join("") + graphemes(text.slice(offset)).join("") === text;

const commands = [
  editing.left,
  editing.right,
  editing.backspace,
  editing.deleteForward,
  editing.wordLeft,
  editing.wordRight,
  editing.deleteWordLeft,
  editing.deleteWordRight,
  editing.home,
  editing.end,
  editing.deleteToLineStart,
  (editor: editing.Editor) => editing.moveRow(editor, -1, 7),
  (editor: editing.Editor) => editing.moveRow(editor, 1, 7),
  (editor: editing.Editor) => editing.insert(editor, "x"),
  (editor: editing.Editor) => editing.insert(editor, "👩"),
  (editor: editing.Editor) => editing.insert(editor, "\u0301"),
];

test("no sequence of keys splits a character or leaves the text", () => {
  fc.assert(
    fc.property(written, fc.array(fc.constantFrom(...commands), { maxLength: 30 }), (text, keys) => {
      let editor = editing.editorOf(text);
      for (const key of keys) {
        editor = key(editor);
        expect(editor.cursor).toBeGreaterThanOrEqual(0);
        expect(editor.cursor).toBeLessThanOrEqual(editor.text.length);
        const inside = [...new Intl.Segmenter().segment(editor.text)].some(
          ({ index, segment }) => index < editor.cursor && editor.cursor < index + segment.length,
        );
        expect(inside).toBe(false);
        expect(isBoundary(editor.text, editor.cursor)).toBe(true);
        const { rows, row, column } = editing.layOut(editor, 7);
        expect(row).toBeLessThan(rows.length);
        expect(column).toBeLessThanOrEqual(8);
      }
    }),
    { numRuns: large ? 2_000 : 400 },
  );
});

test("wrapped rows hold the whole text in order and fit", () => {
  fc.assert(
    fc.property(written, fc.integer({ min: 2, max: 20 }), (text, width) => {
      const rows = wrap(text, width);
      let at = 0;
      for (const row of rows) {
        expect(text.slice(at, row.start)).toMatch(/^[ \t\n]?$/u);
        expect(row.end).toBeGreaterThanOrEqual(row.start);
        expect(cells(row.text) <= width || graphemes(row.text).length === 1 || text.includes("\t")).toBe(true);
        at = row.end;
      }
      expect(text.slice(at)).toMatch(/^[ \t]?$/u);
    }),
    { numRuns: large ? 3_000 : 600 },
  );
});

test("a grapheme is deleted whole", () => {
  expect(editing.backspace(editing.editorOf("a👨‍👩‍👧")).text).toBe("a");
  expect(editing.backspace(editing.editorOf("xe\u0301")).text).toBe("x");
  expect(editing.deleteWordLeft(editing.editorOf("hello brave world")).text).toBe("hello brave ");
  expect(editing.deleteToLineStart(editing.editorOf("one\ntwo")).text).toBe("one\n");
});

test("up and down keep their column over a short row", () => {
  let editor = editing.editorOf("abcdef\nx\nabcdef");
  editor = editing.moveRow(editor, -1, 20);
  expect(editor.cursor).toBe(8);
  editor = editing.moveRow(editor, -1, 20);
  expect(editor.cursor).toBe(6);
});

test("texts break at spaces, long words anywhere, wide characters between two", () => {
  const rows = (text: string, width: number) => wrap(text, width).map((row) => row.text);
  expect(rows("the quick brown fox", 10)).toEqual(["the quick", "brown fox"]);
  expect(rows("abcdefghij", 4)).toEqual(["abcd", "efgh", "ij"]);
  expect(rows("漢字漢字", 5)).toEqual(["漢字", "漢字"]);
  expect(rows("a\n\nb", 4)).toEqual(["a", "", "b"]);
});

test("texts are cut and padded by cells", () => {
  expect(fit("漢字漢字", 5)).toBe("漢字…");
  expect(pad("漢", 4)).toBe("漢  ");
  expect(cells(pad("👨‍👩‍👧 family", 6))).toBe(6);
});
