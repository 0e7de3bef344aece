/**
 * How long do people wait, and what does a message cost?
 *
 * Method: a real system on this machine (gateway, two chat servers, embedded PostgreSQL), two people whose clients run in this process on
 * different chat servers, and the real `fastchat` command. Times are wall time; CPU is user + system time of the server processes from /proc,
 * over a stream of messages, divided by their number. Run it on an idle machine: `node bench/latency.ts [messages]`.
 */
import { readFileSync } from "node:fs";
import { anotherDevice, person, startSystem } from "@fastchat/testing";
import { fastchat } from "../testing/fastchat.ts";
import { processTree } from "../testing/canary/memory.ts";

const messages = Number(process.argv[2] ?? 500);
/** Clock ticks of /proc/PID/stat: 100 a second on every Linux that Node runs on (sysconf(_SC_CLK_TCK)). */
const TICK_MICROSECONDS = 10_000;

function cpuMicroseconds(pid: number): number {
  try {
    // The command's name may hold spaces: fields are counted from behind it.
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)!.split(" ");
    return (Number(fields[11]) + Number(fields[12])) * TICK_MICROSECONDS;
  } catch {
    return 0;
  }
}

const quantile = (sorted: readonly number[], share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!;
const milliseconds = (value: number): string => `${value.toFixed(1)} ms`;

async function timed<Value>(work: () => Promise<Value>): Promise<[number, Value]> {
  const since = performance.now();
  const value = await work();
  return [performance.now() - since, value];
}

await using system = await startSystem({ servers: 2 });
await using alice = await person(system, "alice");
await using bob = await person(system, "bob");
const conversation = await alice.say("bob", "first");
await bob.hears("alice", "first");

const signIns: number[] = [];
for (let time = 0; time < 5; time++) {
  const [took, device] = await timed(() => anotherDevice(system, alice, { profile: `alice-${time}` }));
  signIns.push(took);
  await device[Symbol.asyncDispose]();
}
signIns.sort((one, other) => one - other);
console.log(
  `sign-in on a new device (password to open client): median ${milliseconds(quantile(signIns, 0.5))}, worst ${milliseconds(signIns.at(-1)!)}`,
);

const commands: number[] = [];
for (let time = 0; time < 5; time++) {
  const [took, { code, errors }] = await timed(() => fastchat(system, ["send", "bob", "hi", "--profile", "alice-0"]));
  if (code !== 0) throw new Error(errors);
  commands.push(took);
}
commands.sort((one, other) => one - other);
console.log(`fastchat send, from start to end: median ${milliseconds(quantile(commands, 0.5))}`);

const arrived = new Map<string, number>();
const waiting = new Map<string, () => void>();
bob.client.subscribe((event) => {
  if (event.kind !== "items") return;
  for (const item of event.items) {
    if (item.kind !== "message" || item.mine || arrived.has(item.text)) continue;
    arrived.set(item.text, performance.now());
    waiting.get(item.text)?.();
  }
});
const times: number[] = [];
for (let number = 0; number < messages; number++) {
  const text = `ping ${number}`;
  const { promise, resolve } = Promise.withResolvers<void>();
  waiting.set(text, resolve);
  const since = performance.now();
  await alice.client.send(conversation, text);
  await promise;
  times.push(arrived.get(text)! - since);
}
times.sort((one, other) => one - other);
const servers = [alice, bob].map(({ client }) => (client.connection.kind === "online" ? client.connection.server : client.connection.kind));
console.log(
  `message from send to the other's event, one at a time, ${messages} of them, ${servers.join(" to ")}: median ${milliseconds(quantile(times, 0.5))}, p99 ${milliseconds(quantile(times, 0.99))}`,
);

const roles: [name: string, pids: () => Promise<number[]>][] = [
  ["chat servers", async () => system.servers.map(({ process }) => process.pid!)],
  ["gateway", async () => [system.gateway.pid!]],
  ["PostgreSQL", () => processTree(system.postgres!.processId!)],
];
const usage = async (): Promise<number[]> => {
  const all: number[] = [];
  for (const [, pids] of roles) all.push((await pids()).map(cpuMicroseconds).reduce((sum, value) => sum + value, 0));
  return all;
};
const many = messages * 4;
const before = await usage();
const [took] = await timed(async () => {
  await alice.client.sendAll(
    conversation,
    Array.from({ length: many }, (_, number) => `stream ${number}`),
  );
  await alice.client.sent(conversation);
  await bob.hears("alice", `stream ${many - 1}`);
});
const after = await usage();
console.log(`${many} messages in one stream: ${Math.round((many / took) * 1_000)} a second from outbox to the other's storage`);
for (const [index, [name]] of roles.entries())
  console.log(`CPU of ${name}: ${((after[index]! - before[index]!) / many).toFixed(0)} µs a message`);
