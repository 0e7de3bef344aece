import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inflateSync } from "node:zlib";
import { expect, test } from "vitest";
import { cells, graphemes } from "../cells.ts";
import { paint, rowCells, rowText } from "../ui/rows.ts";
import { iterm2Picture } from "./iterm2.ts";
import { diacritics } from "./kitty-diacritics.ts";
import { kittyForget, kittyId, kittyPlace, kittyRows, kittySend, throughTmux } from "./kitty.ts";
import type { Pixels } from "./pixels.ts";
import { pngOf } from "./png.ts";
import { sixelPicture } from "./sixel.ts";
import { corner, painted, plain, rainbow } from "./test-pictures.ts";

const visible = (sequence: string): string => sequence.replaceAll("\u001b", "␛");

/** The very bytes, escapes written out: `UPDATE=1 vitest run …` writes them anew, to be judged by eye. */
function isGolden(name: string, sequence: string): void {
  const path = join(import.meta.dirname, "fixtures", `${name}.txt`);
  const shown = sequence.replaceAll(/[^ -~]/gu, (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`);
  if (process.env["UPDATE"] === "1") writeFileSync(path, `${shown}\n`);
  expect(`${shown}\n`).toBe(readFileSync(path, "utf8"));
}

test("kitty: sent once, placed in cells, forgotten: golden bytes", () => {
  const id = 0x123456;
  isGolden("kitty", `${kittySend(id, corner)}${kittyPlace(id, { columns: 4, rows: 1 })}${kittyForget(id)}`);
  isGolden("kitty-tmux", throughTmux(`${kittyPlace(id, { columns: 4, rows: 1 })}${kittyForget(id)}`));
  isGolden(
    "kitty-placeholders",
    kittyRows(id, { columns: 3, rows: 2 })
      .map((row) => paint(row, true))
      .join("\n"),
  );
});

test("kitty: pixels in chunks of 4,096 characters, of which the last says so", () => {
  const picture = rainbow(120, 80);
  const parts = kittySend(7, picture).split("\u001b\\").slice(0, -1);
  expect(parts.length).toBeGreaterThan(2);
  const pieces = parts.map((part) => /^␛_G(?<keys>[^;]*);(?<payload>[A-Za-z0-9+/=]*)$/u.exec(visible(part))!.groups!);
  expect(pieces.map(({ keys }) => keys)).toEqual([
    "a=t,q=2,f=32,o=z,s=120,v=80,i=7,m=1",
    ...pieces.slice(1, -1).map(() => "q=2,m=1"),
    "q=2,m=0",
  ]);
  for (const { payload } of pieces.slice(0, -1)) expect(payload).toHaveLength(4_096);
  const bytes = Buffer.from(pieces.map(({ payload }) => payload).join(""), "base64");
  expect(new Uint8Array(inflateSync(bytes))).toEqual(picture.rgba);
});

test("kitty: every placeholder is one cell, and says which", () => {
  expect(diacritics).toHaveLength(297);
  expect(new Set(diacritics).size).toBe(297);
  const rows = kittyRows(kittyId("any"), { columns: 297, rows: 2 });
  expect(rows.map(rowCells)).toEqual([297, 297]);
  const cellsOfRow = graphemes(rowText(rows[1]!));
  expect(cellsOfRow).toHaveLength(297);
  expect(cellsOfRow.every((cell) => cells(cell) === 1)).toBe(true);
  expect(cellsOfRow[5]).toBe(`\u{10eeee}${diacritics[1]}${diacritics[5]}`);
});

test("kitty: numbers have 24 bits, and are the same for the same key", () => {
  const ids = Array.from({ length: 2_000 }, (_, index) => kittyId(`picture ${index}`));
  expect(new Set(ids).size).toBeGreaterThan(1_990);
  expect(ids.every((id) => id > 0 && id <= 0xffffff)).toBe(true);
  expect(kittyId("picture 7")).toBe(ids[7]);
});

test("iTerm2: a PNG over so many cells: golden bytes", () => {
  isGolden("iterm2", iterm2Picture(corner, { columns: 4, rows: 1 }));
});

test("the PNG holds exactly the pixels", () => {
  const picture = rainbow(50, 30);
  const png = pngOf(picture);
  expect(png.subarray(0, 8).toString("latin1")).toBe("\u0089PNG\r\n\u001a\n");
  const chunks = new Map<string, Buffer>();
  for (let at = 8; at < png.length;) {
    const length = png.readUInt32BE(at);
    chunks.set(png.subarray(at + 4, at + 8).toString("latin1"), png.subarray(at + 8, at + 8 + length));
    at += length + 12;
  }
  expect([...chunks.keys()]).toEqual(["IHDR", "IDAT", "IEND"]);
  expect([...chunks.get("IHDR")!]).toEqual([0, 0, 0, 50, 0, 0, 0, 30, 8, 6, 0, 0, 0]);
  const lines = inflateSync(chunks.get("IDAT")!);
  for (let y = 0; y < 30; y++)
    expect([...lines.subarray(y * 201, y * 201 + 201)]).toEqual([0, ...picture.rgba.subarray(y * 200, y * 200 + 200)]);
  // The check of "IEND" is the same in every PNG.
  expect(png.subarray(-4).toString("hex")).toBe("ae426082");
});

test("sixel: golden bytes", () => {
  isGolden("sixel", sixelPicture(corner));
  // More than one band, runs, and a hole.
  isGolden(
    "sixel-bands",
    sixelPicture(painted(12, 14, (x, y) => [x < 6 ? 255 : 0, y < 7 ? 255 : 0, 0, x > 3 && x < 8 && y > 4 && y < 9 ? 0 : 255])),
  );
});

test("sixel: read back by the manual, every pixel has its own colour, as far as there are registers for it", () => {
  const few = painted(33, 20, (x, y) => [(x % 3) * 127, (y % 5) * 51, 255, (x + y) % 7 === 0 ? 0 : 255]);
  expect(differences(few, readSixel(sixelPicture(few)))).toBeLessThan(2);
  const many = rainbow(200, 131);
  const { width, height } = readSixel(sixelPicture(many));
  expect([width, height]).toEqual([200, 131]);
  expect(differences(many, readSixel(sixelPicture(many)))).toBeLessThan(6);
  expect(readSixel(sixelPicture(painted(3, 3, () => [1, 2, 3, 0]))).rgba.every((value) => value === 0)).toBe(true);
  expect(differences(plain(1, 1, [255, 255, 255]), readSixel(sixelPicture(plain(1, 1, [255, 255, 255]))))).toBe(0);
});

test.skipIf(!existsSync("/usr/bin/sixel2png"))("sixel: libsixel reads the same picture", async () => {
  const folder = await mkdtemp(join(tmpdir(), "fastchat-sixel-"));
  try {
    writeFileSync(join(folder, "in.six"), sixelPicture(rainbow(90, 50)));
    const { status } = spawnSync("sixel2png", ["-i", join(folder, "in.six"), "-o", join(folder, "out.png")]);
    expect(status).toBe(0);
    const png = readFileSync(join(folder, "out.png"));
    expect([png.readUInt32BE(16), png.readUInt32BE(20)]).toEqual([90, 50]);
  } finally {
    await rm(folder, { recursive: true });
  }
});

/** Mean distance of a colour's part; a pixel that is there in one only counts as all that it can. */
function differences(one: Pixels, other: Pixels): number {
  let sum = 0;
  for (let at = 0; at < one.rgba.length; at += 4) {
    const seen = one.rgba[at + 3]! > 0;
    if (seen !== other.rgba[at + 3]! > 0) sum += 3 * 255;
    else if (seen) for (let part = 0; part < 3; part++) sum += Math.abs(one.rgba[at + part]! - other.rgba[at + part]!);
  }
  return sum / ((one.rgba.length / 4) * 3);
}

/** What a terminal makes of sixels, by chapter 14 of the VT330/VT340 manual. */
function readSixel(sequence: string): Pixels {
  const body = /^␛P0;1;0q(?<body>.*)␛\\$/su.exec(visible(sequence))!.groups!["body"]!;
  const raster = /^"1;1;(?<width>\d+);(?<height>\d+)/u.exec(body)!.groups!;
  const [width, height] = [Number(raster["width"]), Number(raster["height"])];
  const rgba = new Uint8Array(width * height * 4);
  const registers = new Map<number, readonly number[]>();
  let [x, y, colour] = [0, 0, 0];
  for (const [token, ...groups] of body.slice(body.indexOf("#")).matchAll(/#(\d+)(?:;2;(\d+);(\d+);(\d+))?|!(\d+)([?-~])|([?-~])|[$-]/gu)) {
    if (token === "$") x = 0;
    else if (token === "-") [x, y] = [0, y + 6];
    else if (token.startsWith("#")) {
      colour = Number(groups[0]);
      if (groups[1] !== undefined)
        registers.set(
          colour,
          groups.slice(1, 4).map((percent) => Math.round((Number(percent) * 255) / 100)),
        );
    } else {
      const bits = (groups[5] ?? groups[6])!.charCodeAt(0) - 0x3f;
      for (let count = Number(groups[4] ?? 1); count > 0; count--, x++) {
        for (let bit = 0; bit < 6; bit++)
          if (((bits >> bit) & 1) === 1) rgba.set([...registers.get(colour)!, 255], ((y + bit) * width + x) * 4);
      }
    }
  }
  return { width, height, rgba };
}
