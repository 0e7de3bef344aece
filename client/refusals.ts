import { ErrorCode, FastChatError } from "@fastchat/protocol";
import type { ConversationChange } from "@fastchat/protocol/chain";

/** What a group's policy or one's role may not allow. */
export type Refused = "add" | "remove" | "role" | "policy" | "profile" | "write" | "delete";

/** Why somebody may not do that, for people; the same words for a group in which members may add. */
export function refusalOf(refused: Refused, mayMembersAdd = false): string {
  switch (refused) {
    case "add":
      return "Only an admin can add or remove members.";
    case "remove":
      return mayMembersAdd ? "Only an admin can remove members." : "Only an admin can add or remove members.";
    case "role":
      return "Only an admin can change who is an admin.";
    case "policy":
      return "Only an admin can change what members may do, and make invitations.";
    case "profile":
      return "Only an admin can change the group's name, description and picture.";
    case "write":
      return "Only admins write here.";
    case "delete":
      return "Only who wrote a message can delete it for everybody.";
    default:
      return refused satisfies never;
  }
}

export const refusal = (refused: Refused, mayMembersAdd?: boolean): FastChatError =>
  new FastChatError(ErrorCode.FORBIDDEN, { sentence: refusalOf(refused, mayMembersAdd) });

const isRefused = (change: ConversationChange["case"]): change is Exclude<Refused, "write" | "delete"> =>
  change === "add" || change === "remove" || change === "role" || change === "policy" || change === "profile";

/** Why a change of a conversation was not even written: the rules that everybody applies would refuse it. */
export function notAllowed({ case: change }: ConversationChange, reason: string, mayMembersAdd: boolean): FastChatError {
  if (reason.startsWith("may not") && isRefused(change)) return refusal(change, mayMembersAdd);
  return new FastChatError(ErrorCode.LINK_INVALID, { sentence: `That cannot be done: ${reason}.`, detail: reason });
}
