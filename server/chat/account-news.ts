import { create } from "@bufbuild/protobuf";
import { type AccountId, type DeviceId, ErrorCode, idBytes, type LinkHash } from "@fastchat/protocol";
import type { AccountState } from "@fastchat/protocol/chain";
import { AccountHeadSchema } from "@fastchat/protocol/wire/account";
import { AccountMovedSchema, VaultMovedSchema } from "@fastchat/protocol/wire/frames";
import type { Hint } from "../bus/hint.ts";
import { conversationIdsOf } from "../store/conversations.ts";
import type { Database } from "../store/database.ts";
import type { Delivery } from "./delivery.ts";
import type { Session } from "./session.ts";
import { encodeFrame } from "./wire.ts";

/** Tells the sessions here whom an account's chain concerns: its own, and those of everybody in a conversation with it. */
export async function tellAccountMoved(
  chat: { readonly database: Database; readonly delivery: Delivery },
  head: { readonly account: AccountId; readonly index: number; readonly hash: LinkHash },
): Promise<void> {
  const conversations = await conversationIdsOf(chat.database, head.account);
  const value = create(AccountMovedSchema, {
    head: create(AccountHeadSchema, { account: idBytes(head.account), index: head.index, hash: idBytes(head.hash) }),
  });
  const frame = encodeFrame(0, { case: "accountMoved", value });
  const concerned = chat.delivery.sessionsIn(conversations);
  for (const session of chat.delivery.sessionsOf(head.account)) concerned.add(session);
  for (const session of concerned) session.connection.send(frame);
}

/** Tells the sessions here of an account that its vault has a new revision; `except` wrote it. */
export function tellVaultMoved(
  delivery: Delivery,
  { account, revision }: { readonly account: AccountId; readonly revision: number },
  except?: Session,
): void {
  const frame = encodeFrame(0, { case: "vaultMoved", value: create(VaultMovedSchema, { revision }) });
  for (const session of delivery.sessionsOf(account)) if (session !== except) session.connection.send(frame);
}

type Ending = Pick<AccountState, "account" | "closed">;

/** Devices that are let in no more since a link of their account. */
export interface PutOut {
  /** They lost their rights. */
  readonly ended: readonly DeviceId[];
  /** Another one came in their place [H8]. */
  readonly replaced: readonly DeviceId[];
}

/** What other servers are told of them. */
export function hintsOfEnding({ account, closed }: Ending, { ended, replaced }: PutOut): Hint[] {
  if (closed) return [["closed", account]];
  return [...ended.map((device): Hint => ["ended", device]), ...replaced.map((device): Hint => ["replaced", device])];
}

/** Closes their sockets here; a moment later, so that an answer to one of them comes first. */
export function endSessions(delivery: Delivery, { account, closed }: Ending, { ended, replaced }: PutOut): void {
  setImmediate(() => {
    if (closed) return delivery.endAccount(account);
    for (const device of ended) delivery.endDevice(device, ErrorCode.DEVICE_REVOKED);
    for (const device of replaced) delivery.endDevice(device, ErrorCode.SIGNED_IN_ELSEWHERE);
  });
}
