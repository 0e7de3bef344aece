import { create } from "@bufbuild/protobuf";
import { limits } from "@fastchat/protocol";
import { SealedKeysSchema } from "@fastchat/protocol/wire/frames";
import { accessConversation } from "../chat/access.ts";
import type { Handler } from "../chat/context.ts";
import { readSealedKeys } from "../store/conversations.ts";

/** The account's own copies, oldest first, of at most `entriesPerPage` epochs: ask again from the last one. */
export const fetchSealedKeys: Handler<"fetchSealedKeys"> = async (chat, session, { conversation, fromEpoch }) => {
  const access = await accessConversation(chat, session, conversation);
  const epochs = { from: fromEpoch, to: Math.min(fromEpoch + limits.entriesPerPage, limits.largestNumber) };
  const keys = await readSealedKeys(chat.database, access.conversation, [session.account], epochs);
  return { case: "sealedKeys", value: create(SealedKeysSchema, { keys }) };
};
