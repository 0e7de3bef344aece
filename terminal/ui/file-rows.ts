import type { ChatFile, ChatMessage } from "@fastchat/client";
import { fileWords } from "../files/words.ts";
import { safeLine } from "../safe-text.ts";
import { clockWords, percent, sizeWords } from "../words.ts";
import { type Row, span } from "./rows.ts";

const MARKS: Readonly<Record<ChatFile["kind"], string>> = { picture: "▣", video: "▷", audio: "♪", file: "▤" };

/** What a file is, in one row. */
export function fileRow(file: ChatFile, words: boolean): Row {
  if (words) return [span(fileWords(file))];
  const { name, kind, bytes, durationMs } = file;
  const about = [...(durationMs === undefined ? [] : [clockWords(durationMs)]), sizeWords(bytes)].join(", ");
  return [span(`${MARKS[kind]} `, "accent"), span(safeLine(name)), span(`  ${about}`, "dim")];
}

/** How much of a message's files the server has. */
export const uploadRow = ({ sent, size }: NonNullable<ChatMessage["upload"]>): Row => [
  span(`Uploading: ${percent(sent, size)} of ${sizeWords(size)}`, "accent"),
];
