import { type ConversationId, idBytes, limits } from "@fastchat/protocol";
import type { Database } from "./database.ts";

/** How the table tells what a body is; the order of the fields of `Entry.body`. */
export const entryKinds = { message: 1, link: 2, incarnation: 3, erased: 4 } as const;

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

export interface EntryPage {
  /** Ascending, gap-free. */
  readonly entries: readonly StoredEntry[];
  /** Newest sequence number when it was read. */
  readonly head: number;
}

// The lengths are summed in the database, so that a page of large bodies is never read only to be thrown away.
const PAGE = (direction: "after" | "before") => `
  SELECT e.sequence, e.time, e.account, e.device, e.kind, e.body FROM (
    SELECT sequence, sum(octet_length(body) + 100) OVER (ORDER BY sequence ${direction === "after" ? "ASC" : "DESC"}) AS bytes
    FROM (
      SELECT sequence, body FROM entry
      WHERE conversation = $1 AND sequence ${direction === "after" ? ">" : "<"} $2
      ORDER BY sequence ${direction === "after" ? "ASC" : "DESC"} LIMIT $3
    ) AS candidates
  ) AS page
  JOIN entry e ON e.conversation = $1 AND e.sequence = page.sequence
  WHERE page.bytes <= $4 OR page.sequence = ${direction === "after" ? "$2 + 1" : "$2 - 1"}
  ORDER BY e.sequence`;

const AFTER = PAGE("after");
const BEFORE = PAGE("before");
const HEAD = "SELECT head FROM conversation WHERE conversation = $1";

/** One page of a log, bounded by `limit` and `limits.pageBytes`; at least one entry where there is one. */
export async function readEntries(
  database: Database,
  conversation: ConversationId,
  range: { readonly after: number } | { readonly before: number },
  limit: number,
): Promise<EntryPage> {
  const id = Buffer.from(idBytes(conversation));
  const bounded = Math.max(1, Math.min(limit, limits.entriesPerPage));
  const [name, text, edge] =
    "after" in range ? ["entries-after", AFTER, range.after] : ["entries-before", BEFORE, Math.min(range.before, limits.largestNumber + 1)];
  const { rows } = await database.pool.query<StoredEntry>({ name, text, values: [id, edge, bounded, limits.pageBytes] });
  // Read after the entries: never less than the newest of them.
  const head = await database.pool.query<{ head: number }>({ name: "head", text: HEAD, values: [id] });
  return { entries: rows, head: head.rows[0]?.head ?? 0 };
}

const LINKS = `
  SELECT e.sequence, e.time, e.account, e.device, e.kind, e.body FROM conversation_link l
  JOIN entry e ON e.conversation = l.conversation AND e.sequence = l.sequence
  WHERE l.conversation = $1 AND l.index > $2 ORDER BY l.index LIMIT $3`;

/** Links after an index, oldest first, bounded like a page. */
export async function readLinkPage(database: Database, conversation: ConversationId, afterIndex: number): Promise<EntryPage> {
  const id = Buffer.from(idBytes(conversation));
  const { rows } = await database.pool.query<StoredEntry>({
    name: "links-after",
    text: LINKS,
    values: [id, afterIndex, limits.entriesPerPage],
  });
  const head = await database.pool.query<{ head: number }>({ name: "head", text: HEAD, values: [id] });
  let bytes = 0;
  const entries = rows.filter(({ body }, place) => (bytes += body.length) <= limits.pageBytes || place === 0);
  return { entries, head: head.rows[0]?.head ?? 0 };
}
