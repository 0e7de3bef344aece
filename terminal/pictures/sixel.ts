import { quantized } from "./median-cut.ts";
import type { Pixels } from "./pixels.ts";

// Sixel graphics, VT330/VT340 Programmer Reference Manual, chapter 14: bands of six rows, in each of which every colour is drawn by itself
// from the left, a character for six pixels above each other.

const REGISTERS = 256;
const BAND = 6;
/** Without a pixel; the lowest of the six bits is the uppermost pixel. */
const EMPTY = 0x3f;
/** Shorter runs are not shorter as "!4x". */
const RUN_FROM = 4;

const percent = (value: number): number => Math.round((value * 100) / 255);

/** Draws the picture where the cursor is; transparent pixels (P2 = 1) stay as they are. Each of its pixels is one of the terminal's. */
export function sixelPicture(pixels: Pixels): string {
  const { width, height } = pixels;
  const { colours, indices } = quantized(pixels, REGISTERS);
  const registers = colours.map(([red, green, blue], index) => `#${index};2;${percent(red)};${percent(green)};${percent(blue)}`);
  const bands = Array.from({ length: Math.ceil(height / BAND) }, (_, band) => bandOf(indices, width, height, band * BAND));
  return `\u001bP0;1;0q"1;1;${width};${height}${registers.join("")}${bands.join("-")}\u001b\\`;
}

function bandOf(indices: Int16Array, width: number, height: number, top: number): string {
  const lines = new Map<number, Uint8Array>();
  for (let y = top; y < Math.min(top + BAND, height); y++) {
    for (let x = 0; x < width; x++) {
      const colour = indices[y * width + x]!;
      if (colour < 0) continue;
      const line = lines.get(colour) ?? new Uint8Array(width);
      lines.set(colour, line);
      line[x]! |= 1 << (y - top);
    }
  }
  return [...lines]
    .toSorted(([a], [b]) => a - b)
    .map(([colour, line]) => `#${colour}${runs(line)}`)
    .join("$");
}

/** Without what is empty at the end. */
function runs(line: Uint8Array): string {
  const end = line.findLastIndex((bits) => bits !== 0) + 1;
  let text = "";
  for (let at = 0; at < end;) {
    let next = at + 1;
    while (next < end && line[next] === line[at]) next++;
    const character = String.fromCharCode(EMPTY + line[at]!);
    const count = next - at;
    text += count < RUN_FROM ? character.repeat(count) : `!${count}${character}`;
    at = next;
  }
  return text;
}
