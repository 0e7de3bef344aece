import { cells, fit, pad, wrap } from "../cells.ts";

/** What a piece of text means; the theme says how that looks. */
export type Style =
  | "text"
  | "dim"
  | "bold"
  | "own-name"
  | "other-name"
  | "own-bar"
  | "accent"
  | "mention"
  | "mention-me"
  | "unread"
  | "online"
  | "read"
  | "warning"
  | "error"
  | "chosen";

export interface Span {
  readonly text: string;
  readonly style: Style;
  /** Exact colours in the style's place, for pictures: SGR parameters, as "38;2;255;0;0". */
  readonly sgr?: string;
}

/** One row of the screen. Never holds a newline or a control character. */
export type Row = readonly Span[];

export const span = (text: string, style: Style = "text"): Span => ({ text, style });
/** Text in exactly these colours, SGR parameters, whatever the theme. */
export const exactly = (text: string, sgr: string): Span => ({ text, style: "text", sgr });
export const blankRow: Row = [];

export const rowCells = (row: Row): number => row.reduce((sum, { text }) => sum + cells(text), 0);
export const rowText = (row: Row): string => row.map(({ text }) => text).join("");

/** Exactly `width` cells: cut at the right, or filled with spaces. */
export function fitRow(row: Row, width: number): Row {
  const fitted: Span[] = [];
  let left = width;
  for (const piece of row) {
    const size = cells(piece.text);
    if (size <= left) {
      fitted.push(piece);
      left -= size;
      continue;
    }
    const text = fit(piece.text, left);
    fitted.push({ ...piece, text });
    left -= cells(text);
    break;
  }
  if (left > 0) fitted.push(span(" ".repeat(left), row.at(-1)?.style === "chosen" ? "chosen" : "text"));
  return fitted;
}

/** `left` and `right` at the two ends of a row; when both do not fit, `left` is cut. */
export function spread(left: Row, right: Row, width: number): Row {
  const rightCells = rowCells(right);
  if (rightCells >= width) return fitRow(right, width);
  return [...fitRow(left, width - rightCells), ...right];
}

/** Pictures stay as they are. */
export const chosen = (row: Row): Row => row.map((piece) => (piece.sgr === undefined ? span(piece.text, "chosen") : piece));

/** The first entry that shows of a list, so that the chosen one does. */
export const listTop = (index: number, count: number, room: number): number =>
  Math.max(0, Math.min(index - Math.floor(room / 2), count - room));

/** A text set in by two cells. */
export function paragraph(text: string, width: number, style: Style = "text"): Row[] {
  return wrap(text, Math.max(4, width - 4)).map((row) => [span("  "), span(row.text, style)]);
}

const FIELD_CELLS = 10;

/** What something is called, and what it is, which may need several rows. */
export function field(name: string, value: string, width: number): Row[] {
  return wrap(value, Math.max(4, width - FIELD_CELLS - 3)).map((row, index) => [
    span(`  ${pad(index === 0 ? name : "", FIELD_CELLS)}`, "dim"),
    span(row.text),
  ]);
}

/** A rule with words in its middle, as over a day. */
export function ruleRow(words: string, width: number, style: Style): Row {
  const label = fit(` ${words} `, width);
  const left = Math.max(0, Math.floor((width - cells(label)) / 2));
  return [span("─".repeat(left) + label + "─".repeat(Math.max(0, width - left - cells(label))), style)];
}

/** Select Graphic Rendition codes (ECMA-48) per style: the sixteen colours follow the terminal's own theme, light or dark. */
const COLOURS: Record<Style, string> = {
  text: "",
  dim: "2",
  bold: "1",
  "own-name": "1;36",
  "other-name": "1;35",
  "own-bar": "36",
  accent: "36",
  mention: "1;36",
  "mention-me": "1;7",
  unread: "1;36",
  online: "32",
  read: "36",
  warning: "33",
  error: "31",
  chosen: "7",
};

/** Without colour (NO_COLOR): weight and inverse alone. */
const PLAIN: Record<Style, string> = {
  text: "",
  dim: "2",
  bold: "1",
  "own-name": "1",
  "other-name": "1",
  "own-bar": "",
  accent: "",
  mention: "1",
  "mention-me": "1;7",
  unread: "1",
  online: "",
  read: "",
  warning: "1",
  error: "1",
  chosen: "7",
};

/**
 * The row with the terminal's codes, without the blanks at its end: Ink looks at every cell of every text in each frame, and fills
 * up with blanks by itself. Never empty, as an empty text takes no row.
 */
export function paint(row: Row, colour: boolean): string {
  const codes = colour ? COLOURS : PLAIN;
  let end = row.length;
  while (end > 0 && isUnseen(row[end - 1]!)) end--;
  if (end === 0) return " ";
  let painted = "";
  for (const { text, style, sgr = codes[style] } of row.slice(0, end)) painted += sgr === "" ? text : `\u001b[${sgr}m${text}\u001b[0m`;
  return painted;
}

const isUnseen = ({ text, style, sgr }: Span): boolean => style !== "chosen" && sgr === undefined && text.trimEnd() === "";
