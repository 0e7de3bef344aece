import { createHash, randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "vitest";
import { fastchat, fastchatJson, objectsIn } from "./fastchat.ts";
import { type Person, person } from "./person.ts";
import { SmallDisk } from "./small-disk.ts";
import { startSystem } from "./system.ts";

/** Disks that are full while people talk: a clear error, nothing lost, and all goes on when there is room again. */

function smallDisk(megabytes: number, skip: (why: string) => never): SmallDisk {
  const disk = SmallDisk.mount(megabytes);
  if (disk !== undefined) return disk;
  console.warn("!!! LEFT OUT: a full disk can only be tested as root on Linux, where a small one can be mounted !!!");
  return skip("not root on Linux");
}

const count = (person: Person, from: string): Promise<number> => person.texts(from, 500).then((texts) => texts.length);

test(
  "a full disk under a profile: sending says so, what arrives waits, and all comes when there is room",
  { timeout: 120_000 },
  async ({ skip, expect }) => {
    using disk = smallDisk(4, skip);
    await using system = await startSystem({ servers: 1 });
    await using alice = await person(system, "alice", { home: join(disk.path, "home") });
    await using bob = await person(system, "bob");
    const conversation = await alice.say("bob", "before");
    await bob.hears("alice", "before");

    disk.fill(0);
    const long = "x".repeat(60_000);
    let taken = 0;
    const refusal = await (async () => {
      for (; taken < 400; taken++) await alice.client.send(conversation, `${taken} ${long}`);
    })().catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(Error);
    expect((refusal as Error).message).toMatch(/full/);
    for (let number = 0; number < 5; number++) await bob.say("alice", `to a full disk ${number} ${long}`);

    disk.empty();
    await bob.say("alice", "after");
    await alice.hears("bob", "after", 60_000);
    const heard = (await alice.messages("bob", 500)).filter(({ mine }) => !mine).map(({ text }) => text.slice(0, 16));
    expect(heard.filter((text) => text.startsWith("to a full"))).toHaveLength(5);
    await alice.client.sent(undefined, AbortSignal.timeout(60_000));
    await alice.say("bob", "done");
    await bob.hears("alice", "done");
    const arrived = (await bob.messages("alice", 500)).filter(({ mine }) => !mine).map(({ text }) => text.split(" ")[0]);
    expect(arrived).toEqual(["before", ...Array.from({ length: taken }, (_, number) => String(number)), "done"]);
  },
);

test(
  "a full disk under PostgreSQL: messages wait in the outbox, and are there once each when there is room",
  { timeout: 180_000 },
  async ({ skip, expect }) => {
    using disk = smallDisk(200, skip);
    await using system = await startSystem({ servers: 1, postgres: { folder: join(disk.path, "postgres") } });
    await using alice = await person(system, "alice");
    await using bob = await person(system, "bob");
    const conversation = await alice.say("bob", "before");
    await bob.hears("alice", "before");

    disk.fill(200_000);
    const long = "x".repeat(60_000);
    const texts = Array.from({ length: 60 }, (_, number) => `${number} ${long}`);
    await alice.client.sendAll(conversation, texts);
    await expect(alice.client.sent(conversation, AbortSignal.timeout(2_000))).rejects.toThrow(/abort|timeout/i);
    expect(system.processes.filter(({ running }) => !running)).toEqual([]);
    expect(await count(bob, "alice")).toBeLessThan(texts.length);

    disk.empty();
    await alice.client.sent(conversation, AbortSignal.timeout(90_000));
    await alice.say("bob", "done");
    await bob.hears("alice", "done", 30_000);
    const arrived = (await bob.messages("alice", 500)).map(({ text }) => text.split(" ")[0]);
    expect(arrived).toEqual(["before", ...texts.map((_, number) => String(number)), "done"]);
  },
);

const hashOf = (path: string): string => createHash("sha256").update(readFileSync(path)).digest("hex");

test(
  "[S6] a full disk under the files: it is named, nothing half stored is sent, words go on, and the file goes when there is room",
  { timeout: 120_000 },
  async ({ skip, expect }) => {
    using disk = smallDisk(40, skip);
    const blobs = join(disk.path, "blobs");
    await using system = await startSystem({ servers: 1, environment: { BLOB_URL: blobs } });
    await using alice = await person(system, "alice");
    await using bob = await person(system, "bob");
    await alice.say("bob", "before");
    await bob.hears("alice", "before");
    await alice.client.close();
    await bob.client.close();
    const path = join(system.folder, "twenty.bin");
    writeFileSync(path, randomBytes(20_000_000));

    disk.fill(12_000_000);
    const sent = await fastchat(system, ["send", "bob", "the file", "--file", path, "--timeout", "3s", "--profile", "alice", "--json"]);
    expect(sent).toMatchObject({ code: 6, errors: expect.stringMatching(/^fastchat: The server's disk is full: .*kept here/u) });
    expect(objectsIn(sent.output)).toMatchObject([{ type: "sent", status: "queued", held: "storage-full" }]);
    expect(system.gateway.log).toContain('"event":"file-failed","outcome":"storage-full"');
    expect(await system.query("SELECT whole FROM blob")).toEqual([{ whole: false }]);
    const small = join(system.folder, "small.bin");
    writeFileSync(small, randomBytes(1_000));
    const behind = await fastchat(system, ["send", "bob", "--file", small, "--timeout", "5s", "--profile", "alice", "--json"]);
    expect(behind).toMatchObject({ code: 6, errors: expect.stringMatching(/^fastchat: The server's disk is full: .*kept here/u) });
    expect(objectsIn(behind.output)).toMatchObject([{ type: "sent", status: "queued", held: "storage-full" }]);
    const words = await fastchat(system, ["send", "bob", "words", "--timeout", "3s", "--profile", "alice"]);
    expect(words).toMatchObject({ code: 0, output: "Sent to bob.\n", errors: expect.stringContaining("still waits here") });
    const early = (await fastchatJson(system, ["read", "alice", "--all", "--profile", "bob"])).filter(({ type }) => type === "message");
    expect(early.map(({ text }) => text)).toEqual(["before", "words"]);
    // Pieces that did not fit take nothing.
    expect(
      readdirSync(blobs).flatMap((shard) => readdirSync(join(blobs, shard)).flatMap((name) => readdirSync(join(blobs, shard, name)))),
    ).toEqual(["00000"]);

    await alice.reopen();
    disk.empty();
    await alice.client.sent(undefined, AbortSignal.timeout(60_000));
    await alice.client.close();
    const folder = join(system.folder, "received");
    mkdirSync(folder);
    expect((await fastchat(system, ["save", "alice", "--all", "--to", folder, "--profile", "bob"])).code).toBe(0);
    expect(hashOf(join(folder, "twenty.bin"))).toBe(hashOf(path));
    expect(hashOf(join(folder, "small.bin"))).toBe(hashOf(small));
    expect(await system.query("SELECT whole FROM blob")).toEqual([{ whole: true }, { whole: true }]);
  },
);

test(
  "[S6] a full disk where a file is saved: it is named, and nothing half is left there",
  { timeout: 120_000 },
  async ({ skip, expect }) => {
    using disk = smallDisk(10, skip);
    await using system = await startSystem({ servers: 1 });
    await using alice = await person(system, "alice");
    await using bob = await person(system, "bob");
    await alice.say("bob", "before");
    await bob.hears("alice", "before");
    const path = join(system.folder, "twenty.bin");
    writeFileSync(path, randomBytes(20_000_000));
    expect((await fastchat(system, ["send", "bob", "--file", path, "--profile", "alice"])).code).toBe(0);
    const saved = await fastchat(system, ["save", "alice", "--to", disk.path, "--profile", "bob"]);
    expect([saved.code, saved.errors]).toEqual([1, expect.stringMatching(/disk of this device is full/u)]);
    expect(existsSync(join(disk.path, "twenty.bin"))).toBe(false);
    expect(readdirSync(disk.path)).toEqual([]);
  },
);

test(
  "[S6] a full disk under a profile: a file that is to be sent says so, and leaves nothing there",
  { timeout: 120_000 },
  async ({ skip, expect }) => {
    using disk = smallDisk(12, skip);
    await using system = await startSystem({ servers: 1 });
    const home = join(disk.path, "home");
    await using alice = await person(system, "alice", { home });
    await using bob = await person(system, "bob");
    await alice.say("bob", "before");
    await bob.hears("alice", "before");
    const path = join(system.folder, "twenty.bin");
    writeFileSync(path, randomBytes(20_000_000));
    await alice.client.close();
    const sent = await fastchat(system, ["send", "bob", "the file", "--file", path, "--profile", "alice"], { home });
    expect([sent.code, sent.errors]).toEqual([1, expect.stringMatching(/disk of this device is full/u)]);
    expect(readdirSync(join(home, "alice", "outgoing"))).toEqual([]);
    await alice.reopen();
    await alice.say("bob", "after");
    await bob.hears("alice", "after");
    expect(await bob.texts("alice")).toEqual(["before", "after"]);
  },
);
