import type { ChatMessage, ConversationSummary } from "@fastchat/client";
import { type State, findConversation } from "./state.ts";

/** Whether a message there may call for attention. Strangers' never may. */
export function callsAttention({ request, mute }: ConversationSummary, mentionsMe: boolean): boolean {
  if (request) return false;
  return mute === "none" || (mute === "except-mentions" && mentionsMe);
}

/** Whether a message is told above the field that is written in. */
export function isNews(state: State, { conversation: id, sequence, mentionsMe }: ChatMessage): boolean {
  const conversation = findConversation(state, id);
  if (conversation === undefined || id === state.open || !callsAttention(conversation, mentionsMe)) return false;
  return sequence === undefined || sequence > conversation.readUpTo;
}
