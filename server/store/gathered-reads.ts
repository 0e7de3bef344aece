import { type ConversationId, limits } from "@fastchat/protocol";
import { AskedTogether } from "../asked-together.ts";
import type { Database } from "./database.ts";
import type { StoredEntry } from "./entries.ts";
import { pageOf, type PackedEntries, unpackEntries } from "./packed-entries.ts";

interface Asked {
  readonly conversation: ConversationId;
  readonly after: number;
}

const AFTER = `
  SELECT (asked.place - 1)::integer AS place, e.*
  FROM unnest($1::bytea[], $2::bigint[]) WITH ORDINALITY AS asked (conversation, after, place)
  CROSS JOIN LATERAL (${pageOf({
    where: "conversation = asked.conversation AND sequence > asked.after",
    order: "ASC",
    first: "asked.after + 1",
    limit: "$3",
    bytes: "$4",
  })}) e`;

/** Conversations that one statement reads. */
const MOST_TOGETHER = 128;
/** Of entries of one conversation, unless one alone is larger: 8 MiB in all, but for those. */
const MOST_BYTES_OF_EACH = 65_536;

/** Reads what follows in logs, of many conversations with one statement: what comes from another server costs the database and us little more the more of it there is. */
export class GatheredReads {
  readonly #reads: AskedTogether<Asked, readonly StoredEntry[]>;

  constructor(database: Database) {
    this.#reads = new AskedTogether({ act: (asked) => pagesOf(database, asked), most: MOST_TOGETHER });
  }

  /** One page, ascending and gap-free; at least one entry where there is one. Rejects as the database does. */
  after(conversation: ConversationId, after: number): Promise<readonly StoredEntry[]> {
    return this.#reads.ask({ conversation, after });
  }
}

async function pagesOf({ pool }: Database, asked: readonly Asked[]): Promise<(readonly StoredEntry[])[]> {
  const { rows } = await pool.query<PackedEntries & { place: number }>({
    name: "entries-after-together",
    text: AFTER,
    values: [
      asked.map(({ conversation }) => Buffer.from(conversation, "hex")),
      asked.map(({ after }) => after),
      limits.entriesPerPage,
      MOST_BYTES_OF_EACH,
    ],
  });
  const pages: StoredEntry[][] = [];
  for (const { place, ...packed } of rows) pages[place] = unpackEntries(packed);
  return pages;
}
