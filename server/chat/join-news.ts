import { create } from "@bufbuild/protobuf";
import { type ConversationId, idBytes } from "@fastchat/protocol";
import { JoinAskedSchema } from "@fastchat/protocol/wire/frames";
import type { Database } from "../store/database.ts";
import { membersWhoAdd } from "../store/members.ts";
import type { Delivery } from "./delivery.ts";
import { encodeFrame } from "./wire.ts";

/** Tells the sessions here of those who may let somebody into a group that somebody asks. */
export async function tellJoinAsked(
  { database, delivery }: { readonly database: Database; readonly delivery: Delivery },
  conversation: ConversationId,
): Promise<void> {
  if (!delivery.watches(conversation)) return;
  const frame = encodeFrame(0, { case: "joinAsked", value: create(JoinAskedSchema, { conversation: idBytes(conversation) }) });
  for (const account of await membersWhoAdd(database, conversation)) {
    for (const session of delivery.sessionsOf(account)) session.connection.send(frame);
  }
}
