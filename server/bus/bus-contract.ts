import { expect, test } from "vitest";
import { TcpProxy } from "../../testing/faults/tcp-proxy.ts";
import type { Bus } from "./bus.ts";

export interface BusUnderTest {
  /** Called first in each test, which it may skip. */
  readonly ready?: (skip: (why: string) => never) => void;
  /** Where it is, on loopback. */
  readonly port: () => number;
  /** Another end of the same bus. @param port its own, or a proxy's before it */
  readonly open: (port: number) => Promise<Bus>;
  /** False: it goes on by other ways when nobody answers at that port. */
  readonly isSilencedThere?: boolean;
  /** Cuts all connections once. */
  readonly cut: () => Promise<void>;
}

/** What is published may take so long to settle, milliseconds, with whatever at the other end. */
const SETTLED_MS = 10_000;

export function listen(bus: Bus) {
  const heard: string[] = [];
  let interruptions = 0;
  bus.subscribe({ message: (payload) => heard.push(payload), interrupted: () => (interruptions += 1) });
  return { heard, interruptions: () => interruptions };
}

/** Until `other` hears `one` again. */
export async function hearsAgain(one: Bus, ear: { readonly heard: readonly string[] }, word = "again"): Promise<void> {
  await expect
    .poll(async () => {
      await one.publish(word).catch(() => undefined);
      return ear.heard.includes(word);
    })
    .toBe(true);
}

/** Whether one can be had by leaving some of the other out. */
export function isPartInOrder(part: readonly string[], whole: readonly string[]): boolean {
  let at = 0;
  return part.every((each) => (at = whole.indexOf(each, at) + 1) > 0);
}

/** What every bus must pass. */
export function busContract(name: string, under: BusUnderTest): void {
  const { ready = () => undefined, port, open: openAt, cut, isSilencedThere = true } = under;
  const open = () => openAt(port());

  test(`${name}: every other end hears payloads as published, in order`, async ({ skip }) => {
    ready(skip);
    await using one = await open();
    await using other = await open();
    await using third = await open();
    const ears = [listen(other), listen(third)];
    const payloads = [
      "",
      `\u{feff}ü "quoted" 'text' \\ \r\n ${"x".repeat(500)}`,
      "ü".repeat(one.payloadBytes / 2),
      ...Array.from({ length: 100 }, (_, index) => `${index}`),
    ];
    await Promise.all(payloads.map((payload) => one.publish(payload)));
    for (const { heard } of ears) {
      await expect.poll(() => heard.length).toBe(payloads.length);
      expect(heard).toEqual(payloads);
    }
  });

  test(`${name}: of several that publish at once each one's order holds`, async ({ skip }) => {
    ready(skip);
    await using stack = new AsyncDisposableStack();
    const ends = await Promise.all(["a", "b", "c"].map(async (letter) => [letter, stack.use(await open())] as const));
    const { heard } = listen(stack.use(await open()));
    const numbers = Array.from({ length: 200 }, (_, index) => index);
    await Promise.all(ends.flatMap(([letter, bus]) => numbers.map((number) => bus.publish(`${letter}${number}`))));
    await expect.poll(() => heard.length).toBe(ends.length * numbers.length);
    for (const [letter] of ends) {
      expect(heard.filter((payload) => payload.startsWith(letter))).toEqual(numbers.map((number) => `${letter}${number}`));
    }
  });

  test(`${name}: a subscriber is told once after a time in which something may have been lost, and hears again`, async ({ skip }) => {
    ready(skip);
    await using one = await open();
    await using other = await open();
    const ear = listen(other);
    await hearsAgain(one, ear, "before");
    await cut();
    await expect.poll(ear.interruptions).toBe(1);
    await hearsAgain(one, ear);
    expect(ear.interruptions()).toBe(1);
    await cut();
    await expect.poll(ear.interruptions).toBe(2);
    await hearsAgain(one, ear, "and again");
    expect(ear.interruptions()).toBe(2);
  });

  test(`${name}: a payload that is too long is refused to the publisher alone`, async ({ skip }) => {
    ready(skip);
    await using one = await open();
    await using other = await open();
    const ear = listen(other);
    await expect(one.publish("ü".repeat(one.payloadBytes / 2 + 1))).rejects.toThrow(/too long/);
    await one.publish("after");
    await expect.poll(() => ear.heard).toEqual(["after"]);
  });

  test(`${name}: while nobody answers publishing settles in time, and holds no more than it must; later it goes on`, async ({ skip }) => {
    ready(skip);
    if (!isSilencedThere) skip("it goes on by other ways");
    await using proxy = await TcpProxy.start({ host: "127.0.0.1", port: port() });
    await using one = await openAt(proxy.port);
    await using other = await open();
    const ear = listen(other);
    await one.publish("before");
    proxy.hold();
    try {
      const held = "x".repeat(one.payloadBytes - 10);
      const count = Math.ceil(64_000_000 / held.length);
      const since = performance.now();
      let atOnce = 0;
      const outcomes = await Promise.allSettled(
        Array.from({ length: count }, async (_, index) => {
          try {
            await one.publish(`${index} ${held}`);
          } finally {
            if (performance.now() - since < 1_000) atOnce += 1;
          }
        }),
      );
      expect(performance.now() - since).toBeLessThan(SETTLED_MS);
      expect(outcomes.filter(({ status }) => status === "fulfilled")).toEqual([]);
      // All but what may wait for an answer.
      expect(atOnce).toBeGreaterThan(0.9 * count);
    } finally {
      proxy.release();
    }
    await hearsAgain(one, ear);
    const rest = ear.heard.filter((payload) => payload !== "before" && payload !== "again").map((payload) => Number(payload.split(" ")[0]));
    expect(rest).toEqual(rest.toSorted((a, b) => a - b));
    expect(new Set(rest).size).toBe(rest.length);
  });

  test(`${name}: one that does not read slows nobody, and hears everything later or that it did not`, async ({ skip }) => {
    ready(skip);
    await using proxy = await TcpProxy.start({ host: "127.0.0.1", port: port() });
    await using one = await open();
    await using quick = await open();
    await using slow = await openAt(proxy.port);
    const [quickEar, slowEar] = [listen(quick), listen(slow)];
    const payloads = Array.from({ length: 2_000 }, (_, index) => `${index} ${"x".repeat(7_000)}`);
    const publish = async () => {
      const since = performance.now();
      for (const payload of payloads) await one.publish(payload);
      return performance.now() - since;
    };
    const usual = await publish();
    for (const { heard } of [slowEar, quickEar]) await expect.poll(() => heard.length).toBe(payloads.length);
    expect(quickEar.heard).toEqual(payloads);
    slowEar.heard.splice(0);
    quickEar.heard.splice(0);
    proxy.hold();
    try {
      expect(await publish()).toBeLessThan(10 * usual + 1_000);
      await expect.poll(() => quickEar.heard.length).toBe(payloads.length);
    } finally {
      proxy.release();
    }
    await hearsAgain(one, slowEar);
    const heard = slowEar.heard.filter((payload) => payload !== "again");
    expect(isPartInOrder(heard, payloads)).toBe(true);
    expect(heard.length === payloads.length || slowEar.interruptions() > 0).toBe(true);
  });

  test(`${name}: what is closed hears nothing more, publishes nothing, and connects no more`, async ({ skip }) => {
    ready(skip);
    await using proxy = await TcpProxy.start({ host: "127.0.0.1", port: port() });
    await using one = await open();
    const closed = await openAt(proxy.port);
    const ear = listen(closed);
    await closed[Symbol.asyncDispose]();
    await expect(closed.publish("late")).rejects.toThrow(/not connected/);
    await one.publish("for nobody");
    await expect.poll(() => proxy.connections).toBe(0);
    // One that is trying to connect again ends as well.
    const away = await openAt(proxy.port);
    proxy.hold();
    proxy.cut();
    await away[Symbol.asyncDispose]();
    proxy.release();
    await expect.poll(() => proxy.connections).toBe(0);
    expect(ear).toMatchObject({ heard: [] });
    expect(ear.interruptions()).toBe(0);
  });
}
