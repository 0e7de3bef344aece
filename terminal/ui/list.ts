import type { ConversationSummary, Person } from "@fastchat/client";
import { safeLine, safeName } from "../safe-text.ts";
import { cells, fit, pad } from "./cells.ts";
import { type Row, blankRow, chosen, fitRow, span, spread } from "./rows.ts";
import type { State } from "./state.ts";
import { listTime } from "./time.ts";

/** What the list shows, the switcher finds and the number keys open. */
export type ListEntry =
  | { readonly kind: "conversation"; readonly conversation: ConversationSummary }
  | { readonly kind: "person"; readonly person: Person };

/** Conversations, newest first, then people one has not talked to: those who are online first. */
export function listEntries(state: State): readonly ListEntry[] {
  const known = new Set(state.conversations.map(({ peer }) => peer.account));
  const others = state.people
    .filter(({ account }) => !known.has(account) && account !== state.me.account)
    .toSorted((a, b) => Number(b.online) - Number(a.online) || (a.name < b.name ? -1 : 1));
  return [
    ...state.conversations.map((conversation) => ({ kind: "conversation", conversation }) as const),
    ...others.map((person) => ({ kind: "person", person }) as const),
  ];
}

export const entryName = (entry: ListEntry): string => (entry.kind === "conversation" ? entry.conversation.peer.name : entry.person.name);

export function titleOf(conversation: ConversationSummary): string {
  return conversation.kind === "note-to-self" ? "Note to self" : safeName(conversation.peer.name);
}

function previewOf(state: State, conversation: ConversationSummary): string {
  if (conversation.id !== state.open && conversation.draft !== "") return `draft: ${safeLine(conversation.draft)}`;
  if (conversation.typing) return "typing…";
  const { last } = conversation;
  if (last === undefined) return "";
  return `${last.mine && conversation.kind !== "note-to-self" ? "you: " : ""}${safeLine(last.text.slice(0, 200))}`;
}

export function presenceDot(person: Person, words: boolean): Row {
  if (words) return [span(person.online ? "* " : "  ", "online")];
  return [person.online ? span("● ", "online") : span("○ ", "dim")];
}

const LONGEST_COUNT = 999;

function conversationRow(state: State, conversation: ConversationSummary, width: number): Row {
  const isOpen = conversation.id === state.open;
  const unread =
    conversation.unread > 0 && !isOpen ? ` ${conversation.unread > LONGEST_COUNT ? `${LONGEST_COUNT}+` : conversation.unread}` : "";
  const name = titleOf(conversation);
  const time = conversation.last === undefined ? "" : listTime(conversation.last.time, state.now);
  const lead: Row = [span(isOpen ? "▌" : " ", "accent"), ...presenceDot(conversation.peer, !state.colour)];
  const room = width - 3 - cells(unread) - 1;
  const title = fit(name, room);
  const free = room - cells(title) - cells(time) - 2;
  const preview = free >= 4 ? fit(previewOf(state, conversation), free) : "";
  const right: Row = [...(free >= 0 ? [span(time, "dim")] : []), span(unread, "unread"), span(" ")];
  return spread([...lead, span(title, unread !== "" ? "unread" : isOpen ? "bold" : "text"), span(` ${preview}`, "dim")], right, width);
}

function personRow(state: State, person: Person, width: number): Row {
  return fitRow([span(" "), ...presenceDot(person, !state.colour), span(safeName(person.name))], width);
}

/** The list at the left (or alone, while no chat is open on a narrow screen), scrolled so that its current entry shows. */
export function listRows(state: State, width: number, height: number): readonly Row[] {
  const entries = listEntries(state);
  const rows: Row[] = [spread([span(" FastChat", "bold")], [span(`${safeName(state.me.name)} `, "own-name")], width)];
  if (height > 12) rows.push(blankRow);
  let current = 0;
  const body: Row[] = [];
  const heading = (words: string): void => {
    if (body.length > 0) body.push(blankRow);
    body.push([span(pad(` ${words}`, width), "dim")]);
  };
  for (const [index, entry] of entries.entries()) {
    if (entry.kind === "conversation" && index === 0) heading("CONVERSATIONS");
    if (entry.kind === "person" && entries[index - 1]?.kind !== "person") heading("PEOPLE");
    const row = entry.kind === "conversation" ? conversationRow(state, entry.conversation, width) : personRow(state, entry.person, width);
    const isCurrent =
      state.open === undefined ? index === state.listIndex : entry.kind === "conversation" && entry.conversation.id === state.open;
    if (isCurrent) current = body.length;
    body.push(isCurrent && state.open === undefined ? chosen(row) : row);
  }
  if (entries.length === 0) body.push([span(" Nobody here yet.", "dim")]);
  const room = height - rows.length;
  const top = Math.max(0, Math.min(current - Math.floor(room / 2), body.length - room));
  return [...rows, ...body.slice(top, top + room)].map((row) => fitRow(row, width));
}

/** How well a text matches what was typed, as letters in order; undefined: not at all. Higher is better. */
export function matchScore(text: string, typed: string): number | undefined {
  const [haystack, needle] = [text.toLowerCase(), typed.toLowerCase().replaceAll(" ", "")];
  let score = 0;
  let at = -1;
  for (const letter of needle) {
    const found = haystack.indexOf(letter, at + 1);
    if (found < 0) return undefined;
    score += found === at + 1 ? 4 : 0;
    score += found === 0 || /[^a-z0-9]/u.test(haystack[found - 1] ?? "") ? 3 : 0;
    score -= found - at - 1;
    at = found;
  }
  return score + (haystack === needle ? 100 : 0);
}

/** The list's entries that match, best first; recents first where they match alike. */
export function findEntries(state: State, typed: string): readonly ListEntry[] {
  const entries = listEntries(state);
  const unreadFirst = (entry: ListEntry): number => (entry.kind === "conversation" && entry.conversation.unread > 0 ? 1 : 0);
  if (typed.trim() === "") return entries.toSorted((a, b) => unreadFirst(b) - unreadFirst(a));
  return entries
    .map((entry) => {
      const words = entry.kind === "conversation" ? [titleOf(entry.conversation), entryName(entry)] : [entryName(entry)];
      const scores = words.map((text) => matchScore(text, typed)).filter((score) => score !== undefined);
      return { entry, score: scores.length === 0 ? undefined : Math.max(...scores) };
    })
    .filter(({ score }) => score !== undefined)
    .toSorted((a, b) => b.score! - a.score!)
    .map(({ entry }) => entry);
}
