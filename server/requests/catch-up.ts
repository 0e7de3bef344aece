import { create } from "@bufbuild/protobuf";
import { type ConversationId, conversationId, ErrorCode, FastChatError, idBytes, isHash, limits } from "@fastchat/protocol";
import { HeadSchema, HeadsSchema } from "@fastchat/protocol/wire/frames";
import { malformed } from "../chat/access.ts";
import type { Handler } from "../chat/context.ts";
import { headsOf } from "../store/conversations.ts";

/** What the session does not have yet, newest first; from here on it gets the entries of every conversation that it is in live. */
export const catchUp: Handler<"catchUp"> = async (chat, session, { cursors }) => {
  if (cursors.length > limits.cursorsPerCatchUp) throw new FastChatError(ErrorCode.TOO_LARGE);
  const has = new Map<ConversationId, number>();
  for (const { conversation, sequence } of cursors) {
    if (!isHash(conversation)) throw malformed("a conversation's id has 32 bytes");
    has.set(conversationId(conversation), sequence);
  }
  const all = await headsOf(chat.database, session.account);
  // A conversation that began while this session was being opened may not be watched yet.
  if (!session.connection.isClosed) {
    for (const { conversation, sequence, ended } of all) {
      if (ended === 0 && !session.conversations.has(conversation)) chat.delivery.watch(session, conversation, sequence);
    }
  }
  const heads = all
    .filter(({ conversation, sequence, joinRequests }) => sequence !== has.get(conversation) || joinRequests > 0)
    .map(({ conversation, time, ...head }) => create(HeadSchema, { conversation: idBytes(conversation), time: BigInt(time), ...head }));
  return { case: "heads", value: create(HeadsSchema, { heads }) };
};
