import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { type AccountId, type ConversationId, conversationId, idBytes, limits } from "@fastchat/protocol";
import { entryHash } from "@fastchat/protocol/seal";
import { EntrySchema, ErasedSchema, SealedMessageSchema } from "@fastchat/protocol/wire/conversation";
import type { Database } from "./database.ts";
import { pageOf, type PackedEntries, unpackEntries } from "./packed-entries.ts";

/**
 * How the table tells what a body is; the order of the fields of `Entry.body`. Last a message that its author withdrew: the body is there until it
 * is erased, and is given to nobody.
 */
export const entryKinds = { message: 1, link: 2, incarnation: 3, erased: 4, withdrawn: 5 } as const;

export interface StoredEntry {
  readonly sequence: number;
  /** Milliseconds since 1970. */
  readonly time: number;
  readonly account: Uint8Array;
  readonly device: Uint8Array;
  readonly kind: number;
  /** Serialized SealedMessage, LinkEntry, Witness or Erased. */
  readonly body: Uint8Array;
}

/** [S4] What is left of a message whose body goes. Throws where the body is none. */
export function erasedBody({ sequence, time, account, device, body }: StoredEntry): Uint8Array {
  const value = fromBinary(SealedMessageSchema, body);
  const hash = entryHash(create(EntrySchema, { sequence, time: BigInt(time), account, device, body: { case: "message", value } }));
  return toBinary(ErasedSchema, create(ErasedSchema, { entryHash: hash! }));
}

const AFTER = pageOf({
  where: "conversation = $1 AND sequence > $2 AND sequence <= $5",
  order: "ASC",
  first: "$2 + 1",
  limit: "$3",
  bytes: "$4",
});
const BEFORE = pageOf({ where: "conversation = $1 AND sequence < $2", order: "DESC", first: "$2 - 1", limit: "$3", bytes: "$4" });

export interface PageBounds {
  /** Entries; default and at most `limits.entriesPerPage`. */
  readonly limit?: number;
  /** Sequence number of the newest entry that may be in it. */
  readonly upTo: number;
}

/** One page of a log, ascending and gap-free, bounded by `limits.pageBytes` as well; at least one entry where there is one. */
export async function readEntries(
  database: Database,
  conversation: ConversationId,
  range: { readonly after: number } | { readonly before: number },
  { limit = limits.entriesPerPage, upTo }: PageBounds,
): Promise<readonly StoredEntry[]> {
  const id = Buffer.from(idBytes(conversation));
  const bounded = Math.max(1, Math.min(limit, limits.entriesPerPage));
  const { rows } = await ("after" in range
    ? database.pool.query<PackedEntries>({
        name: "entries-after",
        text: AFTER,
        values: [id, range.after, bounded, limits.pageBytes, upTo],
      })
    : database.pool.query<PackedEntries>({
        name: "entries-before",
        text: BEFORE,
        values: [id, Math.min(range.before, upTo + 1), bounded, limits.pageBytes],
      }));
  return unpackEntries(rows[0]!);
}

const LINKS = `
  SELECT sequence, time, account, device, kind, body FROM (
    SELECT l.index, e.sequence, e.time, e.account, e.device, e.kind, e.body,
      sum(octet_length(e.body)) OVER (ORDER BY l.index ROWS UNBOUNDED PRECEDING) AS bytes
    FROM conversation_link l JOIN entry e ON e.conversation = l.conversation AND e.sequence = l.sequence
    WHERE l.conversation = $1 AND l.index > $2::bigint AND l.sequence <= $5
    ORDER BY l.index LIMIT $3
  ) AS page
  WHERE bytes <= $4 OR index = $2::bigint + 1
  ORDER BY index`;

/** Links after an index, oldest first, bounded like a page. */
export async function readLinks(
  database: Database,
  conversation: ConversationId,
  afterIndex: number,
  { limit = limits.entriesPerPage, upTo }: PageBounds,
): Promise<readonly StoredEntry[]> {
  const { rows } = await database.pool.query<StoredEntry>({
    name: "links-after",
    text: LINKS,
    values: [Buffer.from(idBytes(conversation)), afterIndex, Math.min(limit, limits.entriesPerPage), limits.pageBytes, upTo],
  });
  return rows;
}

/** Sequence number of a log's newest entry. */
export async function readHead(database: Database, conversation: ConversationId): Promise<number> {
  const { rows } = await database.pool.query<{ head: number }>({
    name: "head",
    text: "SELECT head FROM conversation WHERE conversation = $1",
    values: [Buffer.from(idBytes(conversation))],
  });
  return rows[0]?.head ?? 0;
}

const PLACES = `
  SELECT c.conversation, c.head, e.sequence, e.time, e.account, e.device, e.kind, e.body
  FROM unnest($1::bytea[], $2::bigint[]) AS asked (conversation, sequence)
  JOIN conversation c ON c.conversation = asked.conversation
  JOIN member m ON m.conversation = c.conversation AND m.account = $3
  LEFT JOIN entry e ON e.conversation = c.conversation AND e.sequence = asked.sequence`;

export interface LogPlace {
  readonly head: number;
  /** Undefined: the log does not reach that far. */
  readonly entry: StoredEntry | undefined;
}

/** One place of each of these logs, of those of which the account is a member. */
export async function readPlaces(
  database: Database,
  account: AccountId,
  asked: readonly { readonly conversation: ConversationId; readonly sequence: number }[],
): Promise<ReadonlyMap<ConversationId, LogPlace>> {
  if (asked.length === 0) return new Map();
  const { rows } = await database.pool.query<
    { conversation: Uint8Array; head: number } & { [Key in keyof StoredEntry]: StoredEntry[Key] | null }
  >({
    name: "places",
    text: PLACES,
    values: [
      asked.map(({ conversation }) => Buffer.from(idBytes(conversation))),
      asked.map(({ sequence }) => sequence),
      Buffer.from(idBytes(account)),
    ],
  });
  return new Map(
    rows.map(({ conversation, head, ...entry }) => {
      const id = conversationId(conversation);
      return [id, { head, entry: entry.sequence === null ? undefined : (entry as StoredEntry) }];
    }),
  );
}
