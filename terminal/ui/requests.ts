import type { ConversationSummary } from "@fastchat/client";
import { leave } from "./enter.ts";
import { type ConversationId, type Requests, type State, type Step, openConversation, step } from "./state.ts";

/** Of strangers' conversations only those are kept that were asked for. */
export function withRequest(state: State, conversation: ConversationSummary): State {
  const conversations = state.conversations.filter(({ id }) => id !== conversation.id);
  const known = state.requests.conversations;
  const isKnown = known.some(({ id }) => id === conversation.id);
  if (!isKnown && state.open !== conversation.id)
    return conversations.length === state.conversations.length ? state : { ...state, conversations };
  const requested = isKnown ? known.map((other) => (other.id === conversation.id ? conversation : other)) : [conversation, ...known];
  return { ...state, conversations, requests: { count: Math.max(state.requests.count, requested.length), conversations: requested } };
}

export function withoutRequest(requests: Requests, id: ConversationId): Requests {
  const conversations = requests.conversations.filter((known) => known.id !== id);
  if (conversations.length === requests.conversations.length) return requests;
  return { count: Math.max(conversations.length, requests.count - 1), conversations };
}

export function withRequests(state: State, requests: Requests): State {
  // The open one stays, whatever came since.
  const open = state.requests.conversations.find(({ id }) => id === state.open);
  const isListed = open === undefined || requests.conversations.some(({ id }) => id === open.id);
  const conversations = isListed ? requests.conversations : [...requests.conversations, open];
  const { overlay } = state;
  const index = overlay.kind === "requests" ? Math.max(0, Math.min(overlay.index, conversations.length - 1)) : 0;
  return { ...state, requests: { ...requests, conversations }, overlay: overlay.kind === "requests" ? { ...overlay, index } : overlay };
}

export function declined(state: State, id: ConversationId | undefined): Step {
  const isOpen = openConversation(state)?.request === true && (id === undefined || id === state.open);
  const requests = id === undefined ? { count: 0, conversations: [] } : withoutRequest(state.requests, id);
  const left = isOpen ? leave(state).state : state;
  return step({ ...left, requests }, { kind: "load-requests" });
}
