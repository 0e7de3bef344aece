import { create } from "@bufbuild/protobuf";
import { accountId, conversationId, ErrorCode, FastChatError, isHash } from "@fastchat/protocol";
import { JoinRequestDroppedSchema } from "@fastchat/protocol/wire/frames";
import { accessConversation, malformed } from "../chat/access.ts";
import type { Handler } from "../chat/context.ts";
import { dropJoinRequest as dropStored } from "../store/join-requests.ts";

/** An admin turns somebody down, or the account that asked takes it back. Answered alike where nobody waits. */
export const dropJoinRequest: Handler<"dropJoinRequest"> = async (chat, session, { conversation, account }) => {
  if (!isHash(conversation) || !isHash(account)) throw malformed("ids have 32 bytes");
  const asked = accountId(account);
  if (asked !== session.account) {
    const access = await accessConversation(chat, session, conversation);
    if (!access.isAdmin) throw new FastChatError(ErrorCode.FORBIDDEN);
  }
  await dropStored(chat.database, conversationId(conversation), asked);
  return { case: "joinRequestDropped", value: create(JoinRequestDroppedSchema) };
};
