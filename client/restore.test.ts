import { ErrorCode } from "@fastchat/protocol";
import { random } from "@fastchat/protocol/seal";
import { afterAll, beforeAll, expect, test } from "vitest";
import { changedServerFrame, FrameProxy, person, startSystem, type System } from "../testing/index.ts";

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
