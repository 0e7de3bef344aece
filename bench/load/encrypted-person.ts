import { randomBytes } from "node:crypto";
import { mkdirSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { setTimeout as wait } from "node:timers/promises";
import { type ChatItem, type ChatMessage, type Client, type ClientEvent, MemorySink } from "@fastchat/client";
import { openClient, signIn, signUp } from "@fastchat/client/node";
import type { ClientMessageId, ConversationId } from "@fastchat/protocol";
import type { EncryptedPlan } from "./plan.ts";
import type { Tally } from "./tally.ts";
import { now } from "./wire.ts";

const PATIENCE_MS = 60_000;
const LOOK_MS = 50;
const PAGE = 500;
const EVERY_TENTH = 10;

/** Greets who does not know one yet; all other texts are those of `write`. */
const GREETING = "hello";

/**
 * Whoever wrote it, its number there, when it was meant to be sent, and what fills it up. What brings a picture is counted by itself ("3p"): it waits for
 * its upload, and texts do not wait for it.
 */
const TEXT = /^(\d+p?) (\d+) (\d+) (x*)$/;

interface Written {
  readonly sender: string;
  readonly count: number;
  readonly intended: number;
}

/** Undefined: it is none of ours. */
function written(text: string): Written | undefined {
  const [, sender, count, intended] = TEXT.exec(text) ?? [];
  return sender === undefined ? undefined : { sender, count: Number(count), intended: Number(intended) };
}

export interface EncryptedSurroundings {
  readonly tally: Tally;
  readonly plan: EncryptedPlan;
  answered(person: EncryptedPerson): void;
}

/**
 * Somebody with a real client of the SDK, whose profile is on the disk. What arrives is counted as it is told; at the end all that is stored is read: each
 * sender's messages must be there once, in order, as they were written.
 */
export class EncryptedPerson {
  readonly #around: EncryptedSurroundings;
  readonly #number: number;
  readonly #name: string;
  readonly #password = randomBytes(18).toString("base64url");
  readonly #writesTo: readonly string[];
  readonly #ids = new Map<string, ConversationId>();
  readonly #keys = new Map<ConversationId, string>();
  /** Sent and not stored by the server yet. */
  readonly #under = new Map<ClientMessageId, { readonly since: number; readonly key: string }>();
  readonly #counts = new Map<string, number>();
  /** Newest place of what was told. */
  readonly #told = new Map<ConversationId, number>();
  #client: Client | undefined;
  #url = "";
  #turn = 0;
  /** Messages of one conversation are handed over one after the other. */
  #sending: Promise<void> = Promise.resolve();

  constructor(around: EncryptedSurroundings, { number, name, writesTo }: EncryptedPlan["people"][number]) {
    this.#around = around;
    this.#number = number;
    this.#name = name;
    this.#writesTo = writesTo;
  }

  get isWriter(): boolean {
    return this.#writesTo.length > 0;
  }

  async signUp(): Promise<void> {
    const { plan, tally } = this.#around;
    const place = { home: plan.home, profile: this.#name };
    mkdirSync(plan.home, { recursive: true, mode: 0o700 });
    const made = await signUp(place, { gateway: plan.gateway, name: this.#name, password: this.#password });
    if (made.kind !== "signed-up") throw new Error(`nobody may sign up: ${made.kind === "refused" ? made.sentence : made.kind}`);
    const client = await openClient(place, { gateway: plan.gateway, agent: "fastchat-bench" });
    this.#client = client!;
    client!.subscribe((event) => this.#hear(event));
    await client!.caughtUp(AbortSignal.timeout(PATIENCE_MS));
    const { connection } = client!;
    this.#url = connection.kind === "online" ? connection.server : "";
    tally.server(this.#url).connections++;
  }

  /** Begins what it has to begin, greets, and accepts what the others begin. */
  async meet(): Promise<void> {
    const { conversations, names } = this.#around.plan;
    const client = this.#client!;
    const mine = conversations.filter(({ members }) => members.includes(this.#number));
    for (const { key, kind, members } of mine) {
      if (members[0] !== this.#number) continue;
      const others = members.slice(1).map((member) => names[member]!);
      const id = kind === "direct" ? await client.openDirect(others[0]!) : await client.groups.create({ name: key, members: others });
      this.#know(key, id);
      await client.send(id, GREETING);
    }
    for (const until = performance.now() + PATIENCE_MS; this.#ids.size < mine.length; await wait(LOOK_MS)) {
      for (const { id } of (await client.requests()).conversations) await client.accept(id);
      for (const { id, title, peer } of await client.conversations()) {
        const found = mine.find(
          ({ key, kind, members }) => (kind === "group" ? title === key : peer?.name === names[members[0]!]) && !this.#ids.has(key),
        );
        if (found !== undefined && !this.#keys.has(id)) this.#know(found.key, id);
      }
      if (performance.now() > until) throw new Error(`${this.#name} found ${this.#ids.size} of ${mine.length} conversations`);
    }
  }

  write(intended: number): void {
    const { tally, plan } = this.#around;
    const key = this.#writesTo[this.#turn++ % this.#writesTo.length]!;
    const isPicture = plan.pictureBytes > 0 && this.#turn % EVERY_TENTH === 0;
    const sender = `${this.#number}${isPicture ? "p" : ""}`;
    const count = this.#counts.get(key + sender) ?? 0;
    this.#counts.set(key + sender, count + 1);
    tally.sent++;
    const head = `${sender} ${count} ${intended} `;
    const text = head + "x".repeat(Math.max(0, plan.textBytes - head.length));
    this.#sending = this.#sending.then(async () => {
      const id = this.#ids.get(key)!;
      const message = isPicture ? await this.#sendPicture(id, text) : await this.#client!.send(id, text);
      this.#under.set(message, { since: intended, key });
    });
    this.#sending.catch((error: unknown) => tally.fault(`a message could not be sent: ${String(error)}`));
  }

  /** All that is stored here, held against who wrote how many. */
  async read(): Promise<void> {
    const { tally } = this.#around;
    for (const id of this.#keys.keys()) {
      const next = new Map<string, number>();
      for (const item of await this.#stored(id)) {
        if (item.kind === "notice") {
          if (["unreadable", "invalid-link", "contradiction", "fork", "incomplete"].includes(item.notice))
            tally.fault(`a client says: ${item.text}`);
          continue;
        }
        if (item.text === GREETING) continue;
        const said = written(item.text);
        if (said === undefined) {
          tally.fault(`a message in the storage is none that was written`);
          continue;
        }
        const expected = next.get(said.sender) ?? 0;
        if (said.count !== expected)
          tally.fault(`in the storage message ${said.count} of sender ${said.sender} stands in the place of ${expected}`);
        next.set(said.sender, said.count + 1);
      }
    }
  }

  /** On one more device, which is erased at once. */
  async signInAgain(): Promise<void> {
    const { plan, tally } = this.#around;
    const place = { home: plan.home, profile: `${this.#name}-${++this.#turn}` };
    const since = now();
    tally.sent++;
    const result = await signIn(place, { gateway: plan.gateway, name: this.#name, password: this.#password });
    if (result.kind === "signed-in") {
      tally.acked++;
      tally.ackLatency.add(now() - since);
    } else tally.fault(`somebody could not sign in: ${result.kind === "refused" ? result.sentence : result.kind}`);
    await rm(join(place.home, place.profile), { recursive: true, force: true });
  }

  async leaveForGood(): Promise<void> {
    const { plan } = this.#around;
    this.#client ??= await openClient({ home: plan.home, profile: this.#name }, { gateway: plan.gateway });
    await this.#client!.deleteAccount(this.#password);
  }

  async close(): Promise<void> {
    await this.#client?.close();
    this.#client = undefined;
  }

  async #sendPicture(id: ConversationId, text: string): Promise<ClientMessageId> {
    const bytes = randomBytes(this.#around.plan.pictureBytes);
    const source = { name: "picture.jpg", size: bytes.length, stream: () => Readable.from([bytes], { objectMode: true }) };
    return this.#client!.files.send(id, [{ source, mediaType: "image/jpeg", width: 4_000, height: 3_000 }], { text });
  }

  async #stored(id: ConversationId): Promise<ChatItem[]> {
    const all: ChatItem[] = [];
    for (let before: number | undefined; ;) {
      const { items, more } = await this.#client!.items(id, before === undefined ? { limit: PAGE } : { before, limit: PAGE });
      all.unshift(...items);
      const first = items.find(({ sequence }) => sequence !== undefined)?.sequence;
      if (!more || first === undefined) return all;
      before = first;
    }
  }

  #know(key: string, id: ConversationId): void {
    this.#ids.set(key, id);
    this.#keys.set(id, key);
  }

  #hear(event: ClientEvent): void {
    if (event.kind !== "items") return;
    const at = now();
    for (const item of event.items) if (item.kind === "message" && item.sequence !== undefined) this.#hearMessage(item, at);
  }

  #hearMessage(message: ChatMessage, at: number): void {
    const { tally } = this.#around;
    const under = this.#under.get(message.id);
    if (message.mine) {
      if (under === undefined) return;
      this.#under.delete(message.id);
      tally.acked++;
      tally.ackedIn.set(under.key, (tally.ackedIn.get(under.key) ?? 0) + 1);
      tally.ackLatency.add(at - under.since);
      this.#around.answered(this);
      return;
    }
    const said = written(message.text);
    // Also told again when something of it changes.
    if (said === undefined || message.sequence! <= (this.#told.get(message.conversation) ?? 0)) return;
    this.#told.set(message.conversation, message.sequence!);
    if (message.files.length === 0) {
      tally.latency.add(at - said.intended);
      return this.#count();
    }
    const place = { conversation: message.conversation, sequence: message.sequence!, place: 0 };
    this.#client!.files.fetch(place, new MemorySink(message.files[0]!.bytes)).then(
      () => this.#count(),
      (error: unknown) => tally.fault(`a picture could not be fetched: ${String(error)}`),
    );
  }

  #count(): void {
    const { tally } = this.#around;
    tally.delivered++;
    tally.server(this.#url).delivered++;
  }
}
