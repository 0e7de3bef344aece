import { writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { TemporaryFolder } from "@fastchat/testing";
import { nameForPicture, safeFileName } from "./file-name.ts";

const runs = process.env["SIZE"] === "large" ? 100_000 : 2_000;

test.each([
  ["../../x", "x"],
  ["C:\\x", "x"],
  ["C:x.txt", "x.txt"],
  ["\\\\server\\share\\x.txt", "x.txt"],
  ["/etc/passwd", "passwd"],
  ["a/..", "a"],
  ["..", "file"],
  [".", "file"],
  ["", "file"],
  ["/", "file"],
  [" . . ", "file"],
  ["\u0000", "file"],
  ["photo.jpg", "photo.jpg"],
  ["Übung 3 – Lösung.pdf", "Übung 3 – Lösung.pdf"],
  ["Ubung\u0308.pdf", "Ubung\u0308.pdf".normalize("NFC")],
  ["写真.jpg", "写真.jpg"],
  ["تقرير.pdf", "تقرير.pdf"],
  [".bashrc", "_bashrc"],
  ["...hidden", "_..hidden"],
  ["x. . .", "x"],
  ["CON", "_CON"],
  ["con.txt", "_con.txt"],
  ["LPT1 .txt", "_LPT1 .txt"],
  ["COM¹", "_COM¹"],
  ["console.txt", "console.txt"],
  ["what?.txt", "what_.txt"],
  ['ab:c|d*<e>".txt', "ab_c_d__e__.txt"],
  ["harmless\u202etxt.exe", "harmlesstxt.exe"],
  ["\u2066a\u2069\u200fb\u061c.exe", "ab.exe"],
  ["zero\u200bwidth\u200d\ufeff.txt", "zerowidth.txt"],
  ["\u001b[2J\u001b]0;title\u0007.png", "[2J]0;title.png"],
  ["\u009b31m.png", "31m.png"],
  ["one\r\ntwo.txt", "onetwo.txt"],
  [`photo.jpg${" ".repeat(100)}.exe`, "photo.jpg .exe"],
  ["a\u00a0\u3000b.txt", "a b.txt"],
  [`photo.jpg${"\u2800".repeat(60)}.exe`, "photo.jpg .exe"],
  ["a\ud800.txt", "a\ufffd.txt"],
  ["program.exe", "program.exe"],
  ["-rf", "_rf"],
  ["--checkpoint-action=exec=sh x.sh", "_-checkpoint-action=exec=sh x.sh"],
  ["~", "_"],
  ["a-b~.txt", "a-b~.txt"],
])("a safe name of %j is %j", (name, safe) => {
  expect(safeFileName(name)).toBe(safe);
});

test("a long name keeps its extension, and whole characters", () => {
  expect(safeFileName(`${"a".repeat(300)}.jpeg`)).toBe(`${"a".repeat(225)}.jpeg`);
  expect(safeFileName(`${"漢".repeat(300)}.pdf`)).toBe(`${"漢".repeat(75)}.pdf`);
  expect(safeFileName(`${"😀".repeat(80)}.pdf`)).toBe(`${"😀".repeat(56)}.pdf`);
  // Nothing that long is an extension.
  expect(safeFileName(`a.${"b".repeat(300)}`)).toBe(`a.${"b".repeat(228)}`);
});

test("any name becomes one that a folder takes, and that is safe already", () => {
  using folder = new TemporaryFolder();
  const piece = fc.oneof(
    fc.constantFrom(
      "/",
      "\\",
      "..",
      ".",
      " ",
      "C:",
      "\u202e",
      "\u001b[",
      "con",
      "nul.",
      "\u0301",
      "😀",
      "a".repeat(120),
      "\ud800",
      "\u0000",
      "-",
      "~",
      "\u2800",
    ),
    fc.string({ unit: "binary", maxLength: 20 }),
  );
  fc.assert(
    fc.property(
      fc.array(piece, { maxLength: 8 }).map((parts) => parts.join("")),
      (name) => {
        const safe = safeFileName(name);
        expect(safeFileName(safe)).toBe(safe);
        expect(safe).not.toBe("");
        expect(safe).toBe(basename(safe));
        expect(safe).not.toMatch(/^[-.~]|[. ]$|[\p{Cc}\p{Bidi_Control}\p{Default_Ignorable_Code_Point}\u2028\u2029<>:"/\\|?*]/u);
        expect(Buffer.byteLength(safe)).toBeLessThanOrEqual(230);
        writeFileSync(join(folder.path, safe), "");
      },
    ),
    { numRuns: runs },
  );
});

test("a picture that was made anew is called by its new type", () => {
  expect(nameForPicture("IMG_1.PNG", "image/jpeg")).toBe("IMG_1.jpg");
  expect(nameForPicture("IMG_1.JPEG", "image/jpeg")).toBe("IMG_1.JPEG");
  expect(nameForPicture("fun.gif", "image/webp")).toBe("fun.webp");
  expect(nameForPicture("../scan", "image/png")).toBe("scan.png");
  expect(nameForPicture(`${"a".repeat(300)}.png`, "image/jpeg")).toBe(`${"a".repeat(226)}.jpg`);
});
