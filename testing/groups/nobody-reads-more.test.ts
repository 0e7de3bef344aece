import { create, toBinary } from "@bufbuild/protobuf";
import type { ConversationId } from "@fastchat/protocol";
import type { SealedKey } from "@fastchat/protocol/wire/conversation";
import { ClientPacketSchema } from "@fastchat/protocol/wire/frames";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Person, person } from "../person.ts";
import { FrameProxy } from "../proxy.ts";
import { startSystem, type System } from "../system.ts";
import { lootOf, openedBy, type Readable, readableWith, takeDump } from "./dump.ts";
import { agree, hears, messagesOf, say, textsOf } from "./group-talk.ts";

const shared = new AsyncDisposableStack();
let system: System;
beforeAll(async () => {
  system = shared.use(await startSystem({ servers: 2 }));
});
afterAll(() => shared.disposeAsync());

/** What is read with a dump, as the texts that somebody who was always there sees in these places. */
async function textsIn(id: ConversationId, { messages }: Readable, witness: Person): Promise<string[]> {
  const all = new Map((await messagesOf(witness, id)).map(({ sequence, text }) => [sequence, text]));
  return messages.map((sequence) => all.get(sequence!)!);
}

test("[C4] who was removed or left cannot open what comes next, with the whole database and all old keys, whoever is added afterwards", async () => {
  await using stack = new AsyncDisposableStack();
  const use = async (name: string) => stack.use(await person(system, name));
  const [alice, bob, carol, dave] = [await use("alice"), await use("bob"), await use("carol"), await use("dave")];
  const groups = alice.client.groups;
  const id = await groups.create({ name: "Before", members: ["bob", "carol", "dave"] });
  await agree([alice, bob, carol, dave], id);
  await say(dave, id, "one");
  await groups.remove(id, ["bob"]);
  await say(carol, id, "two, without bob");
  const erin = await use("erin");
  await groups.add(id, ["erin"]);
  await say(alice, id, "three, with erin");
  await hears(carol, id, "three, with erin");
  await carol.client.groups.leave(id);
  const frank = await use("frank");
  await groups.add(id, ["frank"]);
  await groups.add(id, ["grace"]);
  await groups.setProfile(id, { name: "After" });
  await say(frank, id, "four, without carol");
  await agree([alice, dave, erin, frank], id);
  await hears(alice, id, "four, without carol");

  await Promise.all([alice, bob, carol].map(({ client }) => client.close()));
  const dump = await takeDump(system, id);
  const read = async (who: Person) => readableWith(await lootOf(who, id), dump);
  const [all, bobs, carols] = [await read(alice), await read(bob), await read(carol)];
  await alice.reopen();
  // Who may read it does so in the same way, or this would prove nothing.
  expect(await textsIn(id, all, alice)).toEqual(["one", "two, without bob", "three, with erin", "four, without carol"]);
  expect(await textsIn(id, bobs, alice)).toEqual(["one"]);
  expect(await textsIn(id, carols, alice)).toEqual(["one", "two, without bob", "three, with erin"]);
  // The name is sealed again with each key, and set anew at last.
  const withName = dump.links.filter(({ entry }) => entry.profile.length > 0).map(({ sequence }) => sequence);
  expect(withName).toHaveLength(6);
  expect(all.profiles).toEqual(withName);
  expect(bobs.profiles).toEqual(withName.slice(0, 1));
  expect(carols.profiles).toEqual(withName.slice(0, 3));
});

test("[C4] who is added cannot open what was written before, with the whole database, unless the policy says so", async () => {
  await using stack = new AsyncDisposableStack();
  const use = async (name: string) => stack.use(await person(system, name));
  const [alice, heidi, ivan, judy] = [await use("olivia"), await use("heidi"), await use("ivan"), await use("judy")];
  const groups = alice.client.groups;
  const id = await groups.create({ name: "Newcomers", members: ["peggy"] });
  await say(alice, id, "old");
  await groups.add(id, ["heidi"]);
  await say(alice, id, "with heidi");
  await groups.setPolicy(id, { newcomersRead: "now" });
  await say(alice, id, "for those who come later, too");
  await groups.add(id, ["ivan"]);
  await say(alice, id, "with ivan");
  await groups.setPolicy(id, { newcomersRead: "everything" });
  await groups.add(id, ["judy"]);
  await say(alice, id, "with judy");
  const expected = [
    [alice, ["old", "with heidi", "for those who come later, too", "with ivan", "with judy"]],
    [heidi, ["with heidi", "for those who come later, too", "with ivan", "with judy"]],
    [ivan, ["for those who come later, too", "with ivan", "with judy"]],
    [judy, ["old", "with heidi", "for those who come later, too", "with ivan", "with judy"]],
  ] as const;
  for (const [who, texts] of expected) await expect.poll(() => textsOf(who, id), { message: `what ${who.name} is shown` }).toEqual(texts);
  await Promise.all([heidi, ivan, judy].map(({ client }) => client.close()));
  const dump = await takeDump(system, id);
  for (const [who, texts] of expected.slice(1)) {
    expect(await textsIn(id, await readableWith(await lootOf(who, id), dump), alice), `what ${who.name} can open`).toEqual(texts);
  }
});

test("[C4] the copy of an add that lost a race is worth nothing: two admins add at once", async () => {
  await using stack = new AsyncDisposableStack();
  const proxy = stack.use(await FrameProxy.start(system.gatewayUrl));
  const use = async (name: string, gateway = system.gatewayUrl) => stack.use(await person(system, name, { gateway }));
  const [alice, bob] = [await use("mallory"), await use("niaj", proxy.url)];
  const erin = await use("sybil");
  const id = await alice.client.groups.create({ name: "Race", members: ["niaj"], admins: ["niaj"] });
  await agree([alice, bob], id);
  await say(alice, id, "before both");
  await hears(bob, id, "before both");

  let lost: readonly SealedKey[] = [];
  const held = Promise.withResolvers<() => void>();
  proxy.script = {
    toServer: (frame, connection) => {
      if (frame.body.case !== "appendLink" || lost.length > 0) return frame;
      lost = frame.body.value.sealedKeys;
      held.resolve(() => connection.rawToServer(toBinary(ClientPacketSchema, create(ClientPacketSchema, { frames: [frame] }))));
      return undefined;
    },
  };
  const adding = bob.client.groups.add(id, ["sybil"]);
  const letGo = await held.promise;
  // In the key that the lost attempt is derived from, and in the one that won.
  await say(alice, id, "while it is under way");
  await alice.client.groups.add(id, ["rupert"]);
  await say(alice, id, "after the one that won");
  letGo();
  await adding;
  await say(bob, id, "with both");
  await hears(erin, id, "with both");
  await agree([alice, bob, erin], id);
  expect(await textsOf(erin, id)).toEqual(["with both"]);

  await erin.client.close();
  const [loot, dump] = [await lootOf(erin, id), await takeDump(system, id)];
  // Erin's account does open it.
  expect(lost).toHaveLength(1);
  expect(await openedBy(loot, dump.links.at(-1)!.state, lost[0]!)).toHaveLength(1);
  expect(await textsIn(id, await readableWith(loot, dump, lost), alice)).toEqual(["with both"]);
});
