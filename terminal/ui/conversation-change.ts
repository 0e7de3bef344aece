import type { ChatMessage, ConversationSummary, GroupSummary } from "@fastchat/client";
import { inListOrder } from "../activity.ts";
import { safeName, safeText } from "../safe-text.ts";
import { isNews } from "./attention.ts";
import { editorOf } from "./editor.ts";
import { leave, open } from "./enter.ts";
import { titleOf } from "./list.ts";
import { memberEntryCount } from "./members.ts";
import { withRequest, withoutRequest } from "./requests.ts";
import {
  type ConversationId,
  type Effect,
  type OpenGroup,
  type State,
  type Step,
  findConversation,
  said,
  saidUntilKey,
  step,
  withChat,
} from "./state.ts";

export function withConversation(state: State, conversation: ConversationSummary): State {
  if (conversation.request) return withRequest(state, conversation);
  const others = state.conversations.filter(({ id }) => id !== conversation.id);
  const at = others.findIndex((other) => inListOrder(conversation, other) < 0);
  const conversations = others.toSpliced(at < 0 ? others.length : at, 0, conversation);
  return { ...state, conversations, requests: withoutRequest(state.requests, conversation.id) };
}

/** A conversation that changed, or that is new here; `news`: what came there before it was known. */
export function changed(state: State, conversation: ConversationSummary, news: ChatMessage | undefined): Step {
  const before = findConversation(state, conversation.id);
  let next = withoutReadNews(withDraft(withConversation(state, conversation), before, conversation));
  if (news !== undefined && isNews(next, news)) next = { ...next, news: { conversation: conversation.id, message: news } };
  if (conversation.kind !== "group") return step(next);
  if (conversation.id === state.joining && conversation.group.role !== undefined) return letIn(next, conversation);
  if (conversation.id !== state.open) return step(next);
  const known = before?.kind === "group" ? before : undefined;
  if (known !== undefined && known.group.ended === undefined && conversation.group.ended !== undefined)
    return step(putOut(next, conversation));
  return step(next, ...(isSameGroup(known, conversation) ? [] : reloaded(state, conversation.id)));
}

/** What was read on another device is no news any more. */
export function withoutReadNews(state: State): State {
  const { news } = state;
  const readUpTo = findConversation(state, news?.conversation)?.readUpTo ?? 0;
  return news !== undefined && (news.message.sequence ?? Infinity) <= readUpTo ? { ...state, news: undefined } : state;
}

/** What is being written there on another device stands in the field here, too, as long as nobody writes something else here. */
function withDraft(state: State, before: ConversationSummary | undefined, { id, draft }: ConversationSummary): State {
  const chat = state.chats.get(id);
  if (chat === undefined || before === undefined || before.draft === draft || chat.editor.text !== safeText(before.draft)) return state;
  return withChat(state, id, (known) => ({ ...known, editor: editorOf(safeText(draft)) }));
}

/** Whoever asked to be let in is where they wanted to be, unless they went on to something else. */
function letIn(state: State, conversation: GroupSummary): Step {
  const next = { ...state, joining: undefined };
  const isIdle = state.open === undefined && state.overlay.kind === "none" && state.homeEditor.text === "";
  return isIdle ? open(next, conversation.id) : step(said(next, `You are in ${titleOf(conversation)} now.`));
}

/** Whoever is no member any more is told why, in the list. The conversation stays there to be read. */
function putOut(state: State, conversation: GroupSummary): State {
  const { how, by } = conversation.group.ended!;
  const title = titleOf(conversation);
  const left: State = { ...leave(state).state, overlay: { kind: "none" } };
  return saidUntilKey(left, how === "left" ? `You left ${title}.` : `${safeName(by)} removed you from ${title}.`);
}

function isSameGroup(before: GroupSummary | undefined, after: GroupSummary): boolean {
  if (before === undefined) return false;
  const keys = ["name", "description", "memberCount", "role", "joinRequests", "mayWrite", "mayAdd", "mayChangeProfile"] as const;
  return before.request === after.request && keys.every((key) => before.group[key] === after.group[key]);
}

export const reloaded = (state: State, id: ConversationId): readonly Effect[] => (id === state.open ? [{ kind: "load-group", id }] : []);

export function withGroup(state: State, group: OpenGroup): State {
  const { overlay } = state;
  const within = (index: number, count: number): number => Math.max(0, Math.min(index, count - 1));
  const next = { ...state, group };
  if (overlay.kind === "members") return { ...next, overlay: { ...overlay, index: within(overlay.index, memberEntryCount(group)) } };
  return overlay.kind === "askers" ? { ...next, overlay: { ...overlay, index: within(overlay.index, group.askers.length) } } : next;
}
