import { setTimeout as wait } from "node:timers/promises";
import { limits } from "@fastchat/protocol";
import pg from "pg";
import { type Log, reasonOf } from "../events.ts";
import { connectionOptions } from "../store/database.ts";
import type { Bus, BusSubscriber } from "./bus.ts";

const CHANNEL = "fastchat";
const AGAIN_MS = { first: 100, last: 2_000 };

/**
 * The bus over PostgreSQL's NOTIFY, on one connection of its own. PostgreSQL hands the notification of each commit to every connection that
 * listens, in commit order, also to the one that notified.
 */
export async function openNotifyBus(options: { readonly url: string; readonly log: Log }): Promise<Bus> {
  const { log } = options;
  const ending = new AbortController();
  const subscribers: BusSubscriber[] = [];
  let connected: pg.Client | undefined;

  const connect = async (): Promise<pg.Client> => {
    const client = new pg.Client({ ...connectionOptions(options.url), application_name: "fastchat bus" });
    client.on("notification", ({ payload }) => {
      for (const subscriber of subscribers) subscriber.message(payload ?? "");
    });
    // Without a listener an error of an idle connection would end the process; `end` follows every one.
    client.on("error", (error) => log.event("debug", "bus-interrupted", { reason: reasonOf(error) }));
    try {
      await client.connect();
      await client.query(`LISTEN ${CHANNEL}`);
    } catch (error) {
      void client.end().catch(() => undefined);
      throw error;
    }
    client.once("end", () => {
      connected = undefined;
      if (ending.signal.aborted) return;
      log.event("warn", "bus-interrupted", { reason: "the connection ended" });
      void reconnect();
    });
    return client;
  };

  const reconnect = async (): Promise<void> => {
    for (let pause = AGAIN_MS.first; ; pause = Math.min(2 * pause, AGAIN_MS.last)) {
      try {
        await wait(pause, undefined, { signal: ending.signal });
        const client = await connect();
        if (ending.signal.aborted) return void client.end();
        connected = client;
        break;
      } catch (error) {
        if (ending.signal.aborted) return;
        log.event("debug", "bus-interrupted", { reason: reasonOf(error) });
      }
    }
    log.event("info", "bus-restored", {});
    for (const subscriber of subscribers) subscriber.interrupted();
  };

  connected = await connect();
  // One at a time: the order of the publisher's payloads.
  let last = Promise.resolve();
  return {
    payloadBytes: limits.busHintBytes,
    publish(payload) {
      const sent = last.then(async () => {
        if (connected === undefined) throw new Error("the bus is not connected");
        await connected.query({ name: "notify", text: `SELECT pg_notify('${CHANNEL}', $1)`, values: [payload] });
      });
      last = sent.catch(() => undefined);
      return sent;
    },
    subscribe(subscriber) {
      subscribers.push(subscriber);
    },
    async [Symbol.asyncDispose]() {
      ending.abort();
      await connected?.end();
    },
  };
}
