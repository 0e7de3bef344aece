import { safeLine } from "../safe-text.ts";
import { unreadWords } from "../words.ts";
import type { Command, Key } from "./keys.ts";
import { movedIndex } from "./press-members.ts";
import { blankRow, chosen, listTop, paragraph, type Row, span, spread } from "./rows.ts";
import { type State, type Step, said, step } from "./state.ts";

// Several people, or one with several accounts, at one terminal client.

/** An account that is signed in on this machine. */
export interface OtherAccount {
  /** The name of its profile, which mostly is the person's. */
  readonly profile: string;
  /** Undefined: it was not opened yet, and is not connected. */
  readonly unread: number | undefined;
}

/** Besides the one that shows. */
export const unreadElsewhere = ({ others }: State): readonly (OtherAccount & { readonly unread: number })[] =>
  others.flatMap((each) => (each.unread === undefined || each.unread === 0 ? [] : [{ ...each, unread: each.unread }]));

const alone = "QuickChat is for one account, and leaves nothing of it here.";

/** /accounts */
export const showAccounts = (state: State): Step =>
  step(state.quick ? said(state, alone) : { ...state, overlay: { kind: "accounts", index: 0 } });

/** The account after this one: one key goes round. */
export function nextAccount(state: State): Step {
  if (state.quick) return step(said(state, alone));
  const [next] = state.others;
  if (next !== undefined) return step(state, { kind: "switch-account", profile: next.profile });
  return step(said(state, "You are the only one who is signed in here: /accounts signs in another account."));
}

/** The last entry signs in to another one. */
const entriesOf = ({ others }: State): readonly (OtherAccount | "another")[] => [...others, "another"];

export function pressAccounts(state: State, key: Key, command: Command | undefined): Step {
  const { overlay } = state;
  if (overlay.kind !== "accounts") return step(state);
  const entries = entriesOf(state);
  const closed: State = { ...state, overlay: { kind: "none" } };
  if (command === "next-account") return nextAccount(closed);
  if (key.name === "enter") {
    const entry = entries[overlay.index];
    return step(
      closed,
      entry === undefined || entry === "another" ? { kind: "add-account" } : { kind: "switch-account", profile: entry.profile },
    );
  }
  const index = movedIndex(overlay.index, entries.length, key, command);
  return step(index === undefined ? state : { ...state, overlay: { ...overlay, index } });
}

export function accountsRows(state: State, index: number, width: number, height: number): readonly Row[] {
  const entries = entriesOf(state);
  const room = Math.max(1, height - 3);
  const top = listTop(index, entries.length, room);
  const rows = entries.slice(top, top + room).map((entry, at): Row => {
    const row =
      entry === "another"
        ? [span("  Sign in to another account", "accent")]
        : spread([span("  "), span(safeLine(entry.profile))], [span(`${unreadOf(entry)}  `, "dim")], width);
    return at + top === index ? chosen(row) : row;
  });
  return [...paragraph(`You are ${safeLine(state.me.name)}. On this machine also:`, width, "bold"), blankRow, ...rows];
}

function unreadOf({ unread }: OtherAccount): string {
  if (unread === undefined) return "not opened yet";
  return unread === 0 ? "" : `${unreadWords(unread)} unread`;
}
