import { type FolderEntry, isOffered } from "../files/folders.ts";
import { absolutePath, escapedPath, pathWords } from "../files/paths.ts";
import type { SentAs } from "../files/to-send.ts";
import { parseSlash } from "./slash.ts";
import type { State } from "./state.ts";

/** The path that is being typed behind /image or /file. */
export interface TypedPath {
  readonly sentAs: SentAs;
  /** The folder that it is in, absolute. */
  readonly folder: string;
  /** The beginning of a name there. */
  readonly beginning: string;
  /** Where that stands in the text. */
  readonly start: number;
}

/** Undefined: none is being typed, or in quotes, where nothing is completed. */
export function typedPath(before: string): TypedPath | undefined {
  const slash = parseSlash(before);
  if (slash?.kind !== "command" || (slash.command !== "image" && slash.command !== "file")) return undefined;
  const from = slash.command.length + 1;
  if (before.length === from) return undefined;
  const words = pathWords(before.slice(from));
  const last = /\s$/u.test(before) && !/\\\s$/u.test(before) ? undefined : words.at(-1);
  if (last === undefined)
    return words.length > 0 ? undefined : { sentAs: slash.command, folder: absolutePath("."), beginning: "", start: before.length };
  const typed = before.slice(from + last.start);
  if (last.isOpen || /["']/u.test(typed)) return undefined;
  const slashAt = last.text.lastIndexOf("/") + 1;
  return {
    sentAs: slash.command,
    folder: absolutePath(last.text.slice(0, slashAt) || "."),
    beginning: last.text.slice(slashAt),
    start: from + last.start + typed.lastIndexOf("/") + 1,
  };
}

/** How it could go on, as it would be typed; undefined: the folder is not known. */
export function pathCandidates(state: State, { sentAs, folder, beginning }: TypedPath): readonly string[] | undefined {
  if (state.folder?.path !== folder || state.folder.entries === undefined) return undefined;
  const wanted = beginning.toLowerCase();
  const fits = (entry: FolderEntry): boolean => entry.name.toLowerCase().startsWith(wanted) && isOffered(entry, sentAs, beginning);
  return state.folder.entries.filter(fits).map(({ name, kind }) => `${escapedPath(name)}${kind === "folder" ? "/" : ""}`);
}
