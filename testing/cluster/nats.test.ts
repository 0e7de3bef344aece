import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { TestNats } from "../../server/bus/test-nats.ts";
import { missedHints } from "../missed-hints.ts";
import { anotherDevice, type Person, person } from "../person.ts";
import { startSystem, type System } from "../system.ts";

// Real processes whose hints go through NATS alone: what one server learns from another comes that way.

let system: System | undefined;
beforeAll(async () => {
  if (TestNats.isInstalled()) system = await startSystem({ bus: "nats" });
});
afterAll(() => system?.[Symbol.asyncDispose]());

function running(skip: (why: string) => never): System {
  TestNats.orSkip(skip);
  return system!;
}

const serverOf = ({ client: { connection } }: Person) => (connection.kind === "online" ? connection.server : connection.kind);

/** Whoever comes next goes to the emptier server, as the servers last said how many are there. */
const areCounted = (people: number) =>
  expect.poll(async () => (await system!.query("SELECT sum(connections)::int AS n FROM chat_server"))[0]?.["n"]).toBe(people);

/** Each test begins when the one before has left both. */
beforeEach(async () => {
  if (system !== undefined) await areCounted(0);
});

async function areApart(...people: readonly Person[]): Promise<void> {
  await expect.poll(() => people.map(serverOf).toSorted()).toEqual(people.map((_, index) => `chat-${index + 1}`));
}

test("messages, receipts, typing and presence go from server to server over NATS", async ({ skip }) => {
  const there = running(skip);
  await using alice = await person(there, "alice");
  await areCounted(1);
  await using bob = await person(there, "bob");
  await areApart(alice, bob);
  const conversation = await alice.say("bob", "over NATS");
  await bob.hears("alice", "over NATS");
  const status = async () => (await alice.messages("bob")).map((message) => message.status);
  await expect.poll(status).toEqual(["delivered"]);
  await bob.client.accept(conversation);
  await bob.client.markRead(conversation, (await bob.messages("alice"))[0]!.sequence!);
  await expect.poll(status).toEqual(["read"]);

  await alice.client.watchPresence([bob.me.account]);
  const seen = async () => (await alice.client.conversation(conversation))!;
  await expect.poll(async () => (await seen()).peer?.online).toBe(true);
  await bob.client.setTyping(conversation, true);
  await expect.poll(async () => (await seen()).typing).toEqual(["bob"]);
  await bob.client.setTyping(conversation, false);
  await expect.poll(async () => (await seen()).typing).toEqual([]);
  await bob.client.close();
  await expect.poll(async () => (await seen()).peer?.online).toBe(false);
  // It was the hints that told, not the look at the store after one was missed.
  expect(await missedHints(there.servers)).toBe(0);
});

test("a device that is revoked at one server loses its socket at the other within a second", async ({ skip }) => {
  const there = running(skip);
  await using carol = await person(there, "carol");
  await areCounted(1);
  await using lost = await anotherDevice(there, carol, { profile: "carol-lost" });
  await areApart(carol, lost);
  const ended = new Promise<number>((resolve) => {
    lost.client.subscribe(() => lost.client.connection.kind === "ended" && resolve(performance.now()));
  });
  // The new keys of every conversation come behind the revocation.
  const revoked = carol.client.revokeDevices(carol.password, [lost.me.device]);
  const isStored = () => there.query("SELECT FROM device WHERE device = $1 AND ended IS NOT NULL", [Buffer.from(lost.me.device, "hex")]);
  await expect.poll(isStored, { interval: 5 }).toHaveLength(1);
  const since = performance.now();
  expect((await ended) - since).toBeLessThan(1_000);
  await revoked;
  expect(await missedHints(there.servers)).toBe(0);
});

test("with NATS away messages come by the heartbeats, and at once when it is back", async ({ skip }) => {
  const there = running(skip);
  await using dave = await person(there, "dave");
  await areCounted(1);
  await using erin = await person(there, "erin");
  await areApart(dave, erin);
  await dave.say("erin", "before");
  await erin.hears("dave", "before");
  await there.nats!.kill();
  await dave.say("erin", "without");
  await erin.hears("dave", "without");
  await there.nats!.start();
  await expect
    .poll(async () => {
      const before = await missedHints(there.servers);
      await dave.say("erin", `after ${before} misses`);
      await erin.hears("dave", `after ${before} misses`);
      return (await missedHints(there.servers)) - before;
    })
    .toBe(0);
  expect((await erin.texts("dave")).slice(0, 2)).toEqual(["before", "without"]);
});
