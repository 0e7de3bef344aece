import type { ChatMessage, ChatNotice, MessageStatus, NoticeKind } from "@fastchat/client";
import { type WrappedRow, wrap } from "../cells.ts";
import { deletedWords, refusalOfFiles } from "../files/words.ts";
import { safeLine, safeName, safeText } from "../safe-text.ts";
import { dayWords, sameDay, sameMinute, timeWords } from "../time.ts";
import { mentionSpans } from "./mentions.ts";
import { fileRow, uploadRows } from "./file-rows.ts";
import { type PictureLook, pictureBlock, picturesOf } from "./picture-block.ts";
import { lifetimeMark } from "./remaining.ts";
import { type Row, type Span, blankRow, chosen, fitRow, rowCells, ruleRow, span, spread } from "./rows.ts";
import type { Entry } from "./timeline.ts";

/** Where a conversation is scrolled to. */
export type Position =
  | { readonly kind: "bottom" }
  /** The lowest row shown is the one `rowsBelow` rows above the end of this entry. */
  | { readonly kind: "at"; readonly key: string; readonly rowsBelow: number };

export interface Look {
  readonly width: number;
  readonly now: number;
  /** The server's time. */
  readonly serverNow: number;
  /** Words instead of ticks, for terminals without colour and screen readers. */
  readonly words: boolean;
  /** No empty rows between groups, for low terminals. */
  readonly dense: boolean;
  /** One's own name, which stands out where it is mentioned. */
  readonly me: string;
  readonly pictures: PictureLook;
}

export interface Transcript {
  readonly entries: readonly Entry[];
  readonly position: Position;
  /** The unread line stands before the first entry behind this sequence number; undefined: no line. */
  readonly unreadAfter: number | undefined;
  readonly selected: string | undefined;
}

const INDENT = 2;

/** Cells beside the bar of a message. */
export const messageWidth = ({ width }: Look): number => Math.max(1, width - INDENT);

const TICKS: Readonly<Record<MessageStatus, Span>> = {
  queued: span("◷", "dim"),
  sent: span("✓", "dim"),
  delivered: span("✓✓", "dim"),
  read: span("✓✓", "read"),
  failed: span("✗", "error"),
};
const TICK_CELLS = 2;
const WORD_CELLS = 9;

function tick(status: MessageStatus, words: boolean): Span {
  return words ? span(status, status === "failed" ? "error" : "dim") : TICKS[status];
}

/** Wrapping is the costly part of a frame, and a message's text never changes. */
const wrapped = new WeakMap<ChatMessage, { readonly width: number; readonly rows: readonly WrappedRow[] }>();

function wrapMessage(message: ChatMessage, width: number): readonly WrappedRow[] {
  const known = wrapped.get(message);
  if (known?.width === width) return known.rows;
  const rows = wrap(safeText(message.text), width);
  wrapped.set(message, { width, rows });
  return rows;
}

function messageRows(message: ChatMessage, header: boolean, look: Look): Row[] {
  const bar = message.mine ? span("▎ ", "own-bar") : span("  ");
  const lifetime = lifetimeMark(message, look.serverNow, look.words);
  const marks = (message.mine ? (look.words ? WORD_CELLS : TICK_CELLS) + 2 : 1) + rowCells(lifetime === undefined ? [] : [lifetime]);
  const rows: Row[] = [];
  if (header) {
    const name = message.mine ? span("you", "own-name") : span(safeName(message.from.name), "other-name");
    rows.push(fitRow([bar, name, span("  "), span(timeWords(message.time), "dim")], look.width));
  }
  const hasText = !message.deleted && (message.text !== "" || message.files.length === 0);
  const room = Math.max(4, look.width - INDENT - marks);
  const texts = hasText ? wrapMessage(message, room) : [];
  const contents = [
    ...(message.deleted ? [[span(deletedWords(message), "dim")]] : []),
    ...fileRows(message, look, room),
    ...texts.map((row) => mentionSpans(message, row, look.me)),
  ];
  const right: Row = [
    ...(lifetime === undefined ? [] : [lifetime]),
    ...(message.mine ? [tick(message.status, look.words), span(" ")] : []),
  ];
  for (const [index, row] of contents.entries()) rows.push(spread([bar, ...row], index === contents.length - 1 ? right : [], look.width));
  if (message.doubt !== "none") {
    for (const { text } of wrap(`! ${doubtWords[message.doubt]}`, look.width - INDENT))
      rows.push(fitRow([span("  "), span(text, "warning")], look.width));
  }
  if (message.status === "failed")
    for (const { text } of wrap(failedWords(message), room)) rows.push(fitRow([bar, span(text, "error")], look.width));
  return rows;
}

function failedWords({ refusal, files }: ChatMessage): string {
  const again = "not sent: select it with ↑ and press Enter to try again";
  if (files.length === 0) return again;
  const why = refusalOfFiles(refusal);
  return `${again}, x to take it back.${why === undefined ? "" : ` ${why.sentence}`}`;
}

/** What came with a message: pictures as far as they can be shown, and what each file is. */
function fileRows(message: ChatMessage, look: Look, room: number): readonly Row[] {
  const pictures = picturesOf(message);
  const rows = message.files.flatMap((_, place) => {
    const picture = pictures.find((each) => each.place === place);
    const block = picture === undefined ? [] : pictureBlock(picture, look.pictures, messageWidth(look));
    return [...block, fileRow(message.files, place, look.words, room)];
  });
  return message.upload === undefined ? rows : [...rows, ...uploadRows(message.upload, room)];
}

const doubtWords: Record<Exclude<ChatMessage["doubt"], "none">, string> = {
  "revoked-device": "written by a device that had been signed out or revoked",
  "before-joining": "from before you could read here",
  lost: "kept here; the server lost it",
};

const CALM: ReadonlySet<NoticeKind> = new Set([
  "created",
  "rekeyed",
  "membership",
  "role",
  "profile",
  "policy",
  "device-added",
  "device-ended",
]);

function noticeRows(notice: ChatNotice, look: Look): Row[] {
  const calm = CALM.has(notice.notice);
  const rows = wrap(`${calm ? "·" : "!"} ${safeLine(notice.text)}`, Math.max(4, look.width - INDENT));
  return rows.map(({ text }) => fitRow([span("  "), span(text, calm ? "dim" : "warning")], look.width));
}

/** A group is one sender's messages of one minute. */
function continues(before: Entry | undefined, message: ChatMessage): boolean {
  if (before?.item.kind !== "message") return false;
  return before.item.from.account === message.from.account && sameMinute(before.item.time, message.time);
}

/** Which words go with which files would not be seen otherwise. */
const isApart = (before: Entry | undefined, { files }: ChatMessage): boolean =>
  files.length > 0 || (before?.item.kind === "message" && before.item.files.length > 0);

function hasUnreadLine(transcript: Transcript, index: number): boolean {
  const { entries, unreadAfter } = transcript;
  if (unreadAfter === undefined || entries[index]!.place <= unreadAfter) return false;
  return index === 0 || entries[index - 1]!.place <= unreadAfter;
}

/** The rows of one entry with what stands above it: day, unread line, name. */
export function entryRows(transcript: Transcript, index: number, look: Look): readonly Row[] {
  const { key, item } = transcript.entries[index]!;
  const before = transcript.entries[index - 1];
  const rows: Row[] = [];
  const newDay = before === undefined || !sameDay(before.item.time, item.time);
  const unreadLine = hasUnreadLine(transcript, index);
  if (newDay) {
    if (before !== undefined && !look.dense) rows.push(blankRow);
    rows.push(ruleRow(dayWords(item.time, look.now), look.width, "dim"));
  }
  if (unreadLine && !newDay && before !== undefined && !look.dense) rows.push(blankRow);
  if (unreadLine) rows.push(ruleRow("new messages", look.width, "unread"));
  let own: Row[];
  if (item.kind === "message") {
    const header = newDay || unreadLine || !continues(before, item);
    const divided = header || isApart(before, item);
    if (divided && !newDay && !unreadLine && before !== undefined && !look.dense) rows.push(blankRow);
    own = messageRows(item, header, look);
  } else own = noticeRows(item, look);
  rows.push(...(key === transcript.selected ? own.map(chosen) : own));
  return rows;
}

export interface Window {
  /** At most as many as asked for. */
  readonly rows: readonly Row[];
  /** Indices of the first and last entry that show. */
  readonly first: number;
  readonly last: number;
  /** The first row of the oldest loaded entry shows. */
  readonly atTop: boolean;
  readonly atBottom: boolean;
}

/** The lowest entry that shows, and how many of its rows do not: none of an entry that has no more than those by now. */
function anchor(transcript: Transcript, look: Look): { index: number; rowsBelow: number } {
  const { entries, position } = transcript;
  const index = position.kind === "bottom" ? -1 : entries.findLastIndex(({ key }) => key === position.key);
  if (position.kind === "bottom" || index < 0) return { index: entries.length - 1, rowsBelow: 0 };
  const { rowsBelow } = position;
  return { index, rowsBelow: rowsBelow < entryRows(transcript, index, look).length ? rowsBelow : 0 };
}

/** The rows that show at a position; costs what is visible, however long the history is. */
export function windowOf(transcript: Transcript, height: number, look: Look): Window {
  const { entries } = transcript;
  if (entries.length === 0 || height <= 0) return { rows: [], first: 0, last: 0, atTop: true, atBottom: true };
  const bottom = anchor(transcript, look);
  let rows: Row[] = [];
  let first = bottom.index;
  let complete = false;
  for (let index = bottom.index; index >= 0 && rows.length < height; index--) {
    const block = entryRows(transcript, index, look);
    const shown = index === bottom.index ? block.slice(0, block.length - bottom.rowsBelow) : block;
    first = index;
    complete = index === 0 && rows.length + shown.length <= height;
    rows = [...shown, ...rows];
  }
  rows = rows.slice(-height);
  let last = bottom.index;
  let below = bottom.rowsBelow;
  // Near the top of a long history the room below is filled from what follows.
  while (rows.length < height && (below > 0 || last < entries.length - 1)) {
    if (below === 0) {
      last++;
      below = entryRows(transcript, last, look).length;
    }
    const block = entryRows(transcript, last, look);
    const next = block.slice(block.length - below, block.length - below + height - rows.length);
    rows.push(...next);
    below -= next.length;
  }
  return { rows, first, last, atTop: complete, atBottom: below === 0 && last === entries.length - 1 };
}

/** Scrolled by so many rows, up when positive. Stops at the oldest loaded row and becomes "bottom" at the newest. */
export function scrolled(transcript: Transcript, by: number, height: number, look: Look): Position {
  const { entries } = transcript;
  if (entries.length === 0) return { kind: "bottom" };
  let { index, rowsBelow } = anchor(transcript, look);
  if (by > 0) {
    let above = -rowsBelow;
    for (let at = index; at >= 0 && above < height + by; at--) above += entryRows(transcript, at, look).length;
    rowsBelow += Math.min(by, Math.max(0, above - height));
    for (
      let size = entryRows(transcript, index, look).length;
      rowsBelow >= size && index > 0;
      size = entryRows(transcript, index, look).length
    ) {
      rowsBelow -= size;
      index--;
    }
  } else {
    rowsBelow += by;
    while (rowsBelow < 0) {
      if (index === entries.length - 1) return { kind: "bottom" };
      index++;
      rowsBelow += entryRows(transcript, index, look).length;
    }
  }
  if (index === entries.length - 1 && rowsBelow === 0) return { kind: "bottom" };
  return { kind: "at", key: entries[index]!.key, rowsBelow };
}

/** The position at which an entry is the first that shows, or "bottom" when everything behind it fits. */
export function topAt(transcript: Transcript, index: number, height: number, look: Look): Position {
  let left = height;
  for (let at = index; at < transcript.entries.length; at++) {
    const size = entryRows(transcript, at, look).length;
    if (size > left)
      return left === 0 && at > index
        ? { kind: "at", key: transcript.entries[at - 1]!.key, rowsBelow: 0 }
        : { kind: "at", key: transcript.entries[at]!.key, rowsBelow: size - left };
    left -= size;
  }
  return { kind: "bottom" };
}
