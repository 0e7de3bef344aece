import { create, toBinary } from "@bufbuild/protobuf";
import { ErrorCode } from "@fastchat/protocol";
import { random, vaultPlaceOf } from "@fastchat/protocol/seal";
import { VaultSchema } from "@fastchat/protocol/wire/frames";
import { VaultContentSchema } from "@fastchat/protocol/wire/vault";
import { join } from "node:path";
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
import { keys } from "./records.ts";
import { openSqliteStorage } from "./storage-sqlite.ts";

let system: System;
beforeAll(async () => {
  system = await startSystem({ servers: 1 });
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
const noteAt = async ({ client }: Person) => (await client.conversations())[0]?.peer?.note;

test("[P4] a vault older than one's own messages name is warned of, until it is the newest again", async () => {
  await using proxy = await FrameProxy.start(system.gatewayUrl);
  await using alice = await person(system, "alice");
  await using bob = await person(system, "bob");
  await alice.say("bob", "hi");
  await bob.hears("alice", "hi");
  await using second = await anotherDevice(system, alice, { profile: "alice-2", gateway: proxy.url });
  await alice.client.setNote("bob", "first");
  await expect.poll(() => noteAt(second)).toBe("first");
  await alice.say("bob", "all is well");
  await second.hears("bob", "all is well");

  proxy.script = frozenVault;
  await alice.client.setNote("bob", "second");
  await using third = await anotherDevice(system, alice, { profile: "alice-3" });
  await expect.poll(() => noteAt(third)).toBe("second");
  expect(warnings(second)).toBe(0);
  await alice.say("bob", "with a reference");
  await expect.poll(() => warnings(second)).toBe(1);
  expect(await noteAt(second)).toBe("first");

  // It is remembered: the message is not read again.
  await second.reopen();
  await expect.poll(() => warnings(second)).toBe(2);
  proxy.script = {};
  await second.reopen();
  await expect.poll(() => noteAt(second)).toBe("second");
  await alice.say("bob", "well again");
  await second.hears("bob", "well again");
  await second.client.caughtUp(AbortSignal.timeout(5_000));
  expect([warnings(second), warnings(alice), warnings(third)]).toEqual([2, 0, 0]);
});

test("[P4] a vault that differs from device to device is warned of", async () => {
  await using proxy = await FrameProxy.start(system.gatewayUrl);
  await using carol = await person(system, "carol");
  await using dave = await person(system, "dave");
  await carol.say("dave", "hi");
  await dave.hears("carol", "hi");
  await using second = await anotherDevice(system, carol, { profile: "carol-2", gateway: proxy.url });
  await expect.poll(async () => (await second.client.conversations())[0]?.peer?.contact).toBe(true);
  await second.client.caughtUp(AbortSignal.timeout(5_000));
  proxy.script = {
    ...frozenVault,
    toServer: (frame, connection) => {
      if (frame.body.case !== "writeVault") return frame;
      connection.answer(frame, { case: "vaultWritten", value: { revision: 1_000_000 } });
      return undefined;
    },
  };
  await second.client.setNote("dave", "here");
  await carol.client.setNote("dave", "there");
  await using third = await anotherDevice(system, carol, { profile: "carol-3" });
  await expect.poll(() => noteAt(third)).toBe("there");
  expect(warnings(second)).toBe(0);
  await carol.say("dave", "with a reference");
  await expect.poll(() => warnings(second)).toBe(1);
  expect(await noteAt(second)).toBe("here");
});

test("[P4] a write to the vault that the server cannot take is tried again, after a while and not in a storm", async () => {
  await using proxy = await FrameProxy.start(system.gatewayUrl);
  await using erin = await person(system, "erin", { gateway: proxy.url });
  const self = await erin.say("erin", "hi");
  let writes = 0;
  proxy.script = {
    toServer: (frame, connection) => {
      if (frame.body.case !== "writeVault") return frame;
      if (++writes > 2) return frame;
      connection.answer(frame, { case: "error", value: { code: ErrorCode.UNAVAILABLE } });
      return undefined;
    },
  };
  await erin.client.setDraft(self, "first");
  await expect.poll(() => writes, { timeout: 10_000 }).toBeGreaterThan(0);
  await erin.client.setDraft(self, "second");
  await using second = await anotherDevice(system, erin, { profile: "erin-2" });
  await expect.poll(async () => (await second.client.conversations())[0]?.draft, { timeout: 10_000 }).toBe("second");
  expect(writes).toBeLessThanOrEqual(5);
});

test("[P4] what was written without a connection, and is more than a packet holds, reaches the server in several writes", async () => {
  await using frank = await person(system, "frank");
  const rows = async () =>
    (await system.query("SELECT count(*)::int AS n FROM vault_entry WHERE account = $1", [Buffer.from(frank.me.account, "hex")]))[0]!["n"];
  const before = (await rows()) as number;
  await frank.client.close();
  const storage = openSqliteStorage(join(frank.home, frank.profile));
  const text = "x".repeat(60_000);
  const drafts = Array.from({ length: 80 }, () =>
    create(VaultContentSchema, { kind: { case: "draft", value: { conversation: random(32), text } } }),
  );
  await storage.commit(
    drafts.map((draft) => ({ kind: "put", key: keys.vaultPending(vaultPlaceOf(draft)!), value: toBinary(VaultContentSchema, draft) })),
  );
  await storage.close();
  await frank.reopen();
  await expect.poll(rows).toBe(before + drafts.length);
});
