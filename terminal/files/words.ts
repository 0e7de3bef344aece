import type { ChatFile, ChatMessage } from "@fastchat/client";
import { safeLine } from "../safe-text.ts";
import { clockWords, sizeWords } from "../words.ts";

/** "[picture] holiday.jpg, 1.2 MB". */
export const fileWords = ({ name, kind, bytes, durationMs }: ChatFile): string =>
  [`[${kind}] ${safeLine(name)}`, sizeWords(bytes), ...(durationMs === undefined ? [] : [clockWords(durationMs)])].join(", ");

/** In the place of what its author deleted for everybody. */
export const deletedWords = ({ mine }: Pick<ChatMessage, "mine">): string =>
  mine ? "You deleted this message." : "This message was deleted.";

/** A message in one line, which is not safe to show yet. */
export function messageWords(message: Pick<ChatMessage, "text" | "files" | "deleted" | "mine">): string {
  const { text, files, deleted } = message;
  if (deleted) return deletedWords(message);
  return text === "" && files.length > 0 ? files.map(({ kind, name }) => `[${kind}] ${name}`).join(", ") : text;
}
