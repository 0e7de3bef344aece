import { create } from "@bufbuild/protobuf";
import { type ConversationId, idBytes } from "@fastchat/protocol";
import { type SealedSlot, SealedSlotSchema } from "@fastchat/protocol/wire/conversation";
import type { Database } from "./database.ts";

const WRITE = `
  INSERT INTO slot (conversation, account, device, epoch, counter, ciphertext) VALUES ($1, $2, $3, $4, $5, $6)
  ON CONFLICT (conversation, account) DO UPDATE
  SET device = excluded.device, epoch = excluded.epoch, counter = excluded.counter, ciphertext = excluded.ciphertext
  WHERE (slot.epoch, slot.counter) < (excluded.epoch, excluded.counter)`;

/**
 * Keeps the newest slot: of the highest epoch, and within it of the highest counter, so that what a device left behind that was revoked since does
 * not outlast the turn. False: a newer one was there.
 */
export async function writeSlot(database: Database, conversation: ConversationId, slot: SealedSlot): Promise<boolean> {
  const bytes = (field: Uint8Array) => Buffer.from(field);
  const { rowCount } = await database.pool.query({
    name: "write-slot",
    text: WRITE,
    values: [bytes(idBytes(conversation)), bytes(slot.account), bytes(slot.device), slot.epoch, slot.counter, bytes(slot.ciphertext)],
  });
  return rowCount === 1;
}

/** One for each member that wrote one. */
export async function readSlots(database: Database, conversation: ConversationId): Promise<SealedSlot[]> {
  const rows = await database.query
    .selectFrom("slot")
    .innerJoin("member", (join) => join.onRef("member.conversation", "=", "slot.conversation").onRef("member.account", "=", "slot.account"))
    .select(["slot.account", "device", "epoch", "counter", "ciphertext"])
    .where("slot.conversation", "=", idBytes(conversation))
    .execute();
  return rows.map((row) => create(SealedSlotSchema, row));
}
