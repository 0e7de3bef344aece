import { create } from "@bufbuild/protobuf";
import { SessionsSetSchema } from "@fastchat/protocol/wire/frames";
import type { Handler } from "../chat/context.ts";
import { setSingleSession } from "../store/sessions.ts";

/** [H8] Of the session's own account. It puts nobody out: a device alone takes rights from none [A1]. */
export const setSessions: Handler<"setSessions"> = async (chat, session, { single }) => {
  chat.rates.links.takeOrThrow(session.device);
  await setSingleSession(chat.database, session.account, single);
  return { case: "sessionsSet", value: create(SessionsSetSchema) };
};
