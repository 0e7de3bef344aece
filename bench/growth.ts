/**
 * Does a message cost more where there is more? README.md says the method and what came out: `node bench/growth.ts [seconds] [part of a name…]`. Writes its
 * plots into the folder `plots` beside this file.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { startSystem } from "./on-disk.ts";
import type pg from "pg";
import { open } from "./load/plan.ts";
import { linePlot } from "./load/report/plots.ts";
import { style } from "./load/report/style.ts";
import type { RunResult } from "./load/result.ts";
import { seedConversations } from "./load/seed.ts";
import { scenarioOf } from "./load/suite.ts";
import { tableOf } from "./load/words.ts";
import { noise } from "./measure.ts";
import { type Found, type PlacedRun, runPlaced } from "./placed.ts";

const seconds = Number(process.argv[2] ?? 6);
const wanted = process.argv.slice(3);
const PEOPLE = 200;
const MESSAGES_A_SECOND = 2_000;
const DELIVERIES_A_SECOND = 20_000;
const SEEDED_AT_ONCE = 50_000;

/** So many messages in all, the same in each log. */
async function history(database: pg.Client, { conversations }: Found, messages: number): Promise<number> {
  const each = Math.ceil(messages / conversations.length);
  const ids = conversations.map(({ id }) => Buffer.from(id));
  const together = Math.max(1, Math.floor(SEEDED_AT_ONCE / each));
  for (let from = 0; from < ids.length; from += together) {
    await database.query(
      `INSERT INTO entry (conversation, sequence, time, account, device, client_message_id, kind, body)
       SELECT log.conversation, sequence, 1700000000000 + sequence, author.account, author.device,
         decode(lpad(to_hex(sequence), 32, '0'), 'hex'), 1, decode(repeat(md5(sequence::text), 25), 'hex')
       FROM unnest($1::bytea[]) AS log (conversation)
       CROSS JOIN LATERAL (
         SELECT account, device FROM member JOIN device USING (account) WHERE member.conversation = log.conversation LIMIT 1
       ) AS author
       CROSS JOIN generate_series(1, $2::integer) AS sequence`,
      [ids.slice(from, from + together), each],
    );
  }
  await database.query("UPDATE conversation SET head = $2, head_time = 1700000000000 + $2 WHERE conversation = ANY ($1::bytea[])", [
    ids,
    each,
  ]);
  return each;
}

/** So many conversations more, each of two of these people. */
async function others(database: pg.Client, { users }: Found, count: number): Promise<number> {
  const pairs = Array.from({ length: count }, (_, number) => {
    const first = number % users.length;
    return [first, (first + 1 + (Math.floor(number / users.length) % (users.length - 1))) % users.length];
  });
  for (let from = 0; from < count; from += SEEDED_AT_ONCE)
    await seedConversations(database, users, pairs.slice(from, from + SEEDED_AT_ONCE), "direct");
  return 0;
}

/** What the database would do by itself sooner or later, and in the middle of a measurement. */
async function settle(database: pg.Client): Promise<void> {
  await database.query("VACUUM (ANALYZE) entry, member, conversation");
  await database.query("CHECKPOINT");
}

interface Step extends Omit<PlacedRun, "name" | "serverOf"> {
  readonly at: number;
}

interface Growth {
  readonly name: string;
  readonly across: string;
  readonly steps: readonly Step[];
}

const pairs = scenarioOf("pairs", { seconds, people: PEOPLE, pace: open(MESSAGES_A_SECOND) });
const growing = (at: number, grow: (database: pg.Client, found: Found, at: number) => Promise<number>): Step => ({
  at,
  scenario: pairs,
  async grow(database, found) {
    const length = await grow(database, found, at);
    await settle(database);
    return length;
  },
});
const growths: readonly Growth[] = [
  {
    name: "history",
    across: "messages in the logs that are written to",
    steps: [1_000, 10_000, 100_000, 1_000_000].map((at) => growing(at, history)),
  },
  {
    name: "conversations",
    across: "further conversations of the same people",
    steps: [1, 100, 1_000, 10_000, 100_000].map((at) => growing(at, others)),
  },
  {
    name: "members",
    across: "members of the group that is written to",
    steps: [10, 30, 100, 300, 1_000].map((at) => ({
      at,
      scenario: scenarioOf("all-to-all", { seconds, people: at, groupSize: at, pace: open(Math.round(DELIVERIES_A_SECOND / (at - 1))) }),
    })),
  },
];

await using system = await startSystem({ servers: 2 });
await noise();
console.log(tableOf([]).join("\n"));
// The first run finds caches cold, plans to make, and code that was never compiled.
await run({ name: "to warm up", across: "", steps: [] }, { at: 0, scenario: pairs });
for (const growth of growths.filter(({ name }) => wanted.length === 0 || wanted.some((part) => name.includes(part)))) {
  const runs: (readonly [number, RunResult])[] = [];
  for (const step of growth.steps) runs.push([step.at, await run(growth, step)]);
  plot(growth, runs);
}
await noise();

async function run({ name, across }: Growth, { at, ...step }: Step): Promise<RunResult> {
  const result = await runPlaced(system, {
    ...step,
    name: `${name}: ${at.toLocaleString("en-GB")} ${across}`.trim(),
    serverOf: (number) => number,
  });
  console.log(tableOf([result]).slice(1).join("\n"));
  if (result.faults.length > 0) process.exitCode = 1;
  return result;
}

function plot({ name, across }: Growth, runs: readonly (readonly [number, RunResult])[]): void {
  const series = [
    { name: "chat servers and gateway", points: runs.map(([at, { cpu }]) => [at, cpu.chatServers! + cpu.gateway!] as const) },
    { name: "PostgreSQL", points: runs.map(([at, { cpu }]) => [at, cpu.postgres!] as const) },
  ];
  const drawn = linePlot(`CPU time of a delivery: ${name}`, "µs of CPU time a delivery; blue: servers, orange: PostgreSQL", series, {
    across,
    isLogarithmic: true,
  });
  const folder = join(import.meta.dirname, "plots");
  mkdirSync(folder, { recursive: true });
  const image = drawn
    .replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ')
    // What stands beyond its edges is cut off in a picture.
    .replace(/viewBox="0 0 (\d+) (\d+)"/u, (_, width, height) => `viewBox="-6 -6 ${Number(width) + 32} ${Number(height) + 14}"`)
    .replace(">", `><style>${style}</style>`);
  writeFileSync(join(folder, `growth-${name}.svg`), `${image}\n`);
}
