import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { ServerFrame } from "@fastchat/protocol/wire/frames";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { BenchResult } from "../bench/load/index.ts";
import { fastchat, fastchatJson, FrameProxy, launchBrowser, startSystem, type System, TemporaryFolder } from "../testing/index.ts";

const BENCH_MS = 90_000;

let system: System;
let folder: TemporaryFolder;
beforeAll(async () => {
  system = await startSystem({ people: "none" });
  folder = new TemporaryFolder();
});
afterAll(async () => {
  await system[Symbol.asyncDispose]();
  folder[Symbol.dispose]();
});

const out = (name: string): string => join(folder.path, name);
const read = (name: string) => JSON.parse(readFileSync(`${out(name)}.json`, "utf8")) as BenchResult;

/** Eight people for a second, on the running system. */
const bench = (name: string, gateway = system.gatewayUrl, more: readonly string[] = []) => {
  const on = ["--gateway", gateway, "--database", system.databaseUrl];
  const small = ["--people", "8", "--group-size", "4", "--duration", "1s"];
  return fastchat(system, ["bench", ...on, ...small, "--out", out(name), ...more], { withinMs: BENCH_MS });
};

const rowsOf = async (table: string): Promise<unknown> => (await system.query(`SELECT count(*)::int AS rows FROM ${table}`))[0]!["rows"];

test("a running FastChat: every message comes exactly once, the report opens, and nothing of the load is left behind", async () => {
  const { code, output, errors } = await bench("whole", undefined, ["--workload", "mix,churn,reconnect,offline,idle", "--baseline"]);
  expect(errors).toBe("");
  expect(code).toBe(0);
  expect(output).toContain("Report: ");
  const { runs, environment } = read("whole");
  expect(runs.map(({ name }) => name)).toEqual([
    "mix, window 1, baseline",
    "mix, window 1",
    "churn, 500/s",
    "reconnect, 500/s",
    "offline, window 4, sending",
    "offline, window 4, draining",
    "idle",
  ]);
  expect(environment).toMatchObject({ target: "running", servers: 2 });
  const mix = runs[1]!;
  expect(mix).toMatchObject({ faults: [], scenario: { people: 8, bytes: 300, body: "opaque" } });
  expect(mix.delivered).toBeGreaterThan(8);
  const { p50, p90, p99, max } = mix.latency!;
  expect([p50, p90, p99, max]).toEqual([p50, p90, p99, max].toSorted((one, other) => one - other));
  expect(mix.cpu.chatServers).toBeGreaterThan(0);
  expect(mix.cpu.postgres).toBeGreaterThan(0);
  expect(mix.wire!.down).toBeGreaterThan(300);
  expect(mix.disk!.log).toBeGreaterThan(300);
  expect(mix.servers.reduce((sum, { connections }) => sum + connections, 0)).toBe(8);
  expect(runs[2]!.back!.p50).toBeGreaterThan(0);
  expect(runs[3]!.back!.p50).toBeGreaterThan(0);
  // All that was sent to those who were away, also before it was measured.
  expect(runs[5]!.delivered).toBeGreaterThanOrEqual(runs[4]!.acknowledged);
  expect(runs[6]!.memory!.steps.at(-1)![0]).toBe(8);
  const tables = ["account", "device", "conversation", "member", "entry", "ticket"];
  expect(await Promise.all(tables.map(rowsOf))).toEqual(tables.map(() => 0));

  await using browser = { page: await launchBrowser(), [Symbol.asyncDispose]: () => browser.page.close() };
  const page = await browser.page.newPage();
  const faults: string[] = [];
  page.on("pageerror", (error) => faults.push(String(error)));
  page.on("console", (message) => faults.push(message.text()));
  page.on("request", (request) => request.url().startsWith("file:") || faults.push(request.url()));
  await page.goto(`file://${out("whole")}.html`);
  expect(await page.locator("h1").textContent()).toBe("FastChat bench");
  expect(await page.locator("tbody tr").count()).toBe(runs.length);
  expect(await page.locator("svg").count()).toBeGreaterThan(5);
  expect(
    await page.locator("svg path").evaluateAll((paths) => paths.filter((path) => path.getAttribute("d")!.includes("NaN")).length),
  ).toBe(0);
  expect(faults).toEqual([]);
});

const isLive = ({ request, body }: ServerFrame): boolean => request === 0 && body.case === "entries";

/** What a server does wrong with what it delivers to one of its sockets, from the thirtieth time on. */
test.each([
  ["drops one", /after entry \d+ of a conversation came \d+/, (frame: ServerFrame, time: number) => (time === 30 ? undefined : frame)],
  [
    "gives one twice",
    /entry \d+ of a conversation came again/,
    (frame: ServerFrame, time: number) => (time === 30 ? [frame, frame] : frame),
  ],
  [
    "falls silent",
    /messages were delivered only when they were asked for/,
    (frame: ServerFrame, time: number) => (time >= 30 ? undefined : frame),
  ],
] as const)("[D7] a server that %s is found out", async (what, sentence, change) => {
  let times = 0;
  await using proxy = await FrameProxy.start(system.gatewayUrl, {
    script: { toClient: (frame, { number }) => (isLive(frame) && number === 1 ? change(frame, ++times) : frame) },
  });
  const name = what.replaceAll(" ", "-");
  const { code, errors } = await bench(name, proxy.url, ["--workload", "pairs", "--json"]);
  expect(errors).toMatch(sentence);
  expect(errors).toMatch(/^fastchat: Broken in "pairs, window 4": /);
  expect(code).toBe(1);
  expect(read(name).runs[0]!.faults.join()).toMatch(sentence);
  expect(readFileSync(`${out(name)}.html`, "utf8")).toContain("Broken in one run");
});

test("with real clients a gateway is enough: they sign up, every message is readable, and they leave for good", async () => {
  const small = ["--people", "4", "--group-size", "3", "--duration", "1s", "--out", out("encrypted")];
  const args = ["bench", "--gateway", system.gatewayUrl, "--encrypted", "--workload", "mix", ...small];
  const { code, output, errors } = await fastchat(system, args, { withinMs: BENCH_MS });
  expect(errors).toBe("");
  expect(code).toBe(0);
  expect(output).toContain("the CPU time of the servers and the database is left out");
  const [run] = read("encrypted").runs;
  expect(run).toMatchObject({ name: "mix, window 1, encrypted", faults: [], scenario: { body: "encrypted", people: 4 } });
  expect(run!.delivered).toBeGreaterThan(0);
  expect(await system.query("SELECT name FROM account WHERE name LIKE 'bench-%' AND NOT closed")).toEqual([]);
});

test("[S2] a message that somebody changed on its way to a client is found out", async () => {
  let isChanged = false;
  const changed = (frame: ServerFrame): ServerFrame => {
    const entry = frame.body.case === "entries" ? frame.body.value.entries.at(-1) : undefined;
    if (isChanged || !isLive(frame) || entry?.body.case !== "message" || entry.sequence < 10) return frame;
    isChanged = true;
    entry.body.value.ciphertext[40]! ^= 1;
    return frame;
  };
  await using proxy = await FrameProxy.start(system.gatewayUrl, { script: { toClient: changed } });
  const args = ["--gateway", proxy.url, "--encrypted", "--people", "2", "--duration", "1s", "--workload", "pairs", "--out", out("changed")];
  const { code, errors } = await fastchat(system, ["bench", ...args], { withinMs: BENCH_MS });
  expect(isChanged).toBe(true);
  expect(errors).toContain('Broken in "pairs, window 4, encrypted"');
  expect(code).toBe(1);
  expect(read("changed").runs[0]!.faults.join()).toContain("A message could not be opened");
});

test("without a word about which, it starts a FastChat of its own, in a folder that is gone afterwards", async () => {
  using temporary = new TemporaryFolder();
  const small = "--workload all-to-all --people 6 --group-size 3 --duration 1s --servers 1 --rate 100 --strategy round-robin";
  const args = ["bench", ...small.split(" ")];
  const before = await rowsOf("account");
  const objects = await fastchatJson(system, [...args, "--out", out("own")], {
    withinMs: BENCH_MS,
    environment: { TMPDIR: temporary.path, DATABASE_URL: "postgres://nobody@127.0.0.1:1/never" },
  });
  expect(objects).toMatchObject([
    { type: "bench-run", name: "all-to-all, 100/s, round-robin", faults: [] },
    { type: "bench", broken: 0, environment: { target: "own", servers: 1, fsync: "on" } },
  ]);
  expect(await rowsOf("account")).toBe(before);
  expect(readdirSync(temporary.path)).toEqual([]);
});

test.each([
  [["--workload", "chaos"], 'There is no workload "chaos": write pairs, all-to-one,'],
  [["--strategy", "best"], 'There is no strategy "best": write least-connections, round-robin, random, least-bytes, power-of-two or all.'],
  [["--workload", "sign-ins", "--people", "16"], '--people is "16": a gateway lets 15 sign in'],
  [["--people", "1"], '--people is "1": write a number from 2 to 50000.'],
  [["--people", "many"], '--people is "many": write a number from 1.'],
  [["--rate", "5", "--window", "2"], "--rate and --window exclude each other"],
  [["--duration", "soon"], '--duration is "soon": write a time as 30s, 5m or 2h.'],
  [["--duration", "10ms"], '--duration is "10ms": measure for half a second at least.'],
  [["--bytes", "15"], '--bytes is "15": write a number from 16 to 98304.'],
  [["--database", "postgres://127.0.0.1/x"], "--database goes with --gateway"],
  [["--gateway", "example"], '--gateway is "example": write an address as http://127.0.0.1:8080.'],
  [["--gateway", "http://127.0.0.1:9"], "Say --database, or set DATABASE_URL"],
  [["--encrypted", "--workload", "pairs,idle"], "The workload idle is for opaque messages: leave out --encrypted."],
  [["--gateway", "http://127.0.0.1:9", "--servers", "3"], "--servers is for a FastChat of its own"],
  [["--people", "50000"], "open files in a process"],
  [["--profile", "alice"], "There is no option --profile"],
])("%j is refused with a sentence", async (args, sentence) => {
  const { code, errors } = await fastchat(system, ["bench", ...args]);
  expect(errors).toContain(sentence);
  expect(code).toBe(2);
});

test("where no FastChat answers, it says so", async () => {
  const { code, errors } = await fastchat(system, ["bench", "--gateway", "http://127.0.0.1:9", "--database", system.databaseUrl]);
  expect(errors).toBe(
    "fastchat: No FastChat that is ready answers at http://127.0.0.1:9: check the address, and that a chat server runs.\n",
  );
  expect(code).toBe(1);
});
