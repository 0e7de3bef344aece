import type { AccountId, ConversationId, DeviceId } from "@fastchat/protocol";
import { idBytes } from "@fastchat/protocol";
import type { Database } from "./database.ts";
import { entryKinds } from "./entries.ts";

export interface NewIncarnation {
  readonly conversation: ConversationId;
  /** Who asked for it. */
  readonly account: AccountId;
  readonly device: DeviceId;
  /** The newest entry, that it goes on from. */
  readonly head: number;
  /** Serialized Witness. */
  readonly body: Uint8Array;
  /** Milliseconds since 1970. */
  readonly now: number;
}

/** Undefined: the log has another head by now; nothing was changed. */
export async function appendIncarnation(
  database: Database,
  { conversation, account, device, head, body, now }: NewIncarnation,
): Promise<{ readonly sequence: number; readonly time: number } | undefined> {
  const id = idBytes(conversation);
  return database.query.transaction().execute(async (transaction) => {
    const row = await transaction
      .selectFrom("conversation")
      .select(["head", "head_time"])
      .where("conversation", "=", id)
      .forNoKeyUpdate()
      .executeTakeFirst();
    if (row?.head !== head) return undefined;
    const place = { sequence: head + 1, time: Math.max(row.head_time, now) };
    const author = { account: idBytes(account), device: idBytes(device), client_message_id: null };
    await transaction
      .insertInto("entry")
      .values({ conversation: id, ...place, ...author, kind: entryKinds.incarnation, body })
      .execute();
    await transaction
      .updateTable("conversation")
      .set({ head: place.sequence, head_time: place.time })
      .where("conversation", "=", id)
      .execute();
    return place;
  });
}
