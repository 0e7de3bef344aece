import { type AccountId, accountId, type ConversationId, idBytes, linkHash, type LinkHash } from "@fastchat/protocol";
import { anyOf, type Database } from "./database.ts";

/** `member.role` of an admin; other members have 1. */
export const adminRole = 2;

export async function membersOf(database: Database, conversation: ConversationId): Promise<Set<AccountId>> {
  const rows = await database.query.selectFrom("member").select("account").where("conversation", "=", idBytes(conversation)).execute();
  return new Set(rows.map((row) => accountId(row.account)));
}

export async function isMember(database: Database, conversation: ConversationId, account: AccountId): Promise<boolean> {
  const row = await database.query
    .selectFrom("member")
    .select("role")
    .where("conversation", "=", idBytes(conversation))
    .where("account", "=", idBytes(account))
    .executeTakeFirst();
  return row !== undefined;
}

/** Of these accounts those that were members once, with the last entry that each may read. */
export async function formerAmong(
  database: Database,
  conversation: ConversationId,
  accounts: ReadonlySet<AccountId>,
): Promise<Map<AccountId, number>> {
  if (accounts.size === 0) return new Map();
  const rows = await database.query
    .selectFrom("former_member")
    .select(["account", "until"])
    .where("conversation", "=", idBytes(conversation))
    .where("account", "=", anyOf(accounts))
    .execute();
  return new Map(rows.map((row) => [accountId(row.account), row.until]));
}

/** Who was put out, or left, by this entry or a later one, with the last entry that each may read. */
export async function formerSince(database: Database, conversation: ConversationId, sequence: number): Promise<Map<AccountId, number>> {
  const rows = await database.query
    .selectFrom("former_member")
    .select(["account", "until"])
    .where("conversation", "=", idBytes(conversation))
    .where("until", ">=", sequence)
    .execute();
  return new Map(rows.map((row) => [accountId(row.account), row.until]));
}

/** The members who may add others: the admins, or everybody where the policy says so. */
export async function membersWhoAdd(database: Database, conversation: ConversationId): Promise<AccountId[]> {
  const rows = await database.query
    .selectFrom("member")
    .innerJoin("conversation", "conversation.conversation", "member.conversation")
    .select("account")
    .where("member.conversation", "=", idBytes(conversation))
    .where((where) => where.or([where("role", "=", adminRole), where("members_add", "=", true)]))
    .execute();
  return rows.map((row) => accountId(row.account));
}

export interface NewestHead {
  readonly account: AccountId;
  readonly index: number;
  readonly hash: LinkHash;
}

/** [C1] The members whose account chains have grown beyond what the conversation records, with their newest heads. */
export async function readMovedHeads(database: Database, conversation: ConversationId): Promise<NewestHead[]> {
  const rows = await database.query
    .selectFrom("member")
    .innerJoin("account", "account.account", "member.account")
    .select(["account.account", "head_index", "head_hash"])
    .where("conversation", "=", idBytes(conversation))
    .whereRef("head_index", ">", "account_head")
    .orderBy("account.account")
    .execute();
  return rows.map((row) => ({ account: accountId(row.account), index: row.head_index, hash: linkHash(row.head_hash) }));
}
