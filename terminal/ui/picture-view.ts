import type { ChatMessage } from "@fastchat/client";
import { cells, fit } from "../cells.ts";
import { fitName } from "../files/words.ts";
import { iterm2Picture } from "../pictures/iterm2.ts";
import { kittyId, kittyRows } from "../pictures/kitty.ts";
import { type Cells, type PictureInfo, type Pixels, type Size, resampled } from "../pictures/pixels.ts";
import { sixelPicture } from "../pictures/sixel.ts";
import { safeLine, safeName } from "../safe-text.ts";
import { exactWords, stampWords } from "../time.ts";
import { sizeWords } from "../words.ts";
import type { Frame } from "./frame.ts";
import { helpLine } from "./hints.ts";
import {
  type LoadedPicture,
  type MessagePicture,
  cellsIn,
  emptyBlock,
  halfBlockRows,
  picturesOf,
  pixelsFor,
  pixelWords,
} from "./picture-block.ts";
import { type Row, blankRow, fitRow, span } from "./rows.ts";
import type { State } from "./state.ts";

// One picture, as large as the screen. Nothing else is there that changes: a terminal that draws over its text can do so here.

interface View {
  readonly message: ChatMessage;
  readonly picture: MessagePicture;
  readonly loaded: LoadedPicture | undefined;
}

interface Place {
  readonly x: number;
  readonly y: number;
  readonly cells: Cells;
}

export function viewOf({ overlay }: State): View | undefined {
  if (overlay.kind !== "picture") return undefined;
  const picture = picturesOf(overlay.message)[overlay.index];
  return picture && { message: overlay.message, picture, loaded: overlay.loaded };
}

/** A name of its own for the terminal: it is larger than among the messages. */
export const viewId = ({ key }: PictureInfo): number => kittyId(`view of ${key}`);

/** Below its sender, in the middle; the row below it stays empty, as some terminals go on to it when they have drawn. */
export function placeIn(state: State, { picture, message }: View): Place {
  const top = state.rows >= 6 ? 1 : 0;
  const bottom = (state.rows >= 3 ? 2 : 0) + captionRows(state, message);
  const room = { columns: Math.max(1, state.columns - 2), rows: Math.max(1, state.rows - top - bottom) };
  const cells = cellsIn(picture, room, state.pictureTerminal);
  const middle = (whole: number, part: number): number => Math.max(0, Math.floor((whole - part) / 2));
  return { x: middle(state.columns, cells.columns), y: top + middle(room.rows, cells.rows), cells };
}

const captionRows = (state: State, message: ChatMessage): number => (message.text === "" || state.rows < 8 ? 0 : 1);

export const viewPixels = (state: State, view: View): Size => pixelsFor(placeIn(state, view).cells, state.pictureTerminal);

/** The picture of this kind is drawn over the text. */
const isOver = ({ pictureTerminal: { protocol } }: State): boolean => protocol === "iterm2" || protocol === "sixel";

export function viewFrame(state: State, view: View): Frame {
  const { message } = view;
  const { x, y, cells: size } = placeIn(state, view);
  const rows: Row[] = [];
  const count = picturesOf(message).length;
  const which = count > 1 && state.overlay.kind === "picture" ? `  ${state.overlay.index + 1} of ${count}` : "";
  if (state.rows >= 6) rows.push(aboutRow(view, which, state.columns));
  while (rows.length < y) rows.push(blankRow);
  for (const row of viewBlock(state, view, size)) rows.push([span(" ".repeat(x)), ...row]);
  const end = state.rows - (state.rows >= 3 ? 1 : 0);
  while (rows.length < end) rows.push(blankRow);
  if (captionRows(state, message) > 0) rows[end - 1] = [span(` ${fit(safeLine(message.text), state.columns - 2)}`)];
  const screen = [...rows.slice(0, end), ...(state.rows >= 3 ? [helpLine(state)] : [])];
  return { rows: screen.map((row) => fitRow(row, state.columns)), cursor: undefined };
}

/** Of a name that is longer, so much shows in any case. */
const SHORTEST_NAME = 16;

/** Whose picture it is, how it is called, and what else is known of it; the time in short, or not at all, where there is no room for all. */
function aboutRow({ message, picture }: View, which: string, columns: number): Row {
  const by = ` ${message.mine ? "you" : safeName(message.from.name)}  `;
  const { name, bytes } = message.files[picture.place]!;
  const called = safeLine(name);
  const about = `  ${pixelWords(picture)}, ${sizeWords(bytes)}${which}`;
  const room = (words: string): number => columns - cells(by) - cells(words);
  const timed = [exactWords(message.time), stampWords(message.time)].map((time) => `  ${time}${about}`);
  const words = timed.find((each) => room(each) >= Math.min(SHORTEST_NAME, cells(called))) ?? about;
  return [span(by, "bold"), span(fitName(called, Math.max(SHORTEST_NAME, room(words)))), span(words, "dim")];
}

function viewBlock(state: State, { picture, loaded }: View, cells: Cells): readonly Row[] {
  const { pictureTerminal: terminal } = state;
  if (loaded?.kind === "failed") return emptyBlock(cells, picture.average, terminal, "The picture cannot be shown.");
  if (loaded?.kind === "here") {
    if (isOver(state)) return Array.from({ length: cells.rows }, () => blankRow);
    return terminal.protocol === "kitty" ? kittyRows(viewId(picture), cells) : halfBlockRows(loaded.pixels, cells, terminal);
  }
  // Coarse until all of it is here.
  const small = state.pictures.get(picture.key);
  if (small?.kind === "here") return halfBlockRows(small.pixels, cells, terminal);
  return emptyBlock(cells, picture.average, terminal, "One moment…");
}

/** Cursor saved and put back (DECSC, DECRC): Ink goes on from where it left it. */
const drawAt = (x: number, y: number, picture: string): string => `\u001b7\u001b[${y + 1};${x + 1}H${picture}\u001b8`;

/** What is to be written when the frame is on the screen; undefined: nothing. */
export function viewDrawing(state: State): string | undefined {
  const view = viewOf(state);
  if (view?.loaded?.kind !== "here" || !isOver(state)) return undefined;
  const { x, y, cells } = placeIn(state, view);
  const { pixels } = view.loaded;
  const { protocol } = state.pictureTerminal;
  return drawAt(
    x,
    y,
    protocol === "sixel" ? sixelPicture(within(pixels, pixelsFor(cells, state.pictureTerminal))) : iterm2Picture(pixels, cells),
  );
}

/** Smaller where it must be: its pixels are the terminal's. */
function within(pixels: Pixels, most: Size): Pixels {
  const scale = Math.min(1, most.width / pixels.width, most.height / pixels.height);
  const fitted = (length: number): number => Math.max(1, Math.floor(length * scale));
  return resampled(pixels, { width: fitted(pixels.width), height: fitted(pixels.height) });
}
