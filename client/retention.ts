import { type ConversationId, ErrorCode, FastChatError, limits } from "@fastchat/protocol";
import type { ClientEvent } from "./api.ts";
import type { Groups } from "./api-groups.ts";
import { type ChangeParts, makeChange } from "./change.ts";
import { SendingBlocked } from "./conversation-links.ts";
import type { Conversations } from "./conversations.ts";

export interface RetentionParts extends ChangeParts {
  readonly conversations: Conversations;
  readonly groups: Pick<Groups, "setPolicy">;
  /** This person did something in a stranger's conversation: it waits for nothing any more. */
  readonly onChanged: (id: ConversationId) => Promise<void>;
  readonly emit: (event: ClientEvent) => void;
}

/** [L35] [L41] Sets after how many seconds the messages of a conversation are deleted, of whatever kind it is; 0: never. */
export async function setRetention(parts: RetentionParts, id: ConversationId, seconds: number): Promise<void> {
  if (!Number.isInteger(seconds) || seconds < 0 || seconds > limits.largestNumber)
    throw new RangeError(`messages are kept for a whole number of seconds from 0 to ${limits.largestNumber}`);
  const conversation = await parts.conversations.need(id);
  if (conversation.isGroup) return parts.groups.setPolicy(id, { retentionSeconds: seconds });
  await makeChange(parts, conversation, async ({ policy }) => {
    if (policy.retentionSeconds === seconds) return { kind: "done" };
    // Of the rest a direct conversation knows nothing.
    return { kind: "change", change: { case: "policy", value: { policy: { retentionSeconds: seconds } } } };
  }).catch((error: unknown) => {
    if (!(error instanceof SendingBlocked)) throw error;
    const sentence = "This person's identity has changed: compare safety numbers and accept it first.";
    throw new FastChatError(ErrorCode.FORBIDDEN, { sentence, cause: error });
  });
  await parts.onChanged(id);
  parts.emit({ kind: "conversations", conversations: [id] });
}
