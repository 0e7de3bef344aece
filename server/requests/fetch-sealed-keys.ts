import { create } from "@bufbuild/protobuf";
import { limits } from "@fastchat/protocol";
import { SealedKeysSchema } from "@fastchat/protocol/wire/frames";
import { accessLog, checkNumbers } from "../chat/access.ts";
import type { Handler } from "../chat/context.ts";
import { readSealedKeys } from "../store/conversations.ts";
import { largestInteger } from "../store/database.ts";

/**
 * The account's own copies, oldest first, of at most `entriesPerPage` epochs: ask again from the last one. Copies are made for members alone: a
 * former one has none of an epoch that was opened since [C4].
 */
export const fetchSealedKeys: Handler<"fetchSealedKeys"> = async (chat, session, { conversation, fromEpoch }) => {
  checkNumbers(fromEpoch);
  const log = await accessLog(chat, session, conversation);
  const epochs = { from: fromEpoch, to: Math.min(fromEpoch + limits.entriesPerPage, largestInteger) };
  const keys = await readSealedKeys(chat.database, log.conversation, [session.account], epochs);
  return { case: "sealedKeys", value: create(SealedKeysSchema, { keys }) };
};
