// `node moves.ts [sockets] [senders]`: one of three chat servers is told to stop while clients write. How long was anybody without one?
import { setTimeout as wait } from "node:timers/promises";
import { startSystem } from "./on-disk.ts";
import { forEach, longestGap, Member, signUpCrowd } from "../testing/balance/crowd.ts";
import { cpuOf, milliseconds, noise, spread, timed } from "./measure.ts";

const sockets = Number(process.argv[2] ?? 200);
const senders = Math.min(sockets, Number(process.argv[3] ?? 50));
/** A gateway takes so many sign-ups at once from one address; further sockets are of the same people. */
const people = Math.min(sockets, 250);
const EVERY_MS = 100;

await noise();
// The largest part of all sockets is on the one that is told to stop, which runs alone at first.
await using system = await startSystem({ servers: 1 });
const crowd = await signUpCrowd(system.gatewayUrl, people);
await using stack = new AsyncDisposableStack();
const members: Member[] = [];
await forEach(Array(sockets).keys(), async (number) => {
  const member = stack.use(new Member(system.gatewayUrl, crowd[number % crowd.length]!));
  await member.online();
  members.push(member);
});
const first = members[0]!.server!;
await system.startServer();
await system.startServer();
for (const member of members.slice(0, senders)) member.send(EVERY_MS);
await wait(2_000);

const before = members.flatMap(({ sendMs }) => sendMs.splice(0));
const here = members.filter(({ server }) => server === first);
console.log(`${here.length} sockets on ${first}, ${senders} clients write every ${EVERY_MS} ms; it is told to stop`);
const since = performance.now();
const roles: [name: string, pids: number[]][] = [
  ["gateway", [system.gateway.pid!]],
  ["the other chat servers", system.servers.slice(1).map(({ process }) => process.pid!)],
  ["all clients", [process.pid]],
];
const usage = () => roles.map(([, pids]) => pids.reduce((sum, pid) => sum + cpuOf(pid), 0));
const usedBefore = usage();
const leaving = system.servers[0]!.process;
const [took] = await timed(async () => {
  process.kill(leaving.pid!, "SIGTERM");
  while (leaving.running) await wait(10);
});
const usedAfter = usage();
await wait(1_000);
const during = members.flatMap(({ sendMs }) => sendMs.splice(0));
await forEach(members, (member) => member.quiet(), members.length);
const gaps = here.map(({ changes }) => longestGap(changes, since));
const welcomed = here.flatMap(({ changes }) =>
  changes.filter(({ at, state }) => at >= since && state.kind === "online").map(({ at }) => at),
);
console.log(
  `the process ended after ${milliseconds(took)}; the last client was elsewhere after ${milliseconds(Math.max(...welcomed) - since)}`,
);
console.log(`clients that were without a server at all: ${gaps.filter((gap) => gap > 0).length}; for how long: ${spread(gaps)}`);
console.log(`from sending to "sent", before: ${spread(before)}`);
console.log(`from sending to "sent", while it stopped: ${spread(during)}`);
for (const [place, [name]] of roles.entries())
  console.log(`CPU of ${name} meanwhile: ${milliseconds((usedAfter[place]! - usedBefore[place]!) / here.length)} for each that moved`);
const places = new Map<string, number>();
for (const { server } of members) places.set(String(server), (places.get(String(server)) ?? 0) + 1);
console.log(`afterwards: ${Array.from(places, ([name, count]) => `${name} ${count}`).join(", ")}`);
await noise();
