import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { limits } from "@fastchat/protocol";
import { type FolderEntry, isOffered } from "../files/folders.ts";
import type { SentAs } from "../files/to-send.ts";
import { cells, fit } from "../cells.ts";
import { safeLine } from "../safe-text.ts";
import { listTime } from "../time.ts";
import { plural, sizeWords } from "../words.ts";
import { attach } from "./attach.ts";
import { emptyEditor } from "./editor.ts";
import type { Command, Key } from "./keys.ts";
import { movedIndex } from "./press-members.ts";
import { type Row, blankRow, chosen, fitRow, listTop, paragraph, span, spread } from "./rows.ts";
import { type Action, type State, type Step, step } from "./state.ts";
import { editingKey } from "./write.ts";

// Files are chosen in a folder: by arrow keys, or by typing a part of the name.

type Picker = Extract<State["overlay"], { readonly kind: "picker" }>;

/** It opens where one was last. */
export function openPicker(state: State, sentAs: SentAs): Step {
  const folder = state.pickedIn;
  return step(
    { ...state, overlay: { kind: "picker", sentAs, folder, editor: emptyEditor, index: 0, marked: [] } },
    { kind: "list-folder", path: folder, sentAs },
  );
}

/** Undefined: they are on their way. */
export function entriesOf(state: State, { folder, sentAs, editor }: Picker): readonly FolderEntry[] | undefined {
  if (state.folder === undefined || state.folder.path !== folder || state.folder.entries === undefined) return undefined;
  const typed = editor.text.toLowerCase();
  const { entries } = state.folder;
  return entries.filter((entry) => isOffered(entry, sentAs, typed) && entry.name.toLowerCase().includes(typed));
}

/** Enter goes there. */
export const isFolderChosen = (state: State, overlay: Picker): boolean => entriesOf(state, overlay)?.[overlay.index]?.kind === "folder";

/** What was asked for is here: by the picker, or for a path that is being typed. */
export function withFolder(state: State, { asked, path, entries }: Extract<Action, { readonly kind: "folder" }>): State {
  const { overlay } = state;
  const next: State = { ...state, folder: { path, entries } };
  return overlay.kind === "picker" && overlay.folder === asked ? { ...next, pickedIn: path, overlay: { ...overlay, folder: path } } : next;
}

function goTo(state: State, overlay: Picker, folder: string): Step {
  return step(
    { ...state, overlay: { ...overlay, folder, editor: emptyEditor, index: 0 } },
    { kind: "list-folder", path: folder, sentAs: overlay.sentAs },
  );
}

/** Without what was typed, or else without what was chosen; undefined: there is neither. */
export function withoutLast(overlay: Picker): Picker | undefined {
  if (overlay.editor.text !== "") return { ...overlay, editor: emptyEditor, index: 0 };
  return overlay.marked.length > 0 ? { ...overlay, marked: [] } : undefined;
}

export function pressPicker(state: State, overlay: Picker, key: Key, command: Command | undefined): Step {
  const { folder, editor, index, marked, sentAs } = overlay;
  if (folder === undefined) return step(state);
  const entries = entriesOf(state, overlay) ?? [];
  const entry = entries[index];
  const changed = (change: Partial<Picker>): Step => step({ ...state, overlay: { ...overlay, ...change } });
  const to = movedIndex(index, entries.length, key, command);
  if (to !== undefined) return changed({ index: to });
  if (key.name === "left" || (key.name === "backspace" && editor.text === "")) return goTo(state, overlay, dirname(folder));
  if (entry?.kind === "folder" && (key.name === "enter" || key.name === "right")) return goTo(state, overlay, join(folder, entry.name));
  if (key.name === "tab" && entry?.kind === "file") {
    const path = join(folder, entry.name);
    const isMarked = marked.includes(path);
    if (!isMarked && marked.length === limits.filesPerMessage) return step(state);
    return changed({
      marked: isMarked ? marked.filter((each) => each !== path) : [...marked, path],
      index: Math.min(index + 1, entries.length - 1),
    });
  }
  if (key.name === "enter") {
    const paths = marked.length > 0 ? marked : entry === undefined ? [] : [join(folder, entry.name)];
    if (paths.length === 0) return step(state);
    return attach(
      { ...state, overlay: { kind: "none" } },
      paths.map((value) => ({ name: sentAs, value })),
    );
  }
  const change = editingKey(key);
  return change === undefined ? step(state) : changed({ editor: change(editor), index: 0 });
}

const shortened = (path: string): string => {
  const home = homedir();
  return path === home || path.startsWith(`${home}/`) ? `~${path.slice(home.length)}` : path;
};

export function pickerPanel(state: State, overlay: Picker, width: number, height: number) {
  const { sentAs, folder, editor, index, marked } = overlay;
  const entries = entriesOf(state, overlay);
  const what = sentAs === "image" ? "Send pictures" : "Send files as they are";
  const chosenWords = marked.length === 0 ? "" : `${plural(marked.length, "file")} chosen `;
  const prompt = ` ${fit(safeLine(shortened(folder ?? "…")), Math.max(4, width - 24))} › `;
  const head: Row[] = [
    spread([span(` ${what}`, "bold")], [span(chosenWords, "accent")], width),
    [span(prompt, "accent"), span(safeLine(editor.text))],
  ];
  const cursor = { x: Math.min(cells(prompt) + cells(editor.text.slice(0, editor.cursor)), width - 1), y: 1 };
  if (entries === undefined) return { rows: [...head, blankRow, ...paragraph("One moment…", width, "dim")], cursor };
  if (entries.length === 0) {
    const words =
      editor.text === ""
        ? sentAs === "image"
          ? "No pictures here. ← goes to the folder above."
          : "Nothing here. ← goes to the folder above."
        : "Nothing here is called so.";
    return { rows: [...head, blankRow, ...paragraph(words, width, "dim")], cursor };
  }
  const room = Math.max(1, height - head.length - 1);
  const top = listTop(index, entries.length, room);
  const rows = entries.slice(top, top + room).map((entry, at) => {
    const row = entryRow(state, entry, marked.includes(join(folder!, entry.name)), width);
    return at + top === index ? chosen(row) : row;
  });
  return { rows: [...head, blankRow, ...rows], cursor };
}

function entryRow(state: State, { name, kind, bytes, modified }: FolderEntry, isMarked: boolean, width: number): Row {
  if (kind === "folder") return fitRow([span("   "), span(`${safeLine(name)}/`, "accent")], width);
  const about = `  ${sizeWords(bytes).padStart(9)}  ${listTime(modified, state.now).padStart(10)} `;
  return spread([span(isMarked ? " ✓ " : "   ", "accent"), span(safeLine(name))], [span(about, "dim")], width);
}
