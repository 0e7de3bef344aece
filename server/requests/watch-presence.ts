import { create } from "@bufbuild/protobuf";
import { ErrorCode, FastChatError, limits } from "@fastchat/protocol";
import { PresenceSchema } from "@fastchat/protocol/wire/frames";
import { accountIds } from "../chat/access.ts";
import type { Handler } from "../chat/context.ts";
import { wirePresence } from "../chat/presence-board.ts";
import { readPresence } from "../store/servers.ts";

export const watchPresence: Handler<"watchPresence"> = async (chat, session, { accounts }) => {
  if (accounts.length > limits.watchedPresences) throw new FastChatError(ErrorCode.TOO_LARGE);
  const watched = new Set(accountIds(accounts));
  // Watched before it is read: a change in between is told twice rather than never.
  chat.presence.watch(session, watched);
  const presences = await readPresence(chat.database, [...watched]);
  return { case: "presence", value: create(PresenceSchema, { accounts: presences.map(wirePresence) }) };
};
