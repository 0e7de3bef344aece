import { ErrorCode, FastChatError } from "@fastchat/protocol";
import { accessLog } from "../chat/access.ts";
import type { Handler } from "../chat/context.ts";
import { encodeEntries, encodeEntry } from "../chat/wire.ts";
import { readEntries } from "../store/entries.ts";

export const fetchEntries: Handler<"fetchEntries"> = async (chat, session, { conversation, after, before, limit }) => {
  if ((after === undefined) === (before === undefined)) {
    throw new FastChatError(ErrorCode.MALFORMED, { detail: "A fetch names either after or before." });
  }
  const log = await accessLog(chat, session, conversation);
  const range = after !== undefined ? { after } : { before: before ?? 0 };
  const entries = (await readEntries(chat.database, log.conversation, range, { limit, upTo: log.upTo })).map(encodeEntry);
  return {
    case: "encoded",
    frame: (request) => encodeEntries({ request, conversation: log.conversation, entries, head: log.upTo, sealedKeys: [] }),
  };
};
