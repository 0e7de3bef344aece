import { create } from "@bufbuild/protobuf";
import { PongSchema } from "@fastchat/protocol/wire/frames";
import type { Handler } from "../chat/context.ts";

export const ping: Handler<"ping"> = async (chat) => ({ case: "pong", value: create(PongSchema, { time: BigInt(chat.now()) }) });
