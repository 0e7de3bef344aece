import { randomBytes } from "node:crypto";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as wait } from "node:timers/promises";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { WebSocket } from "ws";
import { TcpProxy } from "../../testing/faults/tcp-proxy.ts";
import { silentLog } from "../events.ts";
import { connect, TestDatabase } from "../store/test-database.ts";
import { hearsAgain, isPartInOrder, listen } from "./bus-contract.ts";
import { openNotifyBus } from "./bus-notify.ts";
import { DirectBus } from "./direct-bus.ts";

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
  readonly #http: Server;
  readonly #stack: AsyncDisposableStack;

  private constructor(run: string, bus: DirectBus, http: Server, stack: AsyncDisposableStack) {
    this.run = run;
    this.bus = bus;
    this.port = (http.address() as AddressInfo).port;
    this.#http = http;
    this.#stack = stack;
  }

  static async start(run: string, ownKey: Uint8Array = key): Promise<End> {
    await using stack = new AsyncDisposableStack();
    const notify = stack.use(await openNotifyBus({ url: database.url, log: silentLog }));
    const http = createServer();
    stack.defer(() => new Promise((resolve) => void http.close(() => resolve())));
    const bus = stack.use(new DirectBus({ bus: notify, run, key: ownKey, log: silentLog }));
    http.on("upgrade", (request, socket, head) => {
      if (DirectBus.isAsked(request)) bus.accept(request, socket, head);
      else socket.end("HTTP/1.1 426 Upgrade Required\r\n\r\n");
    });
    await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
    return new End(run, bus, http, stack.move());
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

/** Longer than NOTIFY takes, so only who reaches everybody directly has it. */
const isDirect = ({ bus }: End): boolean => bus.payloadBytes > 100_000;

test("who reaches all others tells them directly, in order and as it is, and says nothing in the database", async () => {
  await using one = await End.start("one");
  await using other = await End.start("other");
  await using third = await End.start("third");
  await introduce(one, other, third);
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

test("while one of the others is not reached all is said in the database, where everybody hears it once", async () => {
  await using one = await End.start("one");
  await using near = await End.start("near");
  await using far = await End.start("far");
  const ears = [listen(near.bus), listen(far.bus)];
  await introduce(one, near);
  expect(isDirect(one)).toBe(true);
  // It cannot come to the others, nor they to it.
  const nowhere = { run: "far", url: "ws://127.0.0.1:9" };
  await Promise.all([one.bus.meet([near.at(), nowhere]), near.bus.meet([one.at(), nowhere])]);
  expect(isDirect(one)).toBe(false);
  await one.bus.publish("to all");
  for (const { heard } of ears) await expect.poll(() => heard).toEqual(["to all"]);
  expect(notified).toEqual(["to all"]);
  // One that has ended is not waited for.
  await one.bus.meet([near.at()]);
  expect(isDirect(one)).toBe(true);
});

test("one who has not the installation's key hears nothing, and is not taken for a server", async () => {
  await using one = await End.start("one");
  await using stranger = await End.start("stranger", randomBytes(32));
  await introduce(one, stranger);
  expect([isDirect(one), isDirect(stranger)]).toEqual([false, false]);
  const said = { "fastchat-run": "stranger" };
  for (const headers of [{}, said, { ...said, authorization: "" }, { ...said, authorization: "0".repeat(64) }, { authorization: "ü" }]) {
    const socket = new WebSocket(one.at().url, "fastchat-bus", { headers });
    const status = await new Promise((resolve) => {
      socket.on("unexpected-response", (_, { statusCode }) => resolve(statusCode));
      socket.on("open", () => resolve("open"));
      socket.on("error", () => undefined);
    });
    expect(status).toBe(401);
    socket.terminate();
  }
});

test("a proof that one gave to a server is of no use at another, nor to another", async () => {
  await using one = await End.start("one");
  await using other = await End.start("other");
  const proofs: string[] = [];
  const trap = createServer().on("upgrade", ({ headers }, socket) => {
    proofs.push(headers.authorization!);
    socket.destroy();
  });
  await new Promise<void>((resolve) => trap.listen(0, "127.0.0.1", resolve));
  await one.bus.meet([{ run: "trap", url: `ws://127.0.0.1:${(trap.address() as AddressInfo).port}` }]);
  trap.close();
  expect(proofs).toHaveLength(1);
  for (const run of ["one", "trap", "other"]) {
    const socket = new WebSocket(other.at().url, "fastchat-bus", { headers: { "fastchat-run": run, authorization: proofs[0]! } });
    const opened = await new Promise((resolve) => socket.on("open", () => resolve(true)).on("error", () => resolve(false)));
    expect(opened).toBe(false);
  }
});

test("a connection that is cut sends what follows by the database, and is made again; who heard less is told once", async () => {
  await using one = await End.start("one");
  await using other = await End.start("other");
  await using proxy = await TcpProxy.start({ host: "127.0.0.1", port: one.port });
  const meet = () => Promise.all([one.bus.meet([other.at()]), other.bus.meet([one.at(proxy.port)])]);
  await meet();
  const ear = listen(other.bus);
  await one.bus.publish("before");
  await expect.poll(() => ear.heard).toEqual(["before"]);
  proxy.cut();
  await expect.poll(() => isDirect(one)).toBe(false);
  await one.bus.publish("meanwhile");
  await expect.poll(() => ear.heard).toEqual(["before", "meanwhile"]);
  expect(notified).toEqual(["meanwhile"]);
  await expect.poll(async () => (await meet(), isDirect(one)), { timeout: 10_000 }).toBe(true);
  expect(ear.interruptions()).toBe(1);
  await one.bus.publish("after");
  await expect.poll(() => ear.heard).toEqual(["before", "meanwhile", "after"]);
  expect(notified).toEqual(["meanwhile"]);
});

test("a connection on which nothing comes any more is given up within beats, on both sides", async () => {
  await using one = await End.start("one");
  await using other = await End.start("other");
  await using proxy = await TcpProxy.start({ host: "127.0.0.1", port: one.port });
  const meet = () => Promise.all([one.bus.meet([other.at()]), other.bus.meet([one.at(proxy.port)])]);
  await meet();
  const ear = listen(other.bus);
  proxy.hold();
  await one.bus.publish("lost");
  await expect.poll(() => isDirect(one), { timeout: 10_000 }).toBe(false);
  await one.bus.publish("by the database");
  await expect.poll(() => ear.heard).toEqual(["by the database"]);
  proxy.release();
  await expect.poll(async () => (await meet(), isDirect(one)), { timeout: 20_000 }).toBe(true);
  expect(ear.interruptions()).toBe(1);
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
  await introduce(one, other);
  const ear = listen(other.bus);
  await other[Symbol.asyncDispose]();
  await expect.poll(() => isDirect(one)).toBe(false);
  await one.bus.publish("for nobody");
  await one.bus.meet([]);
  await expect.poll(() => one.httpConnections).toBe(0);
  expect(ear).toMatchObject({ heard: [] });
  await expect(other.bus.publish("late")).rejects.toThrow(/not connected/);
});
