import { create } from "@bufbuild/protobuf";
import { EntrySchema } from "@fastchat/protocol/wire/conversation";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  anotherDevice,
  changedServerFrame,
  FrameProxy,
  type Person,
  person,
  type Script,
  startSystem,
  type System,
} from "../testing/index.ts";

let system: System;
beforeAll(async () => {
  system = await startSystem({ servers: 1 });
});
afterAll(() => system[Symbol.asyncDispose]());

/** A server that shows other times of messages from a place on, always the same ones: what is stored fits together. */
const otherTimes = (from: number): Script => ({
  toClient: (frame) => {
    if (frame.body.case !== "entries") return frame;
    const entries = frame.body.value.entries.map((entry) =>
      entry.body.case === "message" && entry.sequence >= from ? create(EntrySchema, { ...entry, time: entry.time + 1n }) : entry,
    );
    return changedServerFrame(frame, { case: "entries", value: { ...frame.body.value, entries } });
  },
});

const contradictions = async ({ client }: Person, peer: string) =>
  (await client.items(await client.openDirect(peer), { limit: 50 })).items.flatMap((item) =>
    item.kind === "notice" && item.notice === "contradiction" ? [[item.sequence, item.text.split(" received")[0]]] : [],
  );

test("[S4] [S5] a member who lies about what it saw: what a reader says it received is held against the own log, and shown once where it differs", async () => {
  await using proxy = await FrameProxy.start(system.gatewayUrl);
  await using alice = await person(system, "alice", { gateway: proxy.url });
  await using bob = await person(system, "bob");
  const conversation = await alice.say("bob", "as it is");
  await bob.hears("alice", "as it is");
  const status = async () => (await alice.messages("bob")).at(-1)?.status;
  await expect.poll(status).toBe("delivered");
  expect(await contradictions(alice, "bob")).toEqual([]);

  const [known] = (await alice.messages("bob")).map(({ sequence }) => sequence!);
  proxy.script = otherTimes(known! + 1);
  await alice.say("bob", "not as it is");
  await bob.hears("alice", "not as it is");
  // Bob says nothing: only his receipts cross.
  const shown = [[known! + 1, "bob"]];
  await expect.poll(() => contradictions(alice, "bob")).toEqual(shown);
  await bob.client.markRead(conversation, known! + 1);
  await expect.poll(status).toBe("read");
  await alice.say("bob", "once is enough");
  await bob.hears("alice", "once is enough");
  await expect.poll(status).toBe("delivered");
  expect(await contradictions(alice, "bob")).toEqual(shown);
  // What she saw before it goes with her message, and contradicts his.
  expect(await contradictions(bob, "alice")).toEqual([[known! + 2, expect.stringContaining("alice saw other entries before")]]);
  await alice.reopen();
  expect(await contradictions(alice, "bob")).toEqual(shown);
});

test("[S4] a read position of the vault carries the running hash, and contradicts another device's log", async () => {
  await using proxy = await FrameProxy.start(system.gatewayUrl);
  await using carol = await person(system, "carol");
  await using dave = await person(system, "dave");
  await using second = await anotherDevice(system, dave, { profile: "dave-2", gateway: proxy.url });
  const changed = otherTimes(2);
  // Receipts would tell it as well, in both directions.
  proxy.script = {
    toServer: (frame) => (frame.body.case === "writeSlot" ? undefined : frame),
    toClient: (frame, connection) =>
      frame.body.case === "slots"
        ? changedServerFrame(frame, { case: "slots", value: { ...frame.body.value, slots: [] } })
        : changed.toClient!(frame, connection),
  };
  const conversation = await carol.say("dave", "read me");
  await dave.hears("carol", "read me");
  await second.hears("carol", "read me");
  expect(await contradictions(second, "carol")).toEqual([]);
  await dave.client.markRead(conversation, 2);
  await expect.poll(() => contradictions(second, "carol")).toEqual([[2, "Another of your devices"]]);
  await expect.poll(async () => (await second.client.conversation(conversation))?.unread).toBe(0);
  expect(await contradictions(dave, "carol")).toEqual([]);
});
