import { create, fromBinary } from "@bufbuild/protobuf";
import { accountId, conversationId, ErrorCode, FastChatError, idBytes, isHash, limits } from "@fastchat/protocol";
import { entryHash, equal } from "@fastchat/protocol/seal";
import { AccountHeadSchema } from "@fastchat/protocol/wire/account";
import { EntrySchema } from "@fastchat/protocol/wire/conversation";
import { ComparedSchema, LogTipSchema } from "@fastchat/protocol/wire/frames";
import { accountIds, checkNumbers, malformed } from "../chat/access.ts";
import type { Handler } from "../chat/context.ts";
import { encodeEntry } from "../chat/wire.ts";
import { readAccountHeads } from "../store/accounts.ts";
import { readPlaces } from "../store/entries.ts";

/** [H6] What the server has less of than the client, or other. Of conversations only those that the session's account is a member of. */
export const compare: Handler<"compare"> = async (chat, session, { tips, accounts }) => {
  chat.rates.comparisons.takeOrThrow(session.device);
  if (tips.length > limits.comparedAtOnce || accounts.length > limits.comparedAtOnce) throw new FastChatError(ErrorCode.TOO_LARGE);
  if (!tips.every(({ conversation }) => isHash(conversation))) throw malformed("a conversation's id has 32 bytes");
  checkNumbers(...tips.map(({ sequence }) => sequence), ...accounts.map(({ index }) => index));
  const ids = accountIds(accounts.map(({ account }) => account));
  const places = await readPlaces(
    chat.database,
    session.account,
    tips.map(({ conversation, sequence }) => ({ conversation: conversationId(conversation), sequence })),
  );
  const different = tips.flatMap(({ conversation, entryHash: known }) => {
    const place = places.get(conversationId(conversation));
    const stored = place?.entry === undefined ? undefined : entryHash(fromBinary(EntrySchema, encodeEntry(place.entry)));
    if (stored !== undefined && equal(stored, known)) return [];
    return [create(LogTipSchema, { conversation, sequence: place?.head ?? 0, entryHash: stored ?? new Uint8Array(0) })];
  });
  const heads = await readAccountHeads(chat.database, ids);
  const shorter = accounts.flatMap(({ account, index }) => {
    const head = heads.get(accountId(account));
    if (head !== undefined && head.index >= index) return [];
    return [create(AccountHeadSchema, { account, index: head?.index ?? 0, ...(head !== undefined && { hash: idBytes(head.hash) }) })];
  });
  return { case: "compared", value: create(ComparedSchema, { different, shorter }) };
};
