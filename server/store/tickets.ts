import { createHash } from "node:crypto";
import { type AccountId, accountId, type DeviceId, deviceId, type ErrorCode, limits } from "@fastchat/protocol";
import { AskedTogether } from "../asked-together.ts";
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
  name: "add-tickets",
  text: `
    INSERT INTO ticket (hash, device, account, server, expires)
    SELECT asked.hash, device, account, asked.server, clock_timestamp() + ${limits.ticketMs} * interval '1 millisecond'
    FROM unnest($1::bytea[], $2::text[], $3::bytea[]) AS asked (hash, server, device) JOIN device USING (device)
    WHERE ended IS NULL AND replaced IS NULL
    RETURNING hash`,
};

interface NewTicket {
  readonly ticket: Uint8Array;
  readonly device: DeviceId;
  readonly server: string;
}

/** Gives tickets: those that are asked for at once with one statement. */
export class TicketGiver {
  readonly #added: AskedTogether<NewTicket, boolean>;

  constructor({ pool }: Database) {
    this.#added = new AskedTogether({
      act: async (asked) => {
        const hashes = asked.map(({ ticket }) => hashOf(ticket));
        const devices = asked.map(({ device }) => Buffer.from(device, "hex"));
        const { rows } = await pool.query<{ hash: Buffer }>({ ...ADD, values: [hashes, asked.map(({ server }) => server), devices] });
        const added = new Set(rows.map(({ hash }) => hash.toString("hex")));
        return hashes.map((hash) => added.has(hash.toString("hex")));
      },
    });
  }

  /** False: the device is let in no more. */
  add(ticket: NewTicket): Promise<boolean> {
    return this.#added.ask(ticket);
  }
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
  name: "take-tickets",
  text: `
    DELETE FROM ticket USING device JOIN account USING (account)
    WHERE ticket.hash = ANY ($1::bytea[]) AND ticket.server = $2 AND ticket.expires > clock_timestamp() AND device.device = ticket.device
    RETURNING ticket.hash, ticket.account, ticket.device, ended, replaced, closed,
      (SELECT sha256(convert_to(pg_postmaster_start_time()::text || ' ' || xmin::text, 'UTF8')) FROM installation) AS running`,
};

/** Uses tickets for one server up: those that come at once with one statement. */
export class TicketTaker {
  readonly #taken: AskedTogether<Uint8Array, TakenTicket>;

  constructor({ pool }: Database, server: string) {
    type Row = { hash: Buffer; account: Uint8Array; device: Uint8Array; running: Uint8Array } & Standing;
    this.#taken = new AskedTogether({
      act: async (tickets) => {
        const hashes = tickets.map(hashOf);
        const { rows } = await pool.query<Row>({ ...TAKE, values: [hashes, server] });
        const taken = new Map(rows.map((row) => [row.hash.toString("hex"), row]));
        return hashes.map((hash) => {
          const row = taken.get(hash.toString("hex"));
          // The same one may have come twice.
          taken.delete(hash.toString("hex"));
          return takenOf(row);
        });
      },
    });
  }

  /** Of two that bring the same one, one gets in. A ticket for another server is left as it is. */
  take(ticket: Uint8Array): Promise<TakenTicket> {
    return this.#taken.ask(ticket);
  }
}

function takenOf(row: ({ account: Uint8Array; device: Uint8Array; running: Uint8Array } & Standing) | undefined): TakenTicket {
  if (row === undefined) return { kind: "invalid" };
  const code = shutOutCode(row);
  if (code !== undefined) return { kind: "shut-out", code };
  return { kind: "taken", account: accountId(row.account), device: deviceId(row.device), running: row.running };
}
