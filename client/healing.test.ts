import { afterAll, beforeAll, expect, test } from "vitest";
import { changedServerFrame, FrameProxy, person, type Script, startSystem, type System } from "../testing/index.ts";

let system: System;
beforeAll(async () => {
  system = await startSystem();
});
afterAll(() => system[Symbol.asyncDispose]());

/** A server that gives no sealed keys. */
const keepingKeys: Script = {
  toClient: (frame) => {
    if (frame.body.case === "sealedKeys")
      return changedServerFrame(frame, { case: "sealedKeys", value: { ...frame.body.value, keys: [] } });
    if (frame.body.case === "entries")
      return changedServerFrame(frame, { case: "entries", value: { ...frame.body.value, sealedKeys: [] } });
    return frame;
  },
};

// The two wait long for what does not come: side by side, with people of their own.
test.concurrent("[C6] unable to decrypt: a key that comes late opens what was kept", async () => {
  await using proxy = await FrameProxy.start(system.gatewayUrl);
  proxy.script = keepingKeys;
  await using alice = await person(system, "alice");
  await using bob = await person(system, "bob", { gateway: proxy.url });
  const conversation = await alice.say("bob", "sealed");
  const kinds = async () =>
    (await bob.client.items(conversation, { limit: 50 })).items.map((item) => (item.kind === "notice" ? item.notice : item.text));
  await expect.poll(kinds).toContain("unreadable");
  proxy.script = {};
  await bob.hears("alice", "sealed", 20_000);
  expect(await kinds()).not.toContain("unreadable");
  await bob.say("alice", "I can read it");
  await alice.hears("bob", "I can read it");
});

test.concurrent("[C6] whoever cannot open the current key after a while opens a new epoch", async () => {
  await using proxy = await FrameProxy.start(system.gatewayUrl);
  proxy.script = keepingKeys;
  await using carol = await person(system, "carol");
  await using dave = await person(system, "dave", { gateway: proxy.url });
  const conversation = await carol.say("dave", "lost to dave");
  await expect.poll(async () => (await dave.client.conversation(conversation))?.request).toBe(true);
  // As long as she is a stranger to him, dave tells her nothing.
  await dave.client.accept(conversation);
  // The server never gives the key: dave's own, which it made itself, it knows.
  await expect
    .poll(async () => (await carol.items("dave")).flatMap((item) => (item.kind === "notice" ? [item.notice] : [])), { timeout: 20_000 })
    .toContain("rekeyed");
  await carol.say("dave", "under the new key");
  await dave.hears("carol", "under the new key");
  expect(await dave.texts("carol")).toEqual(["under the new key"]);
});
