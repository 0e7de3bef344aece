import { cells, nextBoundary, previousBoundary, wrap } from "../cells.ts";

/** What is being written: a text and the cursor's offset in it, always between two graphemes. */
export interface Editor {
  readonly text: string;
  readonly cursor: number;
  /** Column that moving up and down aims at; undefined after every other change. */
  readonly aim: number | undefined;
}

export const emptyEditor: Editor = { text: "", cursor: 0, aim: undefined };

export const editorOf = (text: string): Editor => ({ text, cursor: text.length, aim: undefined });

const words = new Intl.Segmenter(undefined, { granularity: "word" });

const moved = (editor: Editor, cursor: number): Editor => ({ text: editor.text, cursor, aim: undefined });

/** A change can melt what stands left and right of the cursor into one character (marks, joiners): the cursor goes behind it. */
function settled(text: string, cursor: number): Editor {
  if (cursor <= 0 || cursor >= text.length) return { text, cursor: Math.max(0, Math.min(cursor, text.length)), aim: undefined };
  return { text, cursor: nextBoundary(text, cursor - 1), aim: undefined };
}

function cut(editor: Editor, from: number, to: number): Editor {
  return settled(editor.text.slice(0, from) + editor.text.slice(to), from);
}

export function insert(editor: Editor, text: string): Editor {
  return settled(editor.text.slice(0, editor.cursor) + text + editor.text.slice(editor.cursor), editor.cursor + text.length);
}

/** A text in front of what is there, on lines of its own; the cursor stays where it is in that. */
export function prepend({ text: there, cursor }: Editor, text: string): Editor {
  if (there === "") return editorOf(text);
  if (text === "") return { text: there, cursor, aim: undefined };
  return { text: `${text}\n${there}`, cursor: text.length + 1 + cursor, aim: undefined };
}

export const left = (editor: Editor): Editor => moved(editor, previousBoundary(editor.text, editor.cursor));
export const right = (editor: Editor): Editor => moved(editor, nextBoundary(editor.text, editor.cursor));
export const backspace = (editor: Editor): Editor => cut(editor, previousBoundary(editor.text, editor.cursor), editor.cursor);
export const deleteForward = (editor: Editor): Editor => cut(editor, editor.cursor, nextBoundary(editor.text, editor.cursor));

function wordStart(editor: Editor): number {
  let start = 0;
  for (const { index, isWordLike } of words.segment(editor.text.slice(0, editor.cursor))) if (isWordLike === true) start = index;
  return start;
}

function wordEnd(editor: Editor): number {
  for (const { index, segment, isWordLike } of words.segment(editor.text.slice(editor.cursor))) {
    if (isWordLike === true) return editor.cursor + index + segment.length;
  }
  return editor.text.length;
}

export const wordLeft = (editor: Editor): Editor => moved(editor, wordStart(editor));
export const wordRight = (editor: Editor): Editor => moved(editor, wordEnd(editor));
export const deleteWordLeft = (editor: Editor): Editor => cut(editor, wordStart(editor), editor.cursor);
export const deleteWordRight = (editor: Editor): Editor => cut(editor, editor.cursor, wordEnd(editor));

const lineStart = (editor: Editor): number => editor.text.lastIndexOf("\n", editor.cursor - 1) + 1;

function lineEnd(editor: Editor): number {
  const end = editor.text.indexOf("\n", editor.cursor);
  return end < 0 ? editor.text.length : end;
}

export const home = (editor: Editor): Editor => moved(editor, editor.cursor === 0 ? 0 : lineStart(editor));
export const end = (editor: Editor): Editor => moved(editor, lineEnd(editor));
export const deleteToLineStart = (editor: Editor): Editor => cut(editor, editor.cursor === 0 ? 0 : lineStart(editor), editor.cursor);

/** Where an editor's rows and cursor stand in a field of this width. The cursor may stand behind the last cell of a row. */
export function layOut(editor: Editor, width: number): { readonly rows: readonly string[]; readonly row: number; readonly column: number } {
  const rows = wrap(editor.text, width);
  let row = rows.length - 1;
  while (row > 0 && rows[row]!.start > editor.cursor) row--;
  const { start, end: rowEnd } = rows[row]!;
  const column = cells(editor.text.slice(start, Math.min(editor.cursor, rowEnd)));
  return { rows: rows.map(({ text }) => text), row, column };
}

/** One row up (-1) or down (1) in a field of this width; the same editor at the first and last row. */
export function moveRow(editor: Editor, direction: -1 | 1, width: number): Editor {
  const rows = wrap(editor.text, width);
  const { row, column } = layOut(editor, width);
  const target = rows[row + direction];
  if (target === undefined) return editor;
  const aim = editor.aim ?? column;
  let cursor = target.start;
  while (cursor < target.end && cells(editor.text.slice(target.start, nextBoundary(editor.text, cursor))) <= aim) {
    cursor = nextBoundary(editor.text, cursor);
  }
  return { text: editor.text, cursor, aim };
}
