import { create } from "@bufbuild/protobuf";
import { idBytes } from "@fastchat/protocol";
import { AccountHeadSchema } from "@fastchat/protocol/wire/account";
import { type AccountPutBack, AccountPutBackSchema, type PutBackAccount } from "@fastchat/protocol/wire/frames";
import { hintsOfEnding } from "../chat/account-news.ts";
import { putBackLinks } from "../put-back-account.ts";
import type { GatewayContext } from "./context.ts";
import { tellHints } from "./hints.ts";

/** [H6] By a device that the server does not know any more: the links of its account, with their receipts, prove that it was one. */
export async function putBackAccount(gateway: GatewayContext, body: PutBackAccount): Promise<AccountPutBack> {
  const { state, putOut, isLonger } = await putBackLinks(gateway, body, Date.now());
  const { index, hash } = state.head;
  if (isLonger) {
    gateway.log.event("info", "account-put-back", { links: body.links.length });
    await tellHints(gateway, [...hintsOfEnding(state, putOut), ["account", state.account, index, hash]]);
  }
  return create(AccountPutBackSchema, { head: create(AccountHeadSchema, { account: idBytes(state.account), index, hash: idBytes(hash) }) });
}
