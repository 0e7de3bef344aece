import type { ConversationSummary } from "@fastchat/client";
import { fit } from "../cells.ts";
import { layOut } from "./editor.ts";
import { headerRow } from "./header.ts";
import { helpLine } from "./hints.ts";
import { type Layout, isCovered, layoutOf, lookOf } from "./layout.ts";
import { listRows, titleOf } from "./list.ts";
import { membersRows } from "./members.ts";
import { homeRows, overlayRows } from "./panels.ts";
import { viewFrame, viewOf } from "./picture-view.ts";
import { type Row, blankRow, fitRow, span } from "./rows.ts";
import { type Chat, type State, openChat, openConversation } from "./state.ts";
import { windowOf } from "./transcript.ts";

/** The whole screen: as many rows as the terminal has, each as wide as it is, and where the cursor stands. */
export interface Frame {
  readonly rows: readonly Row[];
  readonly cursor: { readonly x: number; readonly y: number } | undefined;
}

export function frameOf(state: State): Frame {
  const view = viewOf(state);
  if (view !== undefined) return viewFrame(state, view);
  const layout = layoutOf(state);
  if (layout.listWidth === 0 && state.open === undefined && state.overlay.kind === "none") return listAlone(state, layout);
  const main = mainPart(state, layout);
  const x = layout.listWidth === 0 ? 0 : layout.listWidth + 1;
  let body = main.rows;
  if (layout.panelWidth > 0) {
    const panel = membersRows(state, layout.panelWidth, layout.bodyHeight);
    body = body.map((row, index) => [
      ...fitRow(row, layout.mainWidth),
      span(isRule(row) ? "┤" : "│", "dim"),
      ...(panel[index] ?? fitRow(blankRow, layout.panelWidth)),
    ]);
  }
  if (x > 0) {
    const list = listRows(state, layout.listWidth, layout.bodyHeight);
    body = body.map((row, index) => [...(list[index] ?? fitRow(blankRow, layout.listWidth)), span(isRule(row) ? "├" : "│", "dim"), ...row]);
  }
  const rows = layout.helpRows === 0 ? body : [...body, helpLine(state)];
  return {
    rows: rows.map((row) => fitRow(row, state.columns)),
    cursor: main.cursor === undefined ? undefined : { x: main.cursor.x + x, y: main.cursor.y },
  };
}

const isRule = (row: Row): boolean => /^──+$/u.test(row[0]?.text ?? "");

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
      : [headerRow(state, conversation, width), ...(layout.headerRows > 1 ? [[span("─".repeat(width), "dim")]] : [])];
  const bottom = bottomRows(state, layout);
  const height = Math.max(1, layout.bodyHeight - header.length - bottom.rows.length);
  let middle: readonly Row[];
  let cursor = bottom.cursor && { x: bottom.cursor.x, y: bottom.cursor.y + header.length + height };
  if (state.overlay.kind !== "none") cursor = undefined;
  if (isCovered(state)) {
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
  const isLoading = chat.loading === "asked" || chat.loading === "slow";
  if (!chat.loaded || isLoading) return [[span("  Loading…", "dim")]];
  if (state.quick && chat.more) return [[span("  Nothing new yet. PgUp shows what was written before.", "dim")], blankRow];
  if (conversation?.kind === "note-to-self") return [[span("  Notes to yourself: only your own devices can read them.", "dim")], blankRow];
  const whom = conversation === undefined ? "them" : conversation.kind === "group" ? "everybody" : titleOf(conversation);
  return [[span(`  Nothing here yet. Say hello to ${whom}!`, "dim")], blankRow];
}

/** Lines of news and state, then the field that is written in. */
function bottomRows(state: State, layout: Layout): Part {
  const width = layout.listWidth === 0 && state.open === undefined ? state.columns : layout.mainWidth;
  const rows: Row[] = [];
  if (state.rows >= 14) rows.push([span("─".repeat(width), "dim")]);
  rows.push(...layout.lines);
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
  if ((openChat(state)?.attached.length ?? 0) > 0) return "Write something to it, or press Enter to send it";
  if (conversation.blocked === "announce-only") return "Only admins write here.";
  if (conversation.blocked === "out") return "You can read what there is, and no more.";
  if (conversation.request) return conversation.kind === "group" ? "/accept to take part" : "/accept to answer";
  return conversation.kind === "note-to-self" ? "Write a note" : `Message to ${titleOf(conversation)}`;
}
