import { type Row, type Span, exactly, span } from "../ui/rows.ts";
import { nearest256 } from "./palette-256.ts";
import { type Cells, type Colour, type Pixels, resampled } from "./pixels.ts";

export type ColourDepth = "truecolor" | "256";

/** Of a pixel that is less opaque than this, the terminal's own background shows. */
const OPAQUE_FROM = 128;

/**
 * A picture as rows of text: each cell is two pixels, one above the other. Works wherever there are colours. In 256 colours nothing is
 * dithered: with pixels of this size the pattern is all that one would see.
 */
export function halfBlocks(pixels: Pixels, { columns, rows }: Cells, depth: ColourDepth): readonly Row[] {
  const { rgba } = resampled(pixels, { width: columns, height: rows * 2 });
  const colourAt = (x: number, y: number): string | undefined => {
    const at = (y * columns + x) * 4;
    if (rgba[at + 3]! < OPAQUE_FROM) return undefined;
    return sgrColour([rgba[at]!, rgba[at + 1]!, rgba[at + 2]!], depth);
  };
  return Array.from({ length: rows }, (_, row) =>
    joined(Array.from({ length: columns }, (_cell, column) => cellOf(colourAt(column, row * 2), colourAt(column, row * 2 + 1)))),
  );
}

/** SGR parameters behind 38 or 48. */
export const sgrColour = (colour: Colour, depth: ColourDepth): string =>
  depth === "256" ? `5;${nearest256(...colour)}` : `2;${colour.join(";")}`;

/** Colours as SGR parameters behind 38 or 48; undefined: transparent. */
function cellOf(top: string | undefined, bottom: string | undefined): Span {
  if (top === undefined) return bottom === undefined ? span(" ") : exactly("▄", `38;${bottom}`);
  if (bottom === undefined) return exactly("▀", `38;${top}`);
  return top === bottom ? exactly(" ", `48;${top}`) : exactly("▀", `38;${top};48;${bottom}`);
}

/** Cells of the same colours in one span: shorter to write. */
function joined(cells: readonly Span[]): Row {
  const row: Span[] = [];
  for (const cell of cells) {
    const last = row.at(-1);
    if (last !== undefined && last.sgr === cell.sgr) row[row.length - 1] = { ...last, text: last.text + cell.text };
    else row.push(cell);
  }
  return row;
}
