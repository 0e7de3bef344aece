import type { AccountId, ConversationId, DeviceId, LinkHash } from "@fastchat/protocol";
import { idBytes } from "@fastchat/protocol";
import { type ConversationState, isClosed, type MemberState, newestEpoch } from "@fastchat/protocol/chain";
import type { SealedKey } from "@fastchat/protocol/wire/conversation";
import { type Kysely, sql, type Transaction } from "kysely";
import { anyOf, type Database } from "./database.ts";
import { entryKinds } from "./entries.ts";
import { adminRole, type NewestHead } from "./members.ts";
import { takePublicName } from "./public-groups.ts";
import type { Tables } from "./tables.ts";

/** An account-chain head that a link names. */
export type NamedHead = NewestHead;

export interface LinkAppend {
  readonly conversation: ConversationId;
  readonly account: AccountId;
  readonly device: DeviceId;
  /** Its device brings it, and so must have its rights; false: it was written, and lost, and its chain decides [H6]. */
  readonly isAuthors: boolean;
  /** Serialized LinkEntry. */
  readonly entry: Uint8Array;
  /** As `checkSealedKeys` finds them good: all of one length. */
  readonly sealedKeys: readonly SealedKey[];
  /** Undefined before `create`. */
  readonly before: ConversationState | undefined;
  /** After the link. */
  readonly state: ConversationState;
  /** Each account once. */
  readonly heads: readonly NamedHead[];
  /** Milliseconds since 1970. */
  readonly now: number;
}

export type LinkAppendResult =
  | { readonly kind: "appended"; readonly sequence: number; readonly time: number; readonly joined: readonly AccountId[] }
  /** The same link stood there before: an answer that got lost. */
  | { readonly kind: "duplicate"; readonly sequence: number; readonly time: number }
  | { readonly kind: "stale" }
  | { readonly kind: "device-ended" }
  /** The link names account-chain heads that this server does not have. */
  | { readonly kind: "unknown-heads" }
  | { readonly kind: "public-name-taken" };

/**
 * Appends a link that was found valid after `before`, if the chain still ends there [C3]: entry, sealed keys and what the link changes for the
 * statement that appends messages, in one transaction.
 *
 * Phase 1 locks the conversation, making its row when there is none: from then on nobody appends to it. Phase 2 compares the head. Phase 3 locks
 * the device, so that its revocation comes before or after as a whole. Phase 4 writes; each table once, however many members there are.
 */
export async function appendLink(database: Database, append: LinkAppend): Promise<LinkAppendResult> {
  const appending = database.query.transaction().execute(async (transaction): Promise<LinkAppendResult> => {
    const row = await lockConversation(transaction, append);
    if (row === undefined) {
      const { conversation, state } = append;
      throw new NotAppended((await findLink(transaction, conversation, state.head.index, state.head.hash)) ?? { kind: "stale" });
    }
    if (append.isAuthors && !(await lockDevice(transaction, append.device))) throw new NotAppended({ kind: "device-ended" });
    if (!(await hasHeads(transaction, append.heads))) throw new NotAppended({ kind: "unknown-heads" });
    const place = { sequence: row.head + 1, time: Math.max(row.head_time, append.now) };
    if (!(await writePublicName(transaction, append))) throw new NotAppended({ kind: "public-name-taken" });
    await writeEntry(transaction, append, place);
    await writeSealedKeys(transaction, append);
    await writeConversation(transaction, append, place);
    const joined = await writeMembers(transaction, append, place.sequence);
    return { kind: "appended", ...place, joined };
  });
  return appending.catch((error: unknown) => {
    if (error instanceof NotAppended) return error.result;
    throw error;
  });
}

/** Takes the transaction back, with the row that phase 1 made for a `create`. */
class NotAppended extends Error {
  readonly result: LinkAppendResult;

  constructor(result: LinkAppendResult) {
    super(result.kind);
    this.result = result;
  }
}

interface Place {
  readonly sequence: number;
  readonly time: number;
}

/** Undefined: its chain does not end where the link goes on. */
async function lockConversation(
  transaction: Transaction<Tables>,
  { before, state, ...append }: LinkAppend,
): Promise<{ readonly head: number; readonly head_time: number } | undefined> {
  const conversation = idBytes(append.conversation);
  if (before === undefined) {
    await transaction
      .insertInto("conversation")
      .values({ conversation, kind: state.kind === "direct" ? 1 : 2 })
      .onConflict((conflict) => conflict.doNothing())
      .execute();
  }
  const row = await transaction
    .selectFrom("conversation")
    .select(["head", "head_time", "link_index", "link_hash"])
    .where("conversation", "=", conversation)
    .forNoKeyUpdate()
    .executeTakeFirst();
  const follows = row?.link_index === (before?.head.index ?? 0) && Buffer.from(row.link_hash).toString("hex") === (before?.head.hash ?? "");
  return follows ? row : undefined;
}

/** False: it has lost its rights. */
async function lockDevice(transaction: Transaction<Tables>, device: DeviceId): Promise<boolean> {
  const row = await transaction.selectFrom("device").select("ended").where("device", "=", idBytes(device)).forShare().executeTakeFirst();
  return row !== undefined && row.ended === null;
}

/** Whether each is the head of an account's chain here, or was. */
export async function hasHeads(query: Kysely<Tables>, heads: readonly NamedHead[]): Promise<boolean> {
  if (heads.length === 0) return true;
  const accounts = heads.map((head) => Buffer.from(idBytes(head.account)));
  const hashes = heads.map((head) => Buffer.from(idBytes(head.hash)));
  const indexes = heads.map((head) => head.index);
  const { rows } = await sql<{ known: number }>`
    SELECT count(*) AS known FROM unnest(${accounts}::bytea[], ${indexes}::bigint[], ${hashes}::bytea[]) AS named (account, index, hash)
    JOIN account_link l ON l.account = named.account AND l.index = named.index AND l.hash = named.hash`.execute(query);
  return rows[0]?.known === heads.length;
}

/** A group without members gives its name back. */
const publicNameOf = (state: ConversationState | undefined): string =>
  state === undefined || state.members.size === 0 ? "" : state.policy.publicName;

/** False: another group has it. */
async function writePublicName(transaction: Transaction<Tables>, { before, state, conversation }: LinkAppend): Promise<boolean> {
  const name = publicNameOf(state);
  if (name === publicNameOf(before)) return true;
  return takePublicName(transaction, idBytes(conversation), name);
}

async function writeEntry(transaction: Transaction<Tables>, append: LinkAppend, { sequence, time }: Place): Promise<void> {
  const conversation = idBytes(append.conversation);
  const { index, hash } = append.state.head;
  await transaction
    .insertInto("entry")
    .values({
      conversation,
      sequence,
      time,
      account: idBytes(append.account),
      device: idBytes(append.device),
      client_message_id: null,
      kind: entryKinds.link,
      body: append.entry,
    })
    .execute();
  await transaction
    .insertInto("conversation_link")
    .values({ conversation, index, hash: idBytes(hash), sequence })
    .execute();
}

async function writeSealedKeys(transaction: Transaction<Tables>, { conversation, sealedKeys }: LinkAppend): Promise<void> {
  const [first] = sealedKeys;
  if (first === undefined) return;
  // Packed, as messages are: arrays of bytea travel as hexadecimal text. Who is added again may have copies of older epochs from the first time: nothing
  // takes those away, but that
  // an account was closed, which its author need not know yet: who closes it locks the conversation first, so that its copies are seen there or left out here.
  const accounts = Buffer.concat(sealedKeys.map((key) => key.account));
  const copies = Buffer.concat(sealedKeys.map((key) => key.sealed));
  const bytes = first.sealed.length;
  await sql`
    INSERT INTO sealed_key (conversation, account, epoch, generation, sealed)
    SELECT ${Buffer.from(idBytes(conversation))}::bytea, substring(${accounts}::bytea FROM i::integer * 32 - 31 FOR 32), epoch, generation,
      substring(${copies}::bytea FROM (i::integer - 1) * ${bytes}::integer + 1 FOR ${bytes}::integer)
    FROM unnest(${sealedKeys.map((key) => key.epoch)}::integer[], ${sealedKeys.map((key) => key.generation)}::integer[])
      WITH ORDINALITY AS key (epoch, generation, i)
    WHERE NOT EXISTS (SELECT 1 FROM account WHERE closed AND account.account = substring(${accounts}::bytea FROM i::integer * 32 - 31 FOR 32))
    ON CONFLICT (conversation, account, epoch) DO NOTHING`.execute(transaction);
}

async function writeConversation(transaction: Transaction<Tables>, append: LinkAppend, { sequence, time }: Place): Promise<void> {
  const { state } = append;
  const { retentionSeconds } = state.policy;
  await transaction
    .updateTable("conversation")
    .set({
      head: sequence,
      head_time: time,
      link_index: state.head.index,
      link_hash: idBytes(state.head.hash),
      epoch: newestEpoch(state).epoch,
      oldest_good_epoch: state.oldestGoodEpoch,
      turn_due: state.turnDue,
      closed: isClosed(state),
      members: state.members.size,
      members_add: state.policy.mayAdd === "members",
      retention_seconds: retentionSeconds,
      // A new time: the next sweep looks what is due by it.
      erase_at: sql<number | null>`CASE WHEN retention_seconds = ${retentionSeconds}::bigint THEN erase_at
        WHEN ${retentionSeconds}::bigint > 0 THEN 0 END`,
    })
    .where("conversation", "=", idBytes(append.conversation))
    .execute();
}

/** Writes the members that the link changed, moves those that it ended to the former ones, and returns those that it brought. */
async function writeMembers(transaction: Transaction<Tables>, append: LinkAppend, sequence: number): Promise<AccountId[]> {
  const { before, state } = append;
  const conversation = idBytes(append.conversation);
  const changed = [...state.members.values()].filter((member) => before?.members.get(member.account) !== member);
  const joined = changed.flatMap(({ account }) => (before?.members.has(account) === true ? [] : [account]));
  const gone = [...(before?.members.keys() ?? [])].filter((account) => !state.members.has(account));
  if (changed.length > 0) await putMembers(transaction, append, changed);
  if (before !== undefined && before.policy.mayWrite !== state.policy.mayWrite) {
    const may_write = state.policy.mayWrite === "members" ? sql<boolean>`true` : sql<boolean>`role = ${adminRole}`;
    await transaction.updateTable("member").set({ may_write }).where("conversation", "=", conversation).execute();
  }
  if (gone.length > 0) await endMembers(transaction, conversation, gone, sequence);
  if (before !== undefined && joined.length > 0) {
    await transaction.deleteFrom("former_member").where("conversation", "=", conversation).where("account", "=", anyOf(joined)).execute();
    await transaction.deleteFrom("join_request").where("conversation", "=", conversation).where("account", "=", anyOf(joined)).execute();
  }
  // Nobody is left who could let anybody in.
  if (state.members.size === 0) await transaction.deleteFrom("join_request").where("conversation", "=", conversation).execute();
  return joined;
}

async function putMembers(transaction: Transaction<Tables>, append: LinkAppend, members: readonly MemberState[]): Promise<void> {
  const everybodyWrites = append.state.policy.mayWrite === "members";
  const accounts = members.map(({ account }) => Buffer.from(idBytes(account)));
  const admins = members.map(({ role }) => role === "admin");
  const heads = members.map(({ chain }) => chain.head.index);
  const author = Buffer.from(idBytes(append.account));
  await sql`
    INSERT INTO member (conversation, account, role, may_write, account_head, added_by)
    SELECT ${Buffer.from(idBytes(append.conversation))}::bytea, account, CASE WHEN admin THEN ${adminRole}::smallint ELSE 1 END,
      admin OR ${everybodyWrites}::boolean, head, ${author}::bytea
    FROM unnest(${accounts}::bytea[], ${admins}::boolean[], ${heads}::integer[]) AS changed (account, admin, head)
    ON CONFLICT (conversation, account) DO UPDATE
    SET role = excluded.role, may_write = excluded.may_write, account_head = excluded.account_head`.execute(transaction);
}

async function endMembers(
  transaction: Transaction<Tables>,
  conversation: Uint8Array,
  accounts: readonly AccountId[],
  until: number,
): Promise<void> {
  await transaction
    .with("gone", (query) =>
      query
        .deleteFrom("member")
        .where("conversation", "=", conversation)
        .where("account", "=", anyOf(accounts))
        .returning(["member.conversation", "account", "added_by"]),
    )
    .insertInto("former_member")
    .columns(["conversation", "account", "until", "added_by"])
    .expression((query) =>
      query.selectFrom("gone").select(["conversation", "account", sql<number>`${until}::bigint`.as("until"), "added_by"]),
    )
    .execute();
  await transaction.deleteFrom("slot").where("conversation", "=", conversation).where("account", "=", anyOf(accounts)).execute();
}

/** Where a link stands, if it is in the log. */
export async function findLink(
  query: Kysely<Tables>,
  conversation: ConversationId,
  index: number,
  hash: LinkHash,
): Promise<Extract<LinkAppendResult, { kind: "duplicate" }> | undefined> {
  const row = await query
    .selectFrom("conversation_link")
    .innerJoin("entry", (join) =>
      join.onRef("entry.conversation", "=", "conversation_link.conversation").onRef("entry.sequence", "=", "conversation_link.sequence"),
    )
    .select(["entry.sequence", "entry.time"])
    .where("conversation_link.conversation", "=", idBytes(conversation))
    .where("conversation_link.index", "=", index)
    .where("conversation_link.hash", "=", idBytes(hash))
    .executeTakeFirst();
  return row && { kind: "duplicate", ...row };
}
