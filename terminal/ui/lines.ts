import type { ConversationSummary } from "@fastchat/client";
import { cells, fit, wrap } from "../cells.ts";
import { fitName, messageWords } from "../files/words.ts";
import { timerSentence } from "../lifetimes.ts";
import { safeLine, safeName } from "../safe-text.ts";
import { plural } from "../words.ts";
import { completionOf } from "./complete.ts";
import { shownChord } from "./keys.ts";
import { titleOf } from "./list.ts";
import { attachedRows, transferRow } from "./attached-rows.ts";
import { blockedWords, isClosedTo } from "./hindrance.ts";
import { type Row, type Style, fitRow, span, spread } from "./rows.ts";
import { type ConversationId, type State, findConversation, openChat, openConversation } from "./state.ts";

// The lines between the transcript and what is written: news, state, what is wrong, how a word goes on.

const LOW = 14;
const BAR_AFTER_MS = 2_000;
const MOST_ROWS_OF_A_LINE = 3;
/** What to do stands at its end. */
const MOST_ROWS_OF_A_WARNING = 5;

/** Whether the terminal has few rows. */
export const isLow = (state: State): boolean => state.rows < LOW;

type Line =
  | "timer"
  | "fetching"
  | "news"
  | "connection"
  | "request"
  | "blocked"
  | "sealing"
  | "below"
  | "attached"
  | "transfer"
  | "flash"
  | "completion";

/** Most important last. */
function linesOf(state: State): readonly Line[] {
  const lines: Line[] = [];
  const chat = openChat(state);
  const conversation = openConversation(state);
  if (conversation !== undefined && conversation.timerSeconds > 0 && !isClosedTo(conversation)) lines.push("timer");
  if (chat?.loading === "slow") lines.push("fetching");
  if (chat !== undefined && chat.position.kind === "at" && chat.below > 0) lines.push("below");
  if (state.news !== undefined) lines.push("news");
  if (conversation?.request === true) lines.push("request");
  // That only admins write stands in the field itself, as it will stay so.
  else if (conversation !== undefined && conversation.blocked !== "none" && conversation.blocked !== "announce-only") lines.push("blocked");
  if (sealingShown(state) !== undefined) lines.push("sealing");
  if (isConnectionShown(state)) lines.push("connection");
  if ((chat?.attached.length ?? 0) > 0) lines.push("attached");
  if (state.transfers.size > 0) lines.push("transfer");
  if (state.flash !== undefined) lines.push("flash");
  const completion = completionOf(state, chat?.editor ?? state.homeEditor);
  if (completion !== undefined && (completion.candidates.length > 0 || state.flash === undefined)) lines.push("completion");
  return lines;
}

/** The conversation whose new key is being sealed: the open one, or one that is only being made. */
function sealingShown(state: State): ConversationId | undefined {
  for (const id of state.sealing.keys()) if (id === state.open || findConversation(state, id) === undefined) return id;
  return undefined;
}

/** Nobody is troubled with a connection that is back within two seconds. */
function isConnectionShown(state: State): boolean {
  if (state.connection.kind === "ended") return true;
  return state.offlineSince !== undefined && state.now - state.offlineSince >= BAR_AFTER_MS;
}

/** Of all lines together. */
const mostRows = (state: State): number => (state.rows < 8 ? 1 : isLow(state) ? 2 : Math.max(6, Math.floor(state.rows / 3)));

/** Beside what is attached there is room for an answer. */
const ROWS_OF_AN_ANSWER = 2;

/** Each of this width; the most important last, and left where there is no room for all. */
export function lineRows(state: State, width: number): readonly Row[] {
  const most = mostRows(state);
  const rows = linesOf(state).flatMap((line) => rowsOf(state, line, width));
  return rows.slice(-most).map((row) => fitRow(row, width));
}

function rowsOf(state: State, line: Line, width: number): readonly Row[] {
  const sentence = (text: string, style: Style, most = MOST_ROWS_OF_A_LINE): readonly Row[] =>
    sentenceRows(text, style, isLow(state) ? 1 : most, width);
  switch (line) {
    case "timer":
      return [[span(` ${state.colour ? "◔ " : ""}${fit(timerSentence(openConversation(state)!.timerSeconds), width - 4)}`, "accent")]];
    case "below": {
      const below = openChat(state)?.below ?? 0;
      return [[span(` ↓ ${below} new below `, "unread"), span(`(${shownChord(state.keymap, "bottom")})`, "dim")]];
    }
    case "fetching":
      return [[span(openChat(state)!.loaded ? " Fetching older messages…" : " Fetching messages…", "accent")]];
    case "news":
      return [newsRow(state, width)];
    case "connection":
      return sentence(connectionWords(state), state.connection.kind === "ended" ? "error" : "warning");
    case "request":
      return sentence(requestWords(openConversation(state)!), "warning");
    case "blocked":
      return sentence(blockedWords(openConversation(state)!), "warning");
    case "sealing":
      return [[span(` ${sealingWords(state)}`, "accent")]];
    case "attached":
      return attachedRows(state, width, Math.max(1, isLow(state) ? mostRows(state) : mostRows(state) - ROWS_OF_AN_ANSWER));
    case "transfer":
      return [transferRow(state, width)];
    case "flash": {
      const { text, tone } = state.flash!;
      return sentence(safeLine(text), tone === "plain" ? "accent" : tone, tone === "warning" ? MOST_ROWS_OF_A_WARNING : undefined);
    }
    case "completion":
      return [completionRow(state, width)];
    default:
      return line satisfies never;
  }
}

function sentenceRows(text: string, style: Style, most: number, width: number): readonly Row[] {
  const room = Math.max(4, width - 2);
  if (most === 1) return [[span(` ${fit(text, room)}`, style)]];
  const rows = wrap(text, room);
  const shown = rows.slice(0, most).map((row, index) => (index === most - 1 ? fit(text.slice(row.start), room) : row.text));
  return shown.map((each) => [span(` ${each}`, style)]);
}

function newsRow(state: State, width: number): Row {
  const { message, conversation: id } = state.news!;
  const conversation = state.conversations.find((known) => known.id === id);
  const unread = conversation?.unread ?? 1;
  const more = unread > 1 ? ` (${unread})` : "";
  const group = conversation?.kind === "group" ? `${titleOf(conversation)} · ` : "";
  const hint = width > 50 ? ` ${shownChord(state.keymap, "next-unread")} ` : "";
  return spread(
    [
      span(message.mentionsMe ? " @" : "", "mention-me"),
      span(` ${group}${safeName(message.from.name)}${more}: `, "unread"),
      span(safeLine(messageWords(message).slice(0, 300))),
    ],
    [span(hint, "dim")],
    width,
  );
}

/** A longer one leaves room for others. */
const LONGEST_CANDIDATE = 32;

function completionRow(state: State, width: number): Row {
  const editor = openChat(state)?.editor ?? state.homeEditor;
  const { candidates, otherwise, isOnlyShown = false } = completionOf(state, editor)!;
  if (candidates.length === 0) return [span(` ${otherwise}`, "dim")];
  const row: Row[number][] = [];
  let room = width - 8;
  for (const candidate of candidates) {
    const word = ` ${fitName(safeLine(candidate), LONGEST_CANDIDATE)}`;
    if (cells(word) > room) break;
    row.push(span(word, row.length === 0 && !isOnlyShown ? "accent" : "dim"));
    room -= cells(word);
  }
  return spread(row, [span(isOnlyShown ? "" : "Tab ", "dim")], width);
}

function requestWords(conversation: ConversationSummary): string {
  const title = titleOf(conversation);
  const what =
    conversation.kind === "group"
      ? `${safeName(conversation.group.addedBy)}, a stranger, added you to ${title}: /accept to take part, /decline, or /block NAME.`
      : `${title} is a stranger to you: /accept to answer, /decline, or /block.`;
  return `${what} They are not told that you read this.`;
}

function sealingWords(state: State): string {
  const { done, total } = state.sealing.get(sealingShown(state)!)!;
  return `Sealing a new key to ${plural(total, "member")}… ${Math.floor((100 * done) / Math.max(1, total))} %`;
}

function connectionWords(state: Pick<State, "connection">): string {
  const { connection } = state;
  switch (connection.kind) {
    case "online":
      return "";
    case "connecting":
      return "Connecting… What you write is kept and sent later.";
    case "offline":
      return connection.reason === "no-services" ? "Sorry, no services available. Trying again…" : "Connection lost. Trying again…";
    case "ended":
      return safeLine(connection.sentence);
    default:
      return connection satisfies never;
  }
}
