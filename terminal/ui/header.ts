import type { ConversationSummary, DirectSummary, GroupSummary } from "@fastchat/client";
import { safeLine, safeName } from "../safe-text.ts";
import { agoWords } from "../time.ts";
import { plural, typingWords } from "../words.ts";
import { endedWord, leadOf, titleOf } from "./list.ts";
import { type Row, rowCells, span, spread } from "./rows.ts";
import type { State } from "./state.ts";

/** Above the transcript: with whom, and what they are doing. */
export function headerRow(state: State, conversation: ConversationSummary | undefined, width: number): Row {
  if (conversation === undefined) return welcomeRow(state);
  return conversation.kind === "group" ? groupHeader(state, conversation, width) : directHeader(state, conversation, width);
}

const welcomeRow = (state: State): Row => [
  span(" Welcome, ", "text"),
  span(safeName(state.me.name), "own-name"),
  ...(state.quick ? [span("  QuickChat", "accent")] : []),
];

function directHeader(state: State, conversation: DirectSummary, width: number): Row {
  const { peer } = conversation;
  const self = conversation.kind === "note-to-self";
  const presence = self ? "" : peer.online ? "online" : peer.lastSeen === undefined ? "" : `seen ${agoWords(peer.lastSeen, state.now)}`;
  const doing = conversation.typing.length > 0 ? "typing…" : presence;
  const note = peer.note === "" ? "" : ` (${safeLine(peer.note)})`;
  const left: Row = [
    span(" "),
    ...(self ? [] : leadOf(conversation, !state.colour)),
    span(titleOf(conversation), "bold"),
    span(note, "dim"),
    span(doing === "" ? "" : `  ${doing}`, "dim"),
  ];
  return spread(left, trustRow(conversation, width - rowCells(left)), width);
}

function trustRow(conversation: DirectSummary, room: number): Row {
  if (conversation.kind === "note-to-self") return [];
  if (conversation.peer.blocked) return [span("blocked ", "warning")];
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

function groupHeader(state: State, conversation: GroupSummary, width: number): Row {
  const { group } = conversation;
  const ended = endedWord(conversation);
  const typing = typingWords(conversation.typing.map(safeName));
  const left: Row = [
    span(" "),
    ...leadOf(conversation, !state.colour),
    span(titleOf(conversation), "bold"),
    span(ended !== undefined ? `  (${ended})` : group.memberCount > 0 ? `  ${plural(group.memberCount, "member")}` : "", "dim"),
    span(typing === "" ? "" : ` · ${typing}`, "dim"),
  ];
  const room = width - rowCells(left);
  const asking = group.joinRequests > 0 ? `${group.joinRequests} ask${group.joinRequests === 1 ? "s" : ""} to join · /requests ` : "";
  const words = [asking, group.joinRequests > 0 ? "/requests " : "", group.role === "admin" ? "admin " : ""];
  const fitting = words.find((text) => text !== "" && text.length < room) ?? "";
  return spread(left, [span(fitting, group.joinRequests > 0 && fitting !== "admin " ? "warning" : "dim")], width);
}
