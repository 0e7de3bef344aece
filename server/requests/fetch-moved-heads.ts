import { create } from "@bufbuild/protobuf";
import { idBytes } from "@fastchat/protocol";
import { AccountHeadSchema } from "@fastchat/protocol/wire/account";
import { MovedHeadsSchema } from "@fastchat/protocol/wire/frames";
import { accessConversation } from "../chat/access.ts";
import type { Handler } from "../chat/context.ts";
import { readMovedHeads } from "../store/members.ts";

/** [C1] Instead of asking for the chain of each of 1,000 members. */
export const fetchMovedHeads: Handler<"fetchMovedHeads"> = async (chat, session, { conversation }) => {
  const access = await accessConversation(chat, session, conversation);
  const heads = (await readMovedHeads(chat.database, access.conversation)).map(({ account, index, hash }) =>
    create(AccountHeadSchema, { account: idBytes(account), index, hash: idBytes(hash) }),
  );
  return { case: "movedHeads", value: create(MovedHeadsSchema, { heads }) };
};
