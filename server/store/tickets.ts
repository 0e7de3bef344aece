import { createHash } from "node:crypto";
import { type AccountId, accountId, type DeviceId, deviceId, type ErrorCode, idBytes, limits } from "@fastchat/protocol";
import { sql } from "kysely";
import type { Database } from "./database.ts";
import { shutOutCode } from "./sessions.ts";

/** Who a ticket lets in. */
export interface TicketHolder {
  readonly account: AccountId;
  readonly device: DeviceId;
}

/** The database holds only the hash: who reads it cannot come in. The ticket is 32 random bytes, so a plain hash suffices. */
const hashOf = (ticket: Uint8Array): Buffer => createHash("sha256").update(ticket).digest();

/** False: the device is let in no more. */
export async function addTicket(database: Database, ticket: Uint8Array, holder: TicketHolder, server: string): Promise<boolean> {
  const { rows } = await sql`
    INSERT INTO ticket (hash, device, account, server, expires)
    SELECT ${hashOf(ticket)}, device, account, ${server}, clock_timestamp() + ${limits.ticketMs} * interval '1 millisecond'
    FROM device WHERE device = ${Buffer.from(idBytes(holder.device))} AND ended IS NULL AND replaced IS NULL
    RETURNING 1`.execute(database.query);
  return rows.length === 1;
}

export type TakenTicket =
  | ({ readonly kind: "taken" } & TicketHolder)
  /** Never given, used before, expired, or for another server. */
  | { readonly kind: "invalid" }
  | { readonly kind: "shut-out"; readonly code: ErrorCode };

/** Uses a ticket up: of two that bring the same one, one gets in. A ticket for another server is left as it is. */
export async function takeTicket(database: Database, ticket: Uint8Array, server: string): Promise<TakenTicket> {
  const { rows } = await sql<{ account: Uint8Array; device: Uint8Array; ended: number | null; replaced: number | null }>`
    DELETE FROM ticket USING device
    WHERE ticket.hash = ${hashOf(ticket)} AND ticket.server = ${server} AND ticket.expires > clock_timestamp() AND device.device = ticket.device
    RETURNING ticket.account, ticket.device, device.ended, device.replaced`.execute(database.query);
  const row = rows[0];
  if (row === undefined) return { kind: "invalid" };
  const code = shutOutCode({ ended: row.ended !== null, replaced: row.replaced !== null });
  if (code !== undefined) return { kind: "shut-out", code };
  return { kind: "taken", account: accountId(row.account), device: deviceId(row.device) };
}

export async function readIncarnation(database: Database): Promise<number> {
  const row = await database.query.selectFrom("installation").select("incarnation").executeTakeFirstOrThrow();
  return row.incarnation;
}
