import type { ConversationSummary } from "@fastchat/client";
import { safeLine, safeName } from "../safe-text.ts";
import { cells, fit } from "./cells.ts";
import { layOut } from "./editor.ts";
import { type Keymap, shownChord } from "./keys.ts";
import { type Layout, type Line, layoutOf, linesOf, lookOf } from "./layout.ts";
import { listRows, presenceDot, titleOf } from "./list.ts";
import { homeRows, overlayRows } from "./panels.ts";
import { type Row, blankRow, fitRow, rowCells, span, spread } from "./rows.ts";
import { completionsOf, unknownCommand } from "./slash.ts";
import { type Chat, type State, openChat, openConversation } from "./state.ts";
import { agoWords } from "./time.ts";
import { windowOf } from "./transcript.ts";

/** The whole screen: as many rows as the terminal has, each as wide as it is, and where the cursor stands. */
export interface Frame {
  readonly rows: readonly Row[];
  readonly cursor: { readonly x: number; readonly y: number } | undefined;
}

export function frameOf(state: State): Frame {
  const layout = layoutOf(state);
  if (layout.listWidth === 0 && state.open === undefined && state.overlay.kind === "none") return listAlone(state, layout);
  const main = mainPart(state, layout);
  const x = layout.listWidth === 0 ? 0 : layout.listWidth + 1;
  let body = main.rows;
  if (x > 0) {
    const list = listRows(state, layout.listWidth, layout.bodyHeight);
    body = main.rows.map((row, index) => [
      ...(list[index] ?? fitRow(blankRow, layout.listWidth)),
      span(/^──+$/u.test(row[0]?.text ?? "") ? "├" : "│", "dim"),
      ...row,
    ]);
  }
  const rows = layout.helpRows === 0 ? body : [...body, helpLine(state)];
  return {
    rows: rows.map((row) => fitRow(row, state.columns)),
    cursor: main.cursor === undefined ? undefined : { x: main.cursor.x + x, y: main.cursor.y },
  };
}

interface Part {
  readonly rows: readonly Row[];
  readonly cursor: { readonly x: number; readonly y: number } | undefined;
}

/** A narrow screen without an open chat: the list, and below it where a name or command is typed. */
function listAlone(state: State, layout: Layout): Frame {
  const bottom = bottomRows(state, layout);
  const height = Math.max(1, layout.bodyHeight - bottom.rows.length);
  const list = listRows(state, state.columns, height);
  const filled = [...list, ...Array.from({ length: height - list.length }, () => blankRow)];
  const rows = [...filled, ...bottom.rows, ...(layout.helpRows === 0 ? [] : [helpLine(state)])];
  return {
    rows: rows.map((row) => fitRow(row, state.columns)),
    cursor: bottom.cursor && { x: bottom.cursor.x, y: bottom.cursor.y + height },
  };
}

function mainPart(state: State, layout: Layout): Part {
  const chat = openChat(state);
  const conversation = openConversation(state);
  const width = layout.mainWidth;
  const header =
    layout.headerRows === 0
      ? []
      : [headerRow(state, chat, conversation, width), ...(layout.headerRows > 1 ? [[span("─".repeat(width), "dim")]] : [])];
  const bottom = bottomRows(state, layout);
  const height = Math.max(1, layout.bodyHeight - header.length - bottom.rows.length);
  let middle: readonly Row[];
  let cursor = bottom.cursor && { x: bottom.cursor.x, y: bottom.cursor.y + header.length + height };
  if (state.overlay.kind !== "none") {
    const overlay = overlayRows(state, width, height);
    middle = overlay.rows;
    cursor = overlay.cursor && { x: overlay.cursor.x, y: overlay.cursor.y + header.length };
  } else if (chat !== undefined) {
    const look = lookOf(state, layout);
    const { rows } = windowOf(chat, height, look);
    const shown = rows.length > 0 ? rows : emptyRows(state, chat, conversation);
    // Few messages stand at the bottom, beside where the next one is written.
    middle = [...Array.from({ length: Math.max(0, height - shown.length) }, () => blankRow), ...shown.slice(-height)];
  } else middle = homeRows(state, width, height);
  const filled = [...middle.slice(0, height), ...Array.from({ length: Math.max(0, height - middle.length) }, () => blankRow)];
  return { rows: [...header, ...filled, ...bottom.rows], cursor };
}

function emptyRows(state: State, chat: Chat, conversation: ConversationSummary | undefined): readonly Row[] {
  if (!chat.loaded) return [[span("  Loading…", "dim")]];
  if (conversation?.kind === "note-to-self") return [[span("  Notes to yourself: only your own devices can read them.", "dim")], blankRow];
  return [
    [span(`  Nothing here yet. Say hello to ${conversation === undefined ? "them" : safeName(conversation.peer.name)}!`, "dim")],
    blankRow,
  ];
}

function headerRow(state: State, chat: Chat | undefined, conversation: ConversationSummary | undefined, width: number): Row {
  if (conversation === undefined) return [span(" Welcome, ", "text"), span(safeName(state.me.name), "own-name")];
  const { peer } = conversation;
  const self = conversation.kind === "note-to-self";
  const presence = self ? "" : peer.online ? "online" : peer.lastSeen === undefined ? "" : `seen ${agoWords(peer.lastSeen, state.now)}`;
  const doing = chat?.typing === true || conversation.typing ? "typing…" : presence;
  const note = peer.note === "" ? "" : ` (${safeLine(peer.note)})`;
  const left: Row = [
    span(" "),
    ...(self ? [] : presenceDot(peer, !state.colour)),
    span(titleOf(conversation), "bold"),
    span(note, "dim"),
    span(doing === "" ? "" : `  ${doing}`, "dim"),
  ];
  return spread(left, trustRow(conversation, width - rowCells(left)), width);
}

function trustRow(conversation: ConversationSummary, room: number): Row {
  if (conversation.kind === "note-to-self") return [];
  switch (conversation.peer.verification) {
    case "verified":
      return [span("verified ", "dim")];
    case "not-verified":
      return [span(room > 24 ? "not verified · /verify " : room > 14 ? "not verified " : "", "dim")];
    case "changed":
      return [span("identity changed! ", "error")];
    default:
      return conversation.peer.verification satisfies never;
  }
}

/** Lines of news and state, then the field that is written in. */
function bottomRows(state: State, layout: Layout): Part {
  const width = layout.listWidth === 0 && state.open === undefined ? state.columns : layout.mainWidth;
  const rows: Row[] = [];
  if (state.rows >= 14) rows.push([span("─".repeat(width), "dim")]);
  for (const line of linesOf(state)) rows.push(fitRow(lineRow(state, line, width), width));
  const editor = openChat(state)?.editor ?? state.homeEditor;
  const { rows: texts, row, column } = layOut(editor, layout.composerWidth);
  const top = Math.max(0, Math.min(row - layout.composerRows + 1, texts.length - layout.composerRows));
  const first = rows.length;
  for (let index = 0; index < layout.composerRows; index++) {
    const prompt = index + top === 0 ? span(" › ", "accent") : span("   ", "dim");
    rows.push([prompt, editor.text === "" ? span(fit(placeholder(state), width - 4), "dim") : span(texts[index + top] ?? "")]);
  }
  return { rows, cursor: { x: Math.min(3 + column, width - 1), y: first + row - top } };
}

function placeholder(state: State): string {
  const conversation = openConversation(state);
  if (conversation === undefined)
    return state.columns < 50 ? "Name, or / for commands" : "Type a name to talk to somebody, or / for commands";
  return conversation.kind === "note-to-self" ? "Write a note" : `Message to ${safeName(conversation.peer.name)}`;
}

function lineRow(state: State, line: Line, width: number): Row {
  switch (line) {
    case "below": {
      const below = openChat(state)?.below ?? 0;
      return [span(` ↓ ${below} new below `, "unread"), span(`(${shownChord(state.keymap, "bottom")})`, "dim")];
    }
    case "news": {
      const { message, conversation } = state.news!;
      const unread = state.conversations.find(({ id }) => id === conversation)?.unread ?? 1;
      const more = unread > 1 ? ` (${unread})` : "";
      const hint = width > 50 ? ` ${shownChord(state.keymap, "next-unread")} ` : "";
      return spread(
        [span(` ${safeName(message.from.name)}${more}: `, "unread"), span(safeLine(message.text.slice(0, 300)))],
        [span(hint, "dim")],
        width,
      );
    }
    case "connection":
      return [span(` ${connectionWords(state)}`, state.connection.kind === "ended" ? "error" : "warning")];
    case "blocked":
      return [span(` ${blockedWords(openConversation(state)!)}`, "warning")];
    case "flash":
      return [span(` ${safeLine(state.flash!.text)}`, state.flash!.tone === "plain" ? "accent" : state.flash!.tone)];
    case "completion":
      return completionRow(state, width);
    default:
      return line satisfies never;
  }
}

function completionRow(state: State, width: number): Row {
  const text = openChat(state)?.editor.text ?? state.homeEditor.text;
  const candidates = completionsOf(state, text);
  if (candidates.length === 0)
    return [span(text.startsWith("/open ") ? " Enter looks for this name." : ` ${unknownCommand(text.slice(1))}`, "dim")];
  const row: Row[number][] = [];
  let room = width - 8;
  for (const candidate of candidates) {
    const word = ` ${safeLine(candidate.startsWith("/open ") ? candidate.slice(6) : candidate)}`;
    if (cells(word) > room) break;
    row.push(span(word, row.length === 0 ? "accent" : "dim"));
    room -= cells(word);
  }
  return spread(row, [span("Tab ", "dim")], width);
}

export function connectionWords(state: Pick<State, "connection">): string {
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

function blockedWords(conversation: ConversationSummary): string {
  const name = safeName(conversation.peer.name);
  switch (conversation.blocked) {
    case "identity-changed":
      return `${name}'s identity has changed. Compare with /verify, then /accept; until then nothing is sent.`;
    case "forked":
      return `The server shows two histories of ${name}'s account. Ask ${name}, then /accept; until then nothing is sent.`;
    case "closed":
      return `${name} has closed this account: nothing can be sent.`;
    case "update-needed":
      return "This conversation needs a newer FastChat: update to write here.";
    case "none":
      return "";
    default:
      return conversation.blocked satisfies never;
  }
}

const hint = (keymap: Keymap, command: Parameters<typeof shownChord>[1], words: string): readonly [string, string] => [
  shownChord(keymap, command),
  words,
];

function helpLine(state: State): Row {
  const { keymap } = state;
  let hints: readonly (readonly [string, string])[];
  if (state.overlay.kind === "confirm")
    hints = [
      ["y", "yes"],
      ["n", "no"],
    ];
  else if (state.overlay.kind === "verify")
    hints = [
      ["y", "they are the same"],
      ["n", "they differ"],
      ["Esc", "back"],
    ];
  else if (state.overlay.kind === "details")
    hints = [
      ["y", "copy"],
      ["Esc", "back"],
    ];
  else if (state.overlay.kind === "switcher")
    hints = [
      ["↑↓", "choose"],
      ["Enter", "open"],
      ["Esc", "back"],
    ];
  else if (state.overlay.kind === "help")
    hints = [
      ["↑↓", "scroll"],
      ["Esc", "back"],
    ];
  else if (openChat(state)?.selected !== undefined)
    hints = [
      ["↑↓", "choose"],
      ["i", "details"],
      ["y", "copy"],
      ["Esc", "back"],
    ];
  else if (state.open === undefined)
    hints = [["↑↓ Enter", "open"], hint(keymap, "switcher", "find"), ["?", "help"], hint(keymap, "quit", "quit")];
  else {
    hints = [
      hint(keymap, "send", "send"),
      hint(keymap, "newline", "new line"),
      ["--", "leave"],
      hint(keymap, "next-chat", "next chat"),
      hint(keymap, "switcher", "find"),
      ["?", "help"],
      hint(keymap, "quit", "quit"),
    ];
  }
  const row: Row[number][] = [];
  let room = state.columns - 1;
  for (const [key, words] of hints) {
    if (key === "") continue;
    const size = cells(key) + cells(words) + 3;
    if (size > room) break;
    row.push(span(` ${key}`, "bold"), span(` ${words} `, "dim"));
    room -= size;
  }
  return row;
}
