import { Readable } from "node:stream";
import { limits } from "@fastchat/protocol";
import { afterAll, beforeAll, expect, test } from "vitest";
import { anotherDevice, FrameProxy, type Person, person, startSystem, type System } from "../testing/index.ts";
import type { Client, QuickOptions } from "./api.ts";
import { openQuick } from "./node.ts";

let system: System;
beforeAll(async () => {
  system = await startSystem({ servers: 1 });
});
afterAll(() => system?.[Symbol.asyncDispose]());

async function quick(options: QuickOptions): Promise<Client> {
  const result = await openQuick(options, { deviceName: () => "QuickChat on hotel-pc" });
  if (result.kind !== "open") throw new Error(result.kind);
  return result.client;
}

const optionsOf = ({ name, password }: Person): QuickOptions => ({ gateway: system.gatewayUrl, name, password });

async function textsIn(client: Client, id: Parameters<Client["items"]>[0], before?: number): Promise<string[]> {
  const { items } = await client.items(id, { limit: 50, ...(before !== undefined && { before }) });
  return items.flatMap((item) => (item.kind === "message" ? [item.text] : []));
}

const unreadOf = async (client: Client, id: Parameters<Client["items"]>[0]) => (await client.conversation(id))?.unread;

test("[H5] a QuickChat session brings nothing here but what comes from now on, and what somebody scrolls up to", async () => {
  await using alice = await person(system, "alice");
  await using bob = await person(system, "bob");
  const id = await alice.say("bob", "one");
  await bob.hears("alice", "one");
  await bob.say("alice", "two");
  await alice.hears("bob", "two");
  const group = await alice.client.groups.create({ name: "Chess", members: ["bob"] });
  await alice.client.send(group, "to all");
  await alice.client.sent(group);
  await alice.client.markRead(id, (await alice.client.conversation(id))!.head);
  await bob.say("alice", "three");
  await alice.hears("bob", "three");

  await using proxy = await FrameProxy.start(system.gatewayUrl);
  const fetched: number[] = [];
  proxy.script = {
    toServer(frame) {
      if (frame.body.case === "fetchEntries") fetched.push(frame.body.value.limit);
      return frame;
    },
  };
  const here = await quick({ ...optionsOf(alice), gateway: proxy.url });
  await using _ = here;
  await here.caughtUp();
  expect((await here.conversations()).map(({ title }) => title).toSorted()).toEqual(["Chess", "bob"]);
  expect(await textsIn(here, id)).toEqual([]);
  expect(await textsIn(here, group)).toEqual([]);
  expect(await unreadOf(here, id)).toBe(0);
  // Where each log ends, and no more of it.
  expect(fetched.every((limit) => limit === 1)).toBe(true);

  await bob.say("alice", "four");
  await expect.poll(() => textsIn(here, id)).toEqual(["four"]);
  expect(await unreadOf(here, id)).toBe(1);
  await bob.client.send(group, "and back");
  await expect.poll(() => textsIn(here, group)).toEqual(["and back"]);
  // She has not seen the third anywhere: that she read the fourth here tells neither her other devices nor bob that.
  await alice.hears("bob", "four");
  await here.markRead(id, (await here.conversation(id))!.head);
  expect(await unreadOf(here, id)).toBe(0);
  await here.send(id, "five");
  await bob.hears("alice", "five");
  await expect.poll(async () => (await here.items(id, { limit: 1 })).items[0]?.sequence).toBeGreaterThan(0);
  // Whatever it had to tell them goes with this.
  await here.setDraft(id, "and");
  await expect.poll(async () => (await alice.client.conversation(id))?.draft).toBe("and");
  expect(await unreadOf(alice.client, id)).toBe(2);

  const { head } = (await here.conversation(id))!;
  expect(await textsIn(here, id, head + 1)).toEqual(["one", "two", "three", "four", "five"]);
  expect(await textsIn(here, group, (await here.conversation(group))!.head + 1)).toEqual(["to all", "and back"]);
  // Now nothing is left out.
  await bob.say("alice", "six");
  await expect.poll(() => textsIn(here, id)).toContain("six");
  await here.markRead(id, (await here.conversation(id))!.head);
  await expect.poll(() => unreadOf(alice.client, id)).toBe(0);
});

test("[H3] [H5] it signs itself out when it is closed, after what was written, and the other devices offer to revoke it", async () => {
  await using carol = await person(system, "carol");
  await using dave = await person(system, "dave");
  const tablet = await anotherDevice(system, carol, { profile: "carol-2" });
  await tablet.client.caughtUp();
  await tablet.client.close();
  const here = await quick(optionsOf(carol));
  await expect.poll(async () => (await carol.client.devices())[0]?.name).toBe("QuickChat on hotel-pc");
  const { device } = here.me;
  expect((await carol.client.devices())[0]).toMatchObject({ device, state: "active", quick: true });
  const withDave = await here.openDirect("dave");
  const large = { name: "large", size: limits.quickFilesBytes + 1, stream: () => Readable.from([]) };
  await expect(here.files.send(withDave, [{ source: large }])).rejects.toThrow(/QuickChat holds what it sends in memory/u);
  await here.send(withDave, "the last word");
  await here.close();
  await here.close();
  expect(await here.signOut()).toEqual({ server: "told" });
  await dave.hears("carol", "the last word");
  expect((await carol.client.devices())[0]).toMatchObject({ device, state: "signed-out", quick: true });
  const offer = {
    kind: "warning",
    warning: "quick-ended",
    device,
    text: expect.stringMatching(/^QuickChat on hotel-pc is over\..*revoke/u),
  };
  await expect.poll(() => carol.events).toContainEqual(offer);
  // Also who was away meanwhile.
  await tablet.reopen();
  await using _ = tablet;
  await expect.poll(() => tablet.events).toContainEqual(offer);
  await carol.client.revokeDevices(carol.password, [device]);
  expect((await carol.client.devices())[0]).toMatchObject({ device, state: "revoked" });
});

test("[H5] [H8] beside which no other device may be, it takes their place or is not begun", async () => {
  await using erin = await person(system, "erin");
  await erin.client.setSessionPolicy("single");
  expect(await erin.client.sessionPolicy()).toEqual({ account: "single", server: "many" });
  expect(await openQuick(optionsOf(erin))).toMatchObject({ kind: "already-signed-in", devices: [{ device: erin.me.device }] });
  const result = await openQuick({ ...optionsOf(erin), signOutOthers: true });
  if (result.kind !== "open") throw new Error(result.kind);
  await using here = result.client;
  expect(result.others).toBe("revoked");
  await expect.poll(() => erin.client.connection.kind).toBe("ended");
  expect((await here.devices()).map(({ state }) => state)).toEqual(["active", "revoked"]);
});
