/**
 * What do large groups cost? README.md says the method and what came out: `node bench/groups.ts [members...]`. With PROFILES=folder each client
 * writes a profile of each step there, and each server one of all, to be opened in the browser's tools.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import type { ConversationId } from "@fastchat/protocol";
import { newPassword } from "@fastchat/testing";
import { startSystem } from "./on-disk.ts";
import { FarClient } from "./far-client.ts";
import { FarCrowd } from "./far-crowd.ts";
import { noise, size, spread } from "./measure.ts";
import type { Reading } from "./meter.ts";
import { usageOf, usageSince } from "./usage.ts";

const sizes = process.argv.slice(2).map(Number);
if (sizes.length === 0) sizes.push(10, 100, 1_000);
/** What goes on behind a step still counts for it. */
const SETTLE_MS = 500;
const LIVE_MESSAGES = 20;

const { PROFILES } = process.env;
const environment = PROFILES === undefined ? {} : { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${join(PROFILES, "servers")}` };
await using system = await startSystem({ servers: 2, environment });
await noise();
const largest = Math.max(...sizes);
const named = Array.from({ length: largest }, (_, number) => `member-${number}`);
const since = performance.now();
await using crowd = await FarCrowd.signUp(system.gatewayUrl, named);
console.log(`${named.length} people signed up in ${((performance.now() - since) / 1_000).toFixed(1)} s\n`);

interface Step {
  /** From the call until its end at who called, and until another member is shown what came of it. */
  readonly doneMs: number;
  readonly shownMs?: number;
}

const head = [
  "members",
  "step",
  "by",
  "done",
  "at another",
  "blocked",
  "of it CPU",
  "CPU",
  "up",
  "down",
  "other's blocked",
  "of it CPU",
  "other's CPU",
  "other's up",
  "other's down",
  "chat servers",
  "PostgreSQL",
  "memory",
  "profile",
];
console.log(`| ${head.join(" | ")} |\n|${"---|".repeat(head.length)}`);

const ms = (value: number | undefined): string => (value === undefined ? "" : `${value.toFixed(value < 10 ? 1 : 0)} ms`);
const parts = (reading: Reading | undefined): string[] =>
  reading === undefined
    ? ["", "", "", "", ""]
    : [ms(reading.blockedMs), ms(reading.blockedCpuMs), ms(reading.cpuMs), size(reading.bytesUp), size(reading.bytesDown)];

async function step(
  members: number,
  name: string,
  [doer, other]: readonly [FarClient, FarClient?],
  work: () => Promise<Step>,
): Promise<void> {
  await doer.begin();
  await other?.begin();
  const before = usageOf(system);
  const { doneMs, shownMs } = await work();
  await wait(SETTLE_MS);
  const { chatServers, postgres } = usageSince(before, usageOf(system));
  const mine = await doer.end(`${members} ${name}`);
  const others = await other?.end(`${members} ${name}`);
  const cells = [
    String(members),
    name,
    doer.name,
    ms(doneMs),
    ms(shownMs),
    ...parts(mine),
    ...parts(others),
    ms(chatServers),
    ms(postgres),
    `${mine.memoryMiB.toFixed(0)} MiB`,
    size(mine.profileKiB * 1_024),
  ];
  console.log(`| ${cells.join(" | ")} |`);
}

for (const members of sizes) await group(members);
await noise();
// A process writes its profile when it ends by itself.
if (PROFILES !== undefined) await Promise.all(system.processes.map((each) => each.stop()));

async function group(members: number): Promise<void> {
  await using clients = new AsyncDisposableStack();
  const passwords = new Map<string, string>();
  const newClient = (name: string, profile = name): FarClient => {
    if (PROFILES !== undefined) mkdirSync(join(PROFILES, profile), { recursive: true });
    return clients.use(new FarClient(profile, { home: system.home, profile, gateway: system.gatewayUrl }));
  };
  const enter = async (name: string): Promise<FarClient> => {
    const far = newClient(name);
    const password = newPassword();
    passwords.set(name, password);
    await far.call("signUp", name, password);
    await far.call("open");
    return far;
  };
  const names = { alice: `alice-${members}`, bob: `bob-${members}`, carol: `carol-${members}` };
  const [alice, bob, carol] = [await enter(names.alice), await enter(names.bob), await enter(names.carol)];
  // Who is known is shown at once, and told of.
  await bob.call("openDirect", names.alice);
  await alice.call("openDirect", names.bob);

  // With alice and bob one less than the group is to have; carol comes last.
  const others = named.slice(0, members - 3);
  const newcomer = named.at(-1)!;
  const title = `Group of ${members}`;
  let id!: ConversationId;
  await step(members, "create", [alice, bob], async () => {
    const shown = await bob.looksOut("expectTitle", title);
    const made = await alice.call("create", title, [names.bob, ...others]);
    id = made.value;
    return { doneMs: made.until - made.since, shownMs: (await shown()) - made.since };
  });

  let count = 0;
  const send = (name: string, to = bob) =>
    step(members, name, [alice, to], async () => {
      const text = `message ${++count}.`;
      const shown = await to.looksOut("expectMessage", id, text);
      const { since: sentAt, until } = await alice.call("send", id, text);
      return { doneMs: until - sentAt, shownMs: (await shown()) - sentAt };
    });
  await send("first message");
  await send("message");
  await step(members, "read by the other", [bob, alice], async () => {
    const { since: readAt, until } = await bob.call("read", id);
    const known = await alice.call("isRead", id, names.bob);
    return { doneMs: until - readAt, shownMs: known.until - readAt };
  });
  for (const far of [alice, bob]) {
    await step(members, "members panel", [far], async () => {
      const { since: askedAt, until } = await far.call("members", id);
      return { doneMs: until - askedAt };
    });
  }
  await step(members, "presence of all", [alice], async () => {
    const { since: askedAt, until } = await alice.call("watchMembers", id);
    return { doneMs: until - askedAt };
  });
  const change = (name: string, work: "add" | "remove", notice: string) =>
    step(members, name, [alice, bob], async () => {
      const shown = await bob.looksOut("expectNotice", id, notice);
      const { since: askedAt, until } = await alice.call(work, id, newcomer);
      return { doneMs: until - askedAt, shownMs: (await shown()) - askedAt };
    });
  await change("add one", "add", `added ${newcomer}`);
  await send("message after it");
  await change("remove one", "remove", `removed ${newcomer}`);
  await send("message after it");

  const { value: link } = await alice.call("invite", id);
  await step(members, "join by a link", [carol, alice], async () => {
    const shown = await carol.looksOut("expectMembers", id, members);
    const { since: askedAt, until } = await carol.call("join", link);
    return { doneMs: until - askedAt, shownMs: (await shown()) - askedAt };
  });
  await send("message to who joined", carol);

  const fresh = newClient(names.bob, `${names.bob}-fresh`);
  await step(members, "a fresh device signs in", [fresh], async () => {
    const { since: beganAt, until } = await fresh.call("signIn", names.bob, passwords.get(names.bob)!);
    return { doneMs: until - beganAt };
  });
  await step(members, "it opens, and has caught up", [fresh], async () => {
    const { since: beganAt, until } = await fresh.call("open");
    return { doneMs: until - beganAt };
  });
  await step(members, "it shows the group's newest items", [fresh], async () => {
    const { since: askedAt, until, value } = await fresh.call("newest", id);
    if (value === 0) throw new Error("there is nothing in the group");
    return { doneMs: until - askedAt };
  });

  await step(members, "leave", [carol, alice], async () => {
    const shown = await alice.looksOut("expectNotice", id, `${names.carol} left`);
    const { since: askedAt, until } = await carol.call("leave", id);
    return { doneMs: until - askedAt, shownMs: (await shown()) - askedAt };
  });
  await send("message after it (new key first)");

  await alice[Symbol.asyncDispose]();
  const again = newClient(names.alice);
  await step(members, "start of a signed-in client", [again], async () => {
    const { value } = await again.call("open");
    return { doneMs: value.caughtUp, shownMs: value.shown };
  });
  if (members === largest) await live(again, id);
}

/** All others are connected now: what does it cost to reach them? */
async function live(alice: FarClient, id: ConversationId): Promise<void> {
  const { sockets } = await crowd.connect();
  await wait(2_000);
  await crowd.count();
  console.log(`\n${sockets} sockets of members, all connected:`);
  const reach = async (name: string, times: number, work: () => Promise<{ since: number }> | undefined) => {
    const before = usageOf(system);
    const last: number[] = [];
    let bytes = 0;
    for (let time = 0; time < times; time++) {
      const asked = await work();
      await wait(SETTLE_MS);
      const received = await crowd.count();
      bytes += received.bytes;
      if (asked !== undefined) last.push(received.last - asked.since);
    }
    const { chatServers, postgres } = usageSince(before, usageOf(system));
    console.log(
      `${name}: ${last.length === 0 ? "" : `until the last of them has it: ${spread(last)}; `}${size(Math.round(bytes / times / sockets))} to each; chat servers ${ms(chatServers / times)}, ` +
        `PostgreSQL ${ms(postgres / times)} of CPU time each`,
    );
  };
  const newcomer = named.at(-1)!;
  let count = 0;
  await reach("nothing", LIVE_MESSAGES, () => undefined);
  await reach("a message", LIVE_MESSAGES, () => alice.call("send", id, `live ${++count}`));
  await reach("add one", 1, () => alice.call("add", id, newcomer));
  await reach("remove one", 1, () => alice.call("remove", id, newcomer));
}
