import { toBinary } from "@bufbuild/protobuf";
import { toHex } from "@fastchat/protocol/seal";
import { SealedMessageSchema } from "@fastchat/protocol/wire/conversation";
import { afterAll, beforeAll, expect, test } from "vitest";
import { addDevice, signUp, TestConversation, type TestPerson, TestSocket } from "../test-client.ts";
import { TestInstallation } from "../test-installation.ts";

let installation: TestInstallation;
let gateway: string;
let alice: TestPerson;
let bob: TestPerson;

beforeAll(async () => {
  installation = await TestInstallation.start({ servers: 2 });
  gateway = installation.gateway.url;
  alice = await signUp(gateway, "alice");
  bob = await signUp(gateway, "bob");
});
afterAll(() => installation?.[Symbol.asyncDispose]());

const [one, two] = ["chat-1", "chat-2"];

test("two people on two servers: what one appends the other gets live, in order, and reads back", async () => {
  await using a = await TestSocket.welcome(gateway, alice.devices[0]!, [two]);
  await using b = await TestSocket.welcome(gateway, bob.devices[0]!, [one]);
  const conversation = new TestConversation(alice, bob);
  await conversation.open(a, alice);
  const created = await b.until(({ body }) => body.case === "entries");
  expect(created.body.case === "entries" && created.body.value.sealedKeys.map((key) => Buffer.from(key.account).toString("hex"))).toEqual([
    bob.account,
  ]);

  const messages = await Promise.all(Array.from({ length: 40 }, (_, index) => conversation.message(`number ${index}`, alice)));
  const requests = a.say(...messages.map((message) => conversation.send(message)));
  const sent = await Promise.all(requests.map((request) => a.answer(request, "sent")));
  expect(sent.map((answer) => answer.sequence)).toEqual(messages.map((_, index) => index + 2));
  const reply = await b.ask(conversation.send(await conversation.message("an answer", bob)), "sent");
  expect(reply.sequence).toBe(42);
  const all = Array.from({ length: 42 }, (_, index) => index + 1);
  for (const socket of [a, b]) {
    await socket.until(() => socket.live(conversation.id).length >= 42);
    expect(socket.live(conversation.id)).toEqual(all);
  }
  const page = await b.ask(
    { case: "fetchEntries", value: { conversation: Buffer.from(conversation.id, "hex"), after: 1, limit: 500 } },
    "entries",
  );
  const bodies = page.entries
    .slice(0, 40)
    .flatMap(({ body }) => (body.case === "message" ? [toHex(toBinary(SealedMessageSchema, body.value))] : []));
  expect(bodies).toEqual(messages.map((message) => toHex(toBinary(SealedMessageSchema, message))));
  const links = await b.ask({ case: "fetchLinks", value: { conversation: Buffer.from(conversation.id, "hex"), after: 0 } }, "entries");
  expect(links.entries.map((entry) => entry.sequence)).toEqual([1]);
});

test("[C1] a device that the conversation has not recorded is told to bring its head up to date", async () => {
  const carol = await signUp(gateway, "carol");
  await using a = await TestSocket.welcome(gateway, carol.devices[0]!);
  const conversation = new TestConversation(carol);
  await conversation.open(a, carol);
  const second = await addDevice(gateway, carol);
  await using b = await TestSocket.welcome(gateway, second);
  await expect(b.ask(conversation.send(await conversation.message("too early", carol, { device: second })), "sent")).rejects.toThrow(
    /has not recorded/,
  );
  await conversation.open(b, carol, second);
  const sent = await b.ask(conversation.send(await conversation.message("now", carol, { device: second }), true), "sent");
  expect(sent.sequence).toBe(3);
});
