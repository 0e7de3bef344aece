import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { setImmediate as nextTurn, setTimeout as wait } from "node:timers/promises";
import { limits } from "@fastchat/protocol";
import { WebSocket, WebSocketServer } from "ws";
import { refuseUpgrade } from "../refuse-upgrade.ts";
import { type Log, reasonOf } from "../events.ts";
import type { About, Bus, BusSubscriber, Head, SparingBus, SparingBusSubscriber } from "./bus.ts";
import { decodeWish, decodeWord, encodeWishes, encodeWord, SUBPROTOCOL, WISH_BYTES, wishes, WORD_OVERHEAD } from "./direct-words.ts";
import type { ConversationPrefix } from "./hint.ts";
import { UNREAD_BYTES, WatchedSocket } from "./watched-socket.ts";

const LABEL = "fastchat/1/bus/direct";
const RUN_HEADER = "fastchat-run";
const NONCE_HEADER = "fastchat-nonce";
const PROOF_HEADER = "fastchat-proof";
const NONCE_BYTES = 16;
/** Who asked to hear and has not shown yet that it may: how many at once, and how long each. */
const UNPROVEN = 100;
const PROOF_MS = 2_000;
const PAYLOAD_BYTES = 1_048_576;
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
  /** What is wanted to hear of when a connection begins, and how much of it is known; what changes later is told by `want` and `leave`. */
  readonly wanted: () => Iterable<Head>;
  readonly log: Log;
}

/**
 * The servers of an installation tell each other directly, and by another bus as long as one of them is not reached: it spares the database a transaction
 * and the wakening of every listener for each word, and lets all that was stored go along with the word of it.
 *
 * Who wants to hear connects, to the others' address for clients, with proof that it has the installation's key. Who speaks knows by that whom it
 * reaches; where that is everybody in the registry it says nothing on the other bus. Who hears says of which conversations it wants to hear, and is spared
 * what is of others alone. What gets lost when a connection is cut shows as it does on any bus: in a number that is left out, in a heartbeat, or in that its
 * speaker is gone.
 */
export class DirectBus implements SparingBus {
  readonly #options: DirectBusOptions;
  readonly #opener = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: WISH_BYTES,
    maxFragments: 1,
  });
  readonly #subscribers: (BusSubscriber | SparingBusSubscriber)[] = [];
  /** Who hears us, and whom we hear, by run. */
  readonly #hearers = new Map<string, Hearer>();
  readonly #unproven = new Set<WatchedSocket>();
  /** That we drew for who asks to hear. */
  readonly #nonces = new WeakMap<IncomingMessage, string>();
  readonly #sources = new Map<string, Source>();
  /** Number of the newest payload that was said in any way, or that nobody wanted to hear. */
  #newest = 0;
  /** Conversations that are wanted from now on, from a head on, or no more: to be told at the end of the turn. */
  #changes = new Map<ConversationPrefix, number | undefined>();
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
      for (const hearer of this.#hearers.values()) hearer.socket.beat();
      for (const source of this.#sources.values()) source.beat();
    }, limits.heartbeatMs).unref();
  }

  get payloadBytes(): number {
    return this.#reachesAll ? PAYLOAD_BYTES : this.#options.bus.payloadBytes;
  }

  async publish(payload: string, about?: About): Promise<void> {
    if (this.#held !== undefined) await this.#held;
    if (!this.#reachesAll) return this.#byTheOther(payload, about);
    if (Buffer.byteLength(payload) > PAYLOAD_BYTES) throw new Error("the payload is too long for the bus");
    let unread = 0;
    for (const hearer of this.#hearers.values())
      if (hearer.wants(about?.conversations)) unread = Math.max(unread, hearer.say(payload, about?.number));
    // Behind all of them: one that is given up on the way makes the others keep up, with what was before this.
    if (about !== undefined) this.#newest = about.number;
    // Whoever reads gets a chance to, before it is taken for one that does not.
    if (unread > UNREAD_BYTES / 4) await nextTurn();
  }

  spare({ number, conversations }: About): boolean {
    if (this.#held !== undefined || !this.#reachesAll) return false;
    for (const hearer of this.#hearers.values()) if (hearer.wants(conversations)) return false;
    this.#newest = number;
    return true;
  }

  keepUp(): void {
    for (const hearer of this.#hearers.values()) hearer.keepUp(this.#newest);
  }

  /** From a head on that was the newest a moment ago: what speakers told earlier than `TOLD_LATELY_MS` ago they do not repeat. */
  want({ prefix, head }: Head): void {
    this.#change(prefix, head);
  }

  leave(prefix: ConversationPrefix): void {
    this.#change(prefix, undefined);
  }

  subscribe(subscriber: BusSubscriber | SparingBusSubscriber): void {
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
      const late = setTimeout(() => watched.end(), PROOF_MS);
      const watched = new WatchedSocket(opened, () => {
        clearTimeout(late);
        this.#unproven.delete(watched);
        if (this.#hearers.get(run)?.socket === watched) this.#hearers.delete(run);
        this.#look();
      });
      this.#unproven.add(watched);
      opened.once("message", (proof: Buffer) => {
        if (!isEqual(proof.toString(), this.#proofOf("hears", run, this.#options.run, ours))) return watched.end();
        clearTimeout(late);
        this.#unproven.delete(watched);
        this.#hearers.get(run)?.socket.end();
        this.#hearers.set(run, this.#hearer(opened, watched));
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
    for (const { socket } of this.#hearers.values()) socket.end();
    for (const socket of this.#unproven) socket.end();
  }

  #hearer(opened: WebSocket, socket: WatchedSocket): Hearer {
    const hearer = new Hearer(socket, this.#newest);
    opened.on("message", (data: Buffer) => {
      const asked = hearer.wish(data);
      if (asked.length === 0) return;
      for (const subscriber of this.#subscribers) {
        const told = "wanted" in subscriber ? subscriber.wanted(asked) : undefined;
        if (told !== undefined) hearer.say(told, undefined);
      }
    });
    return hearer;
  }

  #change(prefix: ConversationPrefix, head: number | undefined): void {
    if (this.#changes.size === 0) setImmediate(() => this.#tellChanges());
    this.#changes.set(prefix, head);
  }

  #tellChanges(): void {
    const changes = [...this.#changes].map(([prefix, head]) => ({ prefix, head }));
    this.#changes = new Map();
    const wanted = changes.filter((change): change is Head => change.head !== undefined);
    const left = changes.filter(({ head }) => head === undefined).map(({ prefix }) => ({ prefix, head: 0 }));
    for (const source of this.#sources.values()) {
      if (wanted.length > 0) source.tell(wishes.wanted, wanted);
      if (left.length > 0) source.tell(wishes.left, left);
    }
  }

  #look(): void {
    const reached = this.#reachesAll;
    this.#reachesAll = !this.#closed && this.#peers.every(({ run }) => this.#hearers.has(run));
    // What was spared them comes before what is said by the other bus from now on.
    if (reached && !this.#reachesAll) this.keepUp();
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

  #byTheOther(payload: string, about: About | undefined): Promise<void> {
    if (about !== undefined) {
      this.#newest = about.number;
      for (const hearer of this.#hearers.values()) hearer.toldOtherwise(about.number);
    }
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
      wanted: this.#options.wanted,
      onMessage: (payload, after) => {
        if (!this.#options.isFrom(run, payload)) return;
        for (const subscriber of this.#subscribers) subscriber.message(payload, after);
      },
      onSpared: (after, upTo) => {
        for (const subscriber of this.#subscribers) if ("spared" in subscriber) subscriber.spared(run, after, upTo);
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

/** One that hears, and showed that it may. */
class Hearer {
  readonly socket: WatchedSocket;
  /** Number of the last payload that it was told, or spared and told so. */
  #told: number;
  readonly #wanted = new Set<ConversationPrefix>();
  #saidAll = false;

  constructor(socket: WatchedSocket, told: number) {
    this.socket = socket;
    this.#told = told;
  }

  /** Until it has said of which conversations it wants to hear, it hears of all. */
  wants(conversations: readonly ConversationPrefix[] | undefined): boolean {
    return !this.#saidAll || conversations === undefined || conversations.some((each) => this.#wanted.has(each));
  }

  /** @param number undefined: not counted. Gives how many bytes are unread then. */
  say(payload: string, number: number | undefined): number {
    const unread = this.socket.send(encodeWord({ kind: "payload", payload, after: number === undefined ? undefined : this.#told }));
    if (number !== undefined) this.#told = number;
    return unread;
  }

  /** By the other bus. */
  toldOtherwise(number: number): void {
    this.#told = number;
  }

  keepUp(number: number): void {
    if (number <= this.#told) return;
    this.socket.send(encodeWord({ kind: "spared", after: this.#told, upTo: number }));
    this.#told = number;
  }

  /** Gives what it wants to hear of from now on. */
  wish(bytes: Buffer): Head[] {
    const { wish, heads } = decodeWish(bytes);
    if (wish === wishes.allSaid) this.#saidAll = true;
    if (wish === wishes.left) for (const { prefix } of heads) this.#wanted.delete(prefix);
    if (wish !== wishes.wanted) return [];
    for (const { prefix } of heads) this.#wanted.add(prefix);
    return heads;
  }
}

interface SourceOptions {
  readonly url: string;
  /** Ours. */
  readonly run: string;
  readonly proofOf: (of: Proven, nonce: string) => string;
  readonly log: Log;
  readonly wanted: () => Iterable<Head>;
  /** @param after number of the payload of its run that was for us before this one; undefined: it is not counted */
  readonly onMessage: (payload: string, after: number | undefined) => void;
  readonly onSpared: (after: number, upTo: number) => void;
  /** Something that it said may have been lost; whatever it says now is heard, or it is gone. */
  readonly onLost: () => void;
}

/** Hears one other server. */
class Source {
  readonly #options: SourceOptions;
  #socket: WatchedSocket | undefined;
  /** The same, once what answers there is the server, and knows that we may hear it. */
  #proven: WatchedSocket | undefined;
  /** What it is told, one behind the other. */
  #telling = Promise.resolve();
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

  /** Unless it is not connected: then it is told everything when it is. */
  tell(wish: number, heads: readonly Head[] = []): void {
    const to = this.#proven;
    if (to === undefined) return;
    for (const bytes of encodeWishes(wish, heads))
      this.#telling = this.#telling.then(() => (to === this.#proven ? to.sent(bytes) : undefined));
  }

  /** It is there no more: no number will tell what it said last. */
  leave(): void {
    this.end();
    if (this.#mayHaveLost) this.#options.onLost();
  }

  /** Unless it is connected, or was tried just now. Resolves when it is, or failed. */
  async connect(): Promise<void> {
    if (this.#socket !== undefined || performance.now() < this.#notBefore) return;
    const { url, run, proofOf, wanted, onLost } = this.#options;
    const nonce = newNonce();
    let socket: WebSocket;
    try {
      socket = new WebSocket(url, SUBPROTOCOL, {
        headers: { [RUN_HEADER]: run, [NONCE_HEADER]: nonce },
        handshakeTimeout: limits.heartbeatFreshMs,
        perMessageDeflate: false,
        maxPayload: PAYLOAD_BYTES + WORD_OVERHEAD,
      });
    } catch (error) {
      // An address that is none.
      return this.#failed(reasonOf(error));
    }
    await new Promise<void>((resolve) => {
      let reason = "the connection ended";
      socket.on("error", (error) => (reason = reasonOf(error)));
      // Whoever holds the port of a server that ended has not the key.
      let hasKey = false;
      let its = "";
      socket.on("upgrade", ({ headers }) => {
        hasKey = isEqual(String(headers[PROOF_HEADER]), proofOf("speaks", nonce));
        its = String(headers[NONCE_HEADER]);
      });
      socket.on("open", () => {
        if (!hasKey) {
          reason = "what answers there is not this server";
          return watched.end();
        }
        socket.send(proofOf("hears", its));
        this.#proven = watched;
        this.tell(wishes.wanted, [...wanted()]);
        this.tell(wishes.allSaid);
        this.#pause = AGAIN_MS.first;
        if (this.#mayHaveLost) onLost();
        this.#mayHaveLost = true;
        resolve();
      });
      socket.on("message", (data: Buffer) => {
        if (hasKey) this.#hear(data.toString());
      });
      const watched = new WatchedSocket(socket, () => {
        this.#socket = undefined;
        this.#proven = undefined;
        this.#failed(reason);
        resolve();
      });
      this.#socket = watched;
    });
  }

  #hear(said: string): void {
    const word = decodeWord(said);
    if (word?.kind === "payload") this.#options.onMessage(word.payload, word.after);
    else if (word?.kind === "spared") this.#options.onSpared(word.after, word.upTo);
  }

  #failed(reason: string): void {
    this.#notBefore = performance.now() + this.#pause;
    this.#pause = Math.min(2 * this.#pause, AGAIN_MS.last);
    this.#options.log.event("debug", "bus-indirect", { reason });
  }
}
