import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { setImmediate as nextTurn, setTimeout as wait } from "node:timers/promises";
import { limits } from "@fastchat/protocol";
import { WebSocket, WebSocketServer } from "ws";
import { refuseUpgrade } from "../refuse-upgrade.ts";
import { type Log, reasonOf } from "../events.ts";
import type { Bus, BusSubscriber } from "./bus.ts";

const LABEL = "fastchat/1/bus/direct";
/** Asked for by who wants to hear: tells its socket from a client's, under whatever path a proxy puts the server. */
const SUBPROTOCOL = "fastchat-bus";
const RUN_HEADER = "fastchat-run";
const NONCE_HEADER = "fastchat-nonce";
const PROOF_HEADER = "fastchat-proof";
const NONCE_BYTES = 16;
/** Who asked to hear and has not shown yet that it may: how many at once, and how long each. */
const UNPROVEN = 100;
const PROOF_MS = 2_000;
const PAYLOAD_BYTES = 1_048_576;
/** Not yet taken by one that hears, after which it hears no more and reads what it missed. */
const UNREAD_BYTES = 4_194_304;
/** Beats without a sign of the other side, after which a connection is taken for cut. */
const SILENT_BEATS = 3;
/** What is said directly waits so long behind what was said by the other bus last, so that it does not come before it. */
const OVERTAKEN_MS = 200;
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
  /** Whether a payload is one of that run's: nobody speaks for another. */
  readonly isFrom: (run: string, payload: string) => boolean;
  readonly log: Log;
}

/**
 * The servers of an installation tell each other directly, and by another bus as long as one of them is not reached: it spares the database a transaction
 * and the wakening of every listener for each word, and lets all that was stored go along with the word of it.
 *
 * Who wants to hear connects, to the others' address for clients, with proof that it has the installation's key. Who speaks knows by that whom it
 * reaches; where that is everybody in the registry it says nothing on the other bus. What gets lost when a connection is cut shows as it does on any bus:
 * in a number that is left out, in a heartbeat, or in that its speaker is gone.
 */
export class DirectBus implements Bus {
  readonly #options: DirectBusOptions;
  readonly #opener = new WebSocketServer({ noServer: true, clientTracking: false, perMessageDeflate: false, maxPayload: 125 });
  readonly #subscribers: BusSubscriber[] = [];
  /** Who hears us, and whom we hear, by run. */
  readonly #hearers = new Map<string, WatchedSocket>();
  readonly #unproven = new Set<WatchedSocket>();
  /** That we drew for who asks to hear. */
  readonly #nonces = new WeakMap<IncomingMessage, string>();
  readonly #sources = new Map<string, Source>();
  /** The others of the registry. */
  #peers: readonly Peer[] = [];
  #reachesAll = false;
  /** What was said by the other bus last, and when that had settled. */
  #toldOtherwise = Promise.resolve();
  #toldOtherwiseAt = Number.NEGATIVE_INFINITY;
  /** While it may be overtaken there, everything waits, one behind the other. */
  #held: Promise<void> | undefined;
  readonly #timer: NodeJS.Timeout;
  #closed = false;

  constructor(options: DirectBusOptions) {
    this.#options = options;
    this.#opener.on("headers", (headers, request) => {
      const { [RUN_HEADER]: run, [NONCE_HEADER]: nonce } = request.headers;
      const proof = this.#proofOf("speaks", String(run), options.run, String(nonce));
      headers.push(`${PROOF_HEADER}: ${proof}`, `${NONCE_HEADER}: ${this.#nonces.get(request)}`);
    });
    this.#timer = setInterval(() => {
      for (const hearer of this.#hearers.values()) hearer.beat();
      for (const source of this.#sources.values()) source.beat();
    }, limits.heartbeatMs).unref();
  }

  get payloadBytes(): number {
    return this.#reachesAll ? PAYLOAD_BYTES : this.#options.bus.payloadBytes;
  }

  async publish(payload: string): Promise<void> {
    if (this.#held !== undefined) await this.#held;
    if (!this.#reachesAll) return this.#byTheOther(payload);
    const bytes = Buffer.from(payload);
    if (bytes.length > PAYLOAD_BYTES) throw new Error("the payload is too long for the bus");
    const unread = Array.from(this.#hearers.values(), (hearer) => hearer.send(bytes));
    // Whoever reads gets a chance to, before it is taken for one that does not.
    if (Math.max(0, ...unread) > UNREAD_BYTES / 4) await nextTurn();
  }

  subscribe(subscriber: BusSubscriber): void {
    this.#subscribers.push(subscriber);
    this.#options.bus.subscribe(subscriber);
  }

  /** Whether it is another server that wants to hear. */
  static isAsked({ headers }: IncomingMessage): boolean {
    return headers["sec-websocket-protocol"] === SUBPROTOCOL;
  }

  /** Lets one hear that shows that it has the key; others are refused. Both sides prove it over what the other one drew, so that no proof is good twice. */
  accept(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const { [RUN_HEADER]: run, [NONCE_HEADER]: its } = request.headers;
    if (typeof run !== "string" || typeof its !== "string" || this.#closed) return refuseUpgrade(socket, "401 Unauthorized");
    if (this.#unproven.size >= UNPROVEN) return refuseUpgrade(socket, "503 Service Unavailable");
    const ours = newNonce();
    this.#nonces.set(request, ours);
    this.#opener.handleUpgrade(request, socket, head, (opened) => {
      const late = setTimeout(() => hearer.end(), PROOF_MS);
      const hearer = new WatchedSocket(opened, () => {
        clearTimeout(late);
        this.#unproven.delete(hearer);
        if (this.#hearers.get(run) === hearer) this.#hearers.delete(run);
        this.#look();
      });
      this.#unproven.add(hearer);
      opened.once("message", (proof: Buffer) => {
        if (!isEqual(proof.toString(), this.#proofOf("hears", run, this.#options.run, ours))) return hearer.end();
        clearTimeout(late);
        this.#unproven.delete(hearer);
        this.#hearers.get(run)?.end();
        this.#hearers.set(run, hearer);
        this.#look();
      });
    });
  }

  /** The other servers that are there now: whoever is new is connected to. Resolves when that was tried. */
  async meet(peers: readonly Peer[]): Promise<void> {
    this.#peers = peers;
    const runs = new Set(peers.map(({ run }) => run));
    for (const [run, source] of this.#sources) {
      if (runs.has(run)) continue;
      source.leave();
      this.#sources.delete(run);
    }
    this.#look();
    await Promise.all(peers.map((peer) => this.#source(peer).connect()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    clearInterval(this.#timer);
    for (const source of this.#sources.values()) source.end();
    for (const hearer of [...this.#hearers.values(), ...this.#unproven]) hearer.end();
  }

  #look(): void {
    const reached = this.#reachesAll;
    this.#reachesAll = !this.#closed && this.#peers.every(({ run }) => this.#hearers.has(run));
    if (reached || !this.#reachesAll) return;
    const held = this.#arrived(this.#held);
    this.#held = held;
    void held.then(() => {
      if (this.#held === held) this.#held = undefined;
    });
  }

  /** Resolves when what was said by the other bus has arrived, nearly surely. */
  async #arrived(before: Promise<void> | undefined): Promise<void> {
    await before;
    await this.#toldOtherwise;
    const rest = this.#toldOtherwiseAt + OVERTAKEN_MS - performance.now();
    if (rest > 0) await wait(rest, undefined, { ref: false });
  }

  #byTheOther(payload: string): Promise<void> {
    const told = this.#options.bus.publish(payload);
    const noted = () => void (this.#toldOtherwiseAt = performance.now());
    this.#toldOtherwise = told.then(noted, noted);
    return told;
  }

  #source({ run, url }: Peer): Source {
    const known = this.#sources.get(run);
    if (known !== undefined) return known;
    const source = new Source({
      url,
      run: this.#options.run,
      proofOf: (of, nonce) => this.#proofOf(of, this.#options.run, run, nonce),
      log: this.#options.log,
      onMessage: (payload) => {
        if (!this.#options.isFrom(run, payload)) return;
        for (const subscriber of this.#subscribers) subscriber.message(payload);
      },
      onLost: () => {
        for (const subscriber of this.#subscribers) subscriber.interrupted();
      },
    });
    this.#sources.set(run, source);
    return source;
  }

  /** That one of the two is of this installation, for one connection between these. @param nonce drawn by who wants to know */
  #proofOf(of: Proven, hearer: string, speaker: string, nonce: string): string {
    return createHmac("sha256", this.#options.key)
      .update(JSON.stringify([LABEL, of, hearer, speaker, nonce]))
      .digest("hex");
  }
}

type Proven = "hears" | "speaks";

const newNonce = (): string => randomBytes(NONCE_BYTES).toString("hex");

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

  /** How many bytes are unread then. */
  send(bytes: Buffer): number {
    if (this.#socket.bufferedAmount + bytes.length > UNREAD_BYTES) this.end();
    else this.#socket.send(bytes);
    return this.#ended ? 0 : this.#socket.bufferedAmount;
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
  /** Ours. */
  readonly run: string;
  readonly proofOf: (of: Proven, nonce: string) => string;
  readonly log: Log;
  readonly onMessage: (payload: string) => void;
  /** Something that it said may have been lost; whatever it says now is heard, or it is gone. */
  readonly onLost: () => void;
}

/** Hears one other server. */
class Source {
  readonly #options: SourceOptions;
  #socket: WatchedSocket | undefined;
  #mayHaveLost = false;
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

  /** It is there no more: no number will tell what it said last. */
  leave(): void {
    this.end();
    if (this.#mayHaveLost) this.#options.onLost();
  }

  /** Unless it is connected, or was tried just now. Resolves when it is, or failed. */
  async connect(): Promise<void> {
    if (this.#socket !== undefined || performance.now() < this.#notBefore) return;
    const { url, run, proofOf, onMessage, onLost } = this.#options;
    const nonce = newNonce();
    let socket: WebSocket;
    try {
      socket = new WebSocket(url, SUBPROTOCOL, {
        headers: { [RUN_HEADER]: run, [NONCE_HEADER]: nonce },
        handshakeTimeout: limits.heartbeatFreshMs,
        perMessageDeflate: false,
        maxPayload: PAYLOAD_BYTES,
      });
    } catch (error) {
      // An address that is none.
      return this.#failed(reasonOf(error));
    }
    await new Promise<void>((resolve) => {
      let reason = "the connection ended";
      socket.on("error", (error) => (reason = reasonOf(error)));
      // Whoever holds the port of a server that ended has not the key.
      let isProven = false;
      let its = "";
      socket.on("upgrade", ({ headers }) => {
        isProven = isEqual(String(headers[PROOF_HEADER]), proofOf("speaks", nonce));
        its = String(headers[NONCE_HEADER]);
      });
      socket.on("open", () => {
        if (!isProven) {
          reason = "what answers there is not this server";
          return watched.end();
        }
        socket.send(proofOf("hears", its));
        this.#pause = AGAIN_MS.first;
        if (this.#mayHaveLost) onLost();
        this.#mayHaveLost = true;
        resolve();
      });
      socket.on("message", (data: Buffer) => {
        if (isProven) onMessage(data.toString());
      });
      const watched = new WatchedSocket(socket, () => {
        this.#socket = undefined;
        this.#failed(reason);
        resolve();
      });
      this.#socket = watched;
    });
  }

  #failed(reason: string): void {
    this.#notBefore = performance.now() + this.#pause;
    this.#pause = Math.min(2 * this.#pause, AGAIN_MS.last);
    this.#options.log.event("debug", "bus-indirect", { reason });
  }
}
