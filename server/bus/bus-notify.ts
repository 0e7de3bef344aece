import { limits } from "@fastchat/protocol";
import pg from "pg";
import { type Log, reasonOf } from "../events.ts";
import { connectionOptions } from "../store/database.ts";
import type { Bus } from "./bus.ts";
import { type BusConnection, openReconnectingBus } from "./reconnecting-bus.ts";

const CHANNEL = "fastchat";
/** A database that does not take a notification for so long is taken for gone. */
const ANSWER_MS = 4_000;

/**
 * The bus over PostgreSQL's NOTIFY, on one connection of its own. PostgreSQL hands the notification of each commit to every connection that
 * listens, in commit order, also to the one that notified.
 */
export const openNotifyBus = ({ url, log, listens = true }: NotifyBusOptions): Promise<Bus> =>
  openReconnectingBus((hear) => connect(url, listens ? hear : undefined), log);

interface NotifyBusOptions {
  readonly url: string;
  readonly log: Log;
  readonly listens?: boolean | undefined;
}

async function connect(url: string, hear: ((payload: string) => void) | undefined): Promise<BusConnection> {
  const client = new pg.Client({ ...connectionOptions(url), application_name: "fastchat bus" });
  client.on("notification", ({ payload }) => hear?.(payload ?? ""));
  let reason = "the connection ended";
  // Without a listener an error of an idle connection would end the process; `end` follows every one.
  client.on("error", (error) => (reason = reasonOf(error)));
  try {
    await client.connect();
    // A notification takes a transaction, whose commit need not be on the disk: who was not told looks at heartbeats.
    await client.query("SET synchronous_commit = off");
    if (hear !== undefined) await client.query(`LISTEN ${CHANNEL}`);
  } catch (error) {
    void client.end().catch(() => undefined);
    throw error;
  }
  const ended = new Promise<string>((resolve) => client.once("end", () => resolve(reason)));
  // One at a time: the order of the publisher's payloads.
  let last = Promise.resolve();
  const notify = async (payload: string): Promise<void> => {
    try {
      const statement = { name: "notify", text: `SELECT pg_notify('${CHANNEL}', $1)`, values: [payload], query_timeout: ANSWER_MS };
      await client.query(statement);
    } catch (error) {
      // What is queued behind it shall not wait as long, each by itself.
      if (!(error instanceof pg.DatabaseError)) await client.end();
      throw error;
    }
  };
  return {
    payloadBytes: limits.busHintBytes,
    publish(payload) {
      const sent = last.then(() => notify(payload));
      last = sent.catch(() => undefined);
      return sent;
    },
    ended,
    close: () => client.end(),
  };
}
