import type { ChatItem, ConversationSummary, Person } from "@fastchat/client";
import { safeLine, safeName, safeText } from "../safe-text.ts";
import { calendarTime, stampWords } from "../ui/time.ts";

// The objects of --json and the lines of plain output; docs/commands.md describes them. Fields are added, never changed or removed.

export const isoTime = (time: number | undefined): string | null =>
  time === undefined ? null : new Date(calendarTime(time)).toISOString();

export function itemObject(item: ChatItem, peer: string): { type: string; [field: string]: unknown } {
  const place = { with: peer, conversation: item.conversation, sequence: item.sequence ?? null, time: isoTime(item.time) };
  if (item.kind === "notice") return { type: "notice", ...place, notice: item.notice, text: item.text };
  return {
    type: "message",
    id: item.id,
    ...place,
    from: item.from.name,
    mine: item.mine,
    text: item.text,
    status: item.status,
    doubt: item.doubt,
  };
}

/** One line, with the further lines of a text set in: none can pass for a message of its own. */
export function itemLine(item: ChatItem): string {
  if (item.kind === "notice") return `${stampWords(item.time)} * ${safeLine(item.text)}`;
  const status = item.mine && item.status !== "read" && item.status !== "delivered" && item.status !== "sent" ? ` [${item.status}]` : "";
  const doubt = item.doubt === "none" ? "" : ` [${item.doubt}]`;
  return `${stampWords(item.time)} ${safeName(item.from.name)}:${status}${doubt} ${safeText(item.text).replaceAll("\n", "\n    ")}`;
}

export function personObject(person: Person): { type: string; [field: string]: unknown } {
  const { name, account, online, lastSeen, verification, contact, note } = person;
  return { type: "person", name, account, online, lastSeen: isoTime(lastSeen), verification, contact, note };
}

export function personLine({ name, online, lastSeen, verification, note }: Person): string {
  const presence = online ? "online" : lastSeen === undefined ? "offline" : `seen ${stampWords(lastSeen)}`;
  const trust = verification === "not-verified" ? "" : `  ${verification === "changed" ? "identity changed!" : "verified"}`;
  return `${safeName(name).padEnd(20)}  ${presence}${trust}${note === "" ? "" : `  (${safeLine(note)})`}`;
}

export function conversationObject(conversation: ConversationSummary): { type: string; [field: string]: unknown } {
  const { id, kind, peer, unread, head, readUpTo, time, blocked, draft, last } = conversation;
  return {
    type: "conversation",
    with: peer.name,
    conversation: id,
    kind,
    unread,
    head,
    readUpTo,
    time: isoTime(time),
    blocked,
    draft,
    last: last === undefined ? null : itemObject(last, peer.name),
  };
}

export function conversationLine({ kind, peer, unread, time, last }: ConversationSummary): string {
  const name = kind === "note-to-self" ? `${safeName(peer.name)} (you)` : safeName(peer.name);
  const text = last === undefined ? "" : `${last.mine && kind === "direct" ? "you: " : ""}${safeLine(last.text.slice(0, 80))}`;
  return `${name.padEnd(20)}  ${unread === 0 ? "      " : `${unread} new`.padEnd(6)}  ${stampWords(last?.time ?? time)}  ${text}`.trimEnd();
}
