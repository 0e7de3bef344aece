import { fromBinary } from "@bufbuild/protobuf";
import { idBytes } from "@fastchat/protocol";
import { equal, random } from "@fastchat/protocol/seal";
import { type AddDevice, AddDeviceSchema } from "@fastchat/protocol/wire/gateway";
import { afterAll, beforeAll, expect, test } from "vitest";
import { anotherDevice, changedServerFrame, FrameProxy, person, startSystem, type System } from "../testing/index.ts";
import { openClient } from "./node.ts";

let system: System;
beforeAll(async () => {
  system = await startSystem({ servers: 1 });
});
afterAll(() => system[Symbol.asyncDispose]());

test("[G5] a conversation whose people have two histories waits, and goes on after asking", async () => {
  await using alicesProxy = await FrameProxy.start(system.gatewayUrl);
  await using bobsProxy = await FrameProxy.start(system.gatewayUrl);
  await using alice = await person(system, "alice", { gateway: alicesProxy.url });
  await using bob = await person(system, "bob");
  const conversation = await alice.say("bob", "hello");
  await bob.hears("alice", "hello");

  // A sign-in of bob's that the server refused, and whose link it kept.
  let kept: AddDevice | undefined;
  bobsProxy.script = {
    refuses: (path, body) => {
      if (path === "/v1/devices") kept = fromBinary(AddDeviceSchema, body);
      return path === "/v1/devices";
    },
  };
  await expect(anotherDevice(system, bob, { profile: "bob-lost", gateway: bobsProxy.url })).rejects.toThrow(/could not sign in/);
  const account = idBytes(bob.me.account);
  let shown = 0;
  alicesProxy.script = {
    toClient: (frame) => {
      if (frame.body.case !== "account" || !equal(frame.body.value.account, account)) return frame;
      shown++;
      return changedServerFrame(frame, { case: "account", value: { ...frame.body.value, links: shown === 1 ? [kept!.link!] : [] } });
    },
  };
  const [connection] = alicesProxy.connections;
  connection!.push({ case: "accountMoved", value: { head: { account, index: 2, hash: random(32) } } });
  await expect.poll(() => shown).toBe(1);
  await alice.client.caughtUp();

  // The conversation names the other branch.
  await using second = await anotherDevice(system, bob, { profile: "bob-2" });
  await second.say("alice", "from the other branch");
  const blocked = async () => (await alice.client.conversation(conversation))?.blocked;
  await expect.poll(blocked).toBe("forked");
  await alice.client.send(conversation, "on which branch?");
  await expect(alice.client.sent(conversation, AbortSignal.timeout(1_500))).rejects.toThrow("timeout");
  expect(await bob.texts("alice")).not.toContain("on which branch?");

  await using beside = (await openClient(alice, { gateway: alicesProxy.url }))!;
  expect(beside.role).toBe("beside");
  await beside.acceptFork(conversation);
  await alice.client.sent(conversation, AbortSignal.timeout(10_000));
  await bob.hears("alice", "on which branch?");
  await second.hears("alice", "on which branch?");
  expect(await blocked()).toBe("none");

  // One more link of that branch does not ask again.
  await using third = await anotherDevice(system, bob, { profile: "bob-3" });
  await third.say("alice", "me too");
  await alice.hears("bob", "me too");
  expect(await blocked()).toBe("none");
  await alice.say("bob", "all of you");
  await third.hears("alice", "all of you");
});
