import type { ChatFile, ChatMessage } from "@fastchat/client";
import { ErrorCode, errorRow } from "@fastchat/protocol";
import { cells, fit } from "../cells.ts";
import { safeLine } from "../safe-text.ts";
import { clockWords, plural, sizeWords } from "../words.ts";

/** What a file is, is told by the end of its name. */
const LONGEST_END = 8;

/** A name in so many cells: what is left out stands before its extension. */
export function fitName(name: string, width: number): string {
  if (cells(name) <= width) return name;
  const end = /[^.]\.[^.]+$/u.exec(name)?.[0].slice(1) ?? "";
  const kept = cells(end) <= Math.min(LONGEST_END, width - 2) ? end : "";
  return `${fit(name.slice(0, name.length - kept.length), width - cells(kept))}${kept}`;
}

/** What the sentence of the table of errors says best. */
const ofFiles: ReadonlySet<ErrorCode> = new Set([ErrorCode.FILE_TOO_LARGE, ErrorCode.QUOTA_EXCEEDED, ErrorCode.STAGED_FILE_LOST]);

/** Why the files of a message were refused; undefined: they are not the reason. */
export const refusalOfFiles = (reason: ErrorCode | undefined) =>
  reason !== undefined && ofFiles.has(reason) ? errorRow(reason) : undefined;

/** "[picture] holiday.jpg, 1.2 MB". */
export const fileWords = ({ name, kind, bytes, durationMs }: ChatFile): string =>
  [`[${kind}] ${safeLine(name)}`, sizeWords(bytes), ...(durationMs === undefined ? [] : [clockWords(durationMs)])].join(", ");

/** In the place of what its author deleted for everybody. */
export const deletedWords = ({ mine }: Pick<ChatMessage, "mine">): string =>
  mine ? "You deleted this message." : "This message was deleted.";

/** "picture", "3 pictures", or "3 files" of different kinds. */
function kindWords(files: ChatMessage["files"]): string {
  const [first, ...others] = files.map(({ kind }) => kind);
  if (first === undefined || others.length === 0) return first ?? "";
  // "2 audios" is no word.
  const kind = first !== "audio" && others.every((each) => each === first) ? first : "file";
  return plural(files.length, kind);
}

/** A message in one line, which is not safe to show yet: "[picture] In the mountains", "[3 files] The plans", "[file] plan.pdf". */
export function messageWords(message: Pick<ChatMessage, "text" | "files" | "deleted" | "mine">): string {
  const { text, files, deleted } = message;
  if (deleted) return deletedWords(message);
  if (files.length === 0) return text;
  return text === "" ? files.map(({ kind, name }) => `[${kind}] ${name}`).join(", ") : `[${kindWords(files)}] ${text}`;
}
