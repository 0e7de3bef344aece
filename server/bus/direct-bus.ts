import { createHmac, timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { limits } from "@fastchat/protocol";
import { WebSocket, WebSocketServer } from "ws";
import { type Log, reasonOf } from "../events.ts";
import type { Bus, BusSubscriber } from "./bus.ts";

const LABEL = "fastchat/1/bus/direct";
/** Asked for by who wants to hear: tells its socket from a client's, under whatever path a proxy puts the server. */
const SUBPROTOCOL = "fastchat-bus";
const RUN_HEADER = "fastchat-run";
const PAYLOAD_BYTES = 1_048_576;
/** Not yet taken by one that hears, after which it hears no more and reads what it missed. */
const UNREAD_BYTES = 4_194_304;
/** Beats without a sign of the other side, after which a connection is taken for cut. */
const SILENT_BEATS = 3;
const AGAIN_MS = { first: 1_000, last: 30_000 };

/** Another server, as the registry has it. */
export interface Peer {
  readonly run: string;
  /** WebSocket address. */
  readonly url: string;
}

export interface DirectBusOptions {
  /** For whoever is not reached directly. */
  readonly bus: Bus;
  readonly run: string;
  /** The same for all servers of the installation: see `busKeyOf`. */
  readonly key: Uint8Array;
  readonly log: Log;
}

/**
 * The servers of an installation tell each other directly, and by another bus as long as one of them is not reached: it spares the database a transaction
 * and the wakening of every listener for each word, and lets all that was stored go along with the word of it.
 *
 * Who wants to hear connects, to the others' address for clients, with proof that it has the installation's key. Who speaks knows by that whom it
 * reaches; where that is everybody in the registry it says nothing on the other bus. What gets lost when a connection is cut shows as it does on any bus:
 * in a number that is left out, or in a heartbeat.
 */
export class DirectBus implements Bus {
  readonly #options: DirectBusOptions;
  readonly #opener = new WebSocketServer({ noServer: true, clientTracking: false, perMessageDeflate: false, maxPayload: 125 });
  readonly #subscribers: BusSubscriber[] = [];
  /** Who hears us, and whom we hear, by run. */
  readonly #hearers = new Map<string, WatchedSocket>();
  readonly #sources = new Map<string, Source>();
  /** The others of the registry. */
  #peers: readonly Peer[] = [];
  #reachesAll = false;
  readonly #timer: NodeJS.Timeout;
  #closed = false;

  constructor(options: DirectBusOptions) {
    this.#options = options;
    this.#timer = setInterval(() => {
      for (const hearer of this.#hearers.values()) hearer.beat();
      for (const source of this.#sources.values()) source.beat();
    }, limits.heartbeatMs).unref();
  }

  get payloadBytes(): number {
    return this.#reachesAll ? PAYLOAD_BYTES : this.#options.bus.payloadBytes;
  }

  async publish(payload: string): Promise<void> {
    if (!this.#reachesAll) return this.#options.bus.publish(payload);
    const bytes = Buffer.from(payload);
    if (bytes.length > PAYLOAD_BYTES) throw new Error("the payload is too long for the bus");
    for (const hearer of this.#hearers.values()) hearer.send(bytes);
  }

  subscribe(subscriber: BusSubscriber): void {
    this.#subscribers.push(subscriber);
    this.#options.bus.subscribe(subscriber);
  }

  /** Whether it is another server that wants to hear. */
  static isAsked({ headers }: IncomingMessage): boolean {
    return headers["sec-websocket-protocol"] === SUBPROTOCOL;
  }

  /** Lets one hear that has the key; others are refused. */
  accept(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const run = request.headers[RUN_HEADER];
    const { authorization = "" } = request.headers;
    if (typeof run !== "string" || this.#closed || !isEqual(authorization, this.#proofOf(run, this.#options.run))) {
      socket.end("HTTP/1.1 401 Unauthorized\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
      return;
    }
    this.#opener.handleUpgrade(request, socket, head, (opened) => {
      this.#hearers.get(run)?.end();
      const hearer = new WatchedSocket(opened, () => {
        if (this.#hearers.get(run) === hearer) this.#hearers.delete(run);
        this.#look();
      });
      this.#hearers.set(run, hearer);
      this.#look();
    });
  }

  /** The other servers that are there now: whoever is new is connected to. Resolves when that was tried. */
  async meet(peers: readonly Peer[]): Promise<void> {
    this.#peers = peers;
    const runs = new Set(peers.map(({ run }) => run));
    for (const [run, source] of this.#sources) {
      if (runs.has(run)) continue;
      source.end();
      this.#sources.delete(run);
    }
    this.#look();
    await Promise.all(peers.map((peer) => this.#source(peer).connect()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    clearInterval(this.#timer);
    for (const source of this.#sources.values()) source.end();
    for (const hearer of this.#hearers.values()) hearer.end();
  }

  #look(): void {
    this.#reachesAll = !this.#closed && this.#peers.every(({ run }) => this.#hearers.has(run));
  }

  #source({ run, url }: Peer): Source {
    const known = this.#sources.get(run);
    if (known !== undefined) return known;
    const source = new Source({
      url,
      headers: { [RUN_HEADER]: this.#options.run, authorization: this.#proofOf(this.#options.run, run) },
      log: this.#options.log,
      onMessage: (payload) => {
        for (const subscriber of this.#subscribers) subscriber.message(payload);
      },
      onAgain: () => {
        for (const subscriber of this.#subscribers) subscriber.interrupted();
      },
    });
    this.#sources.set(run, source);
    return source;
  }

  /** That `hearer` may hear `speaker`: both are of this installation, and it is of use nowhere else. */
  #proofOf(hearer: string, speaker: string): string {
    return createHmac("sha256", this.#options.key)
      .update(JSON.stringify([LABEL, hearer, speaker]))
      .digest("hex");
  }
}

function isEqual(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one), Buffer.from(other)];
  return a.length === b.length && timingSafeEqual(a, b);
}

/** A socket whose other side must give signs of life, and must read. */
class WatchedSocket {
  readonly #socket: WebSocket;
  readonly #onEnd: () => void;
  #silent = 0;
  #ended = false;

  /** @param onEnd called once, as soon as nothing more goes through */
  constructor(socket: WebSocket, onEnd: () => void) {
    this.#socket = socket;
    this.#onEnd = onEnd;
    socket.on("error", () => undefined); // `close` follows.
    socket.on("close", () => this.end());
    for (const sign of ["message", "ping", "pong"] as const) socket.on(sign, () => (this.#silent = 0));
  }

  beat(): void {
    this.#silent += 1;
    if (this.#silent > SILENT_BEATS) this.end();
    else if (this.#socket.readyState === WebSocket.OPEN) this.#socket.ping();
  }

  send(bytes: Buffer): void {
    if (this.#socket.bufferedAmount + bytes.length > UNREAD_BYTES) this.end();
    else this.#socket.send(bytes);
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#socket.terminate();
    this.#onEnd();
  }
}

interface SourceOptions {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly log: Log;
  readonly onMessage: (payload: string) => void;
  /** It is heard again; what it said in between was lost. */
  readonly onAgain: () => void;
}

/** Hears one other server. */
class Source {
  readonly #options: SourceOptions;
  #socket: WatchedSocket | undefined;
  #wasHeard = false;
  #pause = AGAIN_MS.first;
  #notBefore = 0;

  constructor(options: SourceOptions) {
    this.#options = options;
  }

  beat(): void {
    this.#socket?.beat();
  }

  end(): void {
    this.#socket?.end();
  }

  /** Unless it is connected, or was tried just now. Resolves when it is, or failed. */
  async connect(): Promise<void> {
    if (this.#socket !== undefined || performance.now() < this.#notBefore) return;
    const { url, headers, log, onMessage, onAgain } = this.#options;
    const socket = new WebSocket(url, SUBPROTOCOL, {
      headers,
      handshakeTimeout: limits.heartbeatFreshMs,
      perMessageDeflate: false,
      maxPayload: PAYLOAD_BYTES,
    });
    await new Promise<void>((resolve) => {
      let reason = "the connection ended";
      socket.on("error", (error) => (reason = reasonOf(error)));
      socket.on("open", () => {
        this.#pause = AGAIN_MS.first;
        if (this.#wasHeard) onAgain();
        this.#wasHeard = true;
        resolve();
      });
      socket.on("message", (data: Buffer) => onMessage(data.toString()));
      this.#socket = new WatchedSocket(socket, () => {
        this.#socket = undefined;
        this.#notBefore = performance.now() + this.#pause;
        this.#pause = Math.min(2 * this.#pause, AGAIN_MS.last);
        log.event("debug", "bus-indirect", { reason });
        resolve();
      });
    });
  }
}
