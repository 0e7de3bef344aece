import { fromBinary } from "@bufbuild/protobuf";
import { limits } from "@fastchat/protocol";
import { ConversationLinkSchema } from "@fastchat/protocol/wire/conversation";
import { afterAll, beforeAll, expect, test } from "vitest";
import { person } from "../person.ts";
import { FrameProxy } from "../proxy.ts";
import { startSystem, type System } from "../system.ts";
import { takeDump } from "./dump.ts";
import { agree, hears } from "./group-talk.ts";

const shared = new AsyncDisposableStack();
let system: System;
beforeAll(async () => {
  system = shared.use(await startSystem({ servers: 1 }));
});
afterAll(() => shared.disposeAsync());

test("[C5] [C6] who comes back with something to say, after the key changed, says it at once and renews nothing", async () => {
  await using proxy = await FrameProxy.start(system.gatewayUrl);
  await using alice = await person(system, "alice");
  await using bob = await person(system, "bob", { gateway: proxy.url });
  const { groups } = alice.client;
  const id = await groups.create({ name: "Coming back", members: ["bob", "carol"] });
  await agree([alice, bob], id);
  // It does not get through any more, and waits on his device.
  proxy.script = { toServer: (frame) => (frame.body.case === "send" ? undefined : frame) };
  await bob.client.send(id, "I was away");
  await bob.client.close();
  await groups.remove(id, ["carol"]);
  await groups.add(id, ["dave"]);
  proxy.script = {};
  const start = performance.now();
  await bob.reopen();
  await hears(alice, id, "I was away");
  expect(performance.now() - start).toBeLessThan(limits.healingMs / 2);
  const changes = (await takeDump(system, id)).links.map(({ entry }) => fromBinary(ConversationLinkSchema, entry.link!.body).change.case);
  expect(changes).toEqual(["create", "remove", "add"]);
});
