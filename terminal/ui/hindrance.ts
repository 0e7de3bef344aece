import type { ConversationSummary } from "@fastchat/client";
import { safeName } from "../safe-text.ts";
import { titleOf } from "./list.ts";

/** Nothing is written there, by rule. */
export const isClosedTo = ({ blocked }: ConversationSummary): boolean => blocked === "out" || blocked === "announce-only";

/** Why nothing can be sent there now. */
export function blockedWords(conversation: ConversationSummary): string {
  const { blocked } = conversation;
  switch (blocked) {
    case "identity-changed":
      if (conversation.kind === "group")
        return "A member's identity has changed: /verify NAME, or /accept NAME without; until then nothing is sent.";
      return `${titleOf(conversation)}'s identity has changed. Compare with /verify, or /accept it without; until then nothing is sent.`;
    case "forked": {
      const who = conversation.kind === "group" ? "a member" : titleOf(conversation);
      return `The server shows two histories of ${who}'s account. Ask ${conversation.kind === "group" ? "them" : who}, then /accept; until then nothing is sent.`;
    }
    case "closed":
      if (conversation.kind === "group") return "Nobody is left in this group: nothing can be sent.";
      return `${titleOf(conversation)} has closed this account: nothing can be sent.`;
    case "update-needed":
      return "This conversation needs a newer FastChat: update to write here.";
    case "out":
      return outWords(conversation);
    case "announce-only":
      return "Only admins write here.";
    case "none":
      return "";
    default:
      return blocked satisfies never;
  }
}

/** Why what is written stays in the field; what is only held back for a question may wait in the outbox. */
export function hindranceOf(conversation: ConversationSummary): string | undefined {
  if (conversation.request) return "They are strangers to you: /accept first, then send this.";
  return isClosedTo(conversation) ? blockedWords(conversation) : undefined;
}

function outWords(conversation: ConversationSummary): string {
  const ended = conversation.kind === "group" ? conversation.group.ended : undefined;
  if (ended?.how === "removed") return `${safeName(ended.by)} removed you: nothing can be written here.`;
  return "You left this group: nothing can be written here.";
}
