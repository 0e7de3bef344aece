import { type ConversationId, conversationId, idBytes } from "@fastchat/protocol";
import type { Transaction } from "kysely";
import { containing } from "./accounts.ts";
import type { Database } from "./database.ts";
import type { Tables } from "./tables.ts";

export interface PublicGroup {
  readonly name: string;
  readonly conversation: ConversationId;
  readonly members: number;
}

/** By public name, in its order. `text` is matched as it is: no wildcards. */
export async function findPublicGroups(
  database: Database,
  search: { readonly text: string; readonly match: "part" | "exact"; readonly limit: number },
): Promise<PublicGroup[]> {
  const rows = await database.query
    .selectFrom("public_group")
    .innerJoin("conversation", "conversation.conversation", "public_group.conversation")
    .select(["name", "conversation.conversation", "members"])
    .where("name", search.match === "part" ? "like" : "=", search.match === "part" ? containing(search.text) : search.text)
    .orderBy("name")
    .limit(search.limit)
    .execute();
  return rows.map((row) => ({ ...row, conversation: conversationId(row.conversation) }));
}

export async function hasPublicName(database: Database, conversation: ConversationId): Promise<boolean> {
  const row = await database.query
    .selectFrom("public_group")
    .select("name")
    .where("conversation", "=", idBytes(conversation))
    .executeTakeFirst();
  return row !== undefined;
}

/** Gives a group this public name instead of the one it has; "": none. False: another group has it. Who takes the same one waits. */
export async function takePublicName(transaction: Transaction<Tables>, conversation: Uint8Array, name: string): Promise<boolean> {
  await transaction.deleteFrom("public_group").where("conversation", "=", conversation).execute();
  if (name === "") return true;
  const taken = await transaction
    .insertInto("public_group")
    .values({ name, conversation })
    .onConflict((conflict) => conflict.doNothing())
    .executeTakeFirst();
  return taken.numInsertedOrUpdatedRows === 1n;
}
