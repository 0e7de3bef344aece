import { randomBytes } from "node:crypto";
import { WebSocket } from "ws";
import { Histogram } from "./histogram.ts";
import type { CrowdPlan, CrowdReport, CrowdWord, ParentWord, Work } from "./plan.ts";
import { BODY_HEAD_BYTES, fetchPacket, helloPacket, now, type OutgoingMessage, readPacket, sendPacket } from "./wire.ts";

// A process of its own with many people in it: `fork`ed with a CrowdPlan as its first message.

/** What one person has of one conversation, and what is wrong with it. */
class Ear {
  sequence = 0;
  /** Next number of each sender's. */
  readonly next = new Map<number, number>();
}

class Crowd {
  readonly #plan: CrowdPlan;
  readonly people: Person[];
  readonly latency = new Histogram();
  readonly ackLatency = new Histogram();
  sent = 0;
  acked = 0;
  delivered = 0;
  bytesUp = 0;
  bytesDown = 0;
  readonly faults: string[] = [];
  /** Acknowledged messages by conversation. */
  readonly ackedIn = new Map<string, number>();
  #work: Work | undefined;
  #timer: NodeJS.Timeout | undefined;
  #begun = 0;
  #due = 0;
  #turn = 0;

  constructor(plan: CrowdPlan) {
    this.#plan = plan;
    this.people = plan.people.map((person, index) => new Person(this, person, index));
  }

  get bodyBytes(): number {
    return this.#plan.bodyBytes;
  }

  fault(sentence: string): void {
    if (this.faults.length < 20) this.faults.push(sentence);
  }

  async connect(): Promise<void> {
    for (let from = 0; from < this.people.length; from += 50)
      await Promise.all(this.people.slice(from, from + 50).map((person) => person.connect()));
  }

  begin(work: Work): void {
    this.#work = work;
    this.#begun = now();
    this.#due = 0;
    const writers = this.people.filter(({ conversations }) => conversations.length > 0);
    if (work.kind === "closed") {
      for (const person of writers)
        for (let count = 0; count < Math.min(work.window, work.each ?? work.window); count++) person.write(now());
      return;
    }
    if (work.kind === "drain") {
      for (const [index, person] of this.people.entries()) person.fetch(Buffer.from(work.conversations[index]!, "hex"), 0);
      return;
    }
    const perMicrosecond = work.perSecond / 1_000_000;
    const tick = () => {
      const due = Math.floor((now() - this.#begun) * perMicrosecond);
      for (; this.#due < due; this.#due++) writers[this.#turn++ % writers.length]?.write(this.#begun + this.#due / perMicrosecond);
    };
    this.#timer = setInterval(tick, 1);
  }

  stop(): void {
    this.#work = undefined;
    clearInterval(this.#timer);
  }

  /** An acknowledgement came: the next one goes out in a closed loop. */
  answered(person: Person): void {
    if (this.#work?.kind !== "closed") return;
    const { each = Number.POSITIVE_INFINITY } = this.#work;
    if (person.written < each) person.write(now());
  }

  report(): CrowdReport {
    const { sent, acked, delivered, bytesUp, bytesDown, faults } = this;
    return {
      kind: "report",
      sent,
      acked,
      delivered,
      bytesUp,
      bytesDown,
      faults,
      latency: this.latency.taken(),
      ackLatency: this.ackLatency.taken(),
      ackedIn: [...this.ackedIn],
      cpuMs: cpuMs(),
    };
  }
}

const cpuMs = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
};

class Person {
  readonly conversations: readonly { readonly id: Uint8Array; readonly key: string; count: number }[];
  readonly #crowd: Crowd;
  readonly #plan: CrowdPlan["people"][number];
  readonly #ears = new Map<string, Ear>();
  /** Requests under way: since when, and where. */
  readonly #asked = new Map<number, readonly [since: number, key: string]>();
  readonly #body: Buffer;
  #socket!: WebSocket;
  #request = 1;
  #turn = 0;
  #outgoing: OutgoingMessage[] = [];
  #welcomed: (() => void) | undefined;

  constructor(crowd: Crowd, plan: CrowdPlan["people"][number], _index: number) {
    this.#crowd = crowd;
    this.#plan = plan;
    this.conversations = plan.writesTo.map((id) => ({ id: Buffer.from(id, "hex"), key: id, count: 0 }));
    this.#body = randomBytes(crowd.bodyBytes);
  }

  async connect(): Promise<void> {
    const socket = new WebSocket(this.#plan.url, { perMessageDeflate: false, skipUTF8Validation: true });
    this.#socket = socket;
    socket.on("message", (data: Buffer) => this.#hear(data));
    await new Promise<void>((resolve, reject) => {
      this.#welcomed = resolve;
      socket.once("open", () => socket.send(helloPacket(Buffer.from(this.#plan.ticket, "hex"))));
      socket.once("error", reject);
      socket.once("close", (code) => {
        this.#crowd.fault(`a socket was closed with ${code}`);
        reject(new Error(`closed with ${code}`));
      });
    });
  }

  write(intended: number): void {
    const conversation = this.conversations[this.#turn++ % this.conversations.length]!;
    const ciphertext = Buffer.from(this.#body);
    ciphertext.writeDoubleLE(intended, 0);
    ciphertext.writeUInt32LE(this.#plan.number, 8);
    ciphertext.writeUInt32LE(conversation.count++, 12);
    const request = ++this.#request;
    this.#asked.set(request, [intended, conversation.key]);
    const clientMessageId = Buffer.allocUnsafe(16);
    clientMessageId.writeUInt32LE(this.#plan.number, 0);
    clientMessageId.writeUInt32LE(request, 4);
    clientMessageId.writeDoubleLE(intended, 8);
    if (this.#outgoing.push({ request, conversation: conversation.id, clientMessageId, epoch: 1, ciphertext }) === 1)
      setImmediate(() => this.#flush());
    this.#crowd.sent++;
  }

  get written(): number {
    return this.#request - 1;
  }

  /** The entries behind a place, and all that follow. */
  fetch(conversation: Uint8Array, after: number): void {
    this.#socket.send(fetchPacket(++this.#request, conversation, after));
  }

  close(): void {
    this.#socket.removeAllListeners("close");
    this.#socket.terminate();
  }

  #flush(): void {
    const packet = sendPacket(this.#outgoing);
    this.#outgoing = [];
    this.#crowd.bytesUp += packet.length;
    this.#socket.send(packet);
  }

  #hear(data: Buffer): void {
    this.#crowd.bytesDown += data.length;
    const at = now();
    readPacket(data, {
      welcomed: () => this.#welcomed?.(),
      sent: (request) => {
        const [since, key] = this.#asked.get(request) ?? [at, ""];
        this.#asked.delete(request);
        this.#crowd.acked++;
        this.#crowd.ackedIn.set(key, (this.#crowd.ackedIn.get(key) ?? 0) + 1);
        this.#crowd.ackLatency.add(at - since);
        this.#crowd.answered(this);
      },
      refused: (_request, code) => this.#crowd.fault(`a message was refused with ${code}`),
      entry: (conversation, sequence, ciphertext) => this.#take(conversation, sequence, ciphertext, at),
      page: (conversation, last, head) => {
        if (last > 0 && last < head) this.fetch(conversation, last);
      },
      move: () => this.#crowd.fault("a socket was asked to move"),
    });
  }

  #take(conversation: Uint8Array, sequence: number, ciphertext: Uint8Array | undefined, at: number): void {
    if (ciphertext === undefined || ciphertext.length < BODY_HEAD_BYTES) return;
    const key = Buffer.from(conversation.buffer, conversation.byteOffset, conversation.byteLength).toString("latin1");
    let ear = this.#ears.get(key);
    if (ear === undefined) this.#ears.set(key, (ear = new Ear()));
    if (sequence <= ear.sequence) this.#crowd.fault(`${sequence} came after ${ear.sequence}`);
    ear.sequence = sequence;
    const view = new DataView(ciphertext.buffer, ciphertext.byteOffset);
    const sender = view.getUint32(8, true);
    if (sender === this.#plan.number) return;
    const count = view.getUint32(12, true);
    const expected = ear.next.get(sender) ?? 0;
    if (count !== expected) this.#crowd.fault(`of ${sender} came message ${count} instead of ${expected}`);
    ear.next.set(sender, count + 1);
    this.#crowd.delivered++;
    this.#crowd.latency.add(at - view.getFloat64(0, true));
  }
}

let crowd: Crowd | undefined;
const tell = (word: CrowdWord) => process.send!(word);
process.on("message", (word: ParentWord) => {
  switch (word.kind) {
    case "plan":
      crowd = new Crowd(word.plan);
      void crowd.connect().then(
        () => tell({ kind: "connected" }),
        (error: unknown) => tell({ kind: "failed", reason: String(error) }),
      );
      break;
    case "begin":
      crowd!.begin(word.work);
      break;
    case "stop":
      crowd!.stop();
      break;
    case "report":
      tell(crowd!.report());
      break;
    case "end":
      for (const person of crowd!.people) person.close();
      process.disconnect?.();
      break;
    default:
      word satisfies never;
  }
});
process.on("disconnect", () => process.exit());
