import stringWidth from "string-width";

// How many cells of a terminal a text takes, and where it breaks into rows.

/** Text of which each code unit is one grapheme of one cell: ASCII, Latin letters, and what our own rows are drawn with. */
export const SIMPLE =
  /^[\u0020-\u007e\u00a1-\u00ac\u00ae-\u024f\u2013\u2014\u2018-\u201e\u2022\u2026\u203a\u2190-\u2193\u2500-\u259f\u25cb\u25cf\u2713]*$/u;
const segmenter = new Intl.Segmenter(undefined, { granularity: "grapheme" });
const TAB_CELLS = 4;

/** Cells that a text without newlines takes; a tab counts four. */
export function cells(text: string): number {
  if (SIMPLE.test(text)) return text.length;
  return text.includes("\t")
    ? text.split("\t").reduce((sum, part) => sum + stringWidth(part), (text.split("\t").length - 1) * TAB_CELLS)
    : stringWidth(text);
}

/** What a person sees as one character each. */
export function graphemes(text: string): string[] {
  return SIMPLE.test(text) ? text.split("") : Array.from(segmenter.segment(text), ({ segment }) => segment);
}

/** Offset of the grapheme boundary after, or before, an offset. */
export function nextBoundary(text: string, offset: number): number {
  if (offset >= text.length) return text.length;
  const { index, segment } = segmenter.segment(text).containing(offset)!;
  return index + segment.length;
}

export function previousBoundary(text: string, offset: number): number {
  return offset <= 0 ? 0 : segmenter.segment(text).containing(offset - 1)!.index;
}

/** At most `width` cells, with "…" where something is left out. */
export function fit(text: string, width: number): string {
  if (width <= 0) return "";
  if (cells(text) <= width) return text;
  let used = 0;
  let kept = "";
  for (const grapheme of graphemes(text)) {
    const next = used + cells(grapheme);
    if (next > width - 1) break;
    kept += grapheme;
    used = next;
  }
  return `${kept}…`;
}

/** Exactly `width` cells. */
export function pad(text: string, width: number): string {
  const fitted = fit(text, width);
  return fitted + " ".repeat(Math.max(0, width - cells(fitted)));
}

/** A row of a wrapped text: offsets into it, `end` without the space or newline it broke at. */
export interface WrappedRow {
  readonly start: number;
  readonly end: number;
  /** With tabs as spaces, ready to show. */
  readonly text: string;
}

export const expandTabs = (text: string): string => text.replaceAll("\t", " ".repeat(TAB_CELLS));

/** Breaks after spaces, beside wide characters, and anywhere where nothing else helps. Always at least one row. */
export function wrap(text: string, width: number): WrappedRow[] {
  const rows: WrappedRow[] = [];
  let start = 0;
  for (const line of text.split("\n")) {
    wrapLine(line, start, Math.max(1, width), rows);
    start += line.length + 1;
  }
  return rows;
}

function wrapLine(line: string, offset: number, width: number, rows: WrappedRow[]): void {
  const push = (start: number, end: number): void => {
    rows.push({ start: offset + start, end: offset + end, text: expandTabs(line.slice(start, end)) });
  };
  if (SIMPLE.test(line) && line.length <= width) return push(0, line.length);
  let start = 0;
  let used = 0;
  /** Where the row may end, and where the next one then begins. */
  let breakEnd = -1;
  let breakNext = -1;
  let at = 0;
  for (const grapheme of graphemes(line)) {
    const size = cells(grapheme);
    const blank = grapheme === " " || grapheme === "\t";
    if (size > 1 && !blank && at > start) breakEnd = breakNext = at;
    if (used + size > width && at > start) {
      if (blank) {
        // The space stays unseen at the row's end.
        push(start, at);
        start = at + grapheme.length;
        used = 0;
        breakEnd = breakNext = -1;
        at = start;
        continue;
      }
      const end = breakNext > start ? breakEnd : at;
      const next = breakNext > start ? breakNext : at;
      push(start, end);
      start = next;
      used = cells(line.slice(start, at));
      breakEnd = breakNext = -1;
    }
    used += size;
    at += grapheme.length;
    if (blank) {
      breakEnd = at - grapheme.length;
      breakNext = at;
    } else if (size > 1) breakEnd = breakNext = at;
  }
  push(start, line.length);
}
