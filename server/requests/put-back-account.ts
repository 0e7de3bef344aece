import { create } from "@bufbuild/protobuf";
import { idBytes } from "@fastchat/protocol";
import { AccountHeadSchema } from "@fastchat/protocol/wire/account";
import { AccountPutBackSchema } from "@fastchat/protocol/wire/frames";
import { tellAccountMoved } from "../chat/account-news.ts";
import type { Handler } from "../chat/context.ts";
import { putBackLinks } from "../put-back-account.ts";

/** [H6] Of any account: its links prove themselves. */
export const putBackAccount: Handler<"putBackAccount"> = async (chat, session, body) => {
  chat.rates.links.takeOrThrow(session.device);
  const { state, ended, isLonger } = await putBackLinks(chat, body, chat.now());
  const { index, hash } = state.head;
  if (isLonger) {
    for (const device of ended) chat.hints.tell(["ended", device]);
    chat.hints.tell(["account", state.account, index, hash]);
    await tellAccountMoved(chat, { account: state.account, index, hash });
    setImmediate(() => {
      for (const device of ended) chat.delivery.endDevice(device);
    });
  }
  const head = create(AccountHeadSchema, { account: idBytes(state.account), index, hash: idBytes(hash) });
  return { case: "accountPutBack", value: create(AccountPutBackSchema, { head }) };
};
