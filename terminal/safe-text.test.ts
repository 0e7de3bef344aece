import fc from "fast-check";
import { expect, test } from "vitest";
import { safeFileName } from "@fastchat/client/media";
import { safeJson, safeLine, safeName, safeText } from "./safe-text.ts";

const large = process.env["SIZE"] === "large";

/** Any code unit, with those that terminals act on far more often than chance would bring them. */
const hostile = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        "\u001b[2J",
        "\u001b]52;c;aGk=\u0007",
        "\u009b31m",
        "\u001bP",
        "\u0007",
        "\b",
        "\r",
        "\r\n",
        "\u007f",
        "\u0090",
        "\u202e",
        "\u2066",
        "\u200f",
        "\ufeff",
      ),
      fc.constantFrom(
        "\u{e0041}",
        "\u{1f3f4}\u{e0067}\u{e0062}\u{e007f}",
        "a\u0301\u0301\u0301\u0301\u0301\u0301\u0301\u0301\u0301\u0301",
        "👨‍👩‍👧",
        "漢",
        "\ud800",
      ),
      fc.string({ unit: "binary" }),
      fc.integer({ min: 0, max: 0xffff }).map((code) => String.fromCharCode(code)),
    ),
  )
  .map((parts) => parts.join(""));

const dangerous = /(?![\n\t])\p{Cc}|[\u061c\u200b\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/u;

test("no text makes a terminal act, reorder or hide", () => {
  fc.assert(
    fc.property(hostile, (text) => {
      const safe = safeText(text);
      expect(safe).not.toMatch(dangerous);
      expect(safe.isWellFormed()).toBe(true);
      expect(safeText(safe)).toBe(safe);
      expect(safeLine(text)).not.toMatch(/\p{Cc}/u);
    }),
    { numRuns: large ? 5_000 : 1_000 },
  );
});

test("a name shows only printable ASCII and its ellipsis", () => {
  fc.assert(
    fc.property(hostile, (text) => {
      expect(safeName(text)).toMatch(/^[\u0021-\u007e]*…?$/u);
    }),
    { numRuns: large ? 2_000 : 400 },
  );
  expect(safeName("alice.b-c_1")).toBe("alice.b-c_1");
  expect(safeName("аlice")).toBe("\\u{430}lice");
  expect(safeName("a\\b")).not.toBe("a\\b");
});

test("JSON for a terminal is one harmless line and gives the text back exactly", () => {
  fc.assert(
    fc.property(hostile, (text) => {
      const line = safeJson({ text });
      expect(line).not.toMatch(dangerous);
      expect(line).not.toContain("\n");
      expect(JSON.parse(line)).toEqual({ text });
    }),
    { numRuns: large ? 2_000 : 400 },
  );
});

test("what people write stays as it is", () => {
  for (const text of [
    "Grüße\n\tça va?",
    "漢字かな交じり",
    "👨‍👩‍👧‍👦 ❤️ 🇩🇪 🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}",
    "می‌خواهم",
    "שלום עולם",
    "e\u0301",
  ])
    expect(safeText(text)).toBe(text);
});

test("controls are shown, not obeyed", () => {
  expect(safeText("\u001b[31mred\u0007")).toBe("␛[31mred␇");
  expect(safeText("one\r\ntwo\rthree\u2028four")).toBe("one\ntwo\nthree\nfour");
  expect(safeText("evil\u202egpj.exe")).toBe("evilgpj.exe");
});

test("[S6] a file's safe name is shown as it is", () => {
  fc.assert(
    fc.property(hostile, (text) => {
      const name = safeFileName(text);
      expect(safeLine(name)).toBe(name);
    }),
    { numRuns: large ? 100_000 : 1_000 },
  );
});
