import { randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { type Pattern, patternsOf } from "./encodings.ts";
import { searchMemory } from "./memory.ts";
import { Searcher } from "./search.ts";

const named = (text: string, encoding = "utf-8"): Pattern => ({ canary: text, encoding, bytes: Buffer.from(text) });

test("finds what a plain search finds, at every place, whatever the patterns", () => {
  const text = fc.string({ unit: fc.constantFrom("a", "b", "c"), minLength: 4, maxLength: 7 });
  fc.assert(
    fc.property(
      fc.uniqueArray(text, { minLength: 1, maxLength: 6 }),
      fc.string({ unit: fc.constantFrom("a", "b", "c"), maxLength: 300 }),
      (patterns, hay) => {
        const expected = patterns.flatMap((wanted) =>
          Array.from({ length: hay.length }, (_, at) => at)
            .filter((at) => hay.startsWith(wanted, at))
            .map((at) => `${wanted}@${at}`),
        );
        const found = new Searcher(patterns.map((wanted) => named(wanted)))
          .inBytes(Buffer.from(hay), "hay")
          .map(({ canary, offset }) => `${canary}@${offset}`);
        expect(found.toSorted()).toEqual(expected.toSorted());
      },
    ),
  );
});

test("finds a text in every form, at every alignment of base64, and not a text that differs in one letter", () => {
  const canary = `canary-${randomBytes(12).toString("hex")}-ü`;
  const searcher = new Searcher(patternsOf("text", canary));
  const other = new Searcher(
    patternsOf(
      "text",
      canary.replace(/.-ü$/, (end) => (end.startsWith("0") ? `1${end.slice(1)}` : `0${end.slice(1)}`)),
    ),
  );
  for (const around of ["", "x", "xy", "xyz", "wxyz"]) {
    const utf8 = Buffer.from(`${around}${canary}${around}`);
    const utf16 = Buffer.from(`${around}${canary}${around}`, "utf16le");
    const forms = [
      utf8,
      utf16,
      Buffer.from(utf16).swap16(),
      ...(["hex", "base64", "base64url"] as const).map((form) => Buffer.from(utf8.toString(form))),
    ];
    for (const form of forms) {
      expect(searcher.inBytes(form, "form")).not.toEqual([]);
      expect(other.inBytes(form, "form")).toEqual([]);
    }
  }
});

test("finds a text that lies across the pieces in which a file is read", async () => {
  const folder = await mkdtemp(join(tmpdir(), "fastchat-search-"));
  try {
    const canary = randomBytes(24).toString("base64url");
    const file = Buffer.alloc(20 * 1_048_576);
    const places = [0, 8 * 1_048_576 - 10, 16 * 1_048_576 - 1, file.length - canary.length];
    for (const place of places) file.write(canary, place);
    await writeFile(join(folder, "file"), file);
    const { hits, files, bytes } = await new Searcher(patternsOf("text", canary)).inFolder(folder);
    expect(hits.map(({ offset }) => offset)).toEqual(places);
    expect({ files, bytes }).toEqual({ files: 1, bytes: file.length });
  } finally {
    await rm(folder, { recursive: true });
  }
});

test.runIf(process.platform === "linux")("finds a text in the memory of a process, this one", async () => {
  const held = Buffer.from(`canary-${randomBytes(16).toString("hex")}`);
  const { hits } = await searchMemory(process.pid, "self", new Searcher(patternsOf("held", held.toString())), new Set());
  expect(hits.length).toBeGreaterThan(0);
});
