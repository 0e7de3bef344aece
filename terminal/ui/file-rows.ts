import type { ChatFile, ChatMessage } from "@fastchat/client";
import { errorRow } from "@fastchat/protocol";
import { cells, wrap } from "../cells.ts";
import { fileWords, fitName } from "../files/words.ts";
import { safeLine } from "../safe-text.ts";
import { clockWords, percent, sizeWords } from "../words.ts";
import { type Row, span } from "./rows.ts";

const MARKS: Readonly<Record<ChatFile["kind"], string>> = { picture: "▣", video: "▷", audio: "♪", file: "▤" };

/** Which of several files it is, as it is called by a digit; nothing where it is the only one. */
const numberOf = (place: number, count: number): string => (count === 1 ? "" : `${String(place + 1).padStart(String(count).length)} `);

/** The digits that open one of several files, as a hint; undefined: there is no choice. */
export function fileDigits(count: number): string | undefined {
  if (count === 1) return undefined;
  return count < 10 ? `1-${count}` : "1-9 0";
}

/** Which file a digit opens, from 0: "0" the tenth. Undefined: none. */
export function placeOfDigit(letter: string, count: number): number | undefined {
  const place = /^[0-9]$/u.test(letter) ? (Number(letter) + 9) % 10 : count;
  return count > 1 && place < count ? place : undefined;
}

/** What a file of a message is, in one row of this width at most: of a long name less is there. */
export function fileRow(files: ChatMessage["files"], place: number, words: boolean, width: number): Row {
  const file = files[place]!;
  const number = numberOf(place, files.length);
  return [span(number, "dim"), ...unnumberedRow(file, words, width - cells(number))];
}

function unnumberedRow(file: ChatFile, words: boolean, width: number): Row {
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
