import { toBinary, create, fromBinary } from "@bufbuild/protobuf";
import { openClient } from "@fastchat/client/node";
import { type ConversationId, idBytes } from "@fastchat/protocol";
import { ErasedSchema } from "@fastchat/protocol/wire/conversation";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { Retention } from "../../server/chat/retention.ts";
import { silentLog } from "../../server/events.ts";
import { openChatMetrics } from "../../server/metrics.ts";
import { openDatabase } from "../../server/store/database.ts";
import { entryKinds } from "../../server/store/entries.ts";
import { anotherDevice, type Person, person } from "../person.ts";
import { startSystem, type System } from "../system.ts";
import { agree, hears, say, textsOf } from "./group-talk.ts";

const shared = new AsyncDisposableStack();
let system: System;
beforeAll(async () => {
  system = shared.use(await startSystem({ servers: 2 }));
});
afterAll(() => shared.disposeAsync());

const HOUR_MS = 3_600_000;
const LATER_MS = HOUR_MS + 60_000;

/** What a chat server does every minute, as if it were so much later; the clients' clocks are as they are. */
async function sweepAfter(milliseconds: number): Promise<void> {
  await using database = openDatabase({ url: system.databaseUrl, connections: 2, onIdleError: () => undefined });
  const now = () => Date.now() + milliseconds;
  await new Retention({ database, log: silentLog, metrics: openChatMetrics(), now, everyMs: 1 }).sweep();
}

/** What a process beside this client shows by a clock that is so much later, too. */
async function contradictionsOf({ home, profile }: Person, id: ConversationId): Promise<string[]> {
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + LATER_MS });
  try {
    await using beside = (await openClient({ home, profile }))!;
    const { items } = await beside.items(id, { limit: 500 });
    return items.flatMap((item) => (item.kind === "notice" && item.notice === "contradiction" ? [item.text] : []));
  } finally {
    vi.useRealTimers();
  }
}

test("[S4] [H4] what the server erased is gone for a new device, which finds the log whole and true all the same", async () => {
  await using alice = await person(system, "alice");
  await using bob = await person(system, "bob");
  const id = await alice.client.groups.create({ name: "Short-lived", members: ["bob"], policy: { retentionSeconds: 3_600 } });
  await agree([alice, bob], id);
  for (const text of ["one", "two", "three"]) await say(alice, id, text);
  await hears(bob, id, "three");
  await say(bob, id, "four");
  await hears(alice, id, "four");
  await sweepAfter(LATER_MS);
  const rows = await system.query("SELECT sequence, kind, body FROM entry WHERE conversation = $1 ORDER BY sequence", [idBytes(id)]);
  expect(rows.map(({ kind }) => kind)).toEqual([2, 4, 4, 4, 4]);

  // Written by one who has seen everything: it carries the running hash up to there.
  await say(bob, id, "five");
  await using fresh = await anotherDevice(system, alice, { profile: "alice-later" });
  await hears(fresh, id, "five");
  expect(await textsOf(fresh, id)).toEqual(["five"]);
  expect(await contradictionsOf(fresh, id)).toEqual([]);
  // And the other way round: what the new device makes of the erased ones is what the old ones made of the messages.
  await say(fresh, id, "six");
  await hears(bob, id, "six");
  await hears(alice, id, "six");
  for (const each of [alice, bob]) expect(await contradictionsOf(each, id)).toEqual([]);
  expect(await textsOf(bob, id)).toEqual(["one", "two", "three", "four", "five", "six"]);

  // Were one of the hashes another, it would show.
  const [first] = rows.filter(({ kind }) => kind === entryKinds.erased);
  const { entryHash } = fromBinary(ErasedSchema, first!["body"] as Uint8Array);
  entryHash[0]! ^= 1;
  await system.query("UPDATE entry SET body = $1 WHERE conversation = $2 AND sequence = $3", [
    toBinary(ErasedSchema, create(ErasedSchema, { entryHash })),
    idBytes(id),
    first!["sequence"],
  ]);
  await using misled = await anotherDevice(system, alice, { profile: "alice-misled" });
  await hears(misled, id, "six");
  expect(await contradictionsOf(misled, id)).not.toEqual([]);
});

test("[L35] [H4] in a direct conversation the server erases by the policy that one of the two set, and what a new device finds is whole and true", async () => {
  await using carol = await person(system, "carol");
  await using dave = await person(system, "dave");
  const id = await carol.say("dave", "one");
  await dave.hears("carol", "one");
  await dave.client.setRetention(id, 3_600);
  await carol.say("dave", "two");
  await sweepAfter(LATER_MS);
  const rows = await system.query("SELECT kind FROM entry WHERE conversation = $1 ORDER BY sequence", [idBytes(id)]);
  const kinds = rows.map(({ kind }) => kind);
  expect([kinds.includes(entryKinds.message), kinds.filter((kind) => kind === entryKinds.erased).length]).toEqual([false, 2]);
  await carol.say("dave", "three");
  await using fresh = await anotherDevice(system, dave, { profile: "dave-later" });
  await hears(fresh, id, "three");
  expect(await textsOf(fresh, id)).toEqual(["three"]);
  for (const each of [fresh, carol, dave]) expect(await contradictionsOf(each, id)).toEqual([]);
});
