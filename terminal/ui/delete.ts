import type { ChatMessage, ConversationSummary } from "@fastchat/client";
import { hindranceOf } from "./hindrance.ts";
import { type State, type Step, openConversation, said, step } from "./state.ts";

/** Of one's own, what the server has. */
export const mayDelete = ({ mine, sequence, deleted, doubt }: ChatMessage): boolean =>
  mine && sequence !== undefined && !deleted && doubt !== "lost";

/** Asks whether a message is to go for everybody. */
export function askToDelete(state: State, message: ChatMessage): Step {
  const conversation = openConversation(state);
  if (conversation === undefined) return step(state);
  const why = mayDelete(message) ? hindranceOf(conversation) : whyNot(message);
  if (why !== undefined) return step(said(state, why, "error"));
  const question = `Delete this ${whatIs(message)} ${from(conversation)}? Who has read it may have kept it.`;
  const effect = { kind: "delete-message", id: conversation.id, message: { sequence: message.sequence!, id: message.id } } as const;
  return step({ ...state, overlay: { kind: "confirm", question, effect } });
}

function whyNot({ mine, deleted, sequence }: ChatMessage): string {
  if (deleted) return "It is deleted already.";
  if (!mine) return "Only who wrote a message can delete it for everybody.";
  return sequence === undefined ? "It is not sent yet." : "The server does not have it any more.";
}

const whatIs = ({ files }: ChatMessage): string => (files.length === 0 ? "message" : "message and what was sent with it");

const from = ({ kind }: ConversationSummary): string =>
  kind === "note-to-self" ? "from the server and all your devices" : "for everybody, here and on the server";
