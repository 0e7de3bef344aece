import { afterAll, beforeAll, expect, test } from "vitest";
import { FrameProxy, person, startSystem, type System } from "../testing/index.ts";
import { SPACED_MS } from "./slots.ts";

let system: System;
beforeAll(async () => {
  system = await startSystem();
});
afterAll(async () => {
  await system?.[Symbol.asyncDispose]();
});

const MESSAGES = 40;
const EVERY_MS = 50;

test("[S5] in a busy conversation receipts go together, and in the end all have come", async () => {
  await using proxy = await FrameProxy.start(system.gatewayUrl);
  await using alice = await person(system, "alice");
  await using bob = await person(system, "bob", { gateway: proxy.url });
  const id = await alice.say("bob", "hello");
  await bob.hears("alice", "hello");
  const status = async () => (await alice.messages("bob")).at(-1)?.status;
  await expect.poll(status).toBe("delivered");

  let told = 0;
  proxy.script = {
    toServer(frame) {
      if (frame.body.case === "writeSlot") told++;
      return frame;
    },
  };
  const since = performance.now();
  for (let number = 0; number < MESSAGES; number++) {
    await alice.client.send(id, `message ${number}`);
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
  }
  await bob.hears("alice", `message ${MESSAGES - 1}`);
  await expect.poll(status).toBe("delivered");
  expect(told).toBeGreaterThan(0);
  expect(told).toBeLessThanOrEqual(1 + Math.ceil((performance.now() - since) / SPACED_MS));
  expect((await alice.messages("bob")).map((message) => message.status)).toEqual(Array.from({ length: MESSAGES + 1 }, () => "delivered"));
});
