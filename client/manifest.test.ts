import { create } from "@bufbuild/protobuf";
import { ErrorCode } from "@fastchat/protocol";
import { VaultSchema } from "@fastchat/protocol/wire/frames";
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
  system = await startSystem();
});
afterAll(() => system[Symbol.asyncDispose]());

/** A server in whose vault nothing happens any more. */
const frozenVault: Script = {
  toClient: (frame, connection) => {
    if (frame.body.case === "vaultMoved") return undefined;
    const asked = connection.asked(frame)?.body;
    if (frame.body.case !== "vault" || asked?.case !== "readVault") return frame;
    return changedServerFrame(frame, { case: "vault", value: create(VaultSchema, { revision: asked.value.afterRevision }) });
  },
};

const warnings = ({ events }: Person) => events.filter((event) => event.kind === "warning" && event.warning === "vault").length;
const noteAt = async ({ client }: Person) => (await client.conversations())[0]?.peer.note;

test("[P4] a vault older than one's own messages name is warned of, until it is the newest again", async () => {
  await using proxy = await FrameProxy.start(system.gatewayUrl);
  await using anna = await person(system, "anna");
  await using bert = await person(system, "bert");
  await anna.say("bert", "hi");
  await bert.hears("anna", "hi");
  await using second = await anotherDevice(system, anna, { profile: "anna-2", gateway: proxy.url });
  await anna.client.setNote("bert", "first");
  await expect.poll(() => noteAt(second)).toBe("first");
  await anna.say("bert", "all is well");
  await second.hears("bert", "all is well");

  proxy.script = frozenVault;
  await anna.client.setNote("bert", "second");
  await using third = await anotherDevice(system, anna, { profile: "anna-3" });
  await expect.poll(() => noteAt(third)).toBe("second");
  expect(warnings(second)).toBe(0);
  await anna.say("bert", "with a reference");
  await expect.poll(() => warnings(second)).toBe(1);
  expect(await noteAt(second)).toBe("first");

  // It is remembered: the message is not read again.
  await second.reopen();
  await expect.poll(() => warnings(second)).toBe(2);
  proxy.script = {};
  await second.reopen();
  await expect.poll(() => noteAt(second)).toBe("second");
  await anna.say("bert", "well again");
  await second.hears("bert", "well again");
  await second.client.caughtUp(AbortSignal.timeout(5_000));
  expect([warnings(second), warnings(anna), warnings(third)]).toEqual([2, 0, 0]);
});

test("[P4] a vault that differs from device to device is warned of", async () => {
  await using proxy = await FrameProxy.start(system.gatewayUrl);
  await using carl = await person(system, "carl");
  await using doro = await person(system, "doro");
  await carl.say("doro", "hi");
  await doro.hears("carl", "hi");
  await using second = await anotherDevice(system, carl, { profile: "carl-2", gateway: proxy.url });
  await expect.poll(async () => (await second.client.conversations())[0]?.peer.contact).toBe(true);
  await second.client.caughtUp(AbortSignal.timeout(5_000));
  proxy.script = {
    ...frozenVault,
    toServer: (frame, connection) => {
      if (frame.body.case !== "writeVault") return frame;
      connection.answer(frame, { case: "vaultWritten", value: { revision: 1_000_000 } });
      return undefined;
    },
  };
  await second.client.setNote("doro", "here");
  await carl.client.setNote("doro", "there");
  await using third = await anotherDevice(system, carl, { profile: "carl-3" });
  await expect.poll(() => noteAt(third)).toBe("there");
  expect(warnings(second)).toBe(0);
  await carl.say("doro", "with a reference");
  await expect.poll(() => warnings(second)).toBe(1);
  expect(await noteAt(second)).toBe("here");
});

test("[P4] a write to the vault that the server cannot take is tried again, after a while and not in a storm", async () => {
  await using proxy = await FrameProxy.start(system.gatewayUrl);
  await using emil = await person(system, "emil", { gateway: proxy.url });
  const self = await emil.say("emil", "hi");
  let writes = 0;
  proxy.script = {
    toServer: (frame, connection) => {
      if (frame.body.case !== "writeVault") return frame;
      if (++writes > 2) return frame;
      connection.answer(frame, { case: "error", value: { code: ErrorCode.UNAVAILABLE } });
      return undefined;
    },
  };
  await emil.client.setDraft(self, "first");
  await expect.poll(() => writes, { timeout: 10_000 }).toBeGreaterThan(0);
  await emil.client.setDraft(self, "second");
  await using second = await anotherDevice(system, emil, { profile: "emil-2" });
  await expect.poll(async () => (await second.client.conversations())[0]?.draft, { timeout: 10_000 }).toBe("second");
  expect(writes).toBeLessThanOrEqual(5);
});
