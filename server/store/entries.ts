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

// One walk along the primary key, which ends at the limit: the sum over the rows so far needs no row behind. Lengths of bodies that lie outside
// the row are known without reading them.
const PAGE = (direction: "after" | "before") => {
  const [comparison, order, next] = direction === "after" ? [">", "ASC", "$2 + 1"] : ["<", "DESC", "$2 - 1"];
  return `
  SELECT sequence, time, account, device, kind, body FROM (
    SELECT sequence, time, account, device, kind, body,
      sum(octet_length(body) + 100) OVER (ORDER BY sequence ${order} ROWS UNBOUNDED PRECEDING) AS bytes
    FROM entry WHERE conversation = $1 AND sequence ${comparison} $2
    ORDER BY sequence ${order} LIMIT $3
  ) AS page
  WHERE bytes <= $4 OR sequence = ${next}
  ORDER BY sequence`;
};

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
