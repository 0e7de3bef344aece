import type { ConversationSummary } from "@fastchat/client";

/**
 * What chats are ordered by, newest first: when somebody last wrote there, in milliseconds since 1970. A chat without messages counts from
 * its beginning; one's own notes, which are there before anybody writes one, come last until then.
 */
export const activityOf = ({ kind, last, time }: ConversationSummary): number => last?.time ?? (kind === "note-to-self" ? 0 : time);

/** Pinned chats first, in the order in which they were pinned; the others as somebody last wrote there. */
export function inListOrder(one: ConversationSummary, other: ConversationSummary): number {
  if (one.pinnedAt !== other.pinnedAt) return (one.pinnedAt ?? Infinity) - (other.pinnedAt ?? Infinity);
  return activityOf(other) - activityOf(one);
}
