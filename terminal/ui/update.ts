import type { ChatItem, ChatMessage, ClientEvent, Person } from "@fastchat/client";
import { inListOrder } from "../activity.ts";
import { pastedPaths } from "../files/paths.ts";
import { forget, receive } from "./arrivals.ts";
import { attachPasted, withAttached } from "./attach.ts";
import { changed, reloaded, withConversation, withGroup, withoutReadNews } from "./conversation-change.ts";
import * as editing from "./editor.ts";
import { LOAD_AT_ONCE, atFirstUnread, leave, open } from "./enter.ts";
import { SHORT_ID, withDevices } from "./devices.ts";
import { nameOf, revokeRefused } from "./revoke.ts";
import { withFound } from "./found.ts";
import { isCovered, layoutOf, lookOf } from "./layout.ts";
import { listEntries } from "./list.ts";
import { membersShown } from "./members.ts";
import { settlePictures, withPixels, withoutFailed } from "./pictures.ts";
import { typedPath } from "./path-completion.ts";
import { withFolder } from "./picker.ts";
import { press } from "./press.ts";
import { declined, withRequests } from "./requests.ts";
import {
  type Action,
  type Chat,
  type ConversationId,
  type Effect,
  type State,
  type Step,
  unstalled,
  isSeen,
  openChat,
  openConversation,
  said,
  serverTimeIn,
  step,
  withChat,
} from "./state.ts";
import { merge, newestSequence, oldestSequence } from "./timeline.ts";
import { windowOf } from "./transcript.ts";
import { editorOf, typeText } from "./write.ts";

/** What happens on the screen, and what has to be done, when something comes in. Pure: the same state and action give the same step. */
export function update(state: State, action: Action): Step {
  const now = "now" in action ? { ...state, now: action.now } : state;
  const next = act(now, action);
  const goesOn = action.kind === "key" || action.kind === "paste";
  const settled = settle(isOver(now, next.state, goesOn) ? step({ ...next.state, flash: undefined }, ...next.effects) : next);
  const folder = settleFolder(settled.state);
  const pictures = settlePictures(folder.state);
  return step(pictures.state, ...settled.effects, ...folder.effects, ...pictures.effects);
}

/** Whether the line of answer that was there before is an old one now; a warning has its time, and then goes with a key: somebody is there. */
function isOver({ flash, open: before }: State, after: State, goesOn: boolean): boolean {
  if (flash === undefined || flash !== after.flash) return false;
  if (flash.tone === "warning") return goesOn && after.now >= flash.until;
  return after.open !== before || (goesOn && isSeen(flash, after.now));
}

function act(state: State, action: Action): Step {
  switch (action.kind) {
    case "key":
      return press(state, action.key);
    case "paste":
      return paste(state, action.text);
    case "resize":
      return step({ ...state, columns: action.columns, rows: action.rows });
    case "tick":
      return step(tick({ ...state, serverAhead: action.serverAhead }));
    case "event":
      return hear(state, action.event);
    case "conversation":
      return changed(state, action.conversation, action.news);
    case "conversations": {
      const accepted = action.conversations.filter(({ request }) => !request);
      return step(withoutReadNews({ ...state, conversations: accepted.toSorted(inListOrder) }));
    }
    case "requests":
      return step(withRequests(state, action.requests));
    case "declined":
      return declined(state, action.id);
    case "asked-to-join": {
      const words = "Asked: the group is in your list as soon as an admin lets you in.";
      return step({ ...said(state, words), joining: action.id }, { kind: "load-conversation", id: action.id });
    }
    case "devices":
      return step(withDevices(state, action.devices));
    case "accounts":
      return step({ ...state, others: action.others });
    case "put-away":
      return leave({ ...state, overlay: { kind: "none" } });
    case "revoked": {
      const closed: State = state.overlay.kind === "revoke" ? { ...state, overlay: { kind: "none" } } : state;
      return step(said(closed, `${nameOf(action.device)} has no rights any more.`));
    }
    case "revoke-refused":
      return step(revokeRefused(state, action.sentence));
    case "found-groups":
      return step(withFound(state, action.text, action.groups));
    case "group":
      return step(action.group.info.id === state.open ? withGroup(state, action.group) : state);
    case "invitation": {
      const { id, invitation, link } = action;
      // Shown now and never again: over whatever lies there.
      return step(
        { ...state, overlay: { kind: "invitation", invitation, link } },
        ...(id === state.open ? [{ kind: "load-group", id } as const] : []),
      );
    }
    case "receipts": {
      const { overlay } = state;
      const waits = overlay.kind === "details" && overlay.message.id === action.message;
      return step(waits ? { ...state, overlay: { ...overlay, receipts: action.receipts } } : state);
    }
    case "people":
      return step({
        ...state,
        people: action.people,
        listIndex: Math.min(state.listIndex, Math.max(0, listEntries({ ...state, people: action.people }).length - 1)),
      });
    case "items":
      return step(withItems(state, action.id, action.items, action.more, action.newest));
    case "slow":
      return step(withSlow(state, action.id));
    case "opened":
      return open(withConversation(state, action.conversation), action.conversation.id);
    case "not-sent": {
      const restored = withChat(state, action.id, (chat) => ({ ...chat, editor: editing.prepend(chat.editor, action.text) }));
      return step(withAttached(said(restored, action.sentence, "error"), action.id, action.files));
    }
    case "attached":
      return step(withAttached(state, action.id, action.files));
    case "files-found":
      return attachPasted(state, action.id, action.text, action.files);
    case "transfer": {
      const transfers = new Map(state.transfers);
      if (action.state === undefined) transfers.delete(action.transfer);
      else transfers.set(action.transfer, action.state);
      return step({ ...state, transfers });
    }
    case "folder":
      return step(withFolder(state, action));
    case "refused": {
      const editor = editing.editorOf(action.line);
      const restored =
        state.open !== undefined
          ? withChat(state, state.open, (chat) => (chat.editor.text === "" ? { ...chat, editor } : chat))
          : { ...state, homeEditor: state.homeEditor.text === "" ? editor : state.homeEditor };
      return step(said(restored, action.sentence, "error"));
    }
    case "safety-number": {
      const waits = state.overlay.kind === "verify" && state.overlay.name === action.name;
      return step(waits ? { ...state, overlay: { kind: "verify", name: action.name, number: action.number } } : state);
    }
    case "pixels":
      return step(withPixels(state, action.use, action.key, action.pixels));
    case "said":
      return step(said(state, action.text, action.tone));
    default:
      return action satisfies never;
  }
}

/** On an empty line it may be files that were dropped on the terminal. */
function paste(state: State, text: string): Step {
  const typed = typeText(state, text);
  const isAlone = state.overlay.kind === "none" && openChat(state)?.editor.text === "" && pastedPaths(text).length > 0;
  const written = openChat(typed.state)?.editor.text;
  if (!isAlone || state.open === undefined || written === undefined) return typed;
  return step(typed.state, ...typed.effects, { kind: "look-for-files", id: state.open, text: written });
}

/** Answers have their time, and messages theirs. */
function tick(state: State): State {
  const { flash } = state;
  const next = flash !== undefined && flash.tone !== "warning" && flash.until <= state.now ? { ...state, flash: undefined } : state;
  const end = serverTimeIn(next);
  const isOver = ({ expires }: ChatMessage): boolean => expires !== undefined && expires <= end;
  const chat = openChat(next);
  const some = chat?.entries.some(({ item }) => item.kind === "message" && isOver(item)) ?? false;
  return some && next.open !== undefined ? forget(next, next.open, isOver) : next;
}

function hear(state: State, event: ClientEvent): Step {
  switch (event.kind) {
    case "connection":
      return step({
        ...(event.connection.kind === "online" ? withoutFailed(unstalled(state)) : state),
        connection: event.connection,
        offlineSince: event.connection.kind === "online" ? undefined : (state.offlineSince ?? state.now),
      });
    case "role":
      return step(state);
    case "conversations":
      return step(state, ...event.conversations.map((id) => ({ kind: "load-conversation", id }) as const));
    case "items":
      return receive(state, event.conversation, event.items, event.live);
    case "deleted":
      return step(forget(state, event.conversation, ({ sequence }) => sequence !== undefined && sequence <= event.upTo));
    case "expired": {
      const gone = new Set(event.sequences);
      return step(forget(state, event.conversation, ({ sequence }) => sequence !== undefined && gone.has(sequence)));
    }
    case "taken-back": {
      const gone = new Set(event.messages);
      return step(forget(state, event.conversation, ({ sequence, id }) => sequence === undefined && gone.has(id)));
    }
    case "presence":
      return step(withPresence(state, event.people));
    case "typing":
      // The conversation's summary, which changes with it, names who types.
      return step(state);
    case "sealing":
      return step({ ...state, sealing: withSealing(state.sealing, event) });
    case "join-request":
      return step(state, { kind: "load-conversation", id: event.conversation }, ...reloaded(state, event.conversation));
    case "requests": {
      const requests = { ...state.requests, count: event.count };
      return step({ ...state, requests }, ...(state.overlay.kind === "requests" ? [{ kind: "load-requests" } as const] : []));
    }
    case "catching-up":
      return step({ ...state, catchingUp: { done: event.done, total: event.total } });
    case "caught-up":
      return step({ ...state, caughtUp: true, catchingUp: undefined });
    case "warning":
      return step(said(state, warningWords(event), "warning"));
    default:
      return event satisfies never;
  }
}

/** With what to do, where a device is named. */
function warningWords({ text, device }: Extract<ClientEvent, { kind: "warning" }>): string {
  return device === undefined ? text : `${text} It is ${device.slice(0, SHORT_ID)} in /devices, where x revokes.`;
}

/** Names and trust come with people and conversations; presence tells no more than presence. */
function presentAs(person: Person, seen: Person | undefined): Person {
  return seen === undefined ? person : { ...person, online: seen.online, lastSeen: seen.lastSeen };
}

function withPresence(state: State, people: readonly Person[]): State {
  const seen = new Map(people.map((person) => [person.account, person]));
  const { group } = state;
  const isThere = group?.info.members.some(({ person }) => seen.has(person.account)) === true;
  return {
    ...state,
    people: state.people.map((person) => presentAs(person, seen.get(person.account))),
    conversations: state.conversations.map((conversation) => {
      if (conversation.kind === "group") return conversation;
      const peer = seen.get(conversation.peer.account);
      return peer === undefined ? conversation : { ...conversation, peer: presentAs(conversation.peer, peer) };
    }),
    group: isThere
      ? {
          ...group,
          info: {
            ...group.info,
            members: group.info.members.map((member) => ({ ...member, person: presentAs(member.person, seen.get(member.person.account)) })),
          },
        }
      : group,
  };
}

type Sealing = Extract<ClientEvent, { kind: "sealing" }>;

function withSealing(sealing: State["sealing"], { conversation, done, total }: Sealing): State["sealing"] {
  const next = new Map(sealing);
  if (done >= total) next.delete(conversation);
  else next.set(conversation, { done, total });
  return next;
}

function withSlow(state: State, id: ConversationId): State {
  if (state.chats.get(id)?.loading !== "asked") return state;
  return withChat(state, id, (chat) => ({ ...chat, loading: "slow" }));
}

function withItems(state: State, id: ConversationId, items: readonly ChatItem[], more: boolean, newest: boolean): State {
  const wasLoaded = state.chats.get(id)?.loaded ?? false;
  const next = withChat(state, id, (chat) => ({
    ...chat,
    entries: merge(chat.entries, items),
    more,
    loading: items.length === 0 && more ? "stalled" : "no",
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
  const mayLoad = chat.loaded && chat.more && chat.loading === "no" && (!state.quick || chat.wantsOlder);
  if (mayLoad && isNearTop(state, chat)) {
    next = withChat(next, state.open, (known) => ({ ...known, loading: "asked", wantsOlder: false }));
    // Where nothing is here yet, what is older is all there is.
    const before = oldestSequence(chat.entries) ?? (state.quick ? (openConversation(state)?.head ?? 0) + 1 : undefined);
    more.push({ kind: "load-items", id: state.open, before, limit: LOAD_AT_ONCE });
  }
  const newest = newestSequence(chat.entries);
  // A stranger is not told that one reads.
  const seen = chat.loaded && chat.position.kind === "bottom" && !isCovered(state) && openConversation(state)?.request !== true;
  if (seen && newest > Math.max(chat.marked, openConversation(state)?.readUpTo ?? 0)) {
    next = withChat(next, state.open, (known) => ({ ...known, marked: newest }));
    more.push({ kind: "mark-read", id: state.open, sequence: newest });
  }
  const watched = watchedIn(next);
  if (watched !== undefined) {
    next = { ...next, watched };
    more.push({ kind: "watch-members", accounts: watched });
  }
  return step(next, ...effects, ...more);
}

/** The folder of a path that is being typed is looked at. */
function settleFolder(state: State): Step {
  const { text, cursor } = editorOf(state);
  const path = typedPath(text.slice(0, cursor));
  if (path === undefined || path.folder === state.folder?.path) return step(state);
  const { folder, sentAs } = path;
  return step({ ...state, folder: { path: folder, entries: undefined } }, { kind: "list-folder", path: folder, sentAs });
}

/** The members whose presence shows now; undefined: the same as before. */
function watchedIn(state: State): State["watched"] | undefined {
  const layout = layoutOf(state);
  const isShown = layout.panelWidth > 0 || state.overlay.kind === "members";
  const watched = isShown ? membersShown(state, layout.panelWidth > 0 ? layout.bodyHeight : layout.transcriptHeight) : [];
  const isSame = watched.length === state.watched.length && watched.every((account, index) => account === state.watched[index]);
  return isSame ? undefined : watched;
}

function isNearTop(state: State, chat: Chat): boolean {
  if (chat.position.kind === "bottom") return chat.entries.length < state.rows;
  const layout = layoutOf(state);
  return windowOf(chat, layout.transcriptHeight, lookOf(state, layout)).first < OLDER_WITHIN;
}
