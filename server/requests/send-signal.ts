import { create, toBinary } from "@bufbuild/protobuf";
import { ErrorCode, FastChatError, limits } from "@fastchat/protocol";
import { SealedSignalSchema } from "@fastchat/protocol/wire/conversation";
import { PongSchema, SignalSchema } from "@fastchat/protocol/wire/frames";
import { accessForSealing, checkAuthor, malformed } from "../chat/access.ts";
import type { Handler } from "../chat/context.ts";
import { encodeFrame } from "../chat/wire.ts";

/** Relayed to who is connected, unless there are too many, and never stored. A client that wants to know whether it passed sends it as a request: the answer is a pong. */
export const sendSignal: Handler<"sendSignal"> = async (chat, session, { conversation, signal }) => {
  if (signal === undefined || signal.ciphertext.length === 0) throw malformed("no signal");
  if (signal.ciphertext.length > limits.smallCiphertextBytes) throw new FastChatError(ErrorCode.TOO_LARGE);
  checkAuthor(session, signal);
  const access = await accessForSealing(chat, session, conversation, signal.epoch);
  if (access.members <= limits.liveTypingMembers) {
    const live = encodeFrame(0, { case: "signal", value: create(SignalSchema, { conversation, signal }) });
    chat.delivery.push(access.conversation, access.link, live, session);
    chat.hints.tell(["signal", access.conversation, Buffer.from(toBinary(SealedSignalSchema, signal)).toString("base64"), access.link]);
  }
  return { case: "pong", value: create(PongSchema, { time: BigInt(chat.now()) }) };
};
