import { writeFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { resolve } from "node:path";
import { limits } from "@fastchat/protocol";
import type { BenchOptions, BenchResult, RunResult, Workload } from "../../bench/load/index.ts";
import { parseCount, parseDuration } from "../durations.ts";
import { type ExitCode, exitCodes, Failure, usage } from "../failure.ts";
import { safeLine } from "../safe-text.ts";
import { clockWords, plural } from "../words.ts";
import { command, type CommandContext } from "./command.ts";
import { interrupts } from "./interrupts.ts";
import { progressLine } from "./progress-line.ts";

const loadTester = () => import("../../bench/load/index.ts");
type LoadTester = Awaited<ReturnType<typeof loadTester>>;

/** Of a body that holds its sender, its number and its time. */
const LEAST_BYTES = 16;
const MOST_PEOPLE = 50_000;
const MOST_SERVERS = 64;
const MOST_PROCESSES = 64;
const MOST_RATE = 1_000_000;
const LEAST_MS = 500;

const text = (valueHint: string, description: string) => ({ type: "string", valueHint, description }) as const;

export const bench = command({
  name: "bench",
  description: "Put a load on a FastChat of its own, or on one that runs, and check that every message comes exactly once",
  isOperators: true,
  args: {
    workload: text(
      "NAME",
      "What people do: pairs, all-to-one, all-to-all, mix, pictures, sign-ins, churn, reconnect, idle or offline; several with commas",
    ),
    encrypted: { type: "boolean", description: "People with real clients, whose messages are really encrypted" },
    people: text("N", "How many people"),
    "group-size": text("N", "Members of each group (50)"),
    rate: text("N", "Open loop: so many messages a second, whatever becomes of those before"),
    window: text("N", "Closed loop: so many unanswered messages of each person at any time"),
    duration: text("TIME", "How long each is measured, as 30s"),
    bytes: text("N", "Size of a message as the server sees it; with --encrypted of its text (300)"),
    servers: text("N", "Chat servers of its own FastChat (2)"),
    strategy: text("NAME", "How its gateway chooses chat servers; all: each of them in turn, compared"),
    processes: text("N", "Processes that play the people (one for each two processors)"),
    baseline: { type: "boolean", description: "Run the bare baseline beside it" },
    gateway: text("URL", "Drive the FastChat that runs there; needs --database or --encrypted, too"),
    database: text("URL", "Its PostgreSQL, where people for the load are made, and removed afterwards"),
    out: text("PATH", "Where the report goes, without its ending: PATH.html and PATH.json (fastchat-bench)"),
  },
  async run({ config, output, each }, args) {
    const load = await loadTester();
    const gateway = args.gateway;
    const target: BenchOptions["target"] =
      gateway === undefined
        ? { kind: "own", program: process.argv[1]!, servers: within(args.servers, "servers", 1, MOST_SERVERS) ?? 2 }
        : { kind: "running", gateway: addressOf(gateway), databaseUrl: args.database ?? config.environment["DATABASE_URL"] };
    if (gateway === undefined && args.database !== undefined)
      throw usage("--database goes with --gateway, the address of the FastChat that uses it.");
    if (gateway !== undefined && args.servers !== undefined) throw usage("--servers is for a FastChat of its own: leave out --gateway.");
    const baseline = args.baseline === true;
    const scenarios = scenariosOf(
      load,
      each("workload").flatMap(({ value }) => value.split(",")),
      args,
    );
    if (gateway !== undefined && args.strategy !== undefined) throw usage("--strategy is for a FastChat of its own: leave out --gateway.");
    if (target.kind === "running" && target.databaseUrl === undefined && scenarios.some(({ body }) => body === "opaque"))
      throw usage("Say --database, or set DATABASE_URL: people are made there, and removed afterwards. Or --encrypted: then they sign up.");
    const processes = within(args.processes, "processes", 1, MOST_PROCESSES) ?? Math.max(1, Math.floor(availableParallelism() / 2));
    refuseTooManySockets(load, scenarios, processes);
    const out = resolve(args.out ?? "fastchat-bench");
    if (!output.json)
      await output.print(
        { type: "bench" },
        `${plural(scenarios.length, "run")}, about ${clockWords(1_000 * load.secondsOf(scenarios, baseline))} minutes, on ${
          target.kind === "own"
            ? `a FastChat of its own with ${plural(target.servers, "chat server")}, which is removed afterwards`
            : target.gateway
        }: ${scenarios.map((scenario) => load.nameOf(scenario)).join("; ")}.`,
      );
    using interrupted = interrupts("nothing was written");
    using progress = progressLine();
    const options: BenchOptions = {
      target,
      scenarios,
      processes,
      baseline,
      show: (line) => progress.show(line),
      done: async (run) => {
        progress.show("");
        await sayRun(output, run);
      },
      signal: interrupted.signal,
    };
    const result = await load.runBench(options).catch((error: unknown) => {
      throw interrupted.signal.aborted ? (interrupted.signal.reason as Failure) : error;
    });
    progress.show("");
    await writeFile(`${out}.html`, load.reportOf(result));
    await writeFile(`${out}.json`, `${JSON.stringify(result, undefined, 2)}\n`);
    return await sayEnd(output, load, result, out);
  },
});

type Words = Readonly<Record<string, unknown>>;

function scenariosOf(load: LoadTester, names: readonly string[], args: Words): BenchOptions["scenarios"] {
  const word = (name: string): string | undefined => (typeof args[name] === "string" ? args[name] : undefined);
  const rate = within(word("rate"), "rate", 1, MOST_RATE);
  const window = within(word("window"), "window", 1, limits.sendsInFlight);
  if (rate !== undefined && window !== undefined) throw usage("--rate and --window exclude each other: an open loop, or a closed one.");
  const duration = word("duration");
  const milliseconds = duration === undefined ? undefined : parseDuration(duration, "duration");
  if (milliseconds !== undefined && milliseconds < LEAST_MS)
    throw usage(`--duration is "${duration}": measure for half a second at least.`);
  const asked = {
    people: within(word("people"), "people", 2, MOST_PEOPLE),
    groupSize: within(word("group-size"), "group-size", 2, limits.groupMembers),
    pace:
      rate !== undefined
        ? ({ kind: "open", perSecond: rate } as const)
        : window !== undefined
          ? ({ kind: "closed", window } as const)
          : undefined,
    seconds: milliseconds === undefined ? undefined : milliseconds / 1_000,
    isEncrypted: args["encrypted"] === true ? true : undefined,
    bytes: within(word("bytes"), "bytes", LEAST_BYTES, limits.ciphertextBytes),
  };
  const strange = names.find((name) => !load.workloadNames.includes(name as Workload));
  if (strange !== undefined) throw usage(`There is no workload "${safeLine(strange)}": write ${load.workloadNames.join(", ")}.`);
  const opaque = names.find((name) => asked.isEncrypted === true && load.usual(name as Workload).encrypted === undefined);
  if (opaque !== undefined) throw usage(`The workload ${opaque} is for opaque messages: leave out --encrypted.`);
  if (names.includes("sign-ins") && (asked.people ?? 0) > load.mostSigningIn)
    throw usage(`--people is "${asked.people}": a gateway lets ${load.mostSigningIn} sign in from one address, four times each.`);
  const scenarios = names.length === 0 ? load.usualSuite(asked) : names.map((name) => load.scenarioOf(name as Workload, asked));
  return strategiesOf(load, word("strategy")).flatMap((strategy) => scenarios.map((scenario) => ({ ...scenario, strategy })));
}

/** Throws Failure. */
function strategiesOf(load: LoadTester, said: string | undefined): readonly (string | undefined)[] {
  if (said === undefined) return [undefined];
  if (said === "all") return load.strategies;
  const found = load.strategies.find((name) => name === said);
  if (found === undefined) throw usage(`There is no strategy "${safeLine(said)}": write ${load.strategies.join(", ")} or all.`);
  return [found];
}

/** Throws Failure. */
function within(said: string | undefined, option: string, least: number, most: number): number | undefined {
  if (said === undefined) return undefined;
  const number = parseCount(said, option);
  if (number < least || number > most) throw usage(`--${option} is "${said}": write a number from ${least} to ${most}.`);
  return number;
}

function addressOf(gateway: string): string {
  if (!URL.canParse(gateway) || !/^https?:$/.test(new URL(gateway).protocol))
    throw usage(`--gateway is "${safeLine(gateway)}": write an address as http://127.0.0.1:8080.`);
  return new URL(gateway).origin;
}

/** A process may open so many files, and each socket is one. */
function refuseTooManySockets(load: LoadTester, scenarios: BenchOptions["scenarios"], processes: number): void {
  const most = load.mostOpenFiles();
  const needed = Math.max(...scenarios.map(({ people }) => Math.ceil(people / processes))) * 1.2 + 200;
  if (most === undefined || needed <= most) return;
  throw usage(
    `So many people need ${Math.ceil(needed).toLocaleString("en-GB")} open files in a process, and ${most.toLocaleString("en-GB")} are allowed: raise that with "ulimit -n", or take more --processes.`,
  );
}

async function sayRun(output: CommandContext["output"], run: RunResult): Promise<void> {
  const broken = run.faults.length === 0 ? "" : `, BROKEN: ${run.faults[0]}`;
  const rate = run.rate === 0 ? "" : `: ${Math.round(run.rate).toLocaleString("en-GB")} a second`;
  if (output.json) await output.print({ ...run, type: "bench-run" }, undefined);
  else await output.print({ type: "bench-run" }, `  ${run.name}${rate}${broken}`);
}

async function sayEnd(
  output: CommandContext["output"],
  load: LoadTester,
  { environment, runs }: BenchResult,
  out: string,
): Promise<ExitCode> {
  const broken = runs.filter(({ faults }) => faults.length > 0);
  await output.print(
    { type: "bench", report: `${out}.html`, json: `${out}.json`, runs: runs.length, broken: broken.length, environment },
    ["", ...load.environmentWords(environment), "", ...load.tableOf(runs), "", `Report: ${out}.html and ${out}.json`].join("\n"),
  );
  const [first] = broken;
  if (first === undefined) return exitCodes.done;
  throw new Failure(exitCodes.failed, "broken", `Broken in "${first.name}": ${first.faults[0]}.`);
}
