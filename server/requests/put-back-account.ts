import { create } from "@bufbuild/protobuf";
import { idBytes } from "@fastchat/protocol";
import { AccountHeadSchema } from "@fastchat/protocol/wire/account";
import { AccountPutBackSchema } from "@fastchat/protocol/wire/frames";
import { endSessions, hintsOfEnding, tellAccountMoved } from "../chat/account-news.ts";
import type { Handler } from "../chat/context.ts";
import { putBackLinks } from "../put-back-account.ts";

/** [H6] Of any account, by whoever has its links with their receipts. */
export const putBackAccount: Handler<"putBackAccount"> = async (chat, session, body) => {
  chat.rates.links.takeOrThrow(session.device);
  const { state, putOut, isLonger } = await putBackLinks(chat, body, chat.now());
  const { index, hash } = state.head;
  if (isLonger) {
    for (const hint of hintsOfEnding(state, putOut)) chat.hints.tell(hint);
    chat.hints.tell(["account", state.account, index, hash]);
    await tellAccountMoved(chat, { account: state.account, index, hash });
    endSessions(chat.delivery, state, putOut);
  }
  const head = create(AccountHeadSchema, { account: idBytes(state.account), index, hash: idBytes(hash) });
  return { case: "accountPutBack", value: create(AccountPutBackSchema, { head }) };
};
