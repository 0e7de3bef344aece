import { setImmediate } from "node:timers/promises";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  type AccountId,
  conversationId,
  type ConversationId,
  type DeviceId,
  idBytes,
  limits,
  linkHash,
  type LinkHash,
} from "@fastchat/protocol";
import { accountLinkHash, type ConversationState, isClosed, newestEpoch, recordedLinks } from "@fastchat/protocol/chain";
import type { SignedLink } from "@fastchat/protocol/wire/account";
import { type LinkEntry, LinkEntrySchema, type SealedKey, SealedKeySchema } from "@fastchat/protocol/wire/conversation";
import { type Kysely, sql, type Transaction } from "kysely";
import type { Database } from "./database.ts";
import { entryKinds } from "./entries.ts";
import type { Tables } from "./tables.ts";

export interface ConversationHead {
  readonly conversation: ConversationId;
  readonly sequence: number;
  /** Milliseconds since 1970. */
  readonly time: number;
}

export interface StoredConversation extends ConversationHead {
  readonly link: { readonly index: number; readonly hash: LinkHash | undefined };
  /** Whether the account-chain head that the conversation has recorded for the account holds the device [C1]. */
  readonly deviceRecorded: boolean;
  /** The epochs in which something may be sealed now, both included [S3]. */
  readonly goodEpochs: { readonly from: number; readonly to: number };
}

/** The conversation, if the account is a member of it and the device still has its rights; the one door for reading and writing [access]. */
export async function findConversationOf(
  database: Database,
  conversation: Uint8Array,
  account: AccountId,
  device: DeviceId,
): Promise<StoredConversation | undefined> {
  const row = await database.query
    .selectFrom("member")
    .innerJoin("conversation", "conversation.conversation", "member.conversation")
    .innerJoin("device", (join) => join.onRef("device.account", "=", "member.account").on("device.device", "=", idBytes(device)))
    .select(["head", "head_time", "link_index", "link_hash", "epoch", "oldest_good_epoch", "added", "account_head"])
    .where("member.conversation", "=", conversation)
    .where("member.account", "=", idBytes(account))
    .where("device.ended", "is", null)
    .executeTakeFirst();
  if (row === undefined) return undefined;
  return {
    conversation: conversationId(conversation),
    sequence: row.head,
    time: row.head_time,
    link: { index: row.link_index, hash: row.link_hash.length === 0 ? undefined : linkHash(row.link_hash) },
    deviceRecorded: row.added <= row.account_head,
    goodEpochs: { from: row.oldest_good_epoch, to: row.epoch },
  };
}

/** Heads of all conversations of these accounts. */
export async function conversationsOf(
  database: Database,
  accounts: readonly AccountId[],
): Promise<(ConversationHead & { readonly account: Uint8Array })[]> {
  if (accounts.length === 0) return [];
  const rows = await database.query
    .selectFrom("member")
    .innerJoin("conversation", "conversation.conversation", "member.conversation")
    .select(["member.account", "conversation.conversation", "head", "head_time"])
    .where("member.account", "=", sql<Uint8Array>`ANY(${accounts.map((account) => Buffer.from(idBytes(account)))}::bytea[])`)
    .orderBy("head_time", "desc")
    .execute();
  return rows.map((row) => ({
    account: row.account,
    conversation: conversationId(row.conversation),
    sequence: row.head,
    time: row.head_time,
  }));
}

/** Ids of an account's conversations. */
export async function conversationIdsOf(database: Database, account: AccountId): Promise<ConversationId[]> {
  const rows = await database.query.selectFrom("member").select("conversation").where("account", "=", idBytes(account)).execute();
  return rows.map((row) => conversationId(row.conversation));
}

/** The links of a conversation with their evidence, oldest first. */
export async function readLinkEntries(database: Database, conversation: ConversationId, afterIndex: number): Promise<LinkEntry[]> {
  const rows = await database.query
    .selectFrom("conversation_link")
    .innerJoin("entry", (join) =>
      join.onRef("entry.conversation", "=", "conversation_link.conversation").onRef("entry.sequence", "=", "conversation_link.sequence"),
    )
    .select("entry.body")
    .where("conversation_link.conversation", "=", idBytes(conversation))
    .where("conversation_link.index", ">", afterIndex)
    .orderBy("conversation_link.index")
    .execute();
  return rows.map((row) => fromBinary(LinkEntrySchema, row.body));
}

/**
 * Where is looked for what conversations record of an account: how many conversations, how many of the newest links of each, how many of those
 * that seem to name a head of the account, and the longest link that is read.
 */
const RECORDING_CONVERSATIONS = 8;
const RECORDING_WINDOW = 32;
const RECORDING_LINKS = 4;
const RECORDING_BYTES = 65_536;

/** What follows the account in an encoded head: the tag of its index. */
const HEAD_INDEX_TAG = Uint8Array.of(0x10);

/** Of conversations with the same head the oldest are taken: strangers can open new ones. */
const RECORDING = `
  SELECT r.body FROM (
    SELECT m.conversation, m.account_head, c.link_index, b.time AS begun FROM member m
    JOIN conversation c ON c.conversation = m.conversation
    JOIN entry b ON b.conversation = m.conversation AND b.sequence = 1
    WHERE m.account = $1 ORDER BY m.account_head DESC, b.time, m.conversation LIMIT $2
  ) m CROSS JOIN LATERAL (
    SELECT l.index, e.body FROM conversation_link l
    JOIN entry e ON e.conversation = l.conversation AND e.sequence = l.sequence
    WHERE l.conversation = m.conversation AND l.index > m.link_index - $3 AND octet_length(e.body) <= $5 AND position($6 IN e.body) > 0
    ORDER BY l.index DESC LIMIT $4
  ) r ORDER BY m.account_head DESC, m.begun, m.conversation, r.index DESC`;

/**
 * Links of an account's own chain as its conversations record them [C1], newest first, bounded by `limits.recordedLinks`. Others wrote what is
 * read for it, so each link has its bounds, and between two of them everybody else has a turn.
 */
export async function readRecordedLinks(database: Database, account: AccountId): Promise<SignedLink[]> {
  const id = idBytes(account);
  const { rows } = await database.pool.query<{ body: Uint8Array }>({
    name: "recorded-links",
    text: RECORDING,
    values: [
      Buffer.from(id),
      RECORDING_CONVERSATIONS,
      RECORDING_WINDOW,
      RECORDING_LINKS,
      RECORDING_BYTES,
      Buffer.concat([id, HEAD_INDEX_TAG]),
    ],
  });
  const found = new Map<LinkHash, SignedLink>();
  let bytes = 0;
  for (const { body } of rows) {
    for (const link of recordedLinks(fromBinary(LinkEntrySchema, body), account)) {
      const hash = accountLinkHash(link);
      if (found.has(hash)) continue;
      bytes += link.body.length;
      if (found.size === limits.recordedLinks || bytes > limits.recordedLinkBytes) return [...found.values()];
      found.set(hash, link);
    }
    await setImmediate();
  }
  return [...found.values()];
}

export async function conversationLinkHead(
  database: Database,
  conversation: ConversationId,
): Promise<{ readonly index: number; readonly hash: LinkHash } | undefined> {
  const row = await database.query
    .selectFrom("conversation")
    .select(["link_index", "link_hash"])
    .where("conversation", "=", idBytes(conversation))
    .executeTakeFirst();
  return row && { index: row.link_index, hash: linkHash(row.link_hash) };
}

/** Copies of epoch keys for these accounts; `from` and `to` are epochs, both included. */
export async function readSealedKeys(
  database: Database,
  conversation: ConversationId,
  accounts: readonly AccountId[],
  epochs: { readonly from: number; readonly to: number },
): Promise<SealedKey[]> {
  if (accounts.length === 0) return [];
  const rows = await database.query
    .selectFrom("sealed_key")
    .select(["account", "generation", "epoch", "sealed"])
    .where("conversation", "=", idBytes(conversation))
    .where("account", "=", sql<Uint8Array>`ANY(${accounts.map((account) => Buffer.from(idBytes(account)))}::bytea[])`)
    .where("epoch", ">=", epochs.from)
    .where("epoch", "<=", epochs.to)
    .orderBy("account")
    .orderBy("epoch")
    .execute();
  return rows.map((row) => create(SealedKeySchema, row));
}

/** An account-chain head that a link names. */
export interface NamedHead {
  readonly account: AccountId;
  readonly index: number;
  readonly hash: LinkHash;
}

export interface LinkAppend {
  readonly conversation: ConversationId;
  readonly account: AccountId;
  readonly device: DeviceId;
  readonly entry: LinkEntry;
  readonly sealedKeys: readonly SealedKey[];
  /** Undefined before `create`. */
  readonly before: ConversationState | undefined;
  /** After the link. */
  readonly state: ConversationState;
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
  | { readonly kind: "unknown-heads" };

/**
 * Appends a link that was found valid after `before`, if the chain still ends there [C3]: entry, sealed keys and what the link changes for the
 * statement that appends messages, in one transaction.
 *
 * Phase 1 locks the conversation, making its row when there is none: from then on nobody appends to it. Phase 2 compares the head. Phase 3 locks
 * the device, so that its revocation comes before or after as a whole. Phase 4 writes.
 */
export async function appendLink(database: Database, append: LinkAppend): Promise<LinkAppendResult> {
  const { before, state, entry } = append;
  const conversation = idBytes(append.conversation);
  const hash = idBytes(state.head.hash);
  return database.query.transaction().execute(async (transaction): Promise<LinkAppendResult> => {
    if (before === undefined) {
      await transaction
        .insertInto("conversation")
        .values({ conversation, kind: state.kind === "direct" ? 1 : 2 })
        .onConflict((conflict) => conflict.doNothing())
        .execute();
    }
    const row = await transaction
      .selectFrom("conversation")
      .selectAll()
      .where("conversation", "=", conversation)
      .forNoKeyUpdate()
      .executeTakeFirst();
    const stale = row === undefined || row.link_index !== (before?.head.index ?? 0) || !sameHash(row.link_hash, before?.head.hash);
    if (stale) {
      const same = await findLink(transaction, append.conversation, state.head.index, state.head.hash);
      return same ?? { kind: "stale" };
    }
    const device = await transaction
      .selectFrom("device")
      .select(["account", "ended"])
      .where("device", "=", idBytes(append.device))
      .forShare()
      .executeTakeFirst();
    if (device === undefined || device.ended !== null) return giveBack(transaction, append, { kind: "device-ended" });
    for (const head of append.heads) {
      const known = await transaction
        .selectFrom("account_link")
        .select("index")
        .where("account", "=", idBytes(head.account))
        .where("index", "=", head.index)
        .where("hash", "=", idBytes(head.hash))
        .executeTakeFirst();
      if (known === undefined) return giveBack(transaction, append, { kind: "unknown-heads" });
    }
    const sequence = row.head + 1;
    const time = Math.max(row.head_time, append.now);
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
        body: toBinary(LinkEntrySchema, entry),
      })
      .execute();
    await transaction.insertInto("conversation_link").values({ conversation, index: state.head.index, hash, sequence }).execute();
    for (const { account, epoch, generation, sealed } of append.sealedKeys) {
      await transaction.insertInto("sealed_key").values({ conversation, account, epoch, generation, sealed }).execute();
    }
    await transaction
      .updateTable("conversation")
      .set({
        head: sequence,
        head_time: time,
        link_index: state.head.index,
        link_hash: hash,
        epoch: newestEpoch(state).epoch,
        oldest_good_epoch: state.oldestGoodEpoch,
        turn_due: state.turnDue,
        closed: isClosed(state),
      })
      .where("conversation", "=", conversation)
      .execute();
    await writeMembers(transaction, append);
    const joined = [...state.members.keys()].filter((account) => before?.members.has(account) !== true);
    return { kind: "appended", sequence, time, joined };
  });
}

const sameHash = (stored: Uint8Array, hash: LinkHash | undefined): boolean => Buffer.from(stored).toString("hex") === (hash ?? "");

/** Takes back the row that phase 1 made for a `create`. */
async function giveBack<Result>(transaction: Transaction<Tables>, append: LinkAppend, result: Result): Promise<Result> {
  if (append.before === undefined) {
    await transaction.deleteFrom("conversation").where("conversation", "=", idBytes(append.conversation)).execute();
  }
  return result;
}

async function writeMembers(transaction: Transaction<Tables>, { before, state, ...append }: LinkAppend): Promise<void> {
  const conversation = idBytes(append.conversation);
  for (const member of state.members.values()) {
    const may_write = state.policy.mayWrite === "members" || member.role === "admin";
    const values = { role: member.role === "admin" ? 2 : 1, may_write, account_head: member.chain.head.index };
    if (before?.members.get(member.account) === member && before.policy === state.policy) continue;
    await transaction
      .insertInto("member")
      .values({ conversation, account: idBytes(member.account), ...values })
      .onConflict((conflict) => conflict.columns(["conversation", "account"]).doUpdateSet(values))
      .execute();
  }
  for (const account of before?.members.keys() ?? []) {
    if (state.members.has(account)) continue;
    await transaction.deleteFrom("member").where("conversation", "=", conversation).where("account", "=", idBytes(account)).execute();
  }
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
