/**
 * What do pictures and files cost, and do messages wait for them? README.md says the method and what came out: `node bench/files.ts [megabytes] [seconds]`.
 */
import { spawnSync } from "node:child_process";
import { createHash, randomFillSync } from "node:crypto";
import { createReadStream, globSync, readFileSync } from "node:fs";
import { mkdir, open } from "node:fs/promises";
import { join } from "node:path";
import type { ConversationId } from "@fastchat/protocol";
import { enter, fastchat, signUpPeople, startFastchat } from "@fastchat/testing";
import { startSystem } from "./on-disk.ts";
import { FarClient } from "./far-client.ts";
import { cpuOf, noise, size, spread, timed } from "./measure.ts";
import { usageOf } from "./usage.ts";

const megabytes = Number(process.argv[2] ?? 2_000);
const seconds = Number(process.argv[3] ?? 60);
const PICTURE_BYTES = 3_500_000;
const MEMBERS = 6;
/** Of the whole group. */
const MESSAGES_A_SECOND = 10;
const EVERY_TENTH = 10;
const LOOK_EVERY_MS = 50;

await using system = await startSystem({ servers: 2 });
const files = join(system.folder, "files");
await mkdir(files);
await noise();

// ------------------------------------------------------------------ one large file, by command, from one person to another

/** Random, so that nothing on the way could make it smaller. Gives its SHA-256. */
async function fileOf(path: string, bytes: number): Promise<string> {
  const hash = createHash("sha256");
  await using file = await open(path, "w");
  const piece = Buffer.alloc(1_000_000);
  for (let left = bytes; left > 0; left -= piece.length) {
    const some = randomFillSync(piece).subarray(0, Math.min(left, piece.length));
    hash.update(some);
    await file.write(some);
  }
  return hash.digest("hex");
}

async function hashOf(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const piece of createReadStream(path)) hash.update(piece as Buffer);
  return hash.digest("hex");
}

/** Resident memory in bytes, and the most that it ever was; 0: the process is gone. */
function residentOf(pid: number): number {
  try {
    return 1_024 * Number(/^VmHWM:\s+(\d+)/mu.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0);
  } catch {
    return 0;
  }
}

const servers = () => system.processes.map(({ name, pid }) => ({ name, pid: pid! }));
const postgres = (): number => usageOf(system).postgres;

/** The command as a process of its own: how long it took, its processor time and the most memory that it had. */
async function measured(args: readonly string[]) {
  const before = { postgres: postgres(), servers: servers().map(({ pid }) => cpuOf(pid)) };
  await using command = startFastchat(system, args);
  let [memory, cpu] = [0, 0];
  const looking = setInterval(() => {
    memory = Math.max(memory, residentOf(command.pid!));
    cpu = Math.max(cpu, cpuOf(command.pid!));
  }, LOOK_EVERY_MS);
  const [took, code] = await timed(() => command.ended);
  clearInterval(looking);
  if (code !== 0) throw new Error(`fastchat ${args.join(" ")} ended with ${code}: ${command.errors}`);
  const cpuOfServers = servers().map(({ name, pid }, index) => `${name} ${((cpuOf(pid) - before.servers[index]!) / 1_000).toFixed(1)} s`);
  const database = (postgres() - before.postgres) / 1_000;
  const rate = (megabytes / took) * 1_000;
  console.log(
    `fastchat ${args[0]}: ${(took / 1_000).toFixed(1)} s, ${rate.toFixed(0)} MB/s, at most ${size(memory)}; CPU: itself ${(cpu / 1_000).toFixed(1)} s, ${cpuOfServers.join(", ")}, PostgreSQL ${database.toFixed(1)} s`,
  );
}

for (const name of ["ada", "ben"]) await enter(system, name, { home: system.home, profile: name, gateway: system.gatewayUrl });
for (const [from, to] of [
  ["ada", "ben"],
  ["ben", "ada"],
] as const) {
  const { code, errors } = await fastchat(system, ["send", to, "hello", "--profile", from]);
  if (code !== 0) throw new Error(errors);
}
const large = join(files, "large.bin");
const expected = await fileOf(large, megabytes * 1_000_000);
console.log(`\na file of ${megabytes} MB, from ada to ben:`);
await measured(["send", "ben", "--file", large, "--profile", "ada", "--timeout", "600s"]);
const saved = join(files, "saved");
await mkdir(saved);
await measured(["save", "ada", "--to", saved, "--profile", "ben"]);
if ((await hashOf(join(saved, "large.bin"))) !== expected) throw new Error("What arrived is not what was sent.");
const archive = join(files, "ben.zip");
await measured(["export", archive, "--plain", "--to", "ada", "--profile", "ben"]);
const unzipped = spawnSync("unzip", ["-q", archive, "files/*", "-d", files]);
if (unzipped.status === 0) {
  const [path] = globSync("files/*/*-large.bin", { cwd: files });
  if ((await hashOf(join(files, path!))) !== expected) throw new Error("What was exported is not what was sent.");
}
console.log(
  `the same SHA-256; most memory of ${servers()
    .map(({ name, pid }) => `${name} ${size(residentOf(pid))}`)
    .join(", ")}`,
);

// ------------------------------------------------------------------ a busy group, without pictures and with one in every tenth message

const picture = join(files, "picture.jpg");
await fileOf(picture, PICTURE_BYTES);
const names = Array.from({ length: MEMBERS }, (_, number) => `member-${number}`);
await signUpPeople(system, names);
await using clients = new AsyncDisposableStack();
const members: FarClient[] = [];
const [first, ...others] = names;
for (const name of names) {
  const client = clients.use(new FarClient(name, { home: system.home, profile: name, gateway: system.gatewayUrl }));
  await client.call("open");
  members.push(client);
}
const { value: group } = await members[0]!.call("create", "Holidays", others);
for (const member of members.slice(1)) await member.call("reaches", group, 1);
console.log(
  `\n${MEMBERS} people in a group, ${MESSAGES_A_SECOND} messages a second in all, ${seconds} s each time; ${first} and all others write and listen:`,
);

/** What each of the others saw of each message: from when it was meant to be sent to the event. */
async function busy(group_: ConversationId, name: string, sends: "texts" | "pictures" | "pictures, opened by all at once"): Promise<void> {
  const each = Math.round((seconds * MESSAGES_A_SECOND) / MEMBERS);
  const options = {
    count: each,
    everyMs: (MEMBERS * 1_000) / MESSAGES_A_SECOND,
    label: name,
    picture: sends === "texts" ? undefined : picture,
    isOpened: sends === "pictures, opened by all at once",
    every: EVERY_TENTH,
    writers: MEMBERS,
  };
  const cpuOfClients = (): number => members.reduce((sum, { pid }) => sum + cpuOf(pid), 0);
  const before = { postgres: postgres(), servers: servers().map(({ pid }) => cpuOf(pid)), clients: cpuOfClients() };
  const writing = members.map((member, place) =>
    member.call("stream", group_, { ...options, place, firstMs: (place * 1_000) / MESSAGES_A_SECOND }),
  );
  const counted = await Promise.all(writing);
  const all = counted.reduce((sum, { value }) => sum + value, 0);
  const pictures = sends !== "texts" ? Math.ceil(all / EVERY_TENTH) : 0;
  const latencies: number[] = [];
  for (const member of members)
    latencies.push(...(await member.call("latencies", group_, { label: name, texts: all - pictures, pictures })).value);
  const used = servers().map(
    ({ name: server, pid }, index) => `${server} ${(((cpuOf(pid) - before.servers[index]!) / all) * 1_000).toFixed(0)}`,
  );
  const database = ((postgres() - before.postgres) / all) * 1_000;
  console.log(`${name}: ${all} messages, ${pictures} of them pictures of ${size(PICTURE_BYTES)}; the texts: ${spread(latencies)}`);
  const ofClients = ((cpuOfClients() - before.clients) / all) * 1_000;
  console.log(`  CPU microseconds a message: ${used.join(", ")}, PostgreSQL ${database.toFixed(0)}, all clients ${ofClients.toFixed(0)}`);
}

await busy(group, "warm", "texts");
for (let turn = 1; turn <= 3; turn++)
  for (const sends of ["texts", "pictures", "pictures, opened by all at once"] as const) await busy(group, `${sends} ${turn}`, sends);
await noise();
