import type { ChatFile, ChatMessage } from "@fastchat/client";
import { safeLine } from "../safe-text.ts";
import { clockWords, sizeWords } from "../words.ts";

/** "[picture] holiday.jpg, 1.2 MB". */
export const fileWords = ({ name, kind, bytes, durationMs }: ChatFile): string =>
  [`[${kind}] ${safeLine(name)}`, sizeWords(bytes), ...(durationMs === undefined ? [] : [clockWords(durationMs)])].join(", ");

/** A message in one line, which is not safe to show yet. */
export const messageWords = ({ text, files }: Pick<ChatMessage, "text" | "files">): string =>
  text === "" && files.length > 0 ? files.map(({ kind, name }) => `[${kind}] ${name}`).join(", ") : text;
