import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server } from "node:http";
import { type AddressInfo, connect as connectTcp } from "node:net";
import { setTimeout as wait } from "node:timers/promises";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { conversationId } from "@fastchat/protocol";
import { TcpProxy } from "../../testing/faults/tcp-proxy.ts";
import { silentLog } from "../events.ts";
import { connect, TestDatabase } from "../store/test-database.ts";
import { busContract, hearsAgain, isPartInOrder, listen } from "./bus-contract.ts";
import type { Head } from "./bus.ts";
import { openNotifyBus } from "./bus-notify.ts";
import { DirectBus } from "./bus-direct.ts";
import { SUBPROTOCOL } from "./direct-words.ts";
import { type HintMessage, prefixOf } from "./hint.ts";
import { HintLine } from "./hint-line.ts";

let database: TestDatabase;
/** All that was said by the database. */
const notified: string[] = [];
const stack = new AsyncDisposableStack();
beforeAll(async () => {
  database = stack.use(await TestDatabase.create());
  const client = stack.use(await connect(database.url));
  client.on("notification", ({ payload }) => notified.push(payload ?? ""));
  await client.query("LISTEN fastchat");
});
afterAll(() => stack.disposeAsync());
beforeEach(() => void notified.splice(0));

const key = randomBytes(32);

/** A chat server, but for its clients. */
class End implements AsyncDisposable {
  readonly run: string;
  readonly bus: DirectBus;
  readonly port: number;
  /** What it wants to hear of when it connects. */
  readonly wanted: Head[];
  readonly #http: Server;
  readonly #stack: AsyncDisposableStack;

  private constructor(run: string, wanted: Head[], bus: DirectBus, http: Server, stack: AsyncDisposableStack) {
    this.run = run;
    this.wanted = wanted;
    this.bus = bus;
    this.port = (http.address() as AddressInfo).port;
    this.#http = http;
    this.#stack = stack;
  }

  static async start(run: string, ownKey: Uint8Array = key, url = database.url): Promise<End> {
    await using stack = new AsyncDisposableStack();
    const notify = stack.use(await openNotifyBus({ url, log: silentLog }));
    const http = createServer();
    const wanted: Head[] = [];
    stack.defer(() => new Promise((resolve) => void http.close(() => resolve())));
    const bus = stack.use(
      new DirectBus({
        bus: notify,
        run,
        key: ownKey,
        wanted: () => wanted,
        isFrom: (from, payload) => !payload.startsWith("forged") || payload === `forged ${from}`,
        log: silentLog,
      }),
    );
    http.on("upgrade", (request, socket, head) => {
      if (DirectBus.isAsked(request)) bus.accept(request, socket, head);
      else socket.end("HTTP/1.1 426 Upgrade Required\r\n\r\n");
    });
    await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
    return new End(run, wanted, bus, http, stack.move());
  }

  /** As others find it. @param port a proxy's before it */
  at(port = this.port) {
    return { run: this.run, url: `ws://127.0.0.1:${port}` };
  }

  get httpConnections(): Promise<number> {
    return new Promise((resolve, reject) => this.#http.getConnections((error, count) => (error ? reject(error) : resolve(count))));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

/** Each knows all others, once all are there. */
async function introduce(...ends: readonly End[]): Promise<void> {
  await Promise.all(ends.map((end) => end.bus.meet(ends.filter((other) => other !== end).map((other) => other.at()))));
}

/** The same, until they reach each other. */
async function acquaint(...ends: readonly End[]): Promise<void> {
  await introduce(...ends);
  await expect.poll(() => ends.every(isDirect)).toBe(true);
}

/** Longer than NOTIFY takes, so only who reaches everybody directly has it. */
const isDirect = ({ bus }: End): boolean => bus.payloadBytes > 100_000;

/** Two that reach each other, the other one by a proxy before the one; it is listened to. */
async function overProxy() {
  await using parts = new AsyncDisposableStack();
  const one = parts.use(await End.start("one"));
  const other = parts.use(await End.start("other"));
  const proxy = parts.use(await TcpProxy.start({ host: "127.0.0.1", port: one.port }));
  const meet = () => Promise.all([one.bus.meet([other.at()]), other.bus.meet([one.at(proxy.port)])]);
  await meet();
  await expect.poll(() => isDirect(one)).toBe(true);
  const owned = parts.move();
  return { one, other, proxy, meet, ear: listen(other.bus), [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** Ends that find each other, as by a registry. */
const registered = new Set<End>();

busContract("direct", {
  port: () => Number(new URL(database.url).port),
  open: async (port) => {
    const end = await End.start(randomBytes(8).toString("hex"), key, Object.assign(new URL(database.url), { port }).href);
    registered.add(end);
    await introduce(...registered);
    const { bus } = end;
    return {
      get payloadBytes() {
        return bus.payloadBytes;
      },
      publish: (payload) => bus.publish(payload),
      subscribe: (subscriber) => bus.subscribe(subscriber),
      async [Symbol.asyncDispose]() {
        registered.delete(end);
        await end[Symbol.asyncDispose]();
        await introduce(...registered);
      },
    };
  },
  isSilencedThere: false,
  cut: async () => {
    await using client = await connect(database.url);
    await client.query(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'fastchat bus' AND datname = current_database()",
    );
  },
});

test("who reaches all others tells them directly, in order and as it is, and says nothing in the database", async () => {
  await using one = await End.start("one");
  await using other = await End.start("other");
  await using third = await End.start("third");
  await acquaint(one, other, third);
  const ears = [listen(other.bus), listen(third.bus)];
  const payloads = ["", "ü \r\n '\"\\", "ü".repeat(one.bus.payloadBytes / 2), ...Array.from({ length: 200 }, (_, index) => `${index}`)];
  await Promise.all(payloads.map((payload) => one.bus.publish(payload)));
  for (const { heard } of ears) {
    await expect.poll(() => heard.length).toBe(payloads.length);
    expect(heard).toEqual(payloads);
  }
  await expect(one.bus.publish("ü".repeat(one.bus.payloadBytes / 2 + 1))).rejects.toThrow(/too long/);
  expect(notified).toEqual([]);
});

/** Of some conversation. */
const somewhere = () => randomBytes(16).toString("hex");

/** What one hears, with what it is told of what it was spared. */
function listenCounting(bus: DirectBus) {
  const heard: string[] = [];
  bus.subscribe({
    message: (payload: string, after?: number) => heard.push(`${payload} after ${after ?? "any"}`),
    interrupted: () => heard.push("interrupted"),
    spared: (run: string, after: number, upTo: number) => heard.push(`${run} ${after} to ${upTo} spared`),
    wanted: () => undefined,
  });
  return heard;
}

test("who says what it wants to hear of is spared the rest, and told in time that it was", async () => {
  const [one, both, other, none] = [somewhere(), somewhere(), somewhere(), somewhere()];
  await using speaker = await End.start("speaker");
  await using hearer = await End.start("hearer");
  await using third = await End.start("third");
  hearer.wanted.push({ prefix: one, head: 1 }, { prefix: both, head: 1 });
  third.wanted.push({ prefix: both, head: 1 }, { prefix: other, head: 1 });
  const [heard, thirdHeard] = [listenCounting(hearer.bus), listenCounting(third.bus)];
  await acquaint(speaker, hearer, third);
  const { bus } = speaker;
  let number = 0;
  const say = async (...conversations: string[]): Promise<boolean> => {
    const about = { number: ++number, conversations };
    if (bus.spare(about)) return true;
    await bus.publish(`${number}`, about);
    return false;
  };
  await expect.poll(() => bus.spare({ number: 0, conversations: [none] })).toBe(true);
  expect(await say(one)).toBe(false);
  expect(await say(other, one)).toBe(false);
  expect(await say(other)).toBe(false);
  expect(await say(none)).toBe(true);
  expect(await say(both)).toBe(false);
  // What is for everybody.
  await bus.publish("6", { number: ++number, conversations: undefined });
  await expect.poll(() => heard).toEqual(["1 after 0", "2 after 1", "5 after 2", "6 after 5"]);
  await expect.poll(() => thirdHeard).toEqual(["2 after 0", "3 after 2", "5 after 3", "6 after 5"]);
  for (const each of [none, none, one]) await say(each);
  bus.keepUp();
  bus.keepUp();
  await expect.poll(() => heard.slice(4)).toEqual(["9 after 6"]);
  await expect.poll(() => thirdHeard.slice(4)).toEqual(["speaker 6 to 9 spared"]);
  // From now on and no more, as of when it says so.
  hearer.bus.want({ prefix: none, head: 0 });
  hearer.bus.leave(one);
  await expect.poll(() => bus.spare({ number: ++number, conversations: [none] })).toBe(false);
  expect(await say(one)).toBe(true);
  await say(none);
  await expect.poll(() => heard.slice(5)).toEqual([`${number} after 9`]);
});

test("servers spare each other what is of none of their people, count it, and say it to whom it becomes of interest", async () => {
  await using speaker = await End.start("speaker");
  await using hearer = await End.start("hearer");
  const [messages, missed]: [HintMessage[], string[]] = [[], []];
  const line = ({ bus, run }: End) =>
    new HintLine({
      bus,
      run,
      key,
      heard: [{ run: "speaker", hints: 0 }],
      log: silentLog,
      onHints: (message) => messages.push(message),
      onMissed: () => missed.push(run),
    });
  const [speaks, hears] = [line(speaker), line(hearer)];
  await acquaint(speaker, hearer);
  const [known, unknown] = [conversationId(randomBytes(32)), conversationId(randomBytes(32))];
  hearer.bus.want({ prefix: prefixOf(known), head: 0 });
  await expect.poll(() => speaker.bus.spare({ number: 0, conversations: [] })).toBe(true);
  const beat = () => hears.compare([{ run: "speaker", hints: speaks.numberToTell() }]);
  for (const head of [1, 2, 3]) {
    speaks.tellHead(unknown, head);
    await expect.poll(() => speaks.number).toBe(head);
  }
  beat();
  speaks.tellHead(known, 9);
  await expect.poll(() => messages).toMatchObject([{ number: 4, heads: [{ prefix: prefixOf(known), head: 9 }] }]);
  speaks.tellHead(unknown, 4);
  await expect.poll(() => speaks.number).toBe(5);
  // Read before the newest was told.
  hearer.bus.want({ prefix: prefixOf(unknown), head: 3 });
  await expect.poll(() => messages.slice(1)).toMatchObject([{ number: 0, heads: [{ prefix: prefixOf(unknown), head: 4 }] }]);
  // Of hints nobody keeps the newest.
  speaks.tell(["slot", conversationId(randomBytes(32)), "", 1]);
  await expect.poll(() => messages.slice(2)).toMatchObject([{ number: 6, hints: [["slot", expect.anything(), "", 1]] }]);
  beat();
  beat();
  expect(missed).toEqual([]);
});

test("who begins to want something is told what was said of it lately, and is heard in order", async () => {
  await using speaker = await End.start("speaker");
  await using hearer = await End.start("hearer");
  const asked: Head[] = [];
  speaker.bus.subscribe({
    message: () => undefined,
    interrupted: () => undefined,
    spared: () => undefined,
    wanted: (heads: readonly Head[]) => (asked.push(...heads), heads.some(({ head }) => head < 7) ? "newer" : undefined),
  });
  const many = Array.from({ length: 7_000 }, (_, head) => ({ prefix: somewhere(), head: head + 7 }));
  hearer.wanted.push(...many);
  const heard = listenCounting(hearer.bus);
  await acquaint(speaker, hearer);
  await expect.poll(() => asked).toEqual(many);
  expect(heard).toEqual([]);
  const some = { prefix: somewhere(), head: 3 };
  hearer.bus.want(some);
  await expect.poll(() => heard).toEqual(["newer after any"]);
  expect(asked.at(-1)).toEqual(some);
});

test("one that is given up while something is said makes no number both spared and said", async () => {
  const some = somewhere();
  await using speaker = await End.start("speaker");
  await using stuck = await End.start("stuck");
  await using hearer = await End.start("hearer");
  await using proxy = await TcpProxy.start({ host: "127.0.0.1", port: speaker.port });
  for (const { wanted } of [stuck, hearer]) wanted.push({ prefix: some, head: 0 });
  const heard = listenCounting(hearer.bus);
  // The one that will not read is told first.
  const peers = [stuck.at(), hearer.at()];
  await Promise.all([speaker.bus.meet(peers), stuck.bus.meet([speaker.at(proxy.port)])]);
  await hearer.bus.meet([speaker.at()]);
  await expect.poll(() => isDirect(speaker)).toBe(true);
  proxy.hold();
  let number = 0;
  for (; isDirect(speaker) && number < 400; number++) {
    await wait(1);
    await speaker.bus.publish(`${number + 1} ${"x".repeat(50_000)}`, { number: number + 1, conversations: [some] });
  }
  expect(number).toBeLessThan(400);
  await expect.poll(() => heard.length).toBeGreaterThanOrEqual(number);
  expect(heard.map((each) => each.replace(/ x+ after /, " after "))).toEqual(
    Array.from({ length: number }, (_, index) => `${index + 1} after ${index}`),
  );
});

test("one that wants to hear of very many conversations is told directly, too", async () => {
  await using speaker = await End.start("speaker");
  await using hearer = await End.start("hearer");
  const counts = { asked: 0 };
  speaker.bus.subscribe({
    message: () => undefined,
    interrupted: () => undefined,
    spared: () => undefined,
    wanted: (heads: readonly Head[]) => void (counts.asked += heads.length),
  });
  const ear = listen(hearer.bus);
  for (let index = 0; index < 600_000; index++) hearer.wanted.push({ prefix: index.toString(16).padStart(32, "0"), head: 1 });
  await acquaint(speaker, hearer);
  await expect.poll(() => counts.asked, { timeout: 20_000 }).toBe(hearer.wanted.length);
  await expect.poll(() => speaker.bus.spare({ number: 0, conversations: ["none"] })).toBe(true);
  for (const { prefix } of hearer.wanted) hearer.bus.leave(prefix);
  await expect.poll(() => speaker.bus.spare({ number: 0, conversations: [hearer.wanted.at(-1)!.prefix] }), { timeout: 20_000 }).toBe(true);
  expect(isDirect(speaker)).toBe(true);
  expect(ear.interruptions()).toBe(0);
});

test("what was spared somebody is told before the rest goes another way, and is no loss", async () => {
  const none = somewhere();
  await using speaker = await End.start("speaker");
  await using hearer = await End.start("hearer");
  const heard = listenCounting(hearer.bus);
  await acquaint(speaker, hearer);
  await expect.poll(() => speaker.bus.spare({ number: 4, conversations: [none] })).toBe(true);
  await speaker.bus.meet([hearer.at(), { run: "far", url: "ws://127.0.0.1:9" }]);
  expect(speaker.bus.spare({ number: 5, conversations: [none] })).toBe(false);
  await speaker.bus.publish("5", { number: 5, conversations: [none] });
  await expect.poll(() => heard).toEqual(["speaker 0 to 4 spared", "5 after any"]);
  await speaker.bus.meet([hearer.at()]);
  await expect.poll(() => isDirect(speaker)).toBe(true);
  await speaker.bus.publish("6", { number: 6, conversations: undefined });
  await expect.poll(() => heard.at(-1)).toBe("6 after 5");
});

test("while one of the others is not reached all is said in the database, where everybody hears it once", async () => {
  await using one = await End.start("one");
  await using near = await End.start("near");
  await using far = await End.start("far");
  const ears = [listen(near.bus), listen(far.bus)];
  await acquaint(one, near);
  // It cannot come to the others, nor they to it.
  const nowhere = { run: "far", url: "ws://127.0.0.1:9" };
  await Promise.all([one.bus.meet([near.at(), nowhere]), near.bus.meet([one.at(), nowhere])]);
  expect(isDirect(one)).toBe(false);
  await one.bus.publish("to all");
  for (const { heard } of ears) await expect.poll(() => heard).toEqual(["to all"]);
  await expect.poll(() => notified).toEqual(["to all"]);
  // One that has ended is not waited for.
  await one.bus.meet([near.at()]);
  expect(isDirect(one)).toBe(true);
});

test("one who has not the installation's key hears nothing, and is not taken for a server", async () => {
  await using one = await End.start("one");
  await using stranger = await End.start("stranger", randomBytes(32));
  await introduce(one, stranger);
  for (const answer of ["", "0".repeat(64), "ü"]) {
    const headers = { "fastchat-run": "stranger", "fastchat-nonce": "00" };
    const socket = new WebSocket(one.at().url, SUBPROTOCOL, { headers });
    await once(socket, "open");
    socket.send(answer);
    await once(socket, "close");
  }
  for (const headers of [{}, { "fastchat-run": "stranger" }, { "fastchat-nonce": "00" }]) {
    const socket = new WebSocket(one.at().url, SUBPROTOCOL, { headers }).on("error", () => undefined);
    const [, { statusCode }] = (await once(socket, "unexpected-response")) as [unknown, IncomingMessage];
    expect(statusCode).toBe(401);
    socket.terminate();
  }
  // Many who say nothing are shown out, and do not keep out who has the key for long.
  const silent = Array.from({ length: 120 }, () =>
    new WebSocket(one.at().url, SUBPROTOCOL, { headers: { "fastchat-run": "x", "fastchat-nonce": "00" } }).on("error", () => undefined),
  );
  await Promise.all(silent.map((socket) => new Promise((resolve) => socket.on("close", resolve))));
  await using other = await End.start("other");
  await acquaint(one, other);
  expect(isDirect(stranger)).toBe(false);
});

test("what one side or the other showed once is of no use again", async () => {
  await using one = await End.start("one");
  await using other = await End.start("other");
  const wires: Buffer[] = [];
  // All that went by between them.
  const record = (bytes: Buffer): Buffer => (wires.push(bytes), bytes);
  await using proxy = await TcpProxy.start({ host: "127.0.0.1", port: one.port }, () => ({ up: record, down: record }));
  await Promise.all([one.bus.meet([other.at()]), other.bus.meet([one.at(proxy.port)])]);
  await expect.poll(() => isDirect(one)).toBe(true);
  const seen = Buffer.concat(wires).toString("latin1");
  const [, speaks] = /fastchat-proof: ([0-9a-f]{64})/i.exec(seen)!;
  const nonces = Array.from(seen.matchAll(/fastchat-nonce: ([0-9a-f]+)/gi), ([, nonce]) => nonce!);
  expect(nonces).toHaveLength(2);
  // Its headers and its masked proof, byte for byte: the true one goes on hearing.
  const again = connectTcp(one.port, "127.0.0.1").on("error", () => undefined);
  again.write(wires[0]!);
  await once(again, "data");
  again.write(wires[2]!);
  await once(again, "close");
  expect(isDirect(one)).toBe(true);
  // And in the place of the speaker.
  const trap = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  trap.on("headers", (headers) => headers.push(`fastchat-proof: ${speaks}`, `fastchat-nonce: ${nonces[1]}`));
  trap.on("connection", (socket) => socket.send("forged"));
  await once(trap, "listening");
  const ear = listen(other.bus);
  await other.bus.meet([{ run: "one again", url: `ws://127.0.0.1:${(trap.address() as AddressInfo).port}` }]);
  trap.close();
  expect(ear.heard).toEqual([]);
});

test("nobody speaks for another", async () => {
  await using one = await End.start("one");
  await using other = await End.start("other");
  await acquaint(one, other);
  const ear = listen(other.bus);
  for (const payload of ["forged third", "forged one"]) await one.bus.publish(payload);
  await expect.poll(() => ear.heard).toEqual(["forged one"]);
});

test("a connection that is cut sends what follows by the database, and is made again; who heard less is told once", async () => {
  await using pair = await overProxy();
  const { one, proxy, meet, ear } = pair;
  await one.bus.publish("before");
  await expect.poll(() => ear.heard).toEqual(["before"]);
  proxy.cut();
  await expect.poll(() => isDirect(one)).toBe(false);
  await one.bus.publish("meanwhile");
  await expect.poll(() => ear.heard).toEqual(["before", "meanwhile"]);
  await expect.poll(() => notified).toEqual(["meanwhile"]);
  await expect.poll(async () => (await meet(), isDirect(one)), { timeout: 10_000 }).toBe(true);
  expect(ear.interruptions()).toBe(1);
  await one.bus.publish("after");
  await expect.poll(() => ear.heard).toEqual(["before", "meanwhile", "after"]);
  expect(notified).toEqual(["meanwhile"]);
});

test("a connection on which nothing comes any more is given up within beats, on both sides", async () => {
  await using pair = await overProxy();
  const { one, proxy, meet, ear } = pair;
  proxy.hold();
  await one.bus.publish("lost");
  await expect.poll(() => isDirect(one), { timeout: 10_000 }).toBe(false);
  await one.bus.publish("by the database");
  await expect.poll(() => ear.heard).toEqual(["by the database"]);
  proxy.release();
  await expect.poll(async () => (await meet(), isDirect(one)), { timeout: 20_000 }).toBe(true);
  expect(ear.interruptions()).toBe(1);
});

test("who hears a server that ends while something is under way is told that it may have missed something", async () => {
  await using pair = await overProxy();
  const { one, other, proxy, ear } = pair;
  proxy.hold();
  await one.bus.publish("its last word");
  proxy.cut();
  await one[Symbol.asyncDispose]();
  expect(ear.interruptions()).toBe(0);
  await other.bus.meet([]);
  expect(ear).toMatchObject({ heard: [] });
  expect(ear.interruptions()).toBe(1);
});

test("what is said directly does not come before what was said in the database", async () => {
  await using one = await End.start("one");
  await using other = await End.start("other");
  const ear = listen(other.bus);
  await acquaint(one, other);
  const said: string[] = [];
  const say = (payload: string): void => {
    said.push(payload);
    void one.bus.publish(payload);
  };
  for (let turn = 0; turn < 5; turn++) {
    // A third one that cannot be reached comes and goes.
    await one.bus.meet([other.at(), { run: `far ${turn}`, url: "ws://127.0.0.1:9" }]);
    for (let count = 0; count < 20; count++) say(`${turn} ${count}`);
    await one.bus.meet([other.at()]);
    for (let count = 20; count < 40; count++) say(`${turn} ${count}`);
  }
  await expect.poll(() => ear.heard.length).toBe(said.length);
  expect(ear.heard).toEqual(said);
});

test("who holds the port of a server, or has an address that is none, is not taken for it, and is no harm", async () => {
  await using one = await End.start("one");
  await using squatter = await End.start("squatter");
  await one.bus.meet([
    { run: "gone", url: squatter.at().url },
    { run: "odd", url: "wss://chat.example.org/#1" },
  ]);
  await squatter.bus.meet([one.at()]);
  // A server of this installation, but not that one.
  await expect.poll(() => squatter.httpConnections).toBe(0);
  expect(isDirect(squatter)).toBe(false);
});

test("one that does not read slows nobody, holds bounded memory, and is told what it missed in the end", async () => {
  await using one = await End.start("one");
  await using quick = await End.start("quick");
  await using slow = await End.start("slow");
  await using proxy = await TcpProxy.start({ host: "127.0.0.1", port: one.port });
  const meet = () =>
    Promise.all([
      one.bus.meet([quick.at(), slow.at()]),
      quick.bus.meet([one.at(), slow.at()]),
      slow.bus.meet([one.at(proxy.port), quick.at()]),
    ]);
  await meet();
  await expect.poll(() => isDirect(one)).toBe(true);
  const [quickEar, slowEar] = [listen(quick.bus), listen(slow.bus)];
  proxy.hold();
  const payloads = Array.from({ length: 400 }, (_, index) => `${index} ${"x".repeat(50_000)}`);
  const said: string[] = [];
  for (const payload of payloads) {
    await wait(1);
    if (!isDirect(one)) break;
    await one.bus.publish(payload);
    said.push(payload);
  }
  // It was given up on the way.
  expect(said.length).toBeLessThan(payloads.length);
  expect(said.join("").length).toBeGreaterThan(3_000_000);
  await expect.poll(() => quickEar.heard.length).toBe(said.length);
  expect(quickEar.heard.every((payload, index) => payload === said[index])).toBe(true);
  proxy.release();
  await expect.poll(async () => (await meet(), isDirect(one)), { timeout: 10_000 }).toBe(true);
  await hearsAgain(one.bus, slowEar);
  expect(slowEar.interruptions()).toBe(1);
  expect(
    isPartInOrder(
      slowEar.heard.filter((each) => each !== "again"),
      payloads,
    ),
  ).toBe(true);
});

test("one that is closed hears and says nothing more, and leaves no connection behind", async () => {
  await using one = await End.start("one");
  const other = await End.start("other");
  await acquaint(one, other);
  const ear = listen(other.bus);
  await other[Symbol.asyncDispose]();
  await expect.poll(() => isDirect(one)).toBe(false);
  await one.bus.publish("for nobody");
  await one.bus.meet([]);
  await expect.poll(() => one.httpConnections).toBe(0);
  expect(ear).toMatchObject({ heard: [] });
  await expect(other.bus.publish("late")).rejects.toThrow(/not connected/);
});
