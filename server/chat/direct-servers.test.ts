import { setTimeout as wait } from "node:timers/promises";
import { limits } from "@fastchat/protocol";
import { afterAll, beforeAll, expect, test } from "vitest";
import { missedHints } from "../../testing/missed-hints.ts";
import { signUp, TestConversation, type TestPerson, TestSocket } from "../test-client.ts";
import { TestInstallation } from "../test-installation.ts";

// Servers that reach each other, and spare each other what is of none of their people: what somebody should hear comes at once, and by no repair.

let installation: TestInstallation;
let alice: TestPerson;
let bob: TestPerson;
beforeAll(async () => {
  installation = await TestInstallation.start({ servers: 2 });
  alice = await signUp(installation.gateway.url, "alice");
  bob = await signUp(installation.gateway.url, "bob");
});
afterAll(() => installation?.[Symbol.asyncDispose]());

/** At the server of this number, from 1. */
const at = (person: TestPerson, number: number) =>
  TestSocket.welcome(
    installation.gateway.url,
    person.devices[0]!,
    installation.servers.map(({ name }) => name).filter((_, index) => index + 1 !== number),
  );

const repairs = () => missedHints(installation.servers);

test("[D9] what is written at one server comes to people of others, whenever they came and whichever server is new", async () => {
  const conversation = new TestConversation(alice, bob);
  const write = async (socket: TestSocket) => socket.ask(conversation.send(await conversation.message("a word", alice)), "sent");
  await using a = await at(alice, 1);
  await using b = await at(bob, 2);
  const before = await repairs();
  // Nobody at the other server is in the conversation yet.
  await conversation.open(a, alice);
  await b.until(() => b.live(conversation.id).length === 1);
  await write(a);
  await b.until(() => b.live(conversation.id).length === 2);
  expect(await repairs()).toBe(before);
  // It comes again.
  await b[Symbol.asyncDispose]();
  await write(a);
  await using again = await at(bob, 2);
  await write(a);
  await again.until(() => again.live(conversation.id).includes(4));
  expect(await repairs()).toBe(before);
  // A server that is new hears from the others which conversations their people are in, once they are connected to it.
  await installation.addServer();
  await a[Symbol.asyncDispose]();
  await using elsewhere = await at(alice, 3);
  for (let sequence = 5; sequence < 15; sequence++) {
    await write(elsewhere);
    await again.until(() => again.live(conversation.id).includes(sequence));
    await wait(limits.heartbeatMs / 4);
  }
});
