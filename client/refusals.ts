import { ErrorCode, FastChatError } from "@fastchat/protocol";
import type { ConversationChange } from "@fastchat/protocol/chain";

const sentences: Partial<Record<NonNullable<ConversationChange["case"]>, string>> = {
  add: "Only an admin can add or remove members.",
  remove: "Only an admin can add or remove members.",
  role: "Only an admin can change who is an admin.",
  policy: "Only an admin can change what members may do, and make invitations.",
  profile: "Only an admin can change the group's name, description and picture.",
};

/** Why a change of a conversation was not even written: the rules that everybody applies would refuse it. */
export function notAllowed({ case: change }: ConversationChange, reason: string): FastChatError {
  const sentence = change && sentences[change];
  if (reason.startsWith("may not") && sentence !== undefined) return new FastChatError(ErrorCode.FORBIDDEN, { sentence, detail: reason });
  return new FastChatError(ErrorCode.LINK_INVALID, { sentence: `That cannot be done: ${reason}.`, detail: reason });
}

export const onlyAdminsWrite = (): FastChatError => new FastChatError(ErrorCode.FORBIDDEN, { sentence: "Only admins write here." });
