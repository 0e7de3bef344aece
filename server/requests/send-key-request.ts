import { create, toBinary } from "@bufbuild/protobuf";
import { ErrorCode, FastChatError } from "@fastchat/protocol";
import { signatureLength } from "@fastchat/protocol/seal";
import { KeyRequestSchema } from "@fastchat/protocol/wire/conversation";
import { KeyRequestedSchema, PongSchema } from "@fastchat/protocol/wire/frames";
import { accessConversation, checkAuthor, malformed } from "../chat/access.ts";
import type { Handler } from "../chat/context.ts";
import { encodeFrame } from "../chat/wire.ts";

/** [C6] Relayed to the connected members; each judges for itself whether the asker is entitled. */
export const sendKeyRequest: Handler<"sendKeyRequest"> = async (chat, session, { request }) => {
  if (request === undefined || request.signature.length !== signatureLength) throw malformed("no key request");
  checkAuthor(session, request);
  if (!chat.rates.links.tryTake(session.device)) throw new FastChatError(ErrorCode.RATE_LIMITED);
  const { conversation, link } = await accessConversation(chat, session, request.conversation);
  chat.delivery.push(conversation, link, encodeFrame(0, { case: "keyRequested", value: create(KeyRequestedSchema, { request }) }), session);
  chat.hints.tell(["key-request", conversation, Buffer.from(toBinary(KeyRequestSchema, request)).toString("base64"), link]);
  return { case: "pong", value: create(PongSchema, { time: BigInt(chat.now()) }) };
};
