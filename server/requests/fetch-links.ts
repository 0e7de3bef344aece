import { accessConversation } from "../chat/access.ts";
import type { Handler } from "../chat/context.ts";
import { encodeEntries, encodeEntry } from "../chat/wire.ts";
import { readLinkPage } from "../store/entries.ts";

/** `after` counts links, not entries. */
export const fetchLinks: Handler<"fetchLinks"> = async (chat, session, { conversation, after }) => {
  const access = await accessConversation(chat, session, conversation);
  const { entries, head } = await readLinkPage(chat.database, access.conversation, after);
  const encoded = entries.map(encodeEntry);
  return {
    case: "encoded",
    frame: (request) => encodeEntries({ request, conversation: access.conversation, entries: encoded, head, sealedKeys: [] }),
  };
};
