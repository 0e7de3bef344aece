import { ErrorCode, FastChatError } from "@fastchat/protocol";
import { accessConversation } from "../chat/access.ts";
import type { Handler } from "../chat/context.ts";
import { encodeEntries, encodeEntry } from "../chat/wire.ts";
import { readEntries } from "../store/entries.ts";

export const fetchEntries: Handler<"fetchEntries"> = async (chat, session, { conversation, after, before, limit }) => {
  if ((after === undefined) === (before === undefined)) {
    throw new FastChatError(ErrorCode.MALFORMED, { detail: "A fetch names either after or before." });
  }
  const access = await accessConversation(chat, session, conversation);
  const range = after !== undefined ? { after } : { before: before ?? 0 };
  const { entries, head } = await readEntries(chat.database, access.conversation, range, limit);
  const encoded = entries.map(encodeEntry);
  return {
    case: "encoded",
    frame: (request) => encodeEntries({ request, conversation: access.conversation, entries: encoded, head, sealedKeys: [] }),
  };
};
