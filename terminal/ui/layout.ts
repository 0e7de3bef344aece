import { layOut } from "./editor.ts";
import { isLow, lineRows } from "./lines.ts";
import type { Row } from "./rows.ts";
import { type State, openChat, openConversation, serverTimeIn } from "./state.ts";
import type { Look } from "./transcript.ts";

/** How the screen is divided; every part counts in cells. */
export interface Layout {
  /** 0: no list beside the conversation. */
  readonly listWidth: number;
  readonly mainWidth: number;
  /** 0: no members' panel beside the conversation. */
  readonly panelWidth: number;
  /** Rows above the help line, shared by list and main part. */
  readonly bodyHeight: number;
  readonly headerRows: number;
  /** What remains for the transcript or an overlay. */
  readonly transcriptHeight: number;
  readonly composerRows: number;
  readonly composerWidth: number;
  /** Between transcript and composer: news, connection, warnings. */
  readonly lines: readonly Row[];
  readonly helpRows: number;
}

const LIST_BESIDE_FROM = 64;
const PANEL_BESIDE_FROM = 110;
const NARROWEST_PANEL = 26;
const WIDEST_PANEL = 36;
const NARROWEST_LIST = 20;
const WIDEST_LIST = 30;
const PROMPT_CELLS = 3;

/** A state asks for its layout many times, and always gets the same. */
const layouts = new WeakMap<State, Layout>();

export function layoutOf(state: State): Layout {
  const known = layouts.get(state);
  if (known !== undefined) return known;
  const layout = divided(state);
  layouts.set(state, layout);
  return layout;
}

function divided(state: State): Layout {
  const helpRows = state.rows >= 8 ? 1 : 0;
  const bodyHeight = Math.max(1, state.rows - helpRows);
  // An invitation's link has the whole width: what stands beside it would be copied with it.
  const isAlone = state.overlay.kind === "invitation";
  const beside = state.columns >= LIST_BESIDE_FROM && !isAlone;
  const listWidth = beside ? Math.max(NARROWEST_LIST, Math.min(WIDEST_LIST, Math.floor(state.columns * 0.28))) : 0;
  const panel = state.membersBeside && !isAlone && state.columns >= PANEL_BESIDE_FROM && openConversation(state)?.kind === "group";
  const panelWidth = panel ? Math.max(NARROWEST_PANEL, Math.min(WIDEST_PANEL, Math.floor(state.columns * 0.22))) : 0;
  const mainWidth = Math.max(1, state.columns - (beside ? listWidth + 1 : 0) - (panel ? panelWidth + 1 : 0));
  const headerRows = state.rows >= 8 ? (isLow(state) ? 1 : 2) : 0;
  const composerWidth = Math.max(4, mainWidth - PROMPT_CELLS - 1);
  const editor = openChat(state)?.editor ?? state.homeEditor;
  const wanted = layOut(editor, composerWidth).rows.length;
  const composerRows = Math.max(1, Math.min(wanted, Math.max(1, Math.floor(state.rows / 3))));
  const lines = lineRows(state, mainWidth);
  const ruleRows = isLow(state) ? 0 : 1;
  const transcriptHeight = Math.max(1, bodyHeight - headerRows - lines.length - ruleRows - composerRows);
  return { listWidth, mainWidth, panelWidth, bodyHeight, headerRows, transcriptHeight, composerRows, composerWidth, lines, helpRows };
}

export function lookOf(state: State, layout: Layout): Look {
  return {
    width: layout.mainWidth - 1,
    now: state.now,
    serverNow: serverTimeIn(state),
    words: !state.colour,
    dense: isLow(state),
    me: state.me.name,
    pictures: { terminal: state.pictureTerminal, mostRows: pictureRows(state), loaded: state.pictures },
  };
}

const MOST_PICTURE_ROWS = 12;

/** By the screen, and not by what is left of it for messages: no line of news may change the size of a picture. */
const pictureRows = ({ rows }: State): number => Math.max(1, Math.min(MOST_PICTURE_ROWS, Math.floor(rows / 2) - 2));

/** Whether something lies over the transcript: nothing of it is seen then. */
export function isCovered(state: State): boolean {
  return state.overlay.kind === "members" ? layoutOf(state).panelWidth === 0 : state.overlay.kind !== "none";
}
