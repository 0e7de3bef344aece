import type { AccountId, ClientMessageId, ConversationId, DeviceId } from "@fastchat/protocol";
import { idBytes } from "@fastchat/protocol";
import type pg from "pg";
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

/**
 * Appends a batch in one statement (see `append_messages` in the migrations for its phases) and answers with one verdict an item, in order. What
 * its messages withdraw is out of everybody's reach with the same commit.
 * Messages of one device and conversation keep their order. An id may stand only once in a batch for a device and conversation. Never throws.
 */
export async function appendBatch(
  pool: Pick<pg.Pool, "query">,
  items: readonly AppendItem[],
  now: number,
): Promise<readonly AppendVerdict[]> {
  // Buffers travel as binary, arrays of bytea as hexadecimal text: one packed buffer a column costs both sides a third.
  const pack = (ids: (item: AppendItem) => Uint8Array) => Buffer.concat(items.map(ids));
  const withdrawn = items.flatMap(({ withdraws }) => withdraws);
  let end = 0;
  let rows: Row[];
  try {
    ({ rows } = await pool.query<Row>({
      ...(withdrawn.length === 0 ? { name: "append", text: CALL } : { name: "append-and-withdraw", text: CALL_WITHDRAWING }),
      values: [
        items.length,
        pack((item) => idBytes(item.conversation)),
        pack((item) => idBytes(item.account)),
        pack((item) => idBytes(item.device)),
        pack((item) => idBytes(item.clientMessageId)),
        // What is higher would fail the whole batch, and no conversation comes near.
        items.map((item) => Math.min(item.epoch, largestInteger)),
        items.map((item) => item.body.length),
        pack((item) => item.body),
        now,
        ...(withdrawn.length === 0 ? [] : [items.map(({ withdraws }) => (end += withdraws.length)), withdrawn]),
      ],
    }));
  } catch (error) {
    const failure = failureOf(error);
    const verdict: AppendVerdict =
      failure.kind === "unknown" ? { kind: "unknown" } : { kind: "refused", reason: failure.full ? "storage-full" : "unavailable" };
    return items.map(() => verdict);
  }
  const verdicts = items.map((): AppendVerdict => ({ kind: "unknown" }));
  for (const { item, verdict, at_sequence: sequence, at_time: time } of rows) {
    const reason = refusals[verdict];
    if (reason !== undefined) verdicts[item - 1] = { kind: "refused", reason };
    else verdicts[item - 1] = { kind: verdict === 0 ? "stored" : "duplicate", sequence: sequence ?? 0, time: time ?? 0 };
  }
  return verdicts;
}
