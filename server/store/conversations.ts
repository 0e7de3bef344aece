import { setImmediate } from "node:timers/promises";
import { create, fromBinary } from "@bufbuild/protobuf";
import {
  type AccountId,
  accountId,
  conversationId,
  type ConversationId,
  type DeviceId,
  idBytes,
  limits,
  linkHash,
  type LinkHash,
} from "@fastchat/protocol";
import { accountLinkHash, recordedLinks } from "@fastchat/protocol/chain";
import type { SignedLink } from "@fastchat/protocol/wire/account";
import { LinkEntrySchema, type SealedKey, SealedKeySchema } from "@fastchat/protocol/wire/conversation";
import { AskedTogether } from "../asked-together.ts";
import { anyOf, type Database } from "./database.ts";
import { adminRole } from "./members.ts";

export interface ConversationHead {
  readonly conversation: ConversationId;
  readonly sequence: number;
  /** Milliseconds since 1970. */
  readonly time: number;
}

export interface StoredConversation extends ConversationHead {
  /** Sequence number of the newest link: what was allowed now follows it. */
  readonly link: number;
  /** Whether the account-chain head that the conversation has recorded for the account holds the device [C1]. */
  readonly deviceRecorded: boolean;
  /** The epochs in which something may be sealed now, both included [S3]. */
  readonly goodEpochs: { readonly from: number; readonly to: number };
  /** How many there are. */
  readonly members: number;
  /** The account's role. */
  readonly isAdmin: boolean;
  /** Whether the account may add others. */
  readonly mayAdd: boolean;
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
    .innerJoin("conversation_link", (join) =>
      join.onRef("conversation_link.conversation", "=", "conversation.conversation").onRef("index", "=", "link_index"),
    )
    .select(["head", "head_time", "sequence", "epoch", "oldest_good_epoch", "added", "account_head"])
    .select(["members", "members_add", "role"])
    .where("member.conversation", "=", conversation)
    .where("member.account", "=", idBytes(account))
    .where("device.ended", "is", null)
    .executeTakeFirst();
  if (row === undefined) return undefined;
  return {
    conversation: conversationId(conversation),
    sequence: row.head,
    time: row.head_time,
    link: row.sequence,
    deviceRecorded: row.added <= row.account_head,
    goodEpochs: { from: row.oldest_good_epoch, to: row.epoch },
    members: row.members,
    isAdmin: row.role === adminRole,
    mayAdd: row.role === adminRole || row.members_add,
  };
}

export interface ReadableLog {
  readonly conversation: ConversationId;
  /** The newest entry that the account may read; what is appended later is not it, or not yet. */
  readonly upTo: number;
}

/**
 * The log of a conversation, if the account is a member or was one, and the device still has its rights. Bound to what a member may read at this
 * moment: a removal that comes before the log is read takes nothing from that and adds nothing to it.
 */
export async function findLogOf(
  database: Database,
  conversation: Uint8Array,
  account: AccountId,
  device: DeviceId,
): Promise<ReadableLog | undefined> {
  const row = await database.query
    .selectFrom("conversation")
    .innerJoin("device", (join) => join.on("device.account", "=", idBytes(account)).on("device.device", "=", idBytes(device)))
    .leftJoin("member", (join) =>
      join.onRef("member.conversation", "=", "conversation.conversation").on("member.account", "=", idBytes(account)),
    )
    .leftJoin("former_member", (join) =>
      join.onRef("former_member.conversation", "=", "conversation.conversation").on("former_member.account", "=", idBytes(account)),
    )
    .select(["head", "member.account as member", "until"])
    .where("conversation.conversation", "=", conversation)
    .where("device.ended", "is", null)
    .executeTakeFirst();
  if (row === undefined) return undefined;
  const upTo = row.member === null ? row.until : row.head;
  return upTo === null ? undefined : { conversation: conversationId(conversation), upTo: Math.min(upTo, row.head) };
}

/** Prepared: it stands in the way of every connection. */
const HEADS_OF_ACCOUNTS = {
  name: "heads-of-accounts",
  text: `
    SELECT member.account, conversation.conversation, head, head_time
    FROM member JOIN conversation USING (conversation) WHERE member.account = ANY ($1::bytea[]) ORDER BY head_time DESC`,
};

/** Heads of all conversations of these accounts. */
export async function conversationsOf(
  { pool }: Database,
  accounts: readonly AccountId[],
): Promise<(ConversationHead & { readonly account: Uint8Array })[]> {
  if (accounts.length === 0) return [];
  const { rows } = await pool.query<{ account: Uint8Array; conversation: Uint8Array; head: number; head_time: number }>({
    ...HEADS_OF_ACCOUNTS,
    values: [accounts.map((account) => Buffer.from(account, "hex"))],
  });
  return rows.map((row) => ({
    account: row.account,
    conversation: conversationId(row.conversation),
    sequence: row.head,
    time: row.head_time,
  }));
}

/** Reads the heads of all conversations of an account, of several accounts with one statement. */
export class HeadsReader {
  readonly #heads: AskedTogether<AccountId, readonly ConversationHead[]>;

  constructor(database: Database) {
    this.#heads = new AskedTogether({
      act: async (accounts): Promise<(readonly ConversationHead[])[]> => {
        const heads = Map.groupBy(await conversationsOf(database, [...new Set(accounts)]), ({ account }) => accountId(account));
        return accounts.map((account) => heads.get(account) ?? []);
      },
    });
  }

  of(account: AccountId): Promise<readonly ConversationHead[]> {
    return this.#heads.ask(account);
  }
}

export interface HeadOf extends ConversationHead {
  /** Who brought the account in. */
  readonly by: Uint8Array;
  /** Sequence number of the link that ended its membership; 0: it is a member. */
  readonly ended: number;
  /** How many ask to join, for who may add them. */
  readonly joinRequests: number;
}

const HEADS = `
  SELECT c.conversation, c.head AS sequence, c.head_time AS time, m.added_by AS by, 0 AS ended,
    CASE WHEN m.role = ${adminRole} OR c.members_add THEN (SELECT count(*) FROM join_request j WHERE j.conversation = m.conversation) ELSE 0 END AS join_requests
  FROM member m JOIN conversation c ON c.conversation = m.conversation WHERE m.account = $1
  UNION ALL
  SELECT f.conversation, f.until, e.time, f.added_by, f.until, 0
  FROM former_member f JOIN entry e ON e.conversation = f.conversation AND e.sequence = f.until WHERE f.account = $1
  ORDER BY time DESC`;

/** What an account sees of its conversations, those that it is out of among them, newest first. */
export async function headsOf(database: Database, account: AccountId): Promise<HeadOf[]> {
  const { rows } = await database.pool.query<{
    conversation: Uint8Array;
    sequence: number;
    time: number;
    by: Uint8Array;
    ended: number;
    join_requests: number;
  }>({ name: "heads", text: HEADS, values: [Buffer.from(idBytes(account))] });
  return rows.map(({ conversation, join_requests: joinRequests, ...row }) => ({
    ...row,
    conversation: conversationId(conversation),
    joinRequests,
  }));
}

/** Ids of an account's conversations. */
export async function conversationIdsOf(database: Database, account: AccountId): Promise<ConversationId[]> {
  const rows = await database.query.selectFrom("member").select("conversation").where("account", "=", idBytes(account)).execute();
  return rows.map((row) => conversationId(row.conversation));
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
    .where("account", "=", anyOf(accounts))
    .where("epoch", ">=", epochs.from)
    .where("epoch", "<=", epochs.to)
    .orderBy("account")
    .orderBy("epoch")
    .execute();
  return rows.map((row) => create(SealedKeySchema, row));
}
