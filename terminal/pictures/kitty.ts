import { type Row, exactly } from "../ui/rows.ts";
import { diacritics } from "./kitty-diacritics.ts";
import { packed } from "./packed.ts";
import type { Cells, Pixels } from "./pixels.ts";

// The kitty graphics protocol, https://sw.kovidgoyal.net/kitty/graphics-protocol/. A picture is sent to the terminal once and under a
// number; it then stands wherever text is made of placeholders in the colour of that number. So whatever moves text moves pictures, and
// nothing is ever drawn over the text. Terminals are told to answer nothing (q=2): an answer would arrive among the keys.

const CHUNK = 4_096;
const PLACEHOLDER = "\u{10eeee}";

/** A picture's number, 24 bits as a colour has: the same for the same key. FNV-1a, folded. */
export function kittyId(key: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < key.length; index++) hash = Math.imul(hash ^ key.charCodeAt(index), 0x01000193);
  return ((hash >>> 24) ^ hash) & 0xffffff || 1;
}

const END = "\u001b\\";
const command = (keys: string, payload?: string): string => `\u001b_G${keys}${payload === undefined ? "" : `;${payload}`}${END}`;

/** Sends the pixels; nothing shows yet. One of the same number that was there goes. */
export function kittySend(id: number, { width, height, rgba }: Pixels): string {
  const payload = packed(rgba).toString("base64");
  let sequence = "";
  for (let at = 0; at < payload.length; at += CHUNK) {
    const keys = at === 0 ? `a=t,q=2,f=32,o=z,s=${width},v=${height},i=${id},` : "q=2,";
    sequence += command(`${keys}m=${at + CHUNK < payload.length ? 1 : 0}`, payload.slice(at, at + CHUNK));
  }
  return sequence;
}

/** The picture stands in so many cells from now on, wherever its placeholders are. */
export const kittyPlace = (id: number, { columns, rows }: Cells): string => command(`a=p,U=1,q=2,i=${id},p=1,c=${columns},r=${rows}`);

/** The terminal forgets it. */
export const kittyForget = (id: number): string => command(`a=d,d=I,q=2,i=${id}`);

/** More cells than there are numbers for cannot be said. */
export const KITTY_MOST_CELLS = diacritics.length;

/** The text that the picture stands in. Each cell names its row and column: any part of a row may be written again alone. */
export function kittyRows(id: number, { columns, rows }: Cells): readonly Row[] {
  const colour = `38;2;${id >> 16};${(id >> 8) & 0xff};${id & 0xff}`;
  const cell = (row: number, column: number): string => PLACEHOLDER + diacritics[row]! + diacritics[column]!;
  return Array.from({ length: rows }, (_row, row) => [
    exactly(Array.from({ length: columns }, (_column, column) => cell(row, column)).join(""), colour),
  ]);
}

/** Commands on their way through tmux to the terminal outside, where `allow-passthrough` is on: each wrapped, its escapes doubled. */
export const throughTmux = (commands: string): string =>
  commands
    .split(END)
    .slice(0, -1)
    .map((each) => `\u001bPtmux;${`${each}${END}`.replaceAll("\u001b", "\u001b\u001b")}${END}`)
    .join("");
