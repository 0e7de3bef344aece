import type { ChatMessage } from "@fastchat/client";
import { type WrappedRow, expandTabs } from "../cells.ts";
import { safeText } from "../safe-text.ts";
import { type Row, span } from "./rows.ts";

/** What looks like a username behind an "@"; whether it means a member the message says. */
const MENTION = /@([a-z0-9](?:[._-]?[a-z0-9])*)/giu;

interface Place {
  readonly start: number;
  readonly end: number;
  readonly name: string;
}

/** A message's text never changes. */
const found = new WeakMap<ChatMessage, readonly Place[]>();

function mentionPlaces(message: ChatMessage): readonly Place[] {
  const known = found.get(message);
  if (known !== undefined) return known;
  const names = new Set(message.mentions.map((name) => name.toLowerCase()));
  const places = Array.from(safeText(message.text).matchAll(MENTION), ({ 0: whole, 1: name = "", index }) => ({
    start: index,
    end: index + whole.length,
    name: name.toLowerCase(),
  })).filter(({ name }) => names.has(name));
  found.set(message, places);
  return places;
}

/** A row of a message's wrapped text, in which mentions stand out, and those of oneself most. */
export function mentionSpans(message: ChatMessage, row: WrappedRow, me: string): Row {
  if (message.mentions.length === 0) return [span(row.text)];
  const text = safeText(message.text);
  const pieces: Row[number][] = [];
  let from = row.start;
  for (const { start, end, name } of mentionPlaces(message)) {
    if (end <= row.start || start >= row.end) continue;
    const [first, last] = [Math.max(start, row.start), Math.min(end, row.end)];
    if (first > from) pieces.push(span(expandTabs(text.slice(from, first))));
    pieces.push(span(text.slice(first, last), name === me ? "mention-me" : "mention"));
    from = last;
  }
  return from < row.end || pieces.length === 0 ? [...pieces, span(expandTabs(text.slice(from, row.end)))] : pieces;
}
