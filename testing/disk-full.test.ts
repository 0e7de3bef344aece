import { join } from "node:path";
import { test } from "vitest";
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
