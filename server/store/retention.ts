import { conversationId, type ConversationId, idBytes, limits } from "@fastchat/protocol";
import { sql, type Transaction } from "kysely";
import type { Database } from "./database.ts";
import { lookAtBlobsOf } from "./blobs.ts";
import { entryKinds, erasedBody, type StoredEntry } from "./entries.ts";
import type { Tables } from "./tables.ts";

/** Any fixed number: who holds this advisory lock erases. */
const ERASING_LOCK = 4_715_201_104;

/** Conversations that are found at once. */
const CONVERSATIONS_AT_ONCE = 256;

/** Conversations in which messages may be due, those first that wait longest. */
export async function conversationsDue(database: Database, now: number): Promise<ConversationId[]> {
  const rows = await database.query
    .selectFrom("conversation")
    .select("conversation")
    .where("erase_at", "<=", now)
    .orderBy("erase_at")
    .limit(CONVERSATIONS_AT_ONCE)
    .execute();
  return rows.map((row) => conversationId(row.conversation));
}

/** Conversations in which messages were withdrawn, and their bodies are there still. One step along the index for each, however many they are there. */
export async function conversationsWithdrawn({ query }: Pick<Database, "query">): Promise<ConversationId[]> {
  const next = sql`SELECT conversation FROM entry WHERE kind = ${sql.lit(entryKinds.withdrawn)}`;
  const { rows } = await sql<{ conversation: Buffer }>`
    WITH RECURSIVE found AS (
      (${next} ORDER BY conversation LIMIT 1)
      UNION ALL
      SELECT (${next} AND entry.conversation > found.conversation ORDER BY entry.conversation LIMIT 1)
      FROM found WHERE found.conversation IS NOT NULL
    )
    SELECT conversation FROM found WHERE conversation IS NOT NULL LIMIT ${CONVERSATIONS_AT_ONCE}`.execute(query);
  return rows.map((row) => conversationId(row.conversation));
}

export type ErasureResult =
  /** So many; what is left is due at another time, or comes again behind the others that wait. */
  | { readonly kind: "erased"; readonly messages: number }
  /** Another server erases at this moment. */
  | { readonly kind: "busy" }
  /** The policy changed meanwhile: nothing was erased. */
  | { readonly kind: "changed" };

/**
 * [S4] Erases the oldest messages of a conversation that are older than its policy keeps them: in the place of the body stands the hash that the
 * entry had. Author, device, time and client message id stay, so that the log is whole, and a late retry still a duplicate.
 *
 * Phase 1 takes a lock that lasts as long as the transaction, so that no two servers do the same work. Phase 2 reads what is due and makes what is
 * left of it, without a lock on the conversation: appends go on, and nothing else ever changes an entry but that it can be withdrawn, which makes no
 * difference here. Phase 3 notes how far it comes, if the policy is still the one that was judged by, and then replaces: it locks the conversation before
 * its entries, as a statement does that appends and withdraws, so that neither waits for the other in a circle. A link's transaction that changes the
 * policy stands either before, and is obeyed, or behind. Whatever ends this in between leaves everything as it was.
 */
export async function eraseDue(database: Database, conversation: ConversationId, now: number): Promise<ErasureResult> {
  return alone(database, async (transaction): Promise<ErasureResult> => {
    const policy = await transaction
      .selectFrom("conversation")
      .select(["retention_seconds", "erased_to"])
      .where("conversation", "=", idBytes(conversation))
      .where("erase_at", "<=", now)
      .executeTakeFirst();
    // Another server has just done it.
    if (policy === undefined) return { kind: "erased", messages: 0 };
    const { retention_seconds: seconds, erased_to: after } = policy;
    const due = await readDue(transaction, conversation, { after, upToTime: now - 1_000 * seconds });
    const erased = due.filter(({ kind }) => kind === entryKinds.message || kind === entryKinds.withdrawn).map(erasedOf);
    const noted = await note(transaction, conversation, { seconds, erasedTo: due.at(-1)?.sequence ?? after, now });
    if (!noted) return { kind: "changed" };
    await replace(transaction, conversation, erased);
    return { kind: "erased", messages: erased.length };
  });
}

/**
 * [S5] Erases what its authors withdrew in a conversation, the oldest first, as much as fits into one step. It was out of reach since the withdrawal was
 * stored, and stays so whatever ends this in between.
 */
export async function eraseWithdrawn(
  database: Database,
  conversation: ConversationId,
): Promise<Exclude<ErasureResult, { kind: "changed" }>> {
  return alone(database, async (transaction) => {
    const { rows } = await sql<StoredEntry>`
      SELECT sequence, time, account, device, kind, body FROM (
        SELECT *, sum(octet_length(body)) OVER (ORDER BY sequence ROWS UNBOUNDED PRECEDING) AS bytes, row_number() OVER (ORDER BY sequence) AS place
        FROM entry WHERE conversation = ${idBytes(conversation)} AND kind = ${sql.lit(entryKinds.withdrawn)}
        ORDER BY sequence LIMIT ${limits.erasedEntriesAtOnce}
      ) AS page
      WHERE bytes <= ${limits.erasedBytesAtOnce} OR place = 1
      ORDER BY sequence`.execute(transaction);
    await replace(transaction, conversation, rows.map(erasedOf));
    return { kind: "erased", messages: rows.length };
  });
}

/** In a transaction that holds the lock of who erases. */
async function alone<Result>(
  database: Database,
  act: (transaction: Transaction<Tables>) => Promise<Result>,
): Promise<Result | { readonly kind: "busy" }> {
  return database.query.transaction().execute(async (transaction) => {
    const { rows } = await sql<{ taken: boolean }>`SELECT pg_try_advisory_xact_lock(${ERASING_LOCK}) AS taken`.execute(transaction);
    return rows[0]?.taken === true ? act(transaction) : { kind: "busy" };
  });
}

const isMessage = sql<boolean>`kind IN (${sql.lit(entryKinds.message)}, ${sql.lit(entryKinds.withdrawn)})`;

/** The entries next to be looked at, as far as they are due: times never go back along a log [D6]. Of links without the body. */
async function readDue(
  transaction: Transaction<Tables>,
  conversation: ConversationId,
  { after, upToTime }: { readonly after: number; readonly upToTime: number },
): Promise<readonly StoredEntry[]> {
  const { rows } = await sql<StoredEntry>`
    SELECT sequence, time, account, device, kind, CASE WHEN ${isMessage} THEN body ELSE '' END AS body FROM (
      SELECT sequence, time, account, device, kind, body,
        sum(CASE WHEN ${isMessage} THEN octet_length(body) ELSE 0 END) OVER (ORDER BY sequence ROWS UNBOUNDED PRECEDING) AS bytes
      FROM entry WHERE conversation = ${idBytes(conversation)} AND sequence > ${after}
      ORDER BY sequence LIMIT ${limits.erasedEntriesAtOnce}
    ) AS page
    WHERE time <= ${upToTime} AND (bytes <= ${limits.erasedBytesAtOnce} OR sequence = ${after}::bigint + 1)
    ORDER BY sequence`.execute(transaction);
  return rows;
}

interface ErasedEntry {
  readonly sequence: number;
  readonly body: Buffer;
}

const erasedOf = (entry: StoredEntry): ErasedEntry => ({ sequence: entry.sequence, body: Buffer.from(erasedBody(entry)) });

/** Their files go with the next clean-up. */
async function replace(transaction: Transaction<Tables>, conversation: ConversationId, erased: readonly ErasedEntry[]): Promise<void> {
  if (erased.length === 0) return;
  const sequences = erased.map(({ sequence }) => sequence);
  const bodies = erased.map(({ body }) => body);
  await sql`
    UPDATE entry SET kind = ${entryKinds.erased}, body = erased.body
    FROM unnest(${sequences}::bigint[], ${bodies}::bytea[]) AS erased (sequence, body)
    WHERE entry.conversation = ${idBytes(conversation)} AND entry.sequence = erased.sequence`.execute(transaction);
  await lookAtBlobsOf(transaction, conversation, sequences);
}

/**
 * Notes how far the log is erased, and when the next entry is due; where there is none yet, one that comes from now on is not due earlier. What
 * is due by now waits behind the others that do. False: the policy is another one by now.
 */
async function note(
  transaction: Transaction<Tables>,
  conversation: ConversationId,
  { seconds, erasedTo, now }: { readonly seconds: number; readonly erasedTo: number; readonly now: number },
): Promise<boolean> {
  const id = idBytes(conversation);
  const { numAffectedRows } = await sql`
    UPDATE conversation SET erased_to = ${erasedTo}, erase_at = GREATEST(${now}::bigint, 1000 * retention_seconds + COALESCE(
      (SELECT time FROM entry WHERE conversation = ${id} AND sequence = ${erasedTo}::bigint + 1), ${now}::bigint))
    WHERE conversation = ${id} AND retention_seconds = ${seconds}`.execute(transaction);
  return numAffectedRows === 1n;
}
