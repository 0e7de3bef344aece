import { createHash } from "node:crypto";
import { type AccountId, accountId, type DeviceId, deviceId, type ErrorCode, limits } from "@fastchat/protocol";
import type { Database } from "./database.ts";
import { shutOutCode, type Standing } from "./sessions.ts";

/** Who a ticket lets in. */
export interface TicketHolder {
  readonly account: AccountId;
  readonly device: DeviceId;
}

/** The database holds only the hash: who reads it cannot come in. The ticket is 32 random bytes, so a plain hash suffices. */
const hashOf = (ticket: Uint8Array): Buffer => createHash("sha256").update(ticket).digest();

// All are prepared: they stand in the way of every connection, and planning one takes longer than running it.

const ADD = {
  name: "add-ticket",
  text: `
    INSERT INTO ticket (hash, device, account, server, expires)
    SELECT $1, device, account, $2, clock_timestamp() + ${limits.ticketMs} * interval '1 millisecond'
    FROM device WHERE device = $3 AND ended IS NULL AND replaced IS NULL
    RETURNING 1`,
};

/** False: the device is let in no more. */
export async function addTicket({ pool }: Database, ticket: Uint8Array, holder: TicketHolder, server: string): Promise<boolean> {
  const { rowCount } = await pool.query({ ...ADD, values: [hashOf(ticket), server, Buffer.from(holder.device, "hex")] });
  return rowCount === 1;
}

export type TakenTicket =
  | ({
      readonly kind: "taken";
      /**
       * Another one each time that the database was started or its tables were put in place: both happen when a backup is restored [H6]. The row that it
       * is read from is never written again.
       */
      readonly running: Uint8Array;
    } & TicketHolder)
  /** Never given, used before, expired, or for another server. */
  | { readonly kind: "invalid" }
  | { readonly kind: "shut-out"; readonly code: ErrorCode };

const TAKE = {
  name: "take-ticket",
  text: `
    DELETE FROM ticket USING device JOIN account USING (account)
    WHERE ticket.hash = $1 AND ticket.server = $2 AND ticket.expires > clock_timestamp() AND device.device = ticket.device
    RETURNING ticket.account, ticket.device, ended, replaced, closed,
      (SELECT sha256(convert_to(pg_postmaster_start_time()::text || ' ' || xmin::text, 'UTF8')) FROM installation) AS running`,
};

/** Uses a ticket up: of two that bring the same one, one gets in. A ticket for another server is left as it is. */
export async function takeTicket({ pool }: Database, ticket: Uint8Array, server: string): Promise<TakenTicket> {
  type Row = { account: Uint8Array; device: Uint8Array; running: Uint8Array } & Standing;
  const { rows } = await pool.query<Row>({ ...TAKE, values: [hashOf(ticket), server] });
  const row = rows[0];
  if (row === undefined) return { kind: "invalid" };
  const code = shutOutCode(row);
  if (code !== undefined) return { kind: "shut-out", code };
  return { kind: "taken", account: accountId(row.account), device: deviceId(row.device), running: row.running };
}
