import type { ConversationId } from "@fastchat/protocol";
import type { Database } from "../store/database.ts";
import { formerSince, membersOf } from "../store/members.ts";
import type { Delivery } from "./delivery.ts";

/**
 * The link with this sequence number brought members: those who are connected here watch from it on, and so does who is out again by now, until
 * it has what put it out.
 */
export async function watchNewMembers(
  { database, delivery }: { readonly database: Database; readonly delivery: Delivery },
  conversation: ConversationId,
  sequence: number,
): Promise<void> {
  // Where somebody watches, delivery sees by the link itself who came.
  if (delivery.watches(conversation)) return;
  const former = await formerSince(database, conversation, sequence);
  for (const account of [...(await membersOf(database, conversation)), ...former.keys()]) {
    for (const session of delivery.sessionsOf(account)) delivery.watch(session, conversation, sequence - 1);
  }
  delivery.known(conversation, Math.max(sequence, ...former.values()));
}
