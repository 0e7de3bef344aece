import { accessLog } from "../chat/access.ts";
import type { Handler } from "../chat/context.ts";
import { encodeEntries, encodeEntry } from "../chat/wire.ts";
import { readLinks } from "../store/entries.ts";

/** `after` counts links, not entries. */
export const fetchLinks: Handler<"fetchLinks"> = async (chat, session, { conversation, after }) => {
  const log = await accessLog(chat, session, conversation);
  const entries = (await readLinks(chat.database, log.conversation, after, { upTo: log.upTo })).map(encodeEntry);
  return {
    case: "encoded",
    frame: (request) => encodeEntries({ request, conversation: log.conversation, entries, head: log.upTo, sealedKeys: [] }),
  };
};
