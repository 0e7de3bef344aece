import { expect, test } from "vitest";
import { TemporaryFolder } from "../testing/index.ts";
import { ServerClock } from "./server-clock.ts";
import { openSqliteStorage } from "./storage-sqlite.ts";

const HOUR = 3_600_000;
const noon = Date.parse("2026-11-20T12:00:00Z");

/** A machine whose clock is so far ahead of the server's; a profile on it. */
function machine(ahead: number) {
  const stack = new DisposableStack();
  const folder = stack.use(new TemporaryFolder()).path;
  const clocks = { wallNow: noon + ahead, steadyNow: 5_000, wall: () => clocks.wallNow, steady: () => clocks.steadyNow };
  const storage = openSqliteStorage(folder);
  const pass = (milliseconds: number): void => {
    clocks.wallNow += milliseconds;
    clocks.steadyNow += milliseconds;
  };
  return { clocks, storage, pass, [Symbol.asyncDispose]: () => storage.close().then(() => stack.dispose()) };
}

test("[H4] a clock that is hours off, either way, tells the server's time once it was heard", async () => {
  for (const ahead of [-5 * HOUR, 0, 5 * HOUR]) {
    await using it = machine(ahead);
    const clock = new ServerClock(it.storage, it.clocks);
    expect(clock.now()).toBe(noon + ahead);
    await clock.hear(BigInt(noon));
    it.pass(1_500);
    expect(clock.now()).toBe(noon + 1_500);
  }
});

test("[H4] setting the machine's clock changes nothing while it runs", async () => {
  await using it = machine(0);
  const clock = new ServerClock(it.storage, it.clocks);
  await clock.hear(BigInt(noon));
  it.clocks.wallNow += 7 * HOUR;
  it.pass(1_000);
  expect(clock.now()).toBe(noon + 1_000);
  it.clocks.wallNow -= 30 * HOUR;
  expect(clock.now()).toBe(noon + 1_000);
});

test("[H4] without a connection the difference that was heard last goes on, and never back behind what was heard", async () => {
  await using it = machine(5 * HOUR);
  await new ServerClock(it.storage, it.clocks).hear(BigInt(noon));
  it.pass(2 * HOUR);
  const later = new ServerClock(it.storage, it.clocks);
  await later.load();
  expect(later.now()).toBe(noon + 2 * HOUR);
  // Its battery was empty: the clock begins anew, long ago.
  it.clocks.wallNow = 0;
  const muchLater = new ServerClock(it.storage, it.clocks);
  await muchLater.load();
  it.pass(1_000);
  expect(muchLater.now()).toBe(noon + 1_000);
});

test("[H4] beside the holder what it heard since is taken over, and nothing else changes the time", async () => {
  await using it = machine(0);
  const holder = new ServerClock(it.storage, it.clocks);
  const beside = new ServerClock(it.storage, it.clocks);
  await beside.load();
  await holder.hear(BigInt(noon - 3 * HOUR));
  await beside.load();
  expect(beside.now()).toBe(noon - 3 * HOUR);
  it.clocks.wallNow += HOUR;
  await beside.load();
  expect(beside.now()).toBe(noon - 3 * HOUR);
});

test("[H4] forged times: a server moves this clock by a day at most", async () => {
  await using it = machine(0);
  const clock = new ServerClock(it.storage, it.clocks);
  const day = 24 * HOUR;
  for (const [said, believed] of [
    [0n, noon - day],
    [2n ** 64n - 1n, noon + day],
  ] as const) {
    await clock.hear(said);
    expect(clock.now()).toBe(believed);
  }
});
