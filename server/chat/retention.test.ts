import type { MessageInitShape } from "@bufbuild/protobuf";
import { idBytes } from "@fastchat/protocol";
import { entryHash, toHex } from "@fastchat/protocol/seal";
import type { PolicySchema } from "@fastchat/protocol/wire/conversation";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { signUp, type TestPerson, TestSocket } from "../test-client.ts";
import { TestGroup } from "../test-group.ts";
import { TestInstallation } from "../test-installation.ts";

/** So often that a test sees it. */
const SWEEP_MS = 50;

let installation: TestInstallation;
let alice: TestPerson;
let group: TestGroup;
beforeAll(async () => {
  installation = await TestInstallation.start({ servers: 2, retentionSweepMs: SWEEP_MS });
  alice = await signUp(installation.gateway.url, "alice");
});
afterAll(() => installation?.[Symbol.asyncDispose]());
beforeEach(() => {
  group = new TestGroup(alice);
});

const welcome = () => TestSocket.welcome(installation.gateway.url, alice.devices[0]!);
const fetchLog = async (socket: TestSocket) =>
  (await socket.ask({ case: "fetchEntries", value: { conversation: idBytes(group.id), after: 0, limit: 100 } }, "entries")).entries;
const bodies = async (socket: TestSocket) => (await fetchLog(socket)).map(({ body }) => body.case);
const setPolicy = (socket: TestSocket, policy: MessageInitShape<typeof PolicySchema>) =>
  group.write(socket, alice, { case: "policy", value: { policy } });
const sweeps = (count: number) => new Promise((resolve) => setTimeout(resolve, count * SWEEP_MS));

test("[S4] servers erase by themselves what a group's policy does not keep; who reads it finds the same hashes, and a retry its place", async () => {
  await using socket = await welcome();
  await group.create(socket, { retentionSeconds: 1 });
  const messages = await Promise.all(["one", "two"].map((text) => group.message(text, alice)));
  for (const message of messages) await socket.ask(group.send(message), "sent");
  const before = await fetchLog(socket);
  expect(before.map(({ body }) => body.case)).toEqual(["link", "message", "message"]);
  await expect.poll(() => bodies(socket)).toEqual(["link", "erased", "erased"]);
  expect(Date.now()).toBeGreaterThanOrEqual(Number(before[2]!.time) + 1_000);
  const after = await fetchLog(socket);
  expect(after.map((entry) => toHex(entryHash(entry)!))).toEqual(before.map((entry) => toHex(entryHash(entry)!)));
  const retried = await socket.ask(group.send(messages[0]!), "sent");
  expect([retried.sequence, retried.time]).toEqual([2, before[1]!.time]);
  expect(await bodies(socket)).toEqual(["link", "erased", "erased"]);
});

test("[C2] a policy that changes counts from then on: longer, none, and shorter for what is there already", async () => {
  await using socket = await welcome();
  await group.create(socket, { retentionSeconds: 1 });
  await socket.ask(group.send(await group.message("kept in the end", alice)), "sent");
  await setPolicy(socket, { retentionSeconds: 3_600 });
  await sweeps(30);
  expect(await bodies(socket)).toEqual(["link", "message", "link"]);
  await setPolicy(socket, {});
  await socket.ask(group.send(await group.message("kept for ever", alice)), "sent");
  await sweeps(30);
  const kept = ["link", "message", "link", "link", "message"];
  expect(await bodies(socket)).toEqual(kept);
  // Another policy that keeps everything changes nothing about it.
  await setPolicy(socket, { mayAdd: 2 });
  await sweeps(4);
  expect(await bodies(socket)).toEqual([...kept, "link"]);
  await setPolicy(socket, { retentionSeconds: 1 });
  await expect.poll(() => bodies(socket)).toEqual(["link", "erased", "link", "link", "erased", "link", "link"]);
  // What comes later goes, too; a link that changes nothing about it is no reason to look again or to forget how far it came.
  await socket.ask(group.send(await group.message("a last one", alice)), "sent");
  await setPolicy(socket, { retentionSeconds: 1, mayAdd: 2 });
  expect((await bodies(socket)).slice(-2)).toEqual(["message", "link"]);
  await expect.poll(async () => (await bodies(socket)).slice(-2)).toEqual(["erased", "link"]);
});
