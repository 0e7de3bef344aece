import type { ChatFile, ChatMessage } from "@fastchat/client";
import { errorRow } from "@fastchat/protocol";
import { cells, wrap } from "../cells.ts";
import { fileWords, fitName } from "../files/words.ts";
import { safeLine } from "../safe-text.ts";
import { clockWords, percent, sizeWords } from "../words.ts";
import { type Row, span } from "./rows.ts";

const MARKS: Readonly<Record<ChatFile["kind"], string>> = { picture: "▣", video: "▷", audio: "♪", file: "▤" };

/** What a file is, in one row of this width at most: of a long name less is there. */
export function fileRow(file: ChatFile, words: boolean, width: number): Row {
  const { kind, bytes, durationMs } = file;
  const name = safeLine(file.name);
  if (words) return [span(fileWords({ ...file, name: fitName(name, width - cells(fileWords({ ...file, name: "" }))) }))];
  const about = `  ${[...(durationMs === undefined ? [] : [clockWords(durationMs)]), sizeWords(bytes)].join(", ")}`;
  const mark = `${MARKS[kind]} `;
  return [span(mark, "accent"), span(fitName(name, width - cells(mark) - cells(about))), span(about, "dim")];
}

/** How much of a message's files the server has, and why it takes no more of them. */
export function uploadRows({ sent, size, held }: NonNullable<ChatMessage["upload"]>, width: number): readonly Row[] {
  const far = `${percent(sent, size)} of ${sizeWords(size)}`;
  const back = span("  ↑ x takes it back", "dim");
  if (held === undefined) return [[span(`Uploading: ${far}`, "accent"), back]];
  const why = wrap(errorRow(held).sentence, width).map(({ text }): Row => [span(text, "warning")]);
  return [[span(`Waits at ${far}`, "warning"), back], ...why];
}
