import { create } from "@bufbuild/protobuf";
import { VaultSchema } from "@fastchat/protocol/wire/frames";
import { checkNumbers } from "../chat/access.ts";
import type { Handler } from "../chat/context.ts";
import { readVault as readPage } from "../store/vault.ts";

/** Always the session's own. */
export const readVault: Handler<"readVault"> = async (chat, session, { afterRevision }) => {
  checkNumbers(afterRevision);
  return { case: "vault", value: create(VaultSchema, await readPage(chat.database, session.account, afterRevision)) };
};
