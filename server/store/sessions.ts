import { type AccountId, type DeviceId, deviceId, ErrorCode, idBytes } from "@fastchat/protocol";
import type { AccountState } from "@fastchat/protocol/chain";
import type { Transaction } from "kysely";
import type { Sessions } from "../config.ts";
import { anyOf, type Database } from "./database.ts";
import type { Tables } from "./tables.ts";

// Who is let in [H8]: devices of the chain that have not ended, and in whose place no other one was signed in.

/** A device that is let in no more, and what it is told. */
export interface ShutOut {
  readonly device: DeviceId;
  readonly why: ErrorCode;
}

/** What the tables say of a device; `ended` and `replaced` are indexes of links. */
export interface Standing {
  readonly ended: number | null;
  readonly replaced: number | null;
  /** The account. */
  readonly closed: boolean;
}

/** Undefined: it is let in. */
export function shutOutCode({ ended, replaced, closed }: Standing): ErrorCode | undefined {
  if (closed) return ErrorCode.ACCOUNT_CLOSED;
  if (ended !== null) return ErrorCode.DEVICE_REVOKED;
  return replaced === null ? undefined : ErrorCode.SIGNED_IN_ELSEWHERE;
}

/** Of these devices the ones that are let in no more. */
export async function shutOutAmong(database: Database, devices: readonly DeviceId[]): Promise<ShutOut[]> {
  if (devices.length === 0) return [];
  const rows = await database.query
    .selectFrom("device")
    .innerJoin("account", "account.account", "device.account")
    .select(["device", "ended", "replaced", "closed"])
    .where("device", "=", anyOf(devices))
    .where((where) => where.or([where("ended", "is not", null), where("replaced", "is not", null)]))
    .execute();
  return rows.flatMap((row) => {
    const why = shutOutCode(row);
    return why === undefined ? [] : [{ device: deviceId(row.device), why }];
  });
}

/** The devices of an account that are let in, in the order in which they were added. */
export async function devicesLetIn(database: Database, account: AccountId): Promise<DeviceId[]> {
  const rows = await database.query
    .selectFrom("device")
    .select("device")
    .where("account", "=", idBytes(account))
    .where("ended", "is", null)
    .where("replaced", "is", null)
    .orderBy("added")
    .execute();
  return rows.map(({ device }) => deviceId(device));
}

/** The newest device is let in, and no other one of its account from now on: their tickets are worth nothing. */
export async function replaceOthers(transaction: Transaction<Tables>, { account, head }: AccountState): Promise<DeviceId[]> {
  const rows = await transaction
    .updateTable("device")
    .set({ replaced: head.index })
    .where("account", "=", idBytes(account))
    .where("added", "<", head.index)
    .where("ended", "is", null)
    .where("replaced", "is", null)
    .returning("device")
    .execute();
  const replaced = rows.map(({ device }) => deviceId(device));
  if (replaced.length > 0) await transaction.deleteFrom("ticket").where("device", "=", anyOf(replaced)).execute();
  return replaced;
}

/** One device at a time: by the server's policy, where that is known here, or as the account wants it. */
export async function isSingleSession(
  { database, sessions }: { readonly database: Database; readonly sessions?: Sessions },
  account: AccountId,
): Promise<boolean> {
  return sessions === "single" || wantsSingleSession(database, account);
}

/** What an account says itself. */
export async function wantsSingleSession(database: Database, account: AccountId): Promise<boolean> {
  const row = await database.query
    .selectFrom("account")
    .select("single_session")
    .where("account", "=", idBytes(account))
    .executeTakeFirst();
  return row?.single_session === true;
}

export async function setSingleSession(database: Database, account: AccountId, single: boolean): Promise<void> {
  await database.query.updateTable("account").set({ single_session: single }).where("account", "=", idBytes(account)).execute();
}
