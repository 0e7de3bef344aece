import { expect, test } from "vitest";
import { countFaults } from "./checker.ts";
import { runCrashTest } from "./run.ts";
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
