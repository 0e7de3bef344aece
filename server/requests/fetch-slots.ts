import { create } from "@bufbuild/protobuf";
import { SlotsSchema } from "@fastchat/protocol/wire/frames";
import { accessConversation } from "../chat/access.ts";
import type { Handler } from "../chat/context.ts";
import { readSlots } from "../store/slots.ts";

export const fetchSlots: Handler<"fetchSlots"> = async (chat, session, { conversation }) => {
  const access = await accessConversation(chat, session, conversation);
  return { case: "slots", value: create(SlotsSchema, { conversation, slots: await readSlots(chat.database, access.conversation) }) };
};
