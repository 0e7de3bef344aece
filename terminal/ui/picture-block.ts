import type { ChatMessage } from "@fastchat/client";
import { averageOfThumbhash } from "@fastchat/client/media";
import { fit } from "../cells.ts";
import { halfBlocks, sgrColour } from "../pictures/half-blocks.ts";
import { KITTY_MOST_CELLS, kittyId, kittyRows } from "../pictures/kitty.ts";
import { type Cells, type Colour, type PictureInfo, type Pixels, type Size, cellsOf } from "../pictures/pixels.ts";
import type { PictureTerminal } from "../pictures/terminal.ts";
import { type Row, exactly, fitRow, span } from "./rows.ts";

// A picture among the messages: rows like all others, which are there in their number before the pixels are.

/** The pixels of a picture on their way here. `asked`: how many at most. */
export type LoadedPicture =
  | { readonly kind: "asked"; readonly asked: Size }
  | { readonly kind: "here"; readonly asked: Size; readonly pixels: Pixels }
  | { readonly kind: "failed" };

export interface PictureLook {
  readonly terminal: PictureTerminal;
  /** Rows that a picture among messages takes at most. */
  readonly mostRows: number;
  /** By the picture's key. */
  readonly loaded: ReadonlyMap<string, LoadedPicture>;
}

/** A picture that a message brings. */
export interface MessagePicture extends PictureInfo {
  /** The how many-th of the message's files, from 0. */
  readonly place: number;
}

/** A message's files never change, and are looked through for each frame. */
const known = new WeakMap<ChatMessage["files"], readonly MessagePicture[]>();
const none: readonly MessagePicture[] = [];

/** Those of a message that can be shown: the others are files like all else. */
export function picturesOf({ conversation, from, id, files }: ChatMessage): readonly MessagePicture[] {
  if (files.length === 0) return none;
  const before = known.get(files);
  if (before !== undefined) return before;
  const pictures = files.flatMap(({ kind, size, thumbhash }, place) => {
    if (kind !== "picture" || size === undefined) return [];
    const average = thumbhash && averageOfThumbhash(thumbhash);
    return [{ key: `${conversation}:${from.device}:${id}:${place}`, place, ...size, average }];
  });
  known.set(files, pictures);
  return pictures;
}

/** Small pictures are not enlarged: a pixel is half a cell, or one of the terminal's where it draws those. */
export function cellsIn(picture: Size, room: Cells, { protocol, cell }: PictureTerminal): Cells {
  const bound: Cells = { columns: Math.min(room.columns, KITTY_MOST_CELLS), rows: Math.min(room.rows, KITTY_MOST_CELLS) };
  return cellsOf(picture, bound, cell, protocol === "half-blocks" ? 1 : cell.width);
}

/** With half-blocks, two pixels for each that is drawn: their mean is better than any one of them. */
export function pixelsFor({ columns, rows }: Cells, { protocol, cell }: PictureTerminal): Size {
  if (protocol === "half-blocks") return { width: columns * 2, height: rows * 4 };
  return { width: columns * cell.width, height: rows * cell.height };
}

/** In the width that a message's text has. */
export const blockCells = (picture: PictureInfo, { terminal, mostRows }: PictureLook, width: number): Cells =>
  cellsIn(picture, { columns: Math.max(1, width), rows: mostRows }, terminal);

export function pictureBlock(picture: PictureInfo, look: PictureLook, width: number): readonly Row[] {
  const { terminal } = look;
  if (terminal.protocol === "none") return [];
  const cells = blockCells(picture, look, width);
  const loaded = look.loaded.get(picture.key);
  if (loaded?.kind !== "here") return emptyBlock(cells, picture.average, terminal, loaded?.kind === "failed" ? "cannot be shown" : "");
  // Sixels and iTerm2's pictures are drawn over the text, which a list that scrolls would tear: they are for the view of one picture.
  return terminal.protocol === "kitty" ? kittyRows(kittyId(picture.key), cells) : halfBlockRows(loaded.pixels, cells, terminal);
}

export const pixelWords = ({ width, height }: Size): string => `${width.toLocaleString("en-GB")} × ${height.toLocaleString("en-GB")}`;

/** A frame is drawn with each key; the same pixels mostly in the same cells. */
const drawn = new WeakMap<Pixels, { readonly cells: Cells; readonly rows: readonly Row[] }>();

export function halfBlockRows(pixels: Pixels, cells: Cells, { depth }: PictureTerminal): readonly Row[] {
  const known = drawn.get(pixels);
  if (known?.cells.columns === cells.columns && known.cells.rows === cells.rows) return known.rows;
  const rows = halfBlocks(pixels, cells, depth);
  drawn.set(pixels, { cells, rows });
  return rows;
}

/** Its place until the pixels are here, in their average colour. */
export function emptyBlock(
  { columns, rows }: Cells,
  average: Colour | undefined,
  { depth }: PictureTerminal,
  words: string,
): readonly Row[] {
  const colour = average && sgrColour(average, depth);
  const blank: Row = [colour === undefined ? span("░".repeat(columns), "dim") : exactly(" ".repeat(columns), `48;${colour}`)];
  const block = Array.from({ length: rows }, () => blank);
  if (words !== "") block[Math.floor((rows - 1) / 2)] = fitRow([span(fit(words, columns), "dim")], columns);
  return block;
}
