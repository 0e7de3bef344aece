import type { ChatMessage } from "@fastchat/client";
import { limits } from "@fastchat/protocol";
import { type NamedFile, type PreparedFile, tooManyFiles } from "../files/to-send.ts";
import { emptyEditor } from "./editor.ts";
import { hindranceOf } from "./hindrance.ts";
import { type ConversationId, type Effect, type State, type Step, openChat, openConversation, said, step, withChat } from "./state.ts";

// Pictures and files that go with the next message: they stand above what is written until it is sent.

/** Why nothing can be attached here. */
export function whyNot(state: State): string | undefined {
  const conversation = openConversation(state);
  return conversation === undefined ? "Open a chat first: pictures and files are sent there." : hindranceOf(conversation);
}

/** `line`: what was typed, which comes back when they cannot be had. */
export function attach(state: State, files: readonly NamedFile[], line?: string): Step {
  const chat = openChat(state);
  const why = whyNot(state);
  if (chat === undefined || why !== undefined) return step(why === undefined ? state : said(state, why, "error"));
  if (chat.attached.length + files.length > limits.filesPerMessage) return step(said(state, tooManyFiles, "error"));
  return step(state, { kind: "attach", id: state.open!, files, ...(line !== undefined && { line }) });
}

/** Those that were pasted: their paths are not what is written. */
export function attachPasted(state: State, id: ConversationId, text: string, files: readonly NamedFile[]): Step {
  const chat = openChat(state);
  if (state.open !== id || chat?.editor.text !== text || whyNot(state) !== undefined) return step(state);
  const { state: next, effects } = attach(state, files, text);
  if (effects.length === 0) return step(next);
  const cleared = withChat(next, id, (known) => ({ ...known, editor: emptyEditor }));
  return step(cleared, { kind: "draft", id, text: "" }, ...effects);
}

export function withAttached(state: State, id: ConversationId, files: readonly PreparedFile[]): State {
  const known = state.chats.get(id)?.attached ?? [];
  const all = [...known, ...files];
  const next = withChat(state, id, (chat) => ({ ...chat, attached: all.slice(0, limits.filesPerMessage) }));
  return all.length <= limits.filesPerMessage ? next : said(next, tooManyFiles, "error");
}

/** Esc and Backspace on an empty line: what takes its time is stopped, and what was attached last is taken back. Undefined: there is nothing. */
export function takeBack(state: State): Step | undefined {
  const transfer = [...state.transfers.keys()].at(-1);
  if (transfer !== undefined) return step(state, { kind: "cancel-transfer", transfer });
  const attached = openChat(state)?.attached ?? [];
  if (attached.length === 0) return undefined;
  return step(withChat(state, state.open!, (chat) => ({ ...chat, attached: attached.slice(0, -1) })));
}

/** Why nothing is sent there yet; undefined: it is. */
export const heldWords = ({ transfers }: State, id: ConversationId): string | undefined =>
  [...transfers.values()].some(({ holds }) => holds === id) ? "One moment: what you send is still being read." : undefined;

/** A message with all that is attached, which is gone from where it stood. */
export function sendStep(
  state: State,
  id: ConversationId,
  message: { readonly text: string; readonly expiresAfter?: number; readonly line?: string },
): Step {
  const files = state.chats.get(id)?.attached ?? [];
  const effect: Effect = { kind: "send", id, ...message, ...(files.length > 0 && { files }) };
  return step(files.length === 0 ? state : withChat(state, id, (chat) => ({ ...chat, attached: [] })), effect);
}

/** Its files are not on the server, or it was refused. */
export const mayTakeBack = ({ mine, files, status }: ChatMessage): boolean =>
  mine && files.length > 0 && (status === "queued" || status === "failed");
