import type { ChatFile, ChatItem, ChatMessage, ConversationSummary, Person } from "@fastchat/client";
import { lengthWords } from "../durations.ts";
import { isEnding } from "../lifetimes.ts";
import { deletedWords, fileWords, messageWords } from "../files/words.ts";
import { safeLine, safeName, safeText } from "../safe-text.ts";
import { calendarTime, stampWords } from "../time.ts";
import { unreadWords } from "../words.ts";
import { column, shortTitle } from "./words.ts";

// The objects of --json and the lines of plain output; docs/commands.md describes them. Fields are added, never changed or removed.

export interface JsonObject {
  readonly type: string;
  readonly [field: string]: unknown;
}

export const isoTime = (time: number | undefined): string | null =>
  time === undefined ? null : new Date(calendarTime(time)).toISOString();

/** What scripts call a conversation: the other person's name, or the group's title. */
export const nameOf = (conversation: ConversationSummary): string =>
  conversation.kind === "group" ? conversation.title : conversation.peer.name;

/** The same for people, within a sentence. */
export const safeNameOf = (conversation: ConversationSummary): string =>
  conversation.kind === "group" ? safeLine(conversation.title) : safeName(conversation.peer.name);

/** To whom something went: a group may be called like a person. */
export const whomOf = (conversation: ConversationSummary): string =>
  conversation.kind === "group" ? `the group [${shortTitle(conversation.title)}]` : safeNameOf(conversation);

/** Which conversation an object is about. */
export const placeObject = (conversation: ConversationSummary) => ({
  with: nameOf(conversation),
  conversation: conversation.id,
  kind: conversation.kind,
});

export function itemObject(item: ChatItem, conversation: ConversationSummary): JsonObject {
  const place = { ...placeObject(conversation), sequence: item.sequence ?? null, time: isoTime(item.time) };
  if (item.kind === "notice") return { type: "notice", ...place, notice: item.notice, text: item.text };
  return {
    type: "message",
    id: item.id,
    ...place,
    from: item.from.name,
    mine: item.mine,
    text: item.text,
    deleted: item.deleted,
    mentions: item.mentions,
    mentionsMe: item.mentionsMe,
    files: item.files.map(fileObject),
    status: item.status,
    expiresAfter: item.expiresAfter,
    expires: isoTime(item.expires),
    doubt: item.doubt,
  };
}

const groupMark = ({ kind, title }: ConversationSummary): string => (kind === "group" ? `[${shortTitle(title)}] ` : "");

/** One line, with the further lines of a text set in: none can pass for a message of its own. */
export function itemLine(item: ChatItem, conversation: ConversationSummary): string {
  const start = `${stampWords(item.time)} ${groupMark(conversation)}`;
  if (item.kind === "notice") return `${start}* ${safeLine(item.text)}`;
  const status = item.mine && item.status !== "read" && item.status !== "delivered" && item.status !== "sent" ? ` [${item.status}]` : "";
  const doubt = item.doubt === "none" ? "" : ` [${item.doubt}]`;
  return `${start}${safeName(item.from.name)}:${status}${doubt}${lifetimeMark(item)} ${safeText(withFiles(item)).replaceAll("\n", "\n    ")}`;
}

/** One that was shown, and is deleted. */
export const deletedObject = ({ id, sequence }: Pick<ChatMessage, "id" | "sequence">, conversation: ConversationSummary): JsonObject => ({
  type: "deleted",
  ...placeObject(conversation),
  id,
  sequence: sequence ?? null,
});

export const deletedLine = ({ from, time }: Pick<ChatMessage, "from" | "time">, conversation: ConversationSummary): string =>
  `${stampWords(time)} ${groupMark(conversation)}* ${safeName(from.name)} deleted a message of that time.`;

export const fileObject = ({ name, bytes, kind, mediaType, size, durationMs }: ChatFile) => ({
  name,
  bytes,
  kind,
  mediaType,
  width: size?.width ?? null,
  height: size?.height ?? null,
  duration: durationMs === undefined ? null : durationMs / 1_000,
});

function withFiles(message: ChatMessage): string {
  const { text, files, deleted } = message;
  return deleted ? `(${deletedWords(message)})` : [...(text === "" ? [] : [text]), ...files.map(fileWords)].join("\n");
}

/** Of a message that carries a lifetime of its own. */
function lifetimeMark(message: ChatMessage): string {
  const { expiresAfter, expires } = message;
  if (expiresAfter === 0) return "";
  return isEnding(message, Date.now()) ? ` [until ${stampWords(expires!)}]` : ` [for ${lengthWords(expiresAfter)} once read]`;
}

export function personObject(person: Person): JsonObject {
  const { name, account, online, lastSeen, verification, contact, note, blocked } = person;
  return { type: "person", name, account, online, lastSeen: isoTime(lastSeen), verification, contact, note, blocked };
}

export const presenceWords = ({ online, lastSeen }: Person): string =>
  online ? "online" : lastSeen === undefined ? "offline" : `seen ${stampWords(lastSeen)}`;

export function personLine(person: Person): string {
  const { name, verification, note, blocked } = person;
  const trust = verification === "not-verified" ? "" : `  ${verification === "changed" ? "identity changed!" : "verified"}`;
  const isBlocked = blocked ? "  blocked" : "";
  return `${safeName(name).padEnd(20)}  ${presenceWords(person)}${trust}${isBlocked}${note === "" ? "" : `  (${safeLine(note)})`}`;
}

export function conversationObject(conversation: ConversationSummary): JsonObject {
  const { unread, mentions, head, readUpTo, time, blocked, mute, retentionSeconds, timerSeconds, pinnedAt, request, draft, last } =
    conversation;
  return {
    type: "conversation",
    ...placeObject(conversation),
    unread,
    mentions,
    head,
    readUpTo,
    time: isoTime(time === 0 ? undefined : time),
    blocked,
    mute,
    retentionSeconds,
    timerSeconds,
    pinned: pinnedAt !== undefined,
    request,
    draft,
    last: last === undefined ? null : itemObject(last, conversation),
  };
}

const LONGEST_PREVIEW = 80;

/** As wide where there is none: nothing was written there yet. */
const whenWords = (time: number): string => (time === 0 ? " ".repeat(stampWords(0).length) : stampWords(time));

export function conversationLine(conversation: ConversationSummary): string {
  const { unread, mentions, time, last } = conversation;
  const counted = unread === 0 ? "" : `${unreadWords(unread)} new${mentions === 0 ? "" : " @"}`;
  const muted = conversation.mute === "none" ? "" : "(muted) ";
  const pinned = conversation.pinnedAt === undefined ? "" : "(pinned) ";
  const said = last === undefined ? "" : `${authorWords(conversation, last)}${safeLine(messageWords(last).slice(0, LONGEST_PREVIEW))}`;
  const text = [addedWords(conversation), said].filter((words) => words !== "").join("; ");
  return `${column(labelOf(conversation), 20)}  ${counted.padEnd(10)}  ${whenWords(last?.time ?? time)}  ${endedMark(conversation)}${pinned}${muted}${text}`.trimEnd();
}

/** Who brought one into a group that waits to be accepted. */
const addedWords = (conversation: ConversationSummary): string =>
  conversation.kind === "group" && conversation.request ? `${safeName(conversation.group.addedBy)} added you` : "";

function endedMark(conversation: ConversationSummary): string {
  const ended = conversation.kind === "group" ? conversation.group.ended : undefined;
  return ended === undefined ? "" : `(${ended.how}) `;
}

function labelOf(conversation: ConversationSummary): string {
  switch (conversation.kind) {
    case "direct":
      return safeName(conversation.peer.name);
    case "note-to-self":
      return `${safeName(conversation.peer.name)} (you)`;
    case "group":
      return `[${shortTitle(conversation.title)}]`;
    default:
      return conversation satisfies never;
  }
}

function authorWords({ kind }: ConversationSummary, { mine, from }: NonNullable<ConversationSummary["last"]>): string {
  if (kind === "note-to-self") return "";
  if (mine) return "you: ";
  return kind === "group" ? `${safeName(from.name)}: ` : "";
}
