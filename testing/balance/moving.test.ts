import { setTimeout as wait } from "node:timers/promises";
import type { ChatMessage } from "@fastchat/client";
import type { ConversationId } from "@fastchat/protocol";
import { expect, test } from "vitest";
import { anotherDevice, type Person, person, startSystem, type System } from "../index.ts";
import { forEach, Member, signUpCrowd } from "./crowd.ts";

// Clients go from one chat server to another while people write: real processes, real clients.

/** Two people who write to each other, each with so much between two messages. */
class Pair implements AsyncDisposable {
  readonly both: readonly [Person, Person];
  readonly #conversation: ConversationId;
  readonly #written: [string[], string[]] = [[], []];
  #stop = false;
  #writing: Promise<unknown> | undefined;

  private constructor(both: readonly [Person, Person], conversation: ConversationId) {
    this.both = both;
    this.#conversation = conversation;
  }

  static async meet(both: readonly [Person, Person]): Promise<Pair> {
    const [one, other] = both;
    const conversation = await one.say(other.name, "first");
    await other.hears(one.name, "first");
    return new Pair(both, conversation);
  }

  write(everyMs: number): void {
    this.#writing = Promise.all([this.#keepWriting(0, everyMs), this.#keepWriting(1, everyMs)]);
  }

  get count(): number {
    return Math.min(...this.#written.map(({ length }) => length));
  }

  async #keepWriting(who: 0 | 1, everyMs: number): Promise<void> {
    const { client, name } = this.both[who];
    for (let number = 0; !this.#stop; number++) {
      const text = `${name} ${number}`;
      await client.send(this.#conversation, text);
      this.#written[who].push(text);
      await wait(everyMs);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop = true;
    await this.#writing;
  }

  /** Ends it, and judges: both show the same, and of each of them everything, once, in order. */
  async judge(): Promise<void> {
    await this[Symbol.asyncDispose]();
    for (const { client } of this.both) await client.sent(this.#conversation, AbortSignal.timeout(60_000));
    const shown = await Promise.all(this.both.map((each) => this.#shownTo(each)));
    expect(shown[1]).toEqual(shown[0]);
    for (const [who, { name }] of this.both.entries()) {
      expect(shown[0]!.filter((text) => text.startsWith(`${name} `))).toEqual(this.#written[who]);
    }
  }

  async #shownTo({ client }: Person): Promise<string[]> {
    const most = this.#written[0].length + this.#written[1].length + 100;
    const texts = async () => {
      const { items } = await client.items(this.#conversation, { limit: most });
      return items.filter((item): item is ChatMessage => item.kind === "message").map(({ text }) => text);
    };
    const all = 1 + this.#written[0].length + this.#written[1].length;
    await expect.poll(async () => (await texts()).length).toBe(all);
    return texts();
  }
}

const serverOf = ({ client }: Person): string => (client.connection.kind === "online" ? client.connection.server : client.connection.kind);

/** What the connection became since then, in order: names of servers, or what it was instead of online. */
const pathOf = ({ events }: Person, since: number): string[] =>
  events.slice(since).flatMap((event) => {
    if (event.kind !== "connection") return [];
    return [event.connection.kind === "online" ? event.connection.server : event.connection.kind];
  });

const names = ["alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi", "ivan", "judy"];

async function pairsIn(system: System, stack: AsyncDisposableStack, count: number): Promise<Pair[]> {
  const pairs: Pair[] = [];
  for (let number = 0; number < count; number++) {
    const one = stack.use(await person(system, names[2 * number]!));
    const other = stack.use(await person(system, names[2 * number + 1]!));
    pairs.push(stack.use(await Pair.meet([one, other])));
  }
  return pairs;
}

test("[D12] servers that are told to stop, one after the other, while people write: each is welcomed elsewhere before it leaves, and no message is lost", async () => {
  await using system = await startSystem({ servers: 3 });
  await using stack = new AsyncDisposableStack();
  const pairs = await pairsIn(system, stack, 5);
  const people = pairs.flatMap(({ both }) => both);
  for (const pair of pairs) pair.write(50);
  const progress = async (): Promise<void> => {
    const before = pairs.map(({ count }) => count);
    await expect.poll(() => pairs.every(({ count }, place) => count >= before[place]! + 20)).toBe(true);
  };
  await progress();
  for (const server of system.servers.slice(0, 2)) {
    const here = people.filter((each) => serverOf(each) === server.process.name);
    expect(here.length).toBeGreaterThan(0);
    const since = people.map(({ events }) => events.length);
    expect(await server.process.stop()).toBe("ended");
    await progress();
    for (const [place, each] of people.entries()) {
      const path = pathOf(each, since[place]!);
      // One server after the other. ("connecting" would be: an answer did not come in time, and the other server serves without it.)
      expect(path.filter((state) => !state.startsWith("chat-") && state !== "connecting")).toEqual([]);
      expect(path.length > 0).toBe(here.includes(each));
      expect(serverOf(each)).not.toBe(server.process.name);
    }
  }
  for (const pair of pairs) await pair.judge();
});

test("[D12] a server that is told to stop and is the only one keeps its clients until there is another", async () => {
  await using system = await startSystem({ servers: 1 });
  await using stack = new AsyncDisposableStack();
  const [pair] = await pairsIn(system, stack, 1);
  pair!.write(25);
  const people = pair!.both;
  const since = people.map(({ events }) => events.length);
  const stopped = system.servers[0]!.process.stop();
  await expect.poll(async () => (await system.query("SELECT draining FROM chat_server"))[0]?.["draining"]).toBe(true);
  const { count } = pair!;
  await expect.poll(() => pair!.count).toBeGreaterThan(count + 5);
  await system.startServer();
  await expect.poll(() => people.map(serverOf)).toEqual(["chat-2", "chat-2"]);
  expect(await stopped).toBe("ended");
  for (const [place, each] of people.entries()) expect(pathOf(each, since[place]!)).toEqual(["chat-2"]);
  await pair!.judge();
});

test("[D13] a server joins: idle clients go there until both have about as many, those that write stay, and nobody misses a message", async () => {
  await using system = await startSystem({ servers: 1 });
  await using stack = new AsyncDisposableStack();
  const [pair, ...idle] = await pairsIn(system, stack, 2);
  const conversations = await signUpCrowd(system.gatewayUrl, 56);
  const members = conversations.map((conversation) => stack.use(new Member(system.gatewayUrl, conversation)));
  await forEach(members, (member) => member.online());
  pair!.write(100);
  await system.startServer();
  const on = (name: string) => members.filter(({ server }) => server === name).length;
  // 60 in all: 30 each, and 5 more are tolerated.
  await expect.poll(() => on("chat-2"), { timeout: 60_000 }).toBeGreaterThanOrEqual(23);
  const loads = async () => (await system.query("SELECT connections FROM chat_server ORDER BY name")).map(({ connections }) => connections);
  await expect.poll(async () => Math.max(...((await loads()) as number[]))).toBeLessThanOrEqual(35);
  expect(pair!.both.map(serverOf)).toEqual(["chat-1", "chat-1"]);
  await pair!.judge();
  // Whoever moved is where they write and are written to.
  for (const other of idle) {
    other.write(10);
    await expect.poll(() => other.count).toBeGreaterThan(10);
    await other.judge();
  }
  // Nobody moved twice, or was without a server.
  for (const { changes } of members) {
    const states = changes.map(({ state }) => (state.kind === "online" ? state.server : state.kind));
    expect([
      ["connecting", "chat-1"],
      ["connecting", "chat-1", "chat-2"],
    ]).toContainEqual(states);
  }
});

test("[D12] a second device of the same person moves by itself, and both show the same", async () => {
  await using system = await startSystem({ servers: 2 });
  await using alice = await person(system, "alice");
  await using bob = await person(system, "bob");
  await alice.say("bob", "hello");
  await bob.hears("alice", "hello");
  await using second = await anotherDevice(system, alice, { profile: "alice-2" });
  await expect.poll(() => second.texts("bob")).toEqual(["hello"]);
  const leaving = serverOf(alice);
  const server = system.servers.find(({ process }) => process.name === leaving)!;
  expect(await server.process.stop()).toBe("ended");
  await bob.say("alice", "still there?");
  for (const device of [alice, second]) {
    await device.hears("bob", "still there?");
    expect(serverOf(device)).not.toBe(leaving);
  }
});
