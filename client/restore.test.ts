import { join } from "node:path";
import { ErrorCode } from "@fastchat/protocol";
import { random } from "@fastchat/protocol/seal";
import { afterAll, beforeAll, expect, test } from "vitest";
import { anotherDevice, changedServerFrame, FrameProxy, person, type Script, startSystem, type System } from "../testing/index.ts";
import { loadKnownAccount, saveKnownAccount } from "./accounts.ts";
import { openSqliteStorage } from "./storage-sqlite.ts";

let system: System;
beforeAll(async () => {
  system = await startSystem({ servers: 1 });
});
afterAll(() => system[Symbol.asyncDispose]());

test("[H6] what a restored server takes back only much later keeps nobody from talking", async () => {
  await using proxy = await FrameProxy.start(system.gatewayUrl);
  await using alice = await person(system, "alice", { gateway: proxy.url });
  await using bob = await person(system, "bob");
  await alice.say("bob", "before");
  await bob.hears("alice", "before");
  let refused = 0;
  proxy.script = {
    toClient: (frame) => {
      if (frame.body.case !== "welcome") return frame;
      return changedServerFrame(frame, { case: "welcome", value: { ...frame.body.value, running: random(32) } });
    },
    toServer: (frame, connection) => {
      if (frame.body.case !== "putBackAccount") return frame;
      refused++;
      connection.answer(frame, { case: "error", value: { code: ErrorCode.RATE_LIMITED, retryAfterMs: 3_600_000 } });
      return undefined;
    },
  };
  for (const each of proxy.connections) each.close();
  await expect.poll(() => refused).toBeGreaterThan(0);
  await alice.say("bob", "after");
  await bob.hears("alice", "after");
});

test("[H6] links go back with the receipts that came with them; who has none puts nothing back, and goes on", async () => {
  await using proxy = await FrameProxy.start(system.gatewayUrl);
  await using carol = await person(system, "carol", { gateway: proxy.url });
  await using laptop = await anotherDevice(system, carol, { profile: "carol-laptop" });
  await using dave = await person(system, "dave");
  await carol.say("dave", "before");
  await dave.hears("carol", "before");
  await carol.client.revokeDevices(carol.password, [laptop.me.device]);
  await carol.client.close();

  /** Like a server that has lost all links of all accounts. */
  const restored = (receipts: number[]): Script => {
    const running = random(32);
    return {
      toClient: (frame, connection) => {
        const { body } = frame;
        const question = connection.asked(frame)?.body;
        if (body.case === "welcome") return changedServerFrame(frame, { case: "welcome", value: { ...body.value, running } });
        if (body.case !== "compared" || question?.case !== "compare") return frame;
        const shorter = question.value.accounts.map((head) => ({ ...head, index: 0 }));
        return changedServerFrame(frame, { case: "compared", value: { ...body.value, shorter } });
      },
      toServer: (frame, connection) => {
        if (frame.body.case !== "putBackAccount") return frame;
        receipts.push(...frame.body.value.links.map(({ receipt }) => receipt.length));
        connection.answer(frame, { case: "error", value: { code: ErrorCode.NO_RECEIPT } });
        return undefined;
      },
    };
  };
  const kept: number[] = [];
  proxy.script = restored(kept);
  await carol.reopen(proxy.url);
  await carol.say("dave", "with receipts");
  await dave.hears("carol", "with receipts");
  // Three links of hers and one of his; those from her newest key on once more.
  expect(kept).toEqual([32, 32, 32, 32, 32]);

  await carol.client.close();
  const storage = openSqliteStorage(join(carol.home, carol.profile));
  for (const { me } of [carol, dave]) {
    const known = (await loadKnownAccount(storage, me.account))!;
    const links = known.links.map((link) => ({ ...link, receipt: new Uint8Array(0) }));
    await storage.commit([saveKnownAccount({ ...known, links })]);
  }
  await storage.close();
  const none: number[] = [];
  proxy.script = restored(none);
  await carol.reopen(proxy.url);
  await carol.say("dave", "without receipts");
  await dave.hears("carol", "without receipts");
  expect(none).toEqual([0, 0, 0, 0, 0]);
});
