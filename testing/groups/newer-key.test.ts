import { ErrorCode } from "@fastchat/protocol";
import { fromBinary } from "@bufbuild/protobuf";
import { ConversationLinkSchema } from "@fastchat/protocol/wire/conversation";
import { afterAll, beforeAll, expect, test } from "vitest";
import { anotherDevice, newPassword, person } from "../person.ts";
import { FrameProxy } from "../proxy.ts";
import { startSystem, type System } from "../system.ts";
import { takeDump } from "./dump.ts";
import { agree, hears, say } from "./group-talk.ts";

const shared = new AsyncDisposableStack();
let system: System;
beforeAll(async () => {
  system = shared.use(await startSystem({ servers: 1 }));
});
afterAll(() => shared.disposeAsync());

test("[C4] whose account key is a newer one than the group records gets a copy: the head that names it is looked up", async () => {
  await using proxy = await FrameProxy.start(system.gatewayUrl);
  await using bobsProxy = await FrameProxy.start(system.gatewayUrl);
  await using alice = await person(system, "alice", { gateway: proxy.url });
  await using bob = await person(system, "bob");
  await using carol = await person(system, "carol");
  const id = await alice.client.groups.create({ name: "Keys", members: ["bob", "carol"] });
  await agree([alice, bob, carol], id);
  await bob.client.accept(id);
  await using lost = await anotherDevice(system, bob, { profile: "bob-lost" });
  await using phone = await anotherDevice(system, bob, { profile: "bob-phone", gateway: bobsProxy.url });
  // Alice hears of what bob's account became by the group alone.
  proxy.script = { toClient: (frame) => (frame.body.case === "accountMoved" ? undefined : frame) };
  await bob.client.revokeDevices(bob.password, [lost.me.device]);
  await say(bob, id, "the lost one is out");
  await hears(alice, id, "the lost one is out");
  await say(alice, id, "good");
  await bob.client.close();
  // And of what it became after that, by nothing at all.
  bobsProxy.script = {
    toServer: (frame, connection) => {
      if (frame.body.case !== "appendLink") return frame;
      connection.answer(frame, { case: "error", value: { code: ErrorCode.FORBIDDEN } });
      return undefined;
    },
  };
  await phone.client.revokeDevices(bob.password, [bob.me.device]).catch(() => undefined);
  await alice.client.groups.remove(id, ["carol"]);
  await say(alice, id, "you are still with me?");
  const { entry } = (await takeDump(system, id)).links.at(-1)!;
  const { opening } = fromBinary(ConversationLinkSchema, entry.link!.body);
  expect(opening).toMatchObject({ withoutKey: [] });
  bobsProxy.script = {};
  await hears(phone, id, "you are still with me?");
});

test("[C4] [H1] a fresh device whose first change turns the key has a copy for everybody, whatever became of their keys before", async () => {
  await using dave = await person(system, "dave");
  await using erin = await person(system, "erin");
  await using frank = await person(system, "frank");
  const id = await dave.client.groups.create({ name: "Older keys", members: ["erin", "frank", "grace"], admins: ["erin"] });
  await agree([dave, erin, frank], id);
  await frank.client.accept(id);
  expect(await frank.client.succeed(frank.password, newPassword())).toMatchObject({ kind: "succeeded" });
  await say(frank, id, "somebody knew it");
  await hears(erin, id, "somebody knew it");
  // It reads at once, in one page, that frank came and that his keys were replaced.
  await using fresh = await anotherDevice(system, erin, { profile: "erin-fresh" });
  await hears(fresh, id, "somebody knew it");
  await fresh.client.groups.remove(id, ["grace"]);
  const openings = (await takeDump(system, id)).links.map(({ entry }) => fromBinary(ConversationLinkSchema, entry.link!.body).opening);
  expect(openings.flatMap((opening) => opening?.withoutKey ?? [])).toEqual([]);
  await say(fresh, id, "you are still with us?");
  await hears(frank, id, "you are still with us?");
});
