import fc from "fast-check";
import { test } from "vitest";
import { startSystem } from "../system.ts";
import { Household } from "./household.ts";
import { scenarios } from "./operations.ts";
import { play } from "./play.ts";
import { sizes } from "./sizes.ts";

const size = sizes[process.env["SIZE"] === "large" ? "large" : "small"];
/** Of all scenarios. `SEED=7 RUNS=1 npm run test:devices` repeats. */
const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 2 ** 31));
const runs = Number(process.env["RUNS"] ?? size.runs);

/** Each plays once in a system: what an account may do in a minute is limited. */
const households = [
  ["alice", "bob", "carol"],
  ["dave", "erin", "frank"],
  ["grace", "heidi", "ivan"],
  ["judy", "mallory", "niaj"],
  ["olivia", "peggy", "rupert"],
] as const;

test(
  "[H1] [H3] [P2] [P4] devices come, go, are revoked, wiped and restored from copies, and passwords change: every living device reads all that is its to read",
  { timeout: size.timeoutMs },
  async () => {
    for (let run = 0; run < runs;) {
      await using system = await startSystem({ servers: 2 });
      for (const names of households.slice(0, runs - run)) {
        await using household = await Household.assemble(system, names);
        await fc.assert(
          fc.asyncProperty(scenarios, (scenario) => play(household, scenario)),
          { seed: seed + run, numRuns: 1, endOnFailure: true },
        );
        run += 1;
      }
      if (size === sizes.large) console.log(`${run} runs without a divergence, SEED=${seed}`);
    }
  },
);
