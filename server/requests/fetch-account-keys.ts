import { create } from "@bufbuild/protobuf";
import { ErrorCode, FastChatError, idBytes, limits } from "@fastchat/protocol";
import { AccountKeyOfSchema, AccountKeysSchema } from "@fastchat/protocol/wire/frames";
import { accountIds } from "../chat/access.ts";
import type { Handler } from "../chat/context.ts";
import { newestAccountKeys } from "../store/accounts.ts";

export const fetchAccountKeys: Handler<"fetchAccountKeys"> = async (chat, _session, { accounts }) => {
  if (accounts.length > limits.accountKeysPerRequest) throw new FastChatError(ErrorCode.TOO_LARGE);
  const keys = (await newestAccountKeys(chat.database, accountIds(accounts))).map(({ account, publicKey }) =>
    create(AccountKeyOfSchema, { account: idBytes(account), publicKey }),
  );
  return { case: "accountKeys", value: create(AccountKeysSchema, { keys }) };
};
