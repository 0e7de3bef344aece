import type { ConversationSummary, DirectSummary, GroupSummary } from "@fastchat/client";
import { cells } from "../cells.ts";
import { lengthWords } from "../durations.ts";
import { shortLength } from "../lifetimes.ts";
import { safeLine, safeName } from "../safe-text.ts";
import { agoWords } from "../time.ts";
import { plural, typingWords, unreadWords } from "../words.ts";
import { unreadElsewhere } from "./accounts.ts";
import { endedWord, leadOf, titleOf } from "./list.ts";
import { type Row, type Span, rowCells, span, spread } from "./rows.ts";
import type { State } from "./state.ts";

/** Above the transcript: with whom, and what they are doing. */
export function headerRow(state: State, conversation: ConversationSummary | undefined, width: number): Row {
  if (conversation === undefined) return spread(welcomeRow(state), elsewhereRow(state), width);
  return conversation.kind === "group" ? groupHeader(state, conversation, width) : directHeader(state, conversation, width);
}

const welcomeRow = (state: State): Row => [
  span(" Welcome, ", "text"),
  span(safeName(state.me.name), "own-name"),
  ...(state.quick ? [span("  QuickChat", "accent")] : []),
];

/** What waits for the person in other accounts. */
function elsewhereRow(state: State): Row {
  const waiting = unreadElsewhere(state).map(({ profile, unread }) => `${safeName(profile)} ${unreadWords(unread)}`);
  return waiting.length === 0 ? [] : [span(`${waiting.join(" · ")} unread `, "accent")];
}

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
  const room = width - rowCells(left);
  // Whether somebody is verified goes before it.
  const short = rowCells(trustRow(conversation, Math.min(room, SHORT_TRUST_CELLS)));
  const kept = retentionSpan(conversation, room - short - 2, !state.colour);
  return spread([...left, kept], trustRow(conversation, room - rowCells([kept])), width);
}

/** After which time messages are gone, in as many words as there is room for. */
function retentionSpan({ retentionSeconds }: ConversationSummary, room: number, words: boolean): Span {
  if (retentionSeconds === 0) return span("");
  const after = `disappear after ${lengthWords(retentionSeconds)}`;
  const short = `${words ? "gone after" : "◔"} ${shortLength(retentionSeconds)}`;
  const fitting = [`messages ${after}`, after, short].find((text) => cells(text) + 3 <= room) ?? "";
  return span(fitting === "" ? "" : ` · ${fitting}`, "dim");
}

/** With this much room it is said in short whether somebody is verified, and with no more it is not said how to change that. */
const SHORT_TRUST_CELLS = 24;

function trustRow(conversation: DirectSummary, room: number): Row {
  if (conversation.kind === "note-to-self") return [];
  if (conversation.peer.blocked) return [span("blocked ", "warning")];
  switch (conversation.peer.verification) {
    case "verified":
      return [span("verified ", "dim")];
    case "not-verified":
      return [span(room > SHORT_TRUST_CELLS ? "not verified · /verify " : room > 14 ? "not verified " : "", "dim")];
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
  const left: Span[] = [
    span(" "),
    ...leadOf(conversation, !state.colour),
    span(titleOf(conversation), "bold"),
    span(ended !== undefined ? `  (${ended})` : group.memberCount > 0 ? `  ${plural(group.memberCount, "member")}` : "", "dim"),
    span(typing === "" ? "" : ` · ${typing}`, "dim"),
  ];
  left.push(retentionSpan(conversation, width - rowCells(left), !state.colour));
  const room = width - rowCells(left);
  const asking = group.joinRequests > 0 ? `${group.joinRequests} ask${group.joinRequests === 1 ? "s" : ""} to join · /requests ` : "";
  const words = [asking, group.joinRequests > 0 ? "/requests " : "", group.role === "admin" ? "admin " : ""];
  const fitting = words.find((text) => text !== "" && text.length < room) ?? "";
  return spread(left, [span(fitting, group.joinRequests > 0 && fitting !== "admin " ? "warning" : "dim")], width);
}
