import { randomBytes } from "node:crypto";
import { setTimeout as wait } from "node:timers/promises";
import { WebSocket } from "ws";
import type { Entrance } from "./entrance.ts";
import type { CrowdPlan, Way } from "./plan.ts";
import type { Tally } from "./tally.ts";
import {
  BODY_HEAD_BYTES,
  catchUpPacket,
  fetchPacket,
  helloPacket,
  now,
  type OutgoingMessage,
  pingPacket,
  readPacket,
  sendPacket,
} from "./wire.ts";

/** What a person's crowd gives them. */
export interface Surroundings {
  readonly tally: Tally;
  readonly plan: CrowdPlan;
  readonly entrance: Entrance | undefined;
  /** An acknowledgement came. */
  answered(person: Person): void;
}

/** Of one socket; a server closes those that ask more (`limits.requestsInFlight`). */
const MOST_UNANSWERED = 500;
/** While nobody lets one in. */
const AGAIN_MS = 200;
const PATIENCE_MS = 30_000;

/** What one person has of one conversation. */
interface Ear {
  readonly id: Uint8Array;
  /** All up to here. */
  sequence: number;
  /** Newest of this socket that came live; 0: none yet. */
  live: number;
  /** The log is so long at least. */
  known: number;
  isFetching: boolean;
  /** Next number of each sender's. */
  readonly next: Map<number, number>;
}

const newEar = (id: Uint8Array, sequence: number): Ear => ({ id, sequence, live: 0, known: 0, isFetching: false, next: new Map() });

interface Waiting extends OutgoingMessage {
  readonly since: number;
  readonly key: string;
}

/**
 * Somebody with one raw socket and opaque messages. Takes each log strictly in order, each message once, as a client does: a gap is fetched, and after a
 * new connection what was missed. What a client would bear but a server must not do is a fault: on one socket, what comes live comes gap-free and once;
 * each sender's messages come in the order in which they were sent, none left out and none twice.
 */
export class Person {
  readonly conversations: readonly { readonly id: Uint8Array; readonly key: string; count: number }[];
  readonly number: number;
  readonly #around: Surroundings;
  readonly #way: Way;
  readonly #ears = new Map<string, Ear>();
  /** Sent and not answered, in order; what could not be sent yet is behind. */
  readonly #unanswered = new Map<number, Waiting>();
  readonly #outgoing: Waiting[] = [];
  readonly #fetches = new Map<number, Ear>();
  readonly #body: Buffer;
  #inFlight = 0;
  #socket: WebSocket | undefined;
  #url = "";
  #isIn = false;
  #isFlushing = false;
  #request = 1;
  #turn = 0;
  #welcomed: (() => void) | undefined;
  #caughtUp: (() => void) | undefined;
  #headsAsked = false;

  constructor(around: Surroundings, { number, way, writesTo }: CrowdPlan["people"][number]) {
    this.#around = around;
    this.number = number;
    this.#way = way;
    this.conversations = writesTo.map((id) => ({ id: Buffer.from(id, "hex"), key: id, count: 0 }));
    this.#body = randomBytes(around.plan.bodyBytes);
  }

  get isConnected(): boolean {
    return this.#isIn;
  }

  /** Throws where nobody lets one in for long. */
  async connect(): Promise<void> {
    for (const until = performance.now() + PATIENCE_MS; ;) {
      try {
        return await this.#connectOnce();
      } catch (error) {
        if (this.#way.kind === "ticket" || performance.now() > until) throw error;
        await wait(AGAIN_MS * (0.5 + Math.random()));
      }
    }
  }

  /** Loses the connection, comes again, and has fetched what was missed. */
  async comeAgain(): Promise<void> {
    const since = now();
    this.close();
    await this.connect();
    await this.catchUp();
    this.#around.tally.backLatency.add(now() - since);
  }

  /** Fetches all that there is beyond what came. */
  catchUp(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#caughtUp = resolve;
    this.#headsAsked = true;
    const cursors = [...this.#ears.values()].map(({ id, sequence }) => ({ conversation: id, sequence }));
    this.#say(catchUpPacket(++this.#request, cursors));
    return promise;
  }

  /** Fetches a log from its beginning. */
  drain(conversation: Uint8Array): void {
    this.#reach(this.#ear(conversation), 1);
  }

  ping(): void {
    if (this.#isIn) this.#say(pingPacket(++this.#request));
  }

  /** @param intended when it should have been sent */
  write(intended: number): void {
    const conversation = this.conversations[this.#turn++ % this.conversations.length]!;
    const ciphertext = Buffer.from(this.#body);
    ciphertext.writeDoubleLE(intended, 0);
    ciphertext.writeUInt32LE(this.number, 8);
    ciphertext.writeUInt32LE(conversation.count++, 12);
    const request = ++this.#request;
    const clientMessageId = Buffer.allocUnsafe(16);
    clientMessageId.writeUInt32LE(this.number, 0);
    clientMessageId.writeUInt32LE(request, 4);
    clientMessageId.writeDoubleLE(intended, 8);
    this.#outgoing.push({
      request,
      conversation: conversation.id,
      clientMessageId,
      epoch: 1,
      ciphertext,
      since: intended,
      key: conversation.key,
    });
    this.#around.tally.sent++;
    this.#flushSoon();
  }

  close(): void {
    this.#socket?.removeAllListeners();
    this.#socket?.on("error", () => undefined);
    this.#socket?.terminate();
    this.#out();
  }

  async #connectOnce(): Promise<void> {
    const way = this.#way;
    const { url, ticket } =
      way.kind === "ticket"
        ? { url: way.url, ticket: Buffer.from(way.ticket, "hex") }
        : await this.#around.entrance!.ticket(Buffer.from(way.device, "hex"), Buffer.from(way.signingSeed, "hex"));
    const socket = new WebSocket(url, { perMessageDeflate: false, skipUTF8Validation: true });
    this.#socket = socket;
    this.#url = url;
    socket.on("message", (data: Buffer) => this.#hear(data));
    await new Promise<void>((resolve, reject) => {
      this.#welcomed = resolve;
      socket.once("open", () => socket.send(helloPacket(ticket)));
      socket.on("error", reject);
      socket.once("close", (code) => {
        reject(new Error(`a socket was closed with ${code}`));
        if (this.#socket === socket && this.#isIn) this.#lose(code);
      });
    });
  }

  #enter(): void {
    this.#isIn = true;
    this.#around.tally.server(this.#url).connections++;
    // Unanswered ones go again, before those behind them, under their own ids.
    this.#inFlight = 0;
    this.#outgoing.unshift(...this.#unanswered.values());
    this.#unanswered.clear();
    this.#welcomed?.();
    this.#flushSoon();
  }

  #out(): void {
    if (this.#isIn) this.#around.tally.server(this.#url).connections--;
    this.#isIn = false;
    this.#fetches.clear();
    this.#headsAsked = false;
    for (const ear of this.#ears.values()) {
      ear.isFetching = false;
      ear.live = 0;
    }
  }

  /** The connection ended unasked. */
  #lose(code: number): void {
    const { tally } = this.#around;
    this.#out();
    if (this.#way.kind === "ticket") return tally.fault(`a socket was closed with ${code}`);
    tally.lost++;
    void this.comeAgain().catch((error: unknown) => tally.fault(`somebody did not come back: ${String(error)}`));
  }

  #say(packet: Uint8Array): void {
    this.#around.tally.bytesUp += packet.length;
    this.#socket!.send(packet);
  }

  #flushSoon(): void {
    if (this.#isFlushing) return;
    this.#isFlushing = true;
    setImmediate(() => {
      this.#isFlushing = false;
      this.#flush();
    });
  }

  #flush(): void {
    if (!this.#isIn || this.#outgoing.length === 0) return;
    const going = this.#outgoing.splice(0, MOST_UNANSWERED - this.#inFlight);
    if (going.length === 0) return;
    for (const message of going) this.#unanswered.set(message.request, message);
    this.#inFlight += going.length;
    this.#say(sendPacket(going));
  }

  #hear(data: Buffer): void {
    const { tally } = this.#around;
    tally.bytesDown += data.length;
    const at = now();
    readPacket(data, {
      welcomed: () => this.#enter(),
      sent: (request) => this.#answer(request, at),
      refused: (_request, code) => tally.fault(`a request was refused with ${code}`),
      entry: (request, conversation, sequence, ciphertext) => this.#take(request, conversation, sequence, ciphertext, at),
      entries: (request, _conversation, head) => {
        const ear = this.#fetches.get(request);
        if (ear === undefined) return;
        this.#fetches.delete(request);
        ear.isFetching = false;
        this.#reach(ear, head);
        this.#lookWhetherCaughtUp();
      },
      stands: (conversation, head) => this.#reach(this.#ear(conversation), head),
      heads: () => {
        this.#headsAsked = false;
        this.#lookWhetherCaughtUp();
      },
      move: () => void this.comeAgain().catch((error: unknown) => tally.fault(`somebody did not move: ${String(error)}`)),
    });
  }

  #answer(request: number, at: number): void {
    const { tally } = this.#around;
    const asked = this.#unanswered.get(request);
    if (asked === undefined) return tally.fault("something was acknowledged that was not sent");
    this.#unanswered.delete(request);
    this.#inFlight--;
    tally.acked++;
    tally.ackedIn.set(asked.key, (tally.ackedIn.get(asked.key) ?? 0) + 1);
    tally.ackLatency.add(at - asked.since);
    if (this.#outgoing.length > 0) this.#flushSoon();
    this.#around.answered(this);
  }

  #ear(conversation: Uint8Array): Ear {
    const key = Buffer.from(conversation.buffer, conversation.byteOffset, conversation.byteLength).toString("latin1");
    let ear = this.#ears.get(key);
    if (ear === undefined) this.#ears.set(key, (ear = newEar(conversation.slice(), this.#around.plan.logLength ?? 0)));
    return ear;
  }

  /** The log is so long. */
  #reach(ear: Ear, head: number): void {
    ear.known = Math.max(ear.known, head);
    if (ear.isFetching || ear.known <= ear.sequence) return;
    ear.isFetching = true;
    this.#fetches.set(++this.#request, ear);
    this.#say(fetchPacket(this.#request, { conversation: ear.id, sequence: ear.sequence }));
  }

  #lookWhetherCaughtUp(): void {
    if (this.#headsAsked || this.#fetches.size > 0) return;
    this.#caughtUp?.();
    this.#caughtUp = undefined;
  }

  #take(request: number, conversation: Uint8Array, sequence: number, ciphertext: Uint8Array | undefined, at: number): void {
    const { tally, plan } = this.#around;
    const ear = this.#ear(conversation);
    const isBare = plan.isBare === true;
    if (request === 0) {
      if (sequence <= ear.live) tally.fault(`entry ${sequence} of a conversation came again, after ${ear.live}, on one socket`);
      else if (!isBare && ear.live !== 0 && sequence !== ear.live + 1)
        tally.fault(`after entry ${ear.live} of a conversation came ${sequence}`);
      ear.live = Math.max(ear.live, sequence);
    }
    if (sequence <= ear.sequence) return;
    if (!isBare && sequence !== ear.sequence + 1) return this.#reach(ear, sequence);
    ear.sequence = sequence;
    if (ciphertext === undefined || ciphertext.length < BODY_HEAD_BYTES) return tally.fault(`entry ${sequence} is no message of this run`);
    const view = new DataView(ciphertext.buffer, ciphertext.byteOffset);
    const sender = view.getUint32(8, true);
    const count = view.getUint32(12, true);
    const expected = ear.next.get(sender) ?? 0;
    if (count !== expected) tally.fault(`of sender ${sender} came message ${count} instead of ${expected}`);
    ear.next.set(sender, count + 1);
    if (sender === this.number) return;
    tally.delivered++;
    tally.server(this.#url).delivered++;
    tally.latency.add(at - view.getFloat64(0, true));
  }
}
