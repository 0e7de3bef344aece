import { nextAccount } from "./accounts.ts";
import { heldWords, mayTakeBack, sendStep, takeBack } from "./attach.ts";
import type { ChatMessage, ConversationSummary } from "@fastchat/client";
import { callsAttention } from "./attention.ts";
import { askToDelete } from "./delete.ts";
import { completed, completionOf } from "./complete.ts";
import * as editing from "./editor.ts";
import { leave, open, openEntry } from "./enter.ts";
import { placeOfDigit } from "./file-rows.ts";
import { type Command, type Key, chordOf } from "./keys.ts";
import { layoutOf, lookOf } from "./layout.ts";
import { hindranceOf } from "./hindrance.ts";
import { listEntries } from "./list.ts";
import { picturesOf } from "./picture-block.ts";
import { toggleMembers } from "./press-members.ts";
import { pressOverlay } from "./press-overlay.ts";
import { needsGroup } from "./run-group.ts";
import { openNamed, runSlash } from "./run-slash.ts";
import { parseSlash, unknownCommand } from "./slash.ts";
import { type Chat, type Effect, type State, type Step, openChat, openConversation, said, step, unstalled, withChat } from "./state.ts";
import { scrolled, windowOf } from "./transcript.ts";
import { editingKey, editorOf, setEditor, typeText } from "./write.ts";

/** What a key does, wherever the person is. */
export function press(state: State, key: Key): Step {
  const command = state.keymap.get(chordOf(key));
  if (command === "quit") return step(state, { kind: "quit" });
  // What is drawn over the text is drawn anew for an overlay that is another one.
  if (command === "redraw") return step({ ...state, overlay: { ...state.overlay } }, { kind: "redraw" });
  if (state.overlay.kind !== "none") return pressOverlay(state, key, command);
  // It stands on the screen, wherever one is.
  if (key.name === "escape" && state.transfers.size > 0) return takeBack(state) ?? step(state);
  const chat = openChat(state);
  if (chat?.selected !== undefined) {
    const selecting = pressSelection(state, chat, key);
    if (selecting !== undefined) return selecting;
  }
  // Whoever types does not mean to go elsewhere, and least of all by a second Tab.
  if (key.name === "tab" && command === "next-chat" && editorOf(state).text !== "")
    return setEditor(state, completed(state, editorOf(state)));
  if (command !== undefined) {
    const done = obey(state, command);
    if (done !== undefined) return done;
  }
  const number = key.alt && /^[1-9]$/u.test(key.name) ? Number(key.name) : undefined;
  if (number !== undefined) return openEntry(state, listEntries(state)[number - 1]);
  if (key.name === "text") {
    if (key.text === "?" && editorOf(state).text === "") return step({ ...state, overlay: { kind: "help", top: 0 } });
    return typeText(state, key.text);
  }
  return edit(state, key);
}

/** Undefined: the command means nothing here, the key may mean something else. */
function obey(state: State, command: Command): Step | undefined {
  switch (command) {
    case "send":
      return submit(state);
    case "newline":
      return typeText(state, "\n");
    case "next-chat":
      if (completionOf(state, editorOf(state)) !== undefined) return setEditor(state, completed(state, editorOf(state)));
      return neighbour(state, 1);
    case "previous-chat":
      return neighbour(state, -1);
    case "switcher":
      return step({ ...state, overlay: { kind: "switcher", editor: editing.emptyEditor, index: 0 } }, { kind: "load-people", text: "" });
    case "next-unread":
      return nextUnread(state);
    case "pin":
      return pin(state);
    case "next-account":
      return nextAccount(state);
    case "members":
      return openConversation(state)?.kind === "group" ? toggleMembers(state) : step(needsGroup(state, "members"));
    case "page-up":
    case "page-down":
      return scroll(state, (command === "page-up" ? 1 : -1) * Math.max(1, layoutOf(state).transcriptHeight - 2));
    case "bottom":
      if (state.open === undefined) return undefined;
      return step(withChat(state, state.open, (chat) => ({ ...chat, position: { kind: "bottom" }, below: 0 })));
    case "help":
      return step({ ...state, overlay: { kind: "help", top: 0 } });
    case "redraw":
    case "quit":
      return undefined;
    default:
      return command satisfies never;
  }
}

/** The open chat, or the one that is chosen in the list. */
function pin(state: State): Step {
  const entry = state.open === undefined ? listEntries(state)[state.listIndex] : undefined;
  const chosen = entry?.kind === "conversation" ? entry.conversation : openConversation(state);
  if (chosen === undefined || chosen.request) return step(said(state, "Choose a chat first: it is pinned to the top of the list then."));
  return step(state, { kind: "set-pinned", id: chosen.id, pinned: chosen.pinnedAt === undefined });
}

function scroll(state: State, rows: number): Step | undefined {
  const chat = openChat(state);
  if (chat === undefined) return undefined;
  const layout = layoutOf(state);
  const position = scrolled(chat, rows, layout.transcriptHeight, lookOf(state, layout));
  const below = position.kind === "bottom" ? 0 : chat.below;
  return step(withChat(unstalled(state), state.open!, (known) => ({ ...known, position, below, wantsOlder: rows > 0 })));
}

function neighbour(state: State, direction: 1 | -1): Step {
  const { conversations } = state;
  if (conversations.length === 0) return moveList(state, direction);
  const at = conversations.findIndex(({ id }) => id === state.open);
  const index = at < 0 ? (direction > 0 ? 0 : conversations.length - 1) : (at + direction + conversations.length) % conversations.length;
  return open(state, conversations[index]!.id);
}

function nextUnread(state: State): Step {
  const unread = (conversation: ConversationSummary): boolean => conversation.unread > 0 && conversation.id !== state.open;
  const at = state.conversations.findIndex(({ id }) => id === state.open);
  const [above, below] = [state.conversations.slice(0, at + 1), state.conversations.slice(at + 1)];
  const calling = [...below, ...above].filter(unread);
  // What is muted waits until nothing else is unread.
  const next = calling.find((conversation) => callsAttention(conversation, conversation.mentions > 0)) ?? calling[0];
  return next === undefined ? step(said(state, "No unread chats.")) : open(state, next.id);
}

function moveList(state: State, direction: 1 | -1): Step {
  const count = listEntries(state).length;
  return step({ ...state, listIndex: count === 0 ? 0 : (state.listIndex + direction + count) % count });
}

function edit(state: State, key: Key): Step {
  const editor = editorOf(state);
  const change = editingKey(key);
  if (key.name === "backspace" && editor.text === "" && state.transfers.size === 0) return takeBack(state) ?? step(state);
  if (change !== undefined) return setEditor(state, change(editor));
  switch (key.name) {
    case "up":
    case "down": {
      const direction = key.name === "up" ? -1 : 1;
      if (editor.text !== "") return setEditor(state, editing.moveRow(editor, direction, layoutOf(state).composerWidth));
      if (state.open === undefined) return moveList(state, direction);
      return direction < 0 ? select(state) : step(state);
    }
    case "escape":
      return (
        (editor.text === "" ? (takeBack(state) ?? obey(state, "bottom")) : undefined) ??
        step({ ...state, flash: undefined, news: undefined })
      );
    case "c":
      return key.ctrl ? step(said(state, "Ctrl+Q quits.")) : step(state);
    default:
      return step(state);
  }
}

/** What the course versions of FastChat left a chat with. */
const LEAVING = new Set(["--", "@#@EXIT@#@"]);

/** A group's link, pasted where a name is asked for. */
const JOIN_LINK = /^https?:\/\/\S+\/join#\S+$/u;

function submit(state: State): Step {
  const { text } = editorOf(state);
  const trimmed = text.trim();
  const hasFiles = (openChat(state)?.attached.length ?? 0) > 0;
  if (trimmed === "" && !hasFiles) return state.open === undefined ? openEntry(state, listEntries(state)[state.listIndex]) : step(state);
  if (LEAVING.has(trimmed)) return leaveChat(state);
  return submitted(withoutOldAnswer(state), text, trimmed);
}

/** What was answered before is not about this; warnings stay, and what waits for a key until it has been there to be seen. */
function withoutOldAnswer(state: State): State {
  const { flash } = state;
  return flash === undefined || flash.tone === "warning" || flash.until === Infinity ? state : { ...state, flash: undefined };
}

function submitted(state: State, text: string, trimmed: string): Step {
  const slash = parseSlash(trimmed);
  if (slash?.kind === "unknown") return step(said(state, unknownCommand(slash.word), "error"));
  if (slash !== undefined) return runSlash(state, cleared(state), slash.command, { argument: slash.argument, line: trimmed });
  if (state.open === undefined && JOIN_LINK.test(trimmed))
    return step({ ...state, homeEditor: editing.emptyEditor }, { kind: "join", to: trimmed, line: trimmed });
  if (state.open === undefined) return openNamed({ ...state, homeEditor: editing.emptyEditor }, trimmed);
  const id = state.open;
  const conversation = openConversation(state);
  const hindrance = conversation && hindranceOf(conversation);
  if (hindrance !== undefined) return step(said(state, hindrance, "error"));
  const held = heldWords(state, id);
  if (held !== undefined) return step(said(state, held));
  const message = text.replace(/\s+$/u, "").replace(/^\/\//u, "/");
  const { state: sent, effects } = sendStep(cleared(state).state, id, { text: message });
  const shown = withChat(sent, id, (chat) => ({ ...chat, position: { kind: "bottom" }, below: 0 }));
  return step(shown, ...effects, { kind: "draft", id, text: "" }, { kind: "typing", id, active: false });
}

const cleared = (state: State): Step => setEditor(state, editing.emptyEditor);

function leaveChat(state: State): Step {
  const { state: empty, effects } = cleared(state);
  return step(leave(empty).state, ...effects);
}

function messagesOf(chat: Chat): readonly (readonly [key: string, message: ChatMessage])[] {
  return chat.entries.flatMap(({ key, item }) => (item.kind === "message" ? [[key, item] as const] : []));
}

function select(state: State): Step {
  const chat = openChat(state);
  if (chat === undefined) return step(state);
  const layout = layoutOf(state);
  const { last } = windowOf(chat, layout.transcriptHeight, lookOf(state, layout));
  const visible = chat.entries.slice(0, last + 1).findLast(({ item }) => item.kind === "message");
  return visible === undefined ? step(state) : step(withChat(state, state.open!, (known) => ({ ...known, selected: visible.key })));
}

/** Keys while a message is selected; undefined: the key is for others. */
function pressSelection(state: State, chat: Chat, key: Key): Step | undefined {
  const messages = messagesOf(chat);
  const at = messages.findIndex(([known]) => known === chat.selected);
  const selected = messages[at]?.[1];
  const change = (selection: string | undefined): State => withChat(state, state.open!, (known) => ({ ...known, selected: selection }));
  if (selected === undefined || key.name === "escape") return step(change(undefined));
  if (key.name === "up" || key.name === "down") {
    const next = messages[at + (key.name === "up" ? -1 : 1)];
    if (next === undefined) return step(key.name === "down" ? change(undefined) : state);
    return step(shown(change(next[0]), next[0]));
  }
  if (key.name === "enter")
    return selected.status === "failed" ? step(change(undefined), { kind: "retry", message: selected.id }) : step(change(undefined));
  if (key.name !== "text") return key.ctrl || key.alt || key.name.startsWith("page") ? undefined : step(state);
  if (key.text === "i") {
    const isGroups = selected.mine && selected.sequence !== undefined && openConversation(state)?.kind === "group";
    const receipts: Effect[] = isGroups ? [{ kind: "load-receipts", message: selected }] : [];
    return step({ ...state, overlay: { kind: "details", message: selected, receipts: undefined } }, ...receipts);
  }
  if (key.text === "d") return askToDelete(state, selected);
  if (selected.files.length > 0) {
    const done = pressFiles(state, selected, key.text);
    if (done !== undefined) return done;
  }
  if (key.text === "y" && selected.text !== "") return step(said(change(undefined), "Copied."), { kind: "copy", text: selected.text });
  return step(state);
}

/** A letter or a digit while a message with files is selected; undefined: it means something else. */
function pressFiles(state: State, message: ChatMessage, letter: string): Step | undefined {
  if (letter === "s") return step(state, { kind: "save-files", message });
  if (letter === "x" && mayTakeBack(message)) return step(state, { kind: "cancel-upload", message: message.id });
  const place = placeOfDigit(letter, message.files.length);
  if (letter !== "o" && place === undefined) return undefined;
  const pictures = picturesOf(message);
  const index = place === undefined ? 0 : pictures.findIndex((each) => each.place === place);
  if (pictures[index] !== undefined && state.pictureTerminal.protocol !== "none")
    return step({ ...state, overlay: { kind: "picture", message, index, loaded: undefined } });
  return step(state, { kind: "open-file", message, place: place ?? 0 });
}

/** Scrolls just as far as the entry needs to show. */
function shown(state: State, key: string): State {
  const chat = openChat(state)!;
  const layout = layoutOf(state);
  const look = lookOf(state, layout);
  const index = chat.entries.findIndex((entry) => entry.key === key);
  let position = chat.position;
  for (let guard = 0; guard < chat.entries.length; guard++) {
    const { first, last, atTop } = windowOf({ ...chat, position }, layout.transcriptHeight, look);
    if ((index > first || (index === first && atTop)) && index <= last) break;
    if (index === first && first === last) break;
    const next = scrolled({ ...chat, position }, index <= first ? 1 : -1, layout.transcriptHeight, look);
    if (
      next.kind === position.kind &&
      (next.kind === "bottom" || (position.kind === "at" && next.key === position.key && next.rowsBelow === position.rowsBelow))
    )
      break;
    position = next;
  }
  return withChat(state, state.open!, (known) => ({ ...known, position }));
}
