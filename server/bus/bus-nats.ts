import { randomBytes } from "node:crypto";
import { connect as connectTcp } from "node:net";
import { setImmediate as nextTurn } from "node:timers/promises";
import { connect, type NatsConnection } from "@nats-io/transport-node";
import type { Log } from "../events.ts";
import type { Bus, NatsPlace, NatsServer } from "./bus.ts";
import { readNatsFiles, loginOptions } from "./nats-login.ts";
import { type BusConnection, openReconnectingBus } from "./reconnecting-bus.ts";

/** Of one hint: eight of NOTIFY's, so that what gathers behind one that is on its way goes in the next; a sixteenth of what NATS takes by default. */
const PAYLOAD_BYTES = 65_536;
/** A server that does not answer for so long is taken for gone. */
const ANSWER_MS = 4_000;
/** How often one is asked to whom nothing is said. */
const ASK_MS = 2_000;
/** The client's own pings: it would wait for its buffer to empty before it gives a connection up, and so for ever. */
const NEVER_MS = 2 ** 31 - 1;
/** Publishers whose newest connection is known; beyond, the one that was heard first is forgotten. */
const MOST_PUBLISHERS = 10_000;

/**
 * The bus over core NATS: published and forgotten, at most once.
 *
 * Each connection publishes on a subject of its own, `….<publisher>.<number of its connection>`. NATS keeps the order of a connection; but what a server that
 * hung has still in its buffers comes after that what the publisher said over the next connection, and is dropped here as late.
 *
 * Nothing queues in this process. What arrives is handed out as it is read; a process that does not read is cut off by its server (`max_pending`,
 * `write_deadline`), and finds that its connection has ended. What is published waits for the server's word that it has it.
 *
 * @param subject of this database's hints
 */
export function openNatsBus({
  place,
  subject,
  log,
  listens = true,
}: {
  readonly place: NatsPlace;
  readonly subject: string;
  readonly log: Log;
  readonly listens?: boolean | undefined;
}): Promise<Bus> {
  const publisher = randomBytes(8).toString("hex");
  const newest = new NewestConnections();
  let number = 0;
  return openReconnectingBus((hear, signal) => {
    number += 1;
    const onMessage = (from: string, payload: string) => {
      if (newest.isNewest(from)) hear(payload);
    };
    return connectToAny(place, { subject, ownSubject: `${subject}.${publisher}.${number}`, onMessage, listens, signal });
  }, log);
}

/** Which connection of each publisher is its newest. */
class NewestConnections {
  readonly #numbers = new Map<string, number>();

  /** @param from the end of a subject: `<publisher>.<number>` */
  isNewest(from: string): boolean {
    const [publisher = "", text] = from.split(".");
    const number = Number(text);
    const known = this.#numbers.get(publisher);
    if (known === number) return true;
    if (known !== undefined && known > number) return false;
    this.#numbers.set(publisher, number);
    for (const oldest of this.#numbers.keys()) {
      if (this.#numbers.size <= MOST_PUBLISHERS) break;
      this.#numbers.delete(oldest);
    }
    return true;
  }
}

interface Wanted {
  readonly subject: string;
  /** Of what this connection says. */
  readonly ownSubject: string;
  readonly onMessage: (from: string, payload: string) => void;
  readonly listens: boolean;
  readonly signal: AbortSignal;
}

/** The first of the servers that can be had, in random order, so that the servers share the load. Throws what the last one said. */
async function connectToAny(place: NatsPlace, wanted: Wanted): Promise<BusConnection> {
  const files = await readNatsFiles(place);
  const servers = place.servers.toSorted(() => Math.random() - 0.5);
  for (;;) {
    const server = servers.pop()!;
    try {
      return await connectTo(server, { ...loginOptions(files, server.login), ...(files.tls !== undefined && { tls: files.tls }) }, wanted);
    } catch (error) {
      if (servers.length === 0) throw error;
    }
  }
}

async function connectTo(
  server: NatsServer,
  options: Parameters<typeof connect>[0],
  { subject, ownSubject, onMessage, listens, signal }: Wanted,
): Promise<BusConnection> {
  await mustGreet(server, signal);
  const nats = await connect({
    ...options,
    servers: `${server.host.includes(":") ? `[${server.host}]` : server.host}:${server.port}`,
    name: "fastchat",
    noEcho: true,
    reconnect: false,
    timeout: ANSWER_MS,
    pingInterval: NEVER_MS,
  });
  const line = new Line(nats);
  try {
    const heard = nats.subscribe(`${subject}.*.*`, {
      callback: (error, message) => {
        // One that ends is told of by the line.
        if (error !== null) return;
        onMessage(
          message.subject.slice(subject.length + 1),
          Buffer.from(message.data.buffer, message.data.byteOffset, message.data.length).toString("utf8"),
        );
      },
    });
    // Whether something may be said there; nobody listens.
    nats.publish(`${subject}.check`);
    await line.answered();
    await nextTurn();
    if (line.fault !== undefined) throw line.fault;
    // It was to show whether it may.
    if (!listens) heard.unsubscribe();
  } catch (error) {
    await line.close();
    throw error;
  }
  return {
    payloadBytes: Math.min(PAYLOAD_BYTES, nats.info?.max_payload ?? PAYLOAD_BYTES),
    async publish(payload) {
      nats.publish(ownSubject, payload);
      await line.answered();
    },
    ended: line.ended,
    close: () => line.close(),
  };
}

/** A connection that is asked again and again whether it is there, and given up when it does not answer or says that something is wrong. */
class Line {
  readonly ended: Promise<string>;
  /** What the server said against us. */
  fault: Error | undefined;
  readonly #nats: NatsConnection;
  readonly #over: Promise<never>;
  readonly #asking: NodeJS.Timeout;

  constructor(nats: NatsConnection) {
    this.#nats = nats;
    this.#asking = setInterval(() => void this.answered().catch(() => undefined), ASK_MS);
    this.ended = nats.closed().then((error) => {
      clearInterval(this.#asking);
      return (this.fault ?? error)?.message ?? "the connection ended";
    });
    this.#over = this.ended.then((reason) => {
      throw new Error(reason);
    });
    this.#over.catch(() => undefined);
    void this.#watch();
  }

  /** Resolves when the server has everything that was sent until now; rejects when the connection ends before. */
  async answered(): Promise<void> {
    const late = setTimeout(() => this.#giveUp(new Error("NATS did not answer")), ANSWER_MS);
    try {
      await Promise.race([this.#nats.flush(), this.#over]);
    } finally {
      clearTimeout(late);
    }
  }

  async close(): Promise<void> {
    await this.#nats.close();
    await this.ended;
  }

  /** After most of what a server says against a client it closes the connection; a subscription that it refuses would just be silent. */
  async #watch(): Promise<void> {
    for await (const status of this.#nats.status()) if (status.type === "error") this.#giveUp(status.error);
  }

  #giveUp(fault: Error): void {
    this.fault ??= fault;
    void this.#nats.close();
  }
}

/** The client library holds on to a socket on which nothing ever comes, so it gets none before a NATS was seen there. */
async function mustGreet({ host, port }: NatsServer, signal: AbortSignal): Promise<void> {
  const socket = connectTcp({ host, port, signal });
  const late = setTimeout(() => socket.destroy(), ANSWER_MS);
  try {
    const greeting = await new Promise<string>((resolve, reject) => {
      socket.once("data", (bytes) => resolve(bytes.toString("latin1")));
      socket.once("error", reject).once("close", () => reject(new Error(`nothing comes from ${host}:${port}`)));
    });
    if (!greeting.startsWith("INFO ")) throw new Error(`what answers at ${host}:${port} is no NATS`);
  } finally {
    clearTimeout(late);
    socket.destroy();
  }
}
