import { createHash } from "node:crypto";
import { type AccountId, accountId, type DeviceId, deviceId, type ErrorCode, idBytes, limits } from "@fastchat/protocol";
import { sql } from "kysely";
import type { Database } from "./database.ts";
import { shutOutCode, type Standing } from "./sessions.ts";

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
  const { rows } = await sql<{ account: Uint8Array; device: Uint8Array } & Standing>`
    DELETE FROM ticket USING device JOIN account USING (account)
    WHERE ticket.hash = ${hashOf(ticket)} AND ticket.server = ${server} AND ticket.expires > clock_timestamp() AND device.device = ticket.device
    RETURNING ticket.account, ticket.device, ended, replaced, closed`.execute(database.query);
  const row = rows[0];
  if (row === undefined) return { kind: "invalid" };
  const code = shutOutCode(row);
  if (code !== undefined) return { kind: "shut-out", code };
  return { kind: "taken", account: accountId(row.account), device: deviceId(row.device) };
}

/**
 * Another one each time that the database was started or its tables were put in place: both happen when a backup is restored [H6]. The row is
 * never written again.
 */
export async function readRunning(database: Database): Promise<Uint8Array> {
  const { rows } = await sql<{ running: Uint8Array }>`
    SELECT sha256(convert_to(pg_postmaster_start_time()::text || ' ' || xmin::text, 'UTF8')) AS running FROM installation`.execute(
    database.query,
  );
  return rows[0]!.running;
}
