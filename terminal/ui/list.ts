import type { ConversationSummary, Person } from "@fastchat/client";
import { cells, fit, pad } from "../cells.ts";
import { messageWords } from "../files/words.ts";
import { safeLine, safeName } from "../safe-text.ts";
import { listTime } from "../time.ts";
import { typingWords, unreadWords } from "../words.ts";
import { callsAttention } from "./attention.ts";
import { type Row, blankRow, chosen, fitRow, span, spread } from "./rows.ts";
import type { State } from "./state.ts";

/** What the list shows, the switcher finds and the number keys open. */
export type ListEntry =
  | { readonly kind: "conversation"; readonly conversation: ConversationSummary }
  | { readonly kind: "person"; readonly person: Person }
  /** All that strangers began. */
  | { readonly kind: "requests"; readonly count: number };

type ListedOf = Pick<State, "conversations" | "people" | "requests" | "me">;

interface Listed {
  readonly of: Omit<ListedOf, "conversations">;
  readonly entries: readonly ListEntry[];
}

/** A frame and a key ask for the same list several times, and most keys change nothing of it. */
const lists = new WeakMap<State["conversations"], Listed>();

/**
 * Conversations, pinned ones before the others, newest first, then people one has not talked to: those who are online first. Last, and shown at the top: what comes around
 * before the first one, and shifts no other by its coming.
 */
export function listEntries(state: ListedOf): readonly ListEntry[] {
  const { conversations, people, requests, me } = state;
  const known = lists.get(conversations);
  if (known?.of.people === people && known.of.requests === requests && known.of.me === me) return known.entries;
  const entries = listed(state);
  lists.set(conversations, { of: { people, requests, me }, entries });
  return entries;
}

function listed({ conversations, people, requests, me }: ListedOf): readonly ListEntry[] {
  const talkedTo = new Set(conversations.map(({ peer }) => peer?.account));
  const others = people
    .filter(({ account }) => !talkedTo.has(account) && account !== me.account)
    .toSorted((a, b) => Number(b.online) - Number(a.online) || (a.name < b.name ? -1 : 1));
  return [
    ...conversations.map((conversation) => ({ kind: "conversation", conversation }) as const),
    ...others.map((person) => ({ kind: "person", person }) as const),
    ...(requests.count > 0 ? [{ kind: "requests", count: requests.count } as const] : []),
  ];
}

/** What an entry is found by, and typed as. */
export function entryName(entry: ListEntry): string {
  switch (entry.kind) {
    case "conversation":
      return entry.conversation.peer?.name ?? titleOf(entry.conversation);
    case "person":
      return entry.person.name;
    case "requests":
      return "requests";
    default:
      return entry satisfies never;
  }
}

export function titleOf(conversation: ConversationSummary): string {
  switch (conversation.kind) {
    case "group":
      return safeLine(conversation.title);
    case "note-to-self":
      return "Note to self";
    case "direct":
      return safeName(conversation.peer.name);
    default:
      return conversation satisfies never;
  }
}

function previewOf(state: State, conversation: ConversationSummary): string {
  if (conversation.id !== state.open && conversation.draft !== "") return `draft: ${safeLine(conversation.draft)}`;
  const isGroup = conversation.kind === "group";
  if (conversation.typing.length > 0) return isGroup ? typingWords(conversation.typing.map(safeName)) : "typing…";
  const { last } = conversation;
  if (last === undefined) return "";
  const by = last.mine ? (conversation.kind === "note-to-self" ? "" : "you: ") : isGroup ? `${safeName(last.from.name)}: ` : "";
  return `${by}${safeLine(messageWords(last).slice(0, 200))}`;
}

/** That one is in a group no more: "left" or "removed". */
export const endedWord = (conversation: ConversationSummary): "left" | "removed" | undefined =>
  conversation.kind === "group" ? conversation.group.ended?.how : undefined;

export function presenceDot(person: Person, words: boolean): Row {
  if (words) return [span(person.online ? "* " : "  ", "online")];
  return [person.online ? span("● ", "online") : span("○ ", "dim")];
}

/** What stands before a conversation's title: a group has no presence. */
export function leadOf(conversation: ConversationSummary, words: boolean): Row {
  if (conversation.kind === "group") return [span("# ", "accent")];
  return presenceDot(conversation.peer, words);
}

/** That one is mentioned, and how many are unread. */
function countOf(conversation: ConversationSummary): string {
  const mention = conversation.mentions > 0 ? " @" : "";
  return conversation.unread > 0 ? `${mention} ${unreadWords(conversation.unread)}` : mention;
}

function conversationRow(state: State, conversation: ConversationSummary, width: number): Row {
  const isOpen = conversation.id === state.open;
  const count = isOpen ? "" : countOf(conversation);
  const isCalling = count !== "" && callsAttention(conversation, conversation.mentions > 0);
  const mute = conversation.mute === "none" ? "" : state.colour ? " ~" : " muted";
  const ended = endedWord(conversation);
  const mark = ended === undefined ? "" : ` (${ended})`;
  const time = conversation.last === undefined ? "" : listTime(conversation.last.time, state.now);
  const lead: Row = [span(isOpen ? "▌" : " ", "accent"), ...leadOf(conversation, !state.colour)];
  const room = width - 3 - cells(count) - cells(mute) - cells(mark) - 1;
  const title = fit(titleOf(conversation), room);
  const free = room - cells(title) - cells(time) - 2;
  const preview = free >= 4 ? fit(previewOf(state, conversation), free) : "";
  const right: Row = [...(free >= 0 ? [span(time, "dim")] : []), span(mute, "dim"), span(count, isCalling ? "unread" : "dim"), span(" ")];
  const style = isCalling ? "unread" : isOpen ? "bold" : conversation.mute === "none" ? "text" : "dim";
  return spread([...lead, span(title, style), span(mark, "dim"), span(` ${preview}`, "dim")], right, width);
}

function personRow(state: State, person: Person, width: number): Row {
  return fitRow([span(" "), ...presenceDot(person, !state.colour), span(safeName(person.name))], width);
}

function requestsRow(count: number, width: number): Row {
  return fitRow([span(` Requests (${count.toLocaleString("en-GB")})`, "dim")], width);
}

/** A row of the list that is none of its entries. */
type Heading = "PINNED" | "CONVERSATIONS" | "PEOPLE" | "";

function sectionOf(entry: ListEntry): Heading {
  if (entry.kind === "conversation") return entry.conversation.pinnedAt === undefined ? "CONVERSATIONS" : "PINNED";
  return entry.kind === "person" ? "PEOPLE" : "";
}

/** The list at the left (or alone, while no chat is open on a narrow screen), scrolled so that its current entry shows. */
export function listRows(state: State, width: number, height: number): readonly Row[] {
  const entries = listEntries(state);
  const rows: Row[] = [spread([span(" FastChat", "bold")], [span(`${safeName(state.me.name)} `, "own-name")], width)];
  const isCurrent = (index: number): boolean => {
    const entry = entries[index]!;
    if (state.open === undefined) return index === state.listIndex;
    return entry.kind === "conversation" && entry.conversation.id === state.open;
  };
  const marked = (row: Row, index: number): Row => (isCurrent(index) && state.open === undefined ? chosen(row) : row);
  // Made only for what shows: an index of an entry each, or a heading.
  const lines: (number | Heading)[] = [];
  const heading = (words: Heading): void => {
    if (lines.length > 0) lines.push("");
    lines.push(words);
  };
  let current = 0;
  for (const [index, entry] of entries.entries()) {
    if (entry.kind === "requests") {
      rows.push(marked(requestsRow(entry.count, width), index));
      continue;
    }
    const section = sectionOf(entry);
    if (index === 0 || section !== sectionOf(entries[index - 1]!)) heading(section);
    if (isCurrent(index)) current = lines.length;
    lines.push(index);
  }
  if (height > 12) rows.push(blankRow);
  if (lines.length === 0) rows.push([span(" Nobody here yet.", "dim")]);
  const room = height - rows.length;
  const top = Math.max(0, Math.min(current - Math.floor(room / 2), lines.length - room));
  const body = lines.slice(top, top + Math.max(0, room)).map((line): Row => {
    if (typeof line === "string") return line === "" ? blankRow : [span(pad(` ${line}`, width), "dim")];
    const entry = entries[line]!;
    if (entry.kind === "conversation") return marked(conversationRow(state, entry.conversation, width), line);
    return entry.kind === "person" ? marked(personRow(state, entry.person, width), line) : blankRow;
  });
  return [...rows, ...body].slice(0, height).map((row) => fitRow(row, width));
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
