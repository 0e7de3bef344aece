import { layOut } from "./editor.ts";
import { completionsOf } from "./slash.ts";
import { type State, openChat, openConversation } from "./state.ts";
import type { Look } from "./transcript.ts";

/** How the screen is divided; every part counts in cells. */
export interface Layout {
  /** 0: no list beside the conversation. */
  readonly listWidth: number;
  readonly mainWidth: number;
  /** Rows above the help line, shared by list and main part. */
  readonly bodyHeight: number;
  readonly headerRows: number;
  /** What remains for the transcript or an overlay. */
  readonly transcriptHeight: number;
  readonly composerRows: number;
  readonly composerWidth: number;
  /** Rows between transcript and composer: news, connection, warnings. */
  readonly lineRows: number;
  readonly helpRows: number;
}

const LIST_BESIDE_FROM = 64;
const NARROWEST_LIST = 20;
const WIDEST_LIST = 30;
const PROMPT_CELLS = 3;
const BAR_AFTER_MS = 2_000;
const LOW = 14;

/** Whether Tab completes the text. */
export const isCommandBegun = (text: string): boolean => /^\/[a-z]*$/u.test(text) || text.startsWith("/open ");

export const isLow = (state: State): boolean => state.rows < LOW;

/** The lines that stand above the composer now, most important last. */
export type Line = "news" | "connection" | "blocked" | "below" | "flash" | "completion";

export function linesOf(state: State): Line[] {
  const lines: Line[] = [];
  const chat = openChat(state);
  const conversation = openConversation(state);
  if (chat !== undefined && chat.position.kind === "at" && chat.below > 0) lines.push("below");
  if (state.news !== undefined) lines.push("news");
  if (conversation !== undefined && conversation.blocked !== "none") lines.push("blocked");
  if (isConnectionShown(state)) lines.push("connection");
  if (state.flash !== undefined) lines.push("flash");
  const editor = chat?.editor ?? state.homeEditor;
  const isSaid = state.flash !== undefined && completionsOf(state, editor.text).length === 0;
  if (isCommandBegun(editor.text) && !isSaid) lines.push("completion");
  const most = state.rows < 8 ? 1 : isLow(state) ? 2 : 4;
  return lines.slice(-most);
}

/** Nobody is troubled with a connection that is back within two seconds. */
export function isConnectionShown(state: State): boolean {
  if (state.connection.kind === "ended") return true;
  return state.offlineSince !== undefined && state.now - state.offlineSince >= BAR_AFTER_MS;
}

export function layoutOf(state: State): Layout {
  const helpRows = state.rows >= 8 ? 1 : 0;
  const bodyHeight = Math.max(1, state.rows - helpRows);
  const beside = state.columns >= LIST_BESIDE_FROM;
  const listWidth = beside ? Math.max(NARROWEST_LIST, Math.min(WIDEST_LIST, Math.floor(state.columns * 0.28))) : 0;
  const mainWidth = Math.max(1, state.columns - (beside ? listWidth + 1 : 0));
  const headerRows = state.rows >= 8 ? (isLow(state) ? 1 : 2) : 0;
  const composerWidth = Math.max(4, mainWidth - PROMPT_CELLS - 1);
  const editor = openChat(state)?.editor ?? state.homeEditor;
  const wanted = layOut(editor, composerWidth).rows.length;
  const composerRows = Math.max(1, Math.min(wanted, Math.max(1, Math.floor(state.rows / 3))));
  const lineRows = linesOf(state).length;
  const ruleRows = isLow(state) ? 0 : 1;
  const transcriptHeight = Math.max(1, bodyHeight - headerRows - lineRows - ruleRows - composerRows);
  return { listWidth, mainWidth, bodyHeight, headerRows, transcriptHeight, composerRows, composerWidth, lineRows, helpRows };
}

export function lookOf(state: State, layout: Layout): Look {
  return { width: layout.mainWidth - 1, now: state.now, words: !state.colour, dense: isLow(state) };
}
