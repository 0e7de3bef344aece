import { create } from "@bufbuild/protobuf";
import { ErrorCode, FastChatError, limits } from "@fastchat/protocol";
import { JoinRequestsSchema, WaitingJoinRequestSchema } from "@fastchat/protocol/wire/frames";
import { accessConversation } from "../chat/access.ts";
import type { Handler } from "../chat/context.ts";
import { readJoinRequests } from "../store/join-requests.ts";

/** For members who may add others. */
export const fetchJoinRequests: Handler<"fetchJoinRequests"> = async (chat, session, { conversation, limit }) => {
  const access = await accessConversation(chat, session, conversation);
  if (!access.mayAdd) throw new FastChatError(ErrorCode.FORBIDDEN);
  const most = 2 * limits.joinRequestsPerGroup;
  const wanted = Math.min(limit === 0 ? most : limit, most);
  const { requests, total } = await readJoinRequests(chat.database, access.conversation, wanted);
  const waiting = requests.map(({ request, time }) => create(WaitingJoinRequestSchema, { request, time: BigInt(time) }));
  return { case: "joinRequests", value: create(JoinRequestsSchema, { conversation, requests: waiting, total }) };
};
