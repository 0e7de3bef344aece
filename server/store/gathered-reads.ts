import { type ConversationId, limits } from "@fastchat/protocol";
import type { Database } from "./database.ts";
import type { StoredEntry } from "./entries.ts";
import { pageOf, type PackedEntries, unpackEntries } from "./packed-entries.ts";

interface Asked {
  readonly conversation: ConversationId;
  readonly after: number;
  readonly answer: (entries: readonly StoredEntry[]) => void;
  readonly fail: (error: unknown) => void;
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
const PARALLEL = 2;

/**
 * Reads what follows in logs, of many conversations with one statement: what is asked for in one turn of the event loop, and while others are
 * read, goes together. So what comes from another server costs the database and us little more the more of it there is.
 */
export class GatheredReads {
  readonly #database: Database;
  #waiting: Asked[] = [];
  #reading = 0;
  #scheduled = false;

  constructor(database: Database) {
    this.#database = database;
  }

  /** One page, ascending and gap-free; at least one entry where there is one. Rejects as the database does. */
  after(conversation: ConversationId, after: number): Promise<readonly StoredEntry[]> {
    return new Promise((answer, fail) => {
      this.#waiting.push({ conversation, after, answer, fail });
      this.#schedule();
    });
  }

  #schedule(): void {
    if (this.#scheduled || this.#reading >= PARALLEL) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      void this.#read(this.#waiting.splice(0, MOST_TOGETHER));
    });
  }

  async #read(asked: readonly Asked[]): Promise<void> {
    this.#reading += 1;
    try {
      const pages = await this.#pages(asked);
      for (const [index, { answer }] of asked.entries()) answer(pages[index]!);
    } catch (error) {
      for (const { fail } of asked) fail(error);
    }
    this.#reading -= 1;
    if (this.#waiting.length > 0) this.#schedule();
  }

  async #pages(asked: readonly Asked[]): Promise<StoredEntry[][]> {
    const { rows } = await this.#database.pool.query<PackedEntries & { place: number }>({
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
}
