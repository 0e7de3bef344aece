import { setTimeout as wait } from "node:timers/promises";
import { type Log, reasonOf } from "../events.ts";
import type { Bus, BusSubscriber } from "./bus.ts";

const AGAIN_MS = { first: 100, last: 2_000 };
/** One that held for so long was not in vain: the next one is tried at once again. */
const STEADY_MS = 10_000;
/** Bytes of payloads that were not handed over yet; further ones are refused. */
const UNDER_WAY_BYTES = 4_194_304;

/** One connection to what carries a bus; payloads can arrive as soon as there is one. */
export interface BusConnection {
  readonly payloadBytes: number;
  /** Settles in bounded time; rejects at the latest with the connection's end. Payloads leave in the order of the calls. */
  publish(payload: string): Promise<void>;
  /** Resolves with the reason when it has ended, by itself or by `close`. */
  readonly ended: Promise<string>;
  close(): Promise<void>;
}

/**
 * A bus on one connection at a time. The first one must open, or this throws; whenever it ends, others are tried for as long as it takes. What happened in
 * between is lost, and is said once the next one stands.
 *
 * @param connect gives what arrives to `hear`; throws when there is no connection to be had, and may when nobody wants it any more
 */
export async function openReconnectingBus(
  connect: (hear: (payload: string) => void, signal: AbortSignal) => Promise<BusConnection>,
  log: Log,
): Promise<Bus> {
  const ending = new AbortController();
  const subscribers: BusSubscriber[] = [];
  const hear = (payload: string) => {
    for (const subscriber of subscribers) subscriber.message(payload);
  };
  let connected: BusConnection | undefined;
  let { payloadBytes } = use(await connect(hear, ending.signal));
  let underWay = 0;
  let reconnecting = Promise.resolve();

  function use(connection: BusConnection): BusConnection {
    const since = performance.now();
    connected = connection;
    void connection.ended.then((reason) => {
      connected = undefined;
      if (ending.signal.aborted) return;
      log.event("warn", "bus-interrupted", { reason });
      reconnecting = reconnect(performance.now() - since > STEADY_MS ? AGAIN_MS.first : AGAIN_MS.last);
    });
    return connection;
  }

  async function reconnect(first: number): Promise<void> {
    for (let pause = first; ; pause = Math.min(2 * pause, AGAIN_MS.last)) {
      try {
        await wait(pause, undefined, { signal: ending.signal });
        const connection = await connect(hear, ending.signal);
        if (ending.signal.aborted) return await connection.close();
        ({ payloadBytes } = use(connection));
        break;
      } catch (error) {
        if (ending.signal.aborted) return;
        log.event("debug", "bus-interrupted", { reason: reasonOf(error) });
      }
    }
    log.event("info", "bus-restored", {});
    for (const subscriber of subscribers) subscriber.interrupted();
  }

  return {
    get payloadBytes() {
      return payloadBytes;
    },
    async publish(payload) {
      const bytes = Buffer.byteLength(payload);
      if (connected === undefined) throw new Error("the bus is not connected");
      if (bytes > payloadBytes) throw new Error("the payload is too long for the bus");
      if (underWay + bytes > UNDER_WAY_BYTES) throw new Error("the bus does not keep up");
      underWay += bytes;
      try {
        await connected.publish(payload);
      } finally {
        underWay -= bytes;
      }
    },
    subscribe(subscriber) {
      subscribers.push(subscriber);
    },
    async [Symbol.asyncDispose]() {
      ending.abort();
      await connected?.close();
      await reconnecting;
    },
  };
}
