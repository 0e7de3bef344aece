import { type AccountId, type ClientMessageId, type ConversationId, type DeviceId, idBytes, limits } from "@fastchat/protocol";
import { sql } from "kysely";
import type { Database } from "./database.ts";
import { entryKinds } from "./entries.ts";

/** Any fixed number: who holds this advisory lock looks for blobs that nobody names any more. */
const CLEANING_LOCK = 4_715_201_105;

/** Blobs that are looked at in one transaction. */
const LOOKED_AT_ONCE = 256;
/** A blob that is named is looked at again after this time, milliseconds, or when something of its conversation is erased. */
const LOOK_AGAIN_MS = 30 * 86_400_000;

/** Of rows of `blob` and `entry`. */
const isOfItsMessage = sql<boolean>`(entry.conversation = blob.conversation AND entry.device = blob.device
  AND entry.client_message_id = blob.client_message_id)`;
/** Of a row of `blob`: its message is there. */
const isNamed = sql<boolean>`EXISTS (SELECT 1 FROM entry WHERE ${isOfItsMessage} AND entry.kind = ${sql.lit(entryKinds.message)})`;

export interface Upload {
  readonly blob: Uint8Array;
  readonly conversation: ConversationId;
  readonly account: AccountId;
  readonly device: DeviceId;
  readonly clientMessageId: ClientMessageId;
  /** Bytes of the whole. */
  readonly size: number;
}

export type BeginResult =
  | { readonly kind: "begun"; readonly whole: boolean }
  /** The account's blobs would take more than `quota`. */
  | { readonly kind: "quota" }
  /** Another upload has this id. */
  | { readonly kind: "taken" };

/** Notes an upload, once: the same again finds the first. @param quota bytes of one account, 0: as many as it likes @param now milliseconds since 1970 */
export async function beginBlob(database: Database, upload: Upload, quota: number, now: number): Promise<BeginResult> {
  return database.query.transaction().execute(async (transaction): Promise<BeginResult> => {
    const { blob, size } = upload;
    const account = idBytes(upload.account);
    const row = {
      blob,
      conversation: idBytes(upload.conversation),
      account,
      device: idBytes(upload.device),
      client_message_id: idBytes(upload.clientMessageId),
      size,
    };
    // Who forgets it at this moment is waited for: then it is begun anew.
    const known = await transaction.selectFrom("blob").selectAll().where("blob", "=", blob).forUpdate().executeTakeFirst();
    if (known !== undefined) {
      const isSame = (["conversation", "account", "device", "client_message_id"] as const).every((column) =>
        sameBytes(known[column], row[column]),
      );
      if (!isSame || known.size !== size) return { kind: "taken" };
      // It counts as begun now: the message may come much later. A whole one is as old as it was, for it may be named.
      await transaction
        .updateTable("blob")
        .set({ look_at: now + limits.unnamedBlobMs, ...(!known.whole && { begun: now }) })
        .where("blob", "=", blob)
        .execute();
      return { kind: "begun", whole: known.whole };
    }
    if (quota > 0) {
      // Two uploads that begin at once are counted one after the other.
      await sql`SELECT 1 FROM account WHERE account = ${account} FOR NO KEY UPDATE`.execute(transaction);
      if ((await usedBy(transaction, account)) + size > quota) return { kind: "quota" };
    }
    const { numInsertedOrUpdatedRows } = await transaction
      .insertInto("blob")
      .values({ ...row, begun: now, look_at: now + limits.unnamedBlobMs })
      .onConflict((conflict) => conflict.doNothing())
      .executeTakeFirst();
    return numInsertedOrUpdatedRows === 1n ? { kind: "begun", whole: false } : { kind: "taken" };
  });
}

const sameBytes = (one: Uint8Array, other: Uint8Array): boolean => Buffer.compare(one, other) === 0;

async function usedBy(query: Pick<Database["query"], "selectFrom">, account: Uint8Array): Promise<number> {
  const { used } = await query
    .selectFrom("blob")
    .select(sql<number>`COALESCE(sum(size), 0)::bigint`.as("used"))
    .where("account", "=", account)
    .executeTakeFirstOrThrow();
  return Number(used);
}

/** Whose upload it is, and of how many bytes; undefined: none that this device began. */
export async function findUpload(
  database: Database,
  blob: Uint8Array,
  device: DeviceId,
): Promise<{ readonly size: number; readonly whole: boolean } | undefined> {
  return database.query
    .selectFrom("blob")
    .select(["size", "whole"])
    .where("blob", "=", blob)
    .where("device", "=", idBytes(device))
    .executeTakeFirst();
}

/** @param whole false: what was whole is not there any more */
export async function noteWhole(database: Database, blob: Uint8Array, whole = true): Promise<void> {
  await database.query.updateTable("blob").set({ whole }).where("blob", "=", blob).execute();
}

/** A whole blob, where the entry that names it stands: of which conversation, at which place; undefined: there is none. */
export async function findBlob(
  database: Database,
  blob: Uint8Array,
): Promise<{ readonly conversation: Uint8Array; readonly sequence: number; readonly size: number } | undefined> {
  return database.query
    .selectFrom("blob")
    .innerJoin("entry", (join) => join.on(isOfItsMessage))
    .select(["blob.conversation", "sequence", "size"])
    .where("blob", "=", blob)
    .where("whole", "=", true)
    .where("kind", "=", entryKinds.message)
    .executeTakeFirst();
}

/**
 * A message that names these is about to be stored: whether all of them are whole, and its own. They are kept for it meanwhile.
 *
 * @param blobs each once or several times @param now milliseconds since 1970
 */
export async function keepForMessage(
  database: Database,
  message: Pick<Upload, "conversation" | "device" | "clientMessageId">,
  blobs: readonly Uint8Array[],
  now: number,
): Promise<boolean> {
  const { numUpdatedRows } = await database.query
    .updateTable("blob")
    .set({ look_at: now + limits.unnamedBlobMs })
    .where("blob", "=", sql<Uint8Array>`ANY(${blobs.map((blob) => Buffer.from(blob))}::bytea[])`)
    .where("conversation", "=", idBytes(message.conversation))
    .where("device", "=", idBytes(message.device))
    .where("client_message_id", "=", idBytes(message.clientMessageId))
    .where("whole", "=", true)
    .executeTakeFirstOrThrow();
  return Number(numUpdatedRows) === new Set(blobs.map((blob) => Buffer.from(blob).toString("hex"))).size;
}

/** False: it is not this device's upload, or a message names it. */
export async function dropBlob(database: Database, blob: Uint8Array, device: DeviceId): Promise<boolean> {
  const { rows } = await sql`
    DELETE FROM blob WHERE blob = ${blob} AND device = ${idBytes(device)} AND NOT ${isNamed} RETURNING 1`.execute(database.query);
  return rows.length === 1;
}

/** These messages of a conversation were erased: the next sweep finds what they named. */
export async function lookAtBlobsOf(
  transaction: Database["query"],
  conversation: ConversationId,
  sequences: readonly number[],
): Promise<void> {
  await sql`
    UPDATE blob SET look_at = 0 FROM entry
    WHERE entry.conversation = ${idBytes(conversation)} AND entry.sequence = ANY(${sequences}::bigint[]) AND ${isOfItsMessage}`.execute(
    transaction,
  );
}

/**
 * An account is closed: the next sweep finds what its conversations named that nobody reads any more, and what it had stored for messages that will not come.
 *
 * @param gone conversations that go whole
 */
export async function lookAtBlobsOfClosed(transaction: Database["query"], account: Uint8Array, gone: readonly Uint8Array[]): Promise<void> {
  await sql`
    UPDATE blob SET look_at = 0
    WHERE conversation = ANY(${gone}::bytea[]) OR (account = ${account} AND NOT ${isNamed})`.execute(transaction);
}

/** Why no message needs a blob any more. */
export type ForgetReason =
  /** The installation keeps files no longer. */
  | "too-old"
  /** The message was erased. */
  | "erased"
  /** The whole conversation was. */
  | "conversation-gone"
  /** The message never came. */
  | "not-sent";

/** Of a row of `blob` that is not named, or older than `before`. */
const forgetReason = (before: number) => sql<ForgetReason>`CASE
  WHEN begun < ${before} THEN 'too-old'
  WHEN EXISTS (SELECT 1 FROM entry WHERE ${isOfItsMessage}) THEN 'erased'
  WHEN EXISTS (SELECT 1 FROM conversation WHERE conversation.conversation = blob.conversation) THEN 'not-sent'
  ELSE 'conversation-gone' END`;

export interface ForgottenBlob {
  readonly blob: Uint8Array;
  /** Bytes. */
  readonly size: number;
  readonly reason: ForgetReason;
}

export interface CleanUp {
  /** Removed from the table: what they take up is removed after them. */
  readonly blobs: readonly ForgottenBlob[];
  /** Nothing else is due. */
  readonly isLast: boolean;
}

/**
 * Forgets blobs that no message names, some at once: those whose message was erased, those whose upload was given up, and with `before` all that
 * were begun before that time. Undefined: another process does so at this moment.
 *
 * @param before milliseconds since 1970; 0: none are too old
 */
export async function forgetBlobs(database: Database, now: number, before: number): Promise<CleanUp | undefined> {
  return database.query.transaction().execute(async (transaction) => {
    const { rows: locks } = await sql<{ taken: boolean }>`SELECT pg_try_advisory_xact_lock(${CLEANING_LOCK}) AS taken`.execute(transaction);
    if (locks[0]?.taken !== true) return undefined;
    const { rows: due } = await sql<{ blob: Buffer; size: number; named: boolean }>`
      SELECT blob, size, begun >= ${before} AND ${isNamed} AS named FROM (
        (SELECT * FROM blob WHERE look_at <= ${now} ORDER BY look_at LIMIT ${LOOKED_AT_ONCE})
        UNION (SELECT * FROM blob WHERE begun < ${before} ORDER BY begun LIMIT ${LOOKED_AT_ONCE})
      ) AS blob`.execute(transaction);
    const named = due.filter((row) => row.named).map(({ blob }) => blob);
    const gone = due.filter((row) => !row.named);
    if (named.length > 0)
      await sql`UPDATE blob SET look_at = ${now + LOOK_AGAIN_MS} WHERE blob = ANY(${named}::bytea[])`.execute(transaction);
    // An upload that was taken up again since then is due later, and stays.
    const { rows: removed } = await sql<ForgottenBlob>`
      DELETE FROM blob WHERE blob = ANY(${gone.map(({ blob }) => blob)}::bytea[]) AND (look_at <= ${now} OR begun < ${before})
      RETURNING blob, size, ${forgetReason(before)} AS reason`.execute(transaction);
    return { blobs: removed.map((row) => ({ ...row, size: Number(row.size) })), isLast: due.length < LOOKED_AT_ONCE };
  });
}

/** The same without removing anything: how many blobs, and how many bytes. */
export async function countForgettable(
  database: Database,
  now: number,
  before: number,
): Promise<readonly { readonly reason: ForgetReason; readonly blobs: number; readonly bytes: number }[]> {
  const { rows } = await sql<{ reason: ForgetReason; blobs: number; bytes: number }>`
    SELECT reason, count(*)::bigint AS blobs, sum(size)::bigint AS bytes FROM (
      SELECT size, ${forgetReason(before)} AS reason FROM blob WHERE begun < ${before} OR (look_at <= ${now} AND NOT ${isNamed})
    ) AS due GROUP BY reason`.execute(database.query);
  return rows.map(({ reason, blobs, bytes }) => ({ reason, blobs: Number(blobs), bytes: Number(bytes) }));
}

export interface StoredFiles {
  readonly blobs: number;
  readonly bytes: number;
}

export interface FilesReport {
  readonly whole: StoredFiles;
  /** Under way, or given up, with the bytes that they will have. */
  readonly uploads: StoredFiles;
  /** Those whose files take most, with what they are uploading. */
  readonly accounts: readonly (StoredFiles & { readonly name: string })[];
}

/** What the table knows. @param accounts how many of them at most */
export async function countBlobs(database: Database, accounts: number): Promise<FilesReport> {
  const sums = sql`count(*)::bigint AS blobs, COALESCE(sum(size), 0)::bigint AS bytes`;
  const numbers = ({ blobs, bytes }: StoredFiles): StoredFiles => ({ blobs: Number(blobs), bytes: Number(bytes) });
  const { rows: all } = await sql<StoredFiles & { whole: boolean }>`SELECT whole, ${sums} FROM blob GROUP BY whole`.execute(database.query);
  const { rows: byAccount } = await sql<StoredFiles & { name: string }>`
    SELECT name, ${sums} FROM blob JOIN account USING (account) GROUP BY account, name ORDER BY bytes DESC, name LIMIT ${accounts}`.execute(
    database.query,
  );
  const none = { blobs: 0, bytes: 0 };
  return {
    whole: numbers(all.find(({ whole }) => whole) ?? none),
    uploads: numbers(all.find(({ whole }) => !whole) ?? none),
    accounts: byAccount.map((row) => ({ name: row.name, ...numbers(row) })),
  };
}

/** Those of these ids that no row has. */
export async function unknownBlobs(database: Database, ids: readonly Uint8Array[]): Promise<Uint8Array[]> {
  const { rows } = await sql<{ id: Buffer }>`
    SELECT id FROM unnest(${ids.map((id) => Buffer.from(id))}::bytea[]) AS stored (id) WHERE NOT EXISTS (SELECT 1 FROM blob WHERE blob = id)`.execute(
    database.query,
  );
  return rows.map(({ id }) => id);
}
