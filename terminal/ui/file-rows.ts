import type { ChatFile, ChatMessage } from "@fastchat/client";
import { errorRow } from "@fastchat/protocol";
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

/** How much of a message's files the server has, or why it takes no more of them. */
export function uploadRow({ sent, size, held }: NonNullable<ChatMessage["upload"]>): Row {
  const far = `${percent(sent, size)} of ${sizeWords(size)}`;
  const state = held === undefined ? span(`Uploading: ${far}`, "accent") : span(`Waits at ${far}: ${errorRow(held).sentence}`, "warning");
  return [state, span("  ↑ x takes it back", "dim")];
}
