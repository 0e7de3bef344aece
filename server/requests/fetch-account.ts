import { create } from "@bufbuild/protobuf";
import { ErrorCode, FastChatError, idBytes, isHash, parseName } from "@fastchat/protocol";
import { WrapPurpose } from "@fastchat/protocol/wire/account";
import { AccountSchema, DeviceTimesSchema, type FetchAccount } from "@fastchat/protocol/wire/frames";
import { accessAccount, checkNumbers, malformed } from "../chat/access.ts";
import type { Handler } from "../chat/context.ts";
import { newestAccountKey, readAccountLinks, readDeviceCopies, readDeviceTimes, readSealingKeys, readWraps } from "../store/accounts.ts";
import { wantsSingleSession } from "../store/sessions.ts";

export const fetchAccount: Handler<"fetchAccount"> = async (chat, session, { by, after }) => {
  checkNumbers(after);
  const { account } = await accessAccount(chat, readKey(by));
  // The key is read last: it is never older than the links, and a newer one shows by its hash.
  const links = await readAccountLinks(chat.database, account, after);
  await chat.receipts.putOnAccountLinks(links);
  const key = await newestAccountKey(chat.database, account);
  const accountPublicKey = key?.publicKey ?? new Uint8Array(0);
  const value = create(AccountSchema, { account: idBytes(account), links, accountPublicKey });
  if (account === session.account) {
    value.copies = (await readDeviceCopies(chat.database, account, session.device)).slice(-1);
    value.wraps = (await readWraps(chat.database, account)).filter(({ purpose }) => purpose === WrapPurpose.ACCOUNT_KEY_BY_NEXT);
    value.deviceSealingKeys = await readSealingKeys(chat.database, account);
    const times = await readDeviceTimes(chat.database, account);
    value.singleSession = await wantsSingleSession(chat.database, account);
    value.deviceTimes = times.map(({ device, added, lastSeen }) =>
      create(DeviceTimesSchema, { device, added: BigInt(added), lastSeen: BigInt(lastSeen) }),
    );
  }
  return { case: "account", value };
};

function readKey(by: FetchAccount["by"]): { account: Uint8Array } | { name: string } {
  switch (by.case) {
    case "account":
      if (!isHash(by.value)) throw malformed("an account's id has 32 bytes");
      return { account: by.value };
    case "name": {
      const parsed = parseName(by.value);
      if (parsed.kind === "invalid") throw new FastChatError(ErrorCode.NO_SUCH_USER);
      return { name: parsed.name };
    }
    case undefined:
      throw malformed("neither an account nor a name");
    default:
      return by satisfies never;
  }
}
