import type { AccountId, ClientMessageId, ConversationId, DeviceId } from "@fastchat/protocol";
import pg from "pg";
import { failureOf, largestInteger } from "./database.ts";

/** One message on its way into a log. */
export interface AppendItem {
  readonly conversation: ConversationId;
  readonly account: AccountId;
  readonly device: DeviceId;
  readonly clientMessageId: ClientMessageId;
  readonly epoch: number;
  /** Serialized SealedMessage. */
  readonly body: Uint8Array;
  /** Sequence numbers of the account's own messages there that go with it [S5]. */
  readonly withdraws: readonly number[];
}

export type RefusalReason =
  | "not-found"
  | "device-ended"
  | "device-not-recorded"
  | "closed"
  | "may-not-write"
  | "stale-epoch"
  /** An earlier message of the same device and conversation was refused [D3]. */
  | "held"
  | "storage-full"
  | "unavailable";

export type AppendVerdict =
  /** `time` in milliseconds since 1970, never less than that of the entry before. */
  | { readonly kind: "stored"; readonly sequence: number; readonly time: number }
  /** The log held this device's message id before: where it stands. */
  | { readonly kind: "duplicate"; readonly sequence: number; readonly time: number }
  | { readonly kind: "refused"; readonly reason: RefusalReason }
  /** The database went away while it stored: only a retry with the same id tells. */
  | { readonly kind: "unknown" };

interface Row {
  item: number;
  verdict: number;
  at_sequence: number | null;
  at_time: number | null;
}

const refusals: readonly (RefusalReason | undefined)[] = [
  undefined,
  undefined,
  "not-found",
  "device-ended",
  "device-not-recorded",
  "closed",
  "may-not-write",
  "stale-epoch",
  "held",
];

const CALL = "SELECT item, verdict, at_sequence, at_time FROM append_messages($1, $2, $3, $4, $5, $6, $7, $8, $9)";
/** Where something is withdrawn, which is seldom: up to where its numbers reach among all, for each item, and all of them. */
const CALL_WITHDRAWING =
  "SELECT item, verdict, at_sequence, at_time FROM append_messages_and_withdraw($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";

const CALL_TOGETHER = "SELECT befores, times FROM append_together($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";

/**
 * One message, where nobody else holds its conversation. Whether it may be stored is seen as of the statement's begin, and so must not be old by the time of a
 * wait: `SKIP LOCKED`. The lock takes the newest row, the update begins with the one that is seen: where a link came between the two, who may write may have
 * changed, and nothing is stored.
 */
const CALL_ONE = `WITH moved AS (
    UPDATE conversation c SET head = c.head + 1, head_time = GREATEST(c.head_time, $7::bigint)
    FROM (SELECT link_index FROM conversation WHERE conversation = $1 FOR NO KEY UPDATE SKIP LOCKED) newest, member m, device d
    WHERE c.conversation = $1 AND NOT c.closed AND NOT c.turn_due AND $5::integer BETWEEN c.oldest_good_epoch AND c.epoch
      AND c.link_index = newest.link_index
      AND m.conversation = $1 AND m.account = $2 AND m.may_write
      AND d.device = $3 AND d.account = $2 AND d.ended IS NULL AND d.added <= m.account_head
    RETURNING c.head, c.head_time
  )
  INSERT INTO entry (conversation, sequence, time, account, device, client_message_id, kind, body)
  SELECT $1::bytea, head, head_time, $2::bytea, $3::bytea, $4::bytea, 1, $6::bytea FROM moved
  RETURNING sequence, time`;

/** Errors that say: one at least is not as it should be, and nothing was stored. */
const NOT_ALL_GOOD: ReadonlySet<string | undefined> = new Set(["FC001", "23505"]);

/**
 * Appends a batch in one statement and answers with one verdict an item, in order. What its messages withdraw is out of everybody's reach with the same
 * commit. Messages of one device and conversation keep their order. An id may stand only once in a batch for a device and conversation. Never throws.
 *
 * First all together (see `append_together` in the migrations), which stores every message or none; one alone, where it need not wait, by a statement that is
 * cheaper still. Where one of them is refused or was stored before, `append_messages` judges each; so it does at once where something is withdrawn, which is
 * seldom.
 */
export async function appendBatch(
  pool: Pick<pg.Pool, "query">,
  items: readonly AppendItem[],
  now: number,
): Promise<readonly AppendVerdict[]> {
  try {
    if (items.every(({ withdraws }) => withdraws.length === 0)) {
      const [first] = items;
      const alone = first !== undefined && items.length === 1 ? await appendOne(pool, first, now) : undefined;
      return alone ?? (await appendTogether(pool, items, now));
    }
  } catch (error) {
    if (!(error instanceof pg.DatabaseError) || !NOT_ALL_GOOD.has(error.code)) return failedAll(items, error);
  }
  return appendJudged(pool, items, now);
}

/** Undefined: it is not as it should be, or has to wait, and nothing was stored. Throws the database's error. */
async function appendOne(pool: Pick<pg.Pool, "query">, item: AppendItem, now: number): Promise<readonly AppendVerdict[] | undefined> {
  const ids = [item.conversation, item.account, item.device, item.clientMessageId].map((id) => Buffer.from(id, "hex"));
  const { rows } = await pool.query<{ sequence: number; time: number }>({
    name: "append-one",
    text: CALL_ONE,
    values: [...ids, storable(item.epoch), item.body, now],
  });
  return rows.length === 0 ? undefined : rows.map((place) => ({ kind: "stored", ...place }));
}

/** One packed buffer a column: buffers travel as binary, arrays of bytea as hexadecimal text, which costs both sides a third more. */
const packed = (items: readonly AppendItem[], column: (item: AppendItem) => Uint8Array): Buffer => Buffer.concat(items.map(column));

/** Of hexadecimal ids. */
const packedIds = (items: readonly AppendItem[], column: (item: AppendItem) => string): Buffer =>
  Buffer.from(items.map(column).join(""), "hex");

/** What is higher would fail the whole batch, and no conversation comes near. */
const storable = (epoch: number): number => Math.min(epoch, largestInteger);

/** Throws the database's error. */
async function appendTogether(pool: Pick<pg.Pool, "query">, items: readonly AppendItem[], now: number): Promise<readonly AppendVerdict[]> {
  const sums = new Map<ConversationId, { count: number; lowest: number; highest: number; place: number }>();
  const ordinals = items.map((item) => {
    const { conversation } = item;
    const epoch = storable(item.epoch);
    const sum = sums.get(conversation);
    if (sum === undefined) sums.set(conversation, { count: 1, lowest: epoch, highest: epoch, place: 0 });
    else {
      sum.count += 1;
      sum.lowest = Math.min(sum.lowest, epoch);
      sum.highest = Math.max(sum.highest, epoch);
    }
    return sum?.count ?? 1;
  });
  const conversations = [...sums.keys()].sort();
  const sorted = conversations.map((conversation, index) => {
    const sum = sums.get(conversation)!;
    sum.place = index + 1;
    return sum;
  });
  const places = items.map(({ conversation }) => sums.get(conversation)!.place);
  let offset = 1;
  const offsets = items.map(({ body }) => (offset += body.length) - body.length);
  const { rows } = await pool.query<{ befores: string[]; times: string[] }>({
    name: "append-together",
    text: CALL_TOGETHER,
    values: [
      ids(conversations),
      integers(sorted.map(({ count }) => count)),
      integers(sorted.map(({ lowest }) => lowest)),
      integers(sorted.map(({ highest }) => highest)),
      integers(places),
      integers(ordinals),
      packedIds(items, ({ account }) => account),
      packedIds(items, ({ device }) => device),
      packedIds(items, ({ clientMessageId }) => clientMessageId),
      integers(offsets),
      integers(items.map(({ body }) => body.length)),
      packed(items, ({ body }) => body),
      now,
    ],
  });
  const { befores, times } = rows[0]!;
  return items.map((_, index) => {
    const place = places[index]! - 1;
    return { kind: "stored", sequence: Number(befores[place]) + ordinals[index]!, time: Number(times[place]) };
  });
}

// Arrays as PostgreSQL's array_recv reads them: one dimension, no NULLs, the type, length and first index, then each with its size.

function integers(values: readonly number[]): Buffer {
  const bytes = arrayOf(INTEGER_TYPE, 4, values.length);
  for (const [index, value] of values.entries()) bytes.writeInt32BE(value, ARRAY_HEADER_BYTES + 8 * index + 4);
  return bytes;
}

function ids(values: readonly ConversationId[]): Buffer {
  const bytes = arrayOf(BYTES_TYPE, ID_BYTES, values.length);
  for (const [index, value] of values.entries()) bytes.write(value, ARRAY_HEADER_BYTES + (ID_BYTES + 4) * index + 4, "hex");
  return bytes;
}

/** All but the values themselves, each of which has the same size. */
function arrayOf(type: number, size: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(ARRAY_HEADER_BYTES + (size + 4) * length);
  for (const [index, header] of [1, 0, type, length, 1].entries()) bytes.writeInt32BE(header, 4 * index);
  for (let index = 0; index < length; index++) bytes.writeInt32BE(size, ARRAY_HEADER_BYTES + (size + 4) * index);
  return bytes;
}

const ARRAY_HEADER_BYTES = 20;
const ID_BYTES = 32;
/** Object ids of PostgreSQL's own types (pg_type.dat). */
const BYTES_TYPE = 17;
const INTEGER_TYPE = 23;

function failedAll(items: readonly AppendItem[], error: unknown): AppendVerdict[] {
  const failure = failureOf(error);
  const verdict: AppendVerdict =
    failure.kind === "unknown" ? { kind: "unknown" } : { kind: "refused", reason: failure.full ? "storage-full" : "unavailable" };
  return items.map(() => verdict);
}

/** A verdict for each, from `append_messages`. Never throws. */
async function appendJudged(pool: Pick<pg.Pool, "query">, items: readonly AppendItem[], now: number): Promise<readonly AppendVerdict[]> {
  const withdrawn = items.flatMap(({ withdraws }) => withdraws);
  let end = 0;
  let rows: Row[];
  try {
    ({ rows } = await pool.query<Row>({
      ...(withdrawn.length === 0 ? { name: "append", text: CALL } : { name: "append-and-withdraw", text: CALL_WITHDRAWING }),
      values: [
        items.length,
        packedIds(items, ({ conversation }) => conversation),
        packedIds(items, ({ account }) => account),
        packedIds(items, ({ device }) => device),
        packedIds(items, ({ clientMessageId }) => clientMessageId),
        items.map(({ epoch }) => storable(epoch)),
        items.map(({ body }) => body.length),
        packed(items, ({ body }) => body),
        now,
        ...(withdrawn.length === 0 ? [] : [items.map(({ withdraws }) => (end += withdraws.length)), withdrawn]),
      ],
    }));
  } catch (error) {
    return failedAll(items, error);
  }
  const verdicts = items.map((): AppendVerdict => ({ kind: "unknown" }));
  for (const { item, verdict, at_sequence: sequence, at_time: time } of rows) {
    const reason = refusals[verdict];
    if (reason !== undefined) verdicts[item - 1] = { kind: "refused", reason };
    else verdicts[item - 1] = { kind: verdict === 0 ? "stored" : "duplicate", sequence: sequence ?? 0, time: time ?? 0 };
  }
  return verdicts;
}
