import type { FoundGroup } from "@fastchat/client";
import { safeLine } from "../safe-text.ts";
import { plural } from "../words.ts";
import type { Command, Key } from "./keys.ts";
import { movedIndex } from "./press-members.ts";
import { type Row, blankRow, chosen, listTop, paragraph, span, spread } from "./rows.ts";
import { type State, type Step, said, step } from "./state.ts";

// Groups with a public name, which one can ask to join.

/** Over what lies there already nothing opens. */
export function withFound(state: State, text: string, groups: readonly FoundGroup[]): State {
  if (groups.length === 0)
    return said(state, text === "" ? "No group here has a public name." : `No group here has a public name with "${text}" in it.`);
  return state.overlay.kind === "none" ? { ...state, overlay: { kind: "found", groups, index: 0 } } : state;
}

export function foundRows(groups: readonly FoundGroup[], index: number, width: number, height: number): readonly Row[] {
  const room = Math.max(1, height - 2);
  const top = listTop(index, groups.length, room);
  const rows = groups.slice(top, top + room).map(({ name, memberCount }, at): Row => {
    const row = spread([span("  # ", "accent"), span(safeLine(name))], [span(`${plural(memberCount, "member")}  `, "dim")], width);
    return at + top === index ? chosen(row) : row;
  });
  return [...paragraph("Groups that everybody here can ask to join:", width, "bold"), blankRow, ...rows];
}

export function pressFound(state: State, key: Key, command: Command | undefined): Step {
  const { overlay } = state;
  if (overlay.kind !== "found") return step(state);
  const index = movedIndex(overlay.index, overlay.groups.length, key, command);
  if (index !== undefined) return step({ ...state, overlay: { ...overlay, index } });
  const group = overlay.groups[overlay.index];
  if (key.name !== "enter" || group === undefined) return step(state);
  return step({ ...state, overlay: { kind: "none" } }, { kind: "join", to: group.name, line: `/join ${group.name}` });
}
