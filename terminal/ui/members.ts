import type { GroupMember, JoinRequestInfo } from "@fastchat/client";
import { safeName } from "../safe-text.ts";
import { presenceDot } from "./list.ts";
import { type Row, chosen, fitRow, span, spread } from "./rows.ts";
import type { OpenGroup, State } from "./state.ts";

// The members' panel. A group may have a thousand members: only the rows that show are made.

export type MemberEntry =
  | { readonly kind: "asker"; readonly asker: JoinRequestInfo }
  | { readonly kind: "member"; readonly member: GroupMember };

export const memberEntryCount = ({ askers, info }: OpenGroup): number => askers.length + info.members.length;

/** Who asks to be let in comes first, then admins, then members. */
export function memberEntryAt({ askers, info }: OpenGroup, index: number): MemberEntry | undefined {
  const asker = askers[index];
  if (asker !== undefined) return { kind: "asker", asker };
  const member = info.members[index - askers.length];
  return member && { kind: "member", member };
}

export interface MemberWindow {
  readonly from: number;
  readonly to: number;
}

const HEADING_ROWS = 1;

/** Which entries show at this height, so that the chosen one does. */
export function memberWindow(state: State, height: number): MemberWindow {
  const count = state.group === undefined ? 0 : memberEntryCount(state.group);
  const room = Math.max(0, height - HEADING_ROWS);
  const index = state.overlay.kind === "members" ? state.overlay.index : 0;
  const from = Math.max(0, Math.min(index - Math.floor(room / 2), count - room));
  return { from, to: Math.min(count, from + room) };
}

/** Accounts of the members that show: presence is asked for theirs alone. */
export function membersShown(state: State, height: number): readonly GroupMember["person"]["account"][] {
  const { from, to } = memberWindow(state, height);
  const { group } = state;
  if (group === undefined) return [];
  return Array.from({ length: to - from }, (_, at) => memberEntryAt(group, from + at)).flatMap((entry) =>
    entry?.kind === "member" && !entry.member.me ? [entry.member.person.account] : [],
  );
}

export function membersRows(state: State, width: number, height: number): readonly Row[] {
  const { group, overlay } = state;
  if (group === undefined) return [[span(" Loading…", "dim")]];
  const count = group.info.members.length.toLocaleString("en-GB");
  const rows: Row[] = [[span(` MEMBERS (${count})`, "dim")]];
  const { from, to } = memberWindow(state, height);
  for (let index = from; index < to; index++) {
    const row = entryRow(state, memberEntryAt(group, index)!, width);
    rows.push(overlay.kind === "members" && overlay.index === index ? chosen(row) : row);
  }
  return rows;
}

function entryRow(state: State, entry: MemberEntry, width: number): Row {
  switch (entry.kind) {
    case "asker":
      return fitRow([span(" "), span("? ", "warning"), span(safeName(entry.asker.person.name)), span(" asks to join", "dim")], width);
    case "member": {
      const { person, role, me } = entry.member;
      const name: Row = me
        ? [span("  "), span(safeName(person.name)), span(" (you)", "dim")]
        : [...presenceDot(person, !state.colour), span(safeName(person.name))];
      const trust = person.verification === "changed" ? [span(" changed!", "error")] : [];
      return spread([span(" "), ...name, ...trust], [span(role === "admin" ? " admin " : " ", "dim")], width);
    }
    default:
      return entry satisfies never;
  }
}
