import type { ChatItem, ClientEvent, ConversationSummary, Person } from "@fastchat/client";
import { activityOf } from "../activity.ts";
import { editorOf } from "./editor.ts";
import { LOAD_AT_ONCE, atFirstUnread, open } from "./enter.ts";
import { layoutOf, lookOf } from "./layout.ts";
import { listEntries } from "./list.ts";
import { press } from "./press.ts";
import {
  type Action,
  type Chat,
  type ConversationId,
  type Effect,
  type State,
  type Step,
  isSeen,
  openChat,
  openConversation,
  said,
  step,
  withChat,
} from "./state.ts";
import { merge, newestSequence, oldestSequence } from "./timeline.ts";
import { windowOf } from "./transcript.ts";
import { typeText } from "./write.ts";

/** What happens on the screen, and what has to be done, when something comes in. Pure: the same state and action give the same step. */
export function update(state: State, action: Action): Step {
  const now = "now" in action ? { ...state, now: action.now } : state;
  const next = act(now, action);
  const goesOn = action.kind === "key" || action.kind === "paste";
  return settle(isOver(now, next.state, goesOn) ? step({ ...next.state, flash: undefined }, ...next.effects) : next);
}

/** Whether the line of answer that was there before is an old one now. */
function isOver({ flash, open: before }: State, after: State, goesOn: boolean): boolean {
  if (flash === undefined || flash !== after.flash || flash.tone === "warning") return false;
  return after.open !== before || (goesOn && isSeen(flash, after.now));
}

function act(state: State, action: Action): Step {
  switch (action.kind) {
    case "key":
      return press(state, action.key);
    case "paste":
      return typeText(state, action.text);
    case "resize":
      return step({ ...state, columns: action.columns, rows: action.rows });
    case "tick":
      return step(state.flash !== undefined && state.flash.until <= state.now ? { ...state, flash: undefined } : state);
    case "event":
      return hear(state, action.event);
    case "conversation":
      return step(withConversation(state, action.conversation));
    case "conversations":
      return step(action.conversations.reduce(withConversation, { ...state, conversations: [] }));
    case "people":
      return step({
        ...state,
        people: action.people,
        listIndex: Math.min(state.listIndex, Math.max(0, listEntries({ ...state, people: action.people }).length - 1)),
      });
    case "items":
      return step(withItems(state, action.id, action.items, action.more, action.newest));
    case "opened":
      return open(withConversation(state, action.conversation), action.conversation.id);
    case "not-sent": {
      const restored = withChat(state, action.id, (chat) => (chat.editor.text === "" ? { ...chat, editor: editorOf(action.text) } : chat));
      return step(said(restored, action.sentence, "error"));
    }
    case "safety-number": {
      const waits = state.overlay.kind === "verify" && state.overlay.name === action.name;
      return step(waits ? { ...state, overlay: { kind: "verify", name: action.name, number: action.number } } : state);
    }
    case "said":
      return step(said(state, action.text, action.tone));
    default:
      return action satisfies never;
  }
}

function hear(state: State, event: ClientEvent): Step {
  switch (event.kind) {
    case "connection":
      return step({
        ...state,
        connection: event.connection,
        offlineSince: event.connection.kind === "online" ? undefined : (state.offlineSince ?? state.now),
      });
    case "role":
      return step(state);
    case "conversations":
      return step(state, ...event.conversations.map((id) => ({ kind: "load-conversation", id }) as const));
    case "items":
      return step(receive(state, event.conversation, event.items, event.live));
    case "presence": {
      const seen = new Map(event.people.map((person) => [person.account, person]));
      return step({
        ...state,
        people: state.people.map((person) => presentAs(person, seen.get(person.account))),
        conversations: state.conversations.map((conversation) => {
          const peer = seen.get(conversation.peer.account);
          return peer === undefined ? conversation : { ...conversation, peer: presentAs(conversation.peer, peer) };
        }),
      });
    }
    case "typing":
      if (event.account === state.me.account || !state.chats.has(event.conversation)) return step(state);
      return step(withChat(state, event.conversation, (chat) => ({ ...chat, typing: event.active })));
    case "caught-up":
      return step({ ...state, caughtUp: true });
    case "warning":
      return step(said(state, event.text, "warning"));
    default:
      return event satisfies never;
  }
}

/** Names and trust come with people and conversations; presence tells no more than presence. */
function presentAs(person: Person, seen: Person | undefined): Person {
  return seen === undefined ? person : { ...person, online: seen.online, lastSeen: seen.lastSeen };
}

function withConversation(state: State, conversation: ConversationSummary): State {
  const others = state.conversations.filter(({ id }) => id !== conversation.id);
  const at = others.findIndex((other) => activityOf(other) < activityOf(conversation));
  const conversations = others.toSpliced(at < 0 ? others.length : at, 0, conversation);
  return { ...state, conversations };
}

/** New and changed items. What is not on the screen is told above the composer; what is never moves what is being read. */
function receive(state: State, id: ConversationId, items: readonly ChatItem[], live: boolean): State {
  const received = items.filter((item) => item.kind === "message" && !item.mine);
  let next = state;
  if (state.chats.has(id)) {
    next = withChat(next, id, (chat) => {
      const entries = merge(chat.entries, items);
      const added = received.filter((item) => item.sequence !== undefined && item.sequence > newestSequence(chat.entries)).length;
      const away = chat.position.kind === "at" || state.open !== id;
      const unreadAfter = away && added > 0 && state.open === id ? (chat.unreadAfter ?? newestSequence(chat.entries)) : chat.unreadAfter;
      return {
        ...chat,
        entries,
        unreadAfter,
        below: chat.position.kind === "at" ? chat.below + added : 0,
        typing: added > 0 ? false : chat.typing,
      };
    });
  }
  const newest = received.at(-1);
  if (live && newest?.kind === "message" && state.open !== id && isNews(state, id, newest.sequence))
    next = { ...next, news: { conversation: id, message: newest } };
  return next;
}

function isNews(state: State, id: ConversationId, sequence: number | undefined): boolean {
  const conversation = state.conversations.find((known) => known.id === id);
  return sequence === undefined || conversation === undefined || sequence > conversation.readUpTo;
}

function withItems(state: State, id: ConversationId, items: readonly ChatItem[], more: boolean, newest: boolean): State {
  const wasLoaded = state.chats.get(id)?.loaded ?? false;
  const next = withChat(state, id, (chat) => ({
    ...chat,
    entries: merge(chat.entries, items),
    more,
    loading: false,
    loaded: chat.loaded || newest,
  }));
  return newest && !wasLoaded ? atFirstUnread(next, id) : next;
}

const OLDER_WITHIN = 30;

/** What follows from any state: older items are fetched before they are needed, and what is seen to the end is read. */
function settle({ state, effects }: Step): Step {
  const chat = openChat(state);
  if (chat === undefined || state.open === undefined) return step(state, ...effects);
  const more: Effect[] = [];
  let next = state;
  if (chat.loaded && chat.more && !chat.loading && isNearTop(state, chat)) {
    next = withChat(next, state.open, (known) => ({ ...known, loading: true }));
    more.push({ kind: "load-items", id: state.open, before: oldestSequence(chat.entries), limit: LOAD_AT_ONCE });
  }
  const newest = newestSequence(chat.entries);
  const seen = chat.loaded && chat.position.kind === "bottom" && state.overlay.kind === "none";
  if (seen && newest > Math.max(chat.marked, openConversation(state)?.readUpTo ?? 0)) {
    next = withChat(next, state.open, (known) => ({ ...known, marked: newest }));
    more.push({ kind: "mark-read", id: state.open, sequence: newest });
  }
  return step(next, ...effects, ...more);
}

function isNearTop(state: State, chat: Chat): boolean {
  if (chat.position.kind === "bottom") return chat.entries.length < state.rows;
  const layout = layoutOf(state);
  return windowOf(chat, layout.transcriptHeight, lookOf(state, layout)).first < OLDER_WITHIN;
}
