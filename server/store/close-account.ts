import { type AccountId, idBytes } from "@fastchat/protocol";
import { type RawBuilder, sql, type Transaction } from "kysely";
import { lookAtBlobsOfClosed } from "./blobs.ts";
import type { Tables } from "./tables.ts";

/** Where an account is a member, or was. */
const conversationsOf = (account: Uint8Array): RawBuilder<unknown> => sql`
  SELECT conversation FROM member WHERE account = ${account} UNION SELECT conversation FROM former_member WHERE account = ${account}`;

/**
 * Before anything else of the transaction that closes an account: nobody appends a link to its conversations until that is committed. Whose
 * copies of keys were written before, are removed by it; who writes some afterwards sees that the account is closed. In the order of the
 * ids, as who appends messages locks them.
 */
export async function lockConversationsOf(transaction: Transaction<Tables>, account: AccountId): Promise<void> {
  await sql`SELECT 1 FROM conversation WHERE conversation IN (${conversationsOf(idBytes(account))}) ORDER BY conversation
    FOR NO KEY UPDATE`.execute(transaction);
}

/**
 * [H7] Removes what is a closed account's alone, in the transaction that closes it: what its password opens, its vault, copies of keys,
 * slots, join requests, its session policy, and when it and its devices were there; and whole conversations in which nobody else is or was whose account is open, such
 * as the note to self. What others still read or check their chains by stays: the account's own chain with its public keys, and the logs
 * that it shares with them.
 */
export async function eraseClosedAccount(transaction: Transaction<Tables>, id: AccountId): Promise<void> {
  const account = idBytes(id);
  const conversations = await transaction
    .selectNoFrom(sql<Uint8Array[]>`ARRAY(${conversationsOf(account)})`.as("all"))
    .select(
      sql<Uint8Array[]>`ARRAY(
      SELECT conversation FROM (${conversationsOf(account)}) AS own WHERE NOT EXISTS (
        SELECT 1 FROM (
          SELECT account FROM member WHERE member.conversation = own.conversation
          UNION ALL SELECT account FROM former_member WHERE former_member.conversation = own.conversation
        ) AS party JOIN account USING (account) WHERE NOT closed))`.as("abandoned"),
    )
    .executeTakeFirstOrThrow();
  const isOwn = sql<boolean>`conversation = ANY(${conversations.all}::bytea[])`;
  await transaction.deleteFrom("sealed_key").where("account", "=", account).where(isOwn).execute();
  await transaction.deleteFrom("slot").where("account", "=", account).where(isOwn).execute();
  await transaction.deleteFrom("former_member").where("account", "=", account).execute();
  await transaction.deleteFrom("join_request").where("account", "=", account).execute();
  const isOwnDevice = sql<boolean>`device IN (SELECT device FROM device WHERE account = ${account})`;
  await transaction.deleteFrom("device_copy").where(isOwnDevice).execute();
  await transaction.deleteFrom("device_seen").where(isOwnDevice).execute();
  for (const table of ["sign_in_record", "account_wrap", "vault_entry", "vault"] as const)
    await transaction.deleteFrom(table).where("account", "=", account).execute();
  await transaction.updateTable("account").set({ single_session: false, last_seen: 0 }).where("account", "=", account).execute();
  const isAbandoned = sql<boolean>`conversation = ANY(${conversations.abandoned}::bytea[])`;
  for (const table of abandonedTables) await transaction.deleteFrom(table).where(isAbandoned).execute();
  await lookAtBlobsOfClosed(transaction, account, conversations.abandoned);
}

/** All that is kept by conversation. */
const abandonedTables = [
  "entry",
  "conversation_link",
  "sealed_key",
  "slot",
  "member",
  "former_member",
  "join_request",
  "public_group",
  "conversation",
] as const;
