import type { ConversationSummary } from "@fastchat/client";

/**
 * What chats are ordered by, newest first: when somebody last wrote there, in milliseconds since 1970. A chat without messages counts from
 * its beginning; one's own notes, which are there before anybody writes one, come last until then.
 */
export const activityOf = ({ kind, last, time }: ConversationSummary): number => last?.time ?? (kind === "note-to-self" ? 0 : time);
