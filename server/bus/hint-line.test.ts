import { randomBytes } from "node:crypto";
import { conversationId, type ConversationId, limits } from "@fastchat/protocol";
import { afterAll, beforeAll, expect, test } from "vitest";
import { silentLog } from "../events.ts";
import { TestDatabase } from "../store/test-database.ts";
import type { Bus } from "./bus.ts";
import { openNotifyBus } from "./bus-notify.ts";
import { decodeHints, encodeHints, type HintMessage, prefixOf } from "./hint.ts";
import { HintLine } from "./hint-line.ts";

let database: TestDatabase;
let url: string;
beforeAll(async () => {
  database = await TestDatabase.create();
  ({ url } = database);
});
afterAll(() => database?.[Symbol.asyncDispose]());

const someConversation = (): ConversationId => conversationId(randomBytes(32));
const until = async (holds: () => boolean): Promise<void> => {
  for (let tries = 0; !holds(); tries++) {
    if (tries > 500) throw new Error("it did not happen");
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
};

/** The real bus, but what `loses` says yes to never leaves. */
const faulty = (bus: Bus, loses: () => boolean): Bus => ({
  payloadBytes: bus.payloadBytes,
  publish: (payload) => (loses() ? Promise.resolve() : bus.publish(payload)),
  subscribe: (subscriber) => bus.subscribe(subscriber),
  [Symbol.asyncDispose]: () => bus[Symbol.asyncDispose](),
});

function line(bus: Bus, run: string) {
  const messages: HintMessage[] = [];
  let missed = 0;
  const hints = new HintLine({ bus, run, log: silentLog, onHints: (message) => messages.push(message), onMissed: () => (missed += 1) });
  return { hints, messages, missed: () => missed };
}

test("the heads of a full append batch fit into one notification", () => {
  const heads = new Map(Array.from({ length: limits.appendBatchEntries }, (_, index) => [someConversation(), index + 1] as const));
  const payloads = encodeHints("0123456789abcdef", heads, [], limits.busHintBytes, () => 7);
  expect(payloads).toHaveLength(1);
  expect(payloads[0]!.length).toBeLessThanOrEqual(limits.busHintBytes);
  const read = decodeHints(payloads[0]!);
  expect(read?.heads).toEqual([...heads].map(([conversation, head]) => ({ prefix: prefixOf(conversation), head })));
});

test("one turn's hints make one notification, and the sender does not hear itself", async () => {
  await using one = await openNotifyBus({ url, log: silentLog });
  await using other = await openNotifyBus({ url, log: silentLog });
  const sender = line(one, "a");
  const receiver = line(other, "b");
  const conversation = someConversation();
  for (let head = 1; head <= 50; head++) sender.hints.tellHead(conversation, head);
  await until(() => receiver.messages.length > 0);
  expect(sender.hints.number).toBe(1);
  expect(receiver.messages[0]!.heads).toEqual([{ prefix: prefixOf(conversation), head: 50 }]);
  expect(sender.messages).toEqual([]);
});

test("[D9] a dropped hint shows as a gap in the numbers of the next one", async () => {
  await using one = await openNotifyBus({ url, log: silentLog });
  await using other = await openNotifyBus({ url, log: silentLog });
  let losing = false;
  const sender = line(
    faulty(one, () => losing),
    "a",
  );
  const receiver = line(other, "b");
  sender.hints.tellHead(someConversation(), 1);
  await until(() => receiver.messages.length === 1);
  losing = true;
  sender.hints.tellHead(someConversation(), 1);
  await until(() => sender.hints.number === 2);
  losing = false;
  expect(receiver.missed()).toBe(0);
  sender.hints.tellHead(someConversation(), 1);
  await until(() => receiver.messages.length === 2);
  expect(receiver.missed()).toBe(1);
});

test("[D9] with every hint lost the heartbeat's number tells, once, and not before a hint had the time to arrive", async () => {
  await using one = await openNotifyBus({ url, log: silentLog });
  await using other = await openNotifyBus({ url, log: silentLog });
  const sender = line(
    faulty(one, () => true),
    "a",
  );
  const receiver = line(other, "b");
  const beat = () => receiver.hints.compare([{ run: "a", hints: sender.hints.number }]);
  beat();
  sender.hints.tellHead(someConversation(), 1);
  await until(() => sender.hints.number === 1);
  beat();
  expect(receiver.missed()).toBe(0);
  beat();
  expect(receiver.missed()).toBe(1);
  beat();
  beat();
  expect(receiver.missed()).toBe(1);
});
