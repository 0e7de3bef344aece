import type { ChatItem, ChatMessage, NoticeKind } from "@fastchat/client";
import { isNews } from "./attention.ts";
import { reloaded } from "./conversation-change.ts";
import { picturesOf } from "./picture-block.ts";
import { type ConversationId, type Effect, type State, type Step, findConversation, step, withChat } from "./state.ts";
import { merge, newestSequence } from "./timeline.ts";

const ABOUT_MEMBERS: ReadonlySet<NoticeKind> = new Set(["membership", "role", "profile", "policy"]);

/** New and changed items. What is not on the screen is told above the composer; what is never moves what is being read. */
export function receive(state: State, id: ConversationId, items: readonly ChatItem[], live: boolean): Step {
  const received = items.filter((item) => item.kind === "message" && !item.mine);
  let next = state;
  if (state.chats.has(id)) {
    next = withChat(next, id, (chat) => {
      const entries = merge(chat.entries, items);
      const added = received.filter((item) => item.sequence !== undefined && item.sequence > newestSequence(chat.entries)).length;
      const away = chat.position.kind === "at" || state.open !== id;
      const unreadAfter = away && added > 0 && state.open === id ? (chat.unreadAfter ?? newestSequence(chat.entries)) : chat.unreadAfter;
      return { ...chat, entries, unreadAfter, below: chat.position.kind === "at" ? chat.below + added : 0 };
    });
  }
  const effects: Effect[] = items.some((item) => item.kind === "notice" && ABOUT_MEMBERS.has(item.notice)) ? [...reloaded(state, id)] : [];
  const newest = received.at(-1);
  if (!live || newest?.kind !== "message" || state.open === id) return step(next, ...effects);
  // Whether it may call for attention stands in the summary.
  if (findConversation(state, id) === undefined) return step(next, ...effects, { kind: "load-conversation", id, news: newest });
  const news = received.findLast((item) => item.kind === "message" && isNews(state, item));
  return step(news?.kind === "message" ? { ...next, news: { conversation: id, message: news } } : next, ...effects);
}

/** Messages that were deleted are gone from the screen, too. Whoever was reading there is left at what comes next. */
export function forget(state: State, id: ConversationId, isDeleted: (message: ChatMessage) => boolean): State {
  const isGone = (item: ChatItem): boolean => item.kind === "message" && isDeleted(item);
  const { overlay, news } = state;
  const next: State = {
    ...state,
    news: news?.conversation === id && isGone(news.message) ? undefined : news,
    overlay:
      (overlay.kind === "details" || overlay.kind === "picture") && overlay.message.conversation === id && isGone(overlay.message)
        ? { kind: "none" }
        : overlay,
  };
  if (!state.chats.has(id)) return next;
  return withChat(withoutPictures(next, id, isGone), id, (chat) => {
    const entries = chat.entries.filter(({ item }) => !isGone(item));
    const { position, selected } = chat;
    const isLeft = (key: string): boolean => entries.some((entry) => entry.key === key);
    const lost = position.kind === "at" && !isLeft(position.key);
    const following = lost
      ? chat.entries.slice(chat.entries.findIndex(({ key }) => key === position.key)).find(({ key }) => isLeft(key))
      : undefined;
    return {
      ...chat,
      entries,
      selected: selected !== undefined && isLeft(selected) ? selected : undefined,
      position: !lost ? position : following === undefined ? { kind: "bottom" } : { kind: "at", key: following.key, rowsBelow: 0 },
    };
  });
}

/** Nor are the pixels of what is deleted kept. */
function withoutPictures(state: State, id: ConversationId, isGone: (item: ChatItem) => boolean): State {
  if (state.pictures.size === 0) return state;
  const pictures = new Map(state.pictures);
  for (const { item } of state.chats.get(id)?.entries ?? []) {
    if (item.kind === "message" && isGone(item)) for (const { key } of picturesOf(item)) pictures.delete(key);
  }
  return pictures.size === state.pictures.size ? state : { ...state, pictures };
}
