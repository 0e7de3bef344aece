/**
 * How long do people wait, and what does a message cost? README.md says the method and what came out: `node bench/latency.ts [messages]`.
 */
import { anotherDevice, fastchat, person } from "@fastchat/testing";
import { startSystem } from "./on-disk.ts";
import { processTree } from "../testing/canary/memory.ts";
import { cpuOf, noise, spread, timed, wholeProcess } from "./measure.ts";

const messages = Number(process.argv[2] ?? 500);

await using system = await startSystem({ servers: 2 });
await noise();
await using alice = await person(system, "alice");
await using bob = await person(system, "bob");
const conversation = await alice.say("bob", "first");
await bob.hears("alice", "first");

const signIns: number[] = [];
for (let time = 0; time < 7; time++) {
  const [took, device] = await timed(() => anotherDevice(system, alice, { profile: `alice-${time}` }));
  signIns.push(took);
  await device[Symbol.asyncDispose]();
}
console.log(`sign-in on a new device, from the password to an open client: ${spread(signIns)}`);

const send = async (): Promise<void> => {
  const { code, errors } = await fastchat(system, ["send", "bob", "hi", "--profile", "alice-0"]);
  if (code !== 0) throw new Error(errors);
};
// The first one bundles, if need be, and reads the conversation.
await send();
console.log(`fastchat send, whole process: ${await wholeProcess(15, send)}`);

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
const servers = [alice, bob].map(({ client }) => (client.connection.kind === "online" ? client.connection.server : client.connection.kind));
console.log(`a message, from send to the other's event, one at a time, ${servers.join(" to ")}: ${spread(times)}`);

const roles: [name: string, pids: () => Promise<number[]>][] = [
  ["chat servers", async () => system.servers.map(({ process }) => process.pid!)],
  ["gateway", async () => [system.gateway.pid!]],
  ["PostgreSQL", () => processTree(system.postgres!.processId!)],
  ["both clients and the bench", async () => [process.pid]],
];
const usage = async (): Promise<number[]> => {
  const all: number[] = [];
  for (const [, pids] of roles) all.push((await pids()).map(cpuOf).reduce((sum, value) => sum + value, 0));
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
  console.log(`CPU of ${name}: ${(((after[index]! - before[index]!) / many) * 1_000).toFixed(0)} µs a message`);
await noise();
