import { safeText } from "../safe-text.ts";
import { editorOf, emptyEditor } from "./editor.ts";
import { layoutOf, lookOf } from "./layout.ts";
import { type ListEntry, listEntries } from "./list.ts";
import { type ConversationId, type Effect, type State, type Step, findConversation, step, withChat } from "./state.ts";
import { topAt } from "./transcript.ts";

/** A chat opens at the first unread message of somebody else, which has the unread line above it, unless all behind it fit. */
export function atFirstUnread(state: State, id: ConversationId): State {
  return withChat(state, id, (chat) => {
    const { entries, unreadAfter } = chat;
    if (unreadAfter === undefined) return chat;
    const first = entries.findIndex(({ place, item }) => place > unreadAfter && item.kind === "message" && !item.mine);
    if (first < 0) return { ...chat, unreadAfter: undefined };
    const layout = layoutOf(state);
    const lined = { ...chat, unreadAfter: entries[first]!.place - 1 };
    return { ...lined, position: topAt(lined, first, layout.transcriptHeight, lookOf(state, layout)) };
  });
}

export const LOAD_AT_ONCE = 100;
const LOAD_UNREAD_AT_MOST = 2_000;

/** Enters a conversation, and leaves the one before with its unread line and selection. */
export function open(state: State, id: ConversationId): Step {
  const conversation = findConversation(state, id);
  const left = state.open !== undefined && state.open !== id ? leave(state).state : state;
  const unread = conversation?.unread ?? 0;
  const entered: State = {
    ...withChat(left, id, (chat) => ({
      ...chat,
      position: { kind: "bottom" },
      below: 0,
      unreadAfter: unread > 0 ? conversation!.readUpTo : undefined,
      editor: chat.editor.text === "" && conversation !== undefined ? editorOf(safeText(conversation.draft)) : chat.editor,
      loading: chat.loaded ? "no" : "asked",
    })),
    open: id,
    group: left.open === id ? left.group : undefined,
    overlay: { kind: "none" },
    news: left.news?.conversation === id ? undefined : left.news,
  };
  const members: Effect[] = conversation?.kind === "group" && entered.group === undefined ? [{ kind: "load-group", id }] : [];
  if (entered.chats.get(id)!.loaded) return step(atFirstUnread(entered, id), ...members);
  const limit = Math.min(LOAD_UNREAD_AT_MOST, Math.max(LOAD_AT_ONCE, unread + entered.rows));
  return step(entered, { kind: "load-items", id, before: undefined, limit }, ...members);
}

/** So many entries of a conversation that was left stay in memory. */
const KEPT_ENTRIES = 3_000;
const TRIM_TO = 1_500;

/** Back to the list. */
export function leave(state: State): Step {
  if (state.open === undefined) return step(state);
  const trimmed = withChat(state, state.open, (chat) => {
    const tooLong = chat.entries.length > KEPT_ENTRIES;
    return {
      ...chat,
      entries: tooLong ? chat.entries.slice(-TRIM_TO) : chat.entries,
      more: chat.more || tooLong,
      unreadAfter: undefined,
      selected: undefined,
      position: { kind: "bottom" },
      below: 0,
    };
  });
  const index = listEntries(state).findIndex((entry) => entry.kind === "conversation" && entry.conversation.id === state.open);
  return step({ ...trimmed, open: undefined, group: undefined, listIndex: Math.max(0, index), homeEditor: emptyEditor });
}

export function openEntry(state: State, entry: ListEntry | undefined): Step {
  if (entry === undefined) return step(state);
  switch (entry.kind) {
    case "conversation":
      return open(state, entry.conversation.id);
    case "person":
      return step({ ...state, overlay: { kind: "none" } }, { kind: "open-direct", name: entry.person.name });
    case "requests":
      return step({ ...state, overlay: { kind: "requests", index: 0 } }, { kind: "load-requests" });
    default:
      return entry satisfies never;
  }
}
