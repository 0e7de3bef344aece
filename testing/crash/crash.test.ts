import { expect, test } from "vitest";
import { TestNats } from "../../server/bus/test-nats.ts";
import { countFaults } from "./checker.ts";
import { everyNatsFault, runCrashTest } from "./run.ts";
import { sizes } from "./sizes.ts";

const large = process.env["SIZE"] === "large";

test(
  "[S7] pairs talk while everything breaks: each message that was taken is at both, once, in one order",
  { timeout: large ? 1_800_000 : 300_000 },
  async () => {
    const seed = Number(process.env["CRASH_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
    console.log(`crash test: seed ${seed} (CRASH_SEED=${seed} repeats it)`);
    const { faults, counts } = await runCrashTest({ seed, ...(large ? sizes.large : sizes.small), log: console.log });
    console.log(`crash test: ${JSON.stringify(counts)}`);
    expect({ kinds: countFaults(faults), first: faults.slice(0, 10) }).toEqual({ kinds: {}, first: [] });
    // Nothing was tested unless everything broke.
    expect(counts).toMatchObject({ clientsKilled: 6, commitsCut: 2, processesKilled: 5 });
    expect(counts.notificationsDropped).toBeGreaterThan(0);
    expect(counts.socketsCut).toBeGreaterThan(0);
    expect(counts.acknowledged).toBeGreaterThanOrEqual((large ? sizes.large : sizes.small).messages);
  },
);

test(
  "[D9] pairs talk through NATS while that is killed, hangs, and is cut off from one server after the other",
  { timeout: large ? 1_800_000 : 300_000 },
  async ({ skip }) => {
    TestNats.orSkip(skip);
    const seed = Number(process.env["CRASH_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
    console.log(`crash test with NATS: seed ${seed} (CRASH_SEED=${seed} repeats it)`);
    const size = large ? sizes.large : sizes.small;
    const { faults, counts } = await runCrashTest({
      seed,
      ...size,
      bus: "nats",
      faults: [...everyNatsFault, "kill-chat-servers"],
      log: console.log,
    });
    console.log(`crash test with NATS: ${JSON.stringify(counts)}`);
    expect({ kinds: countFaults(faults), first: faults.slice(0, 10) }).toEqual({ kinds: {}, first: [] });
    expect(counts.processesKilled).toBe(3);
    expect(counts.acknowledged).toBeGreaterThanOrEqual(size.messages);
  },
);
