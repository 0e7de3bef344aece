import { randomBytes } from "node:crypto";
import { setTimeout as wait } from "node:timers/promises";
import { accountId, conversationId, type ConversationId, limits } from "@fastchat/protocol";
import { afterAll, beforeAll, expect, test } from "vitest";
import { randomFrom } from "../../testing/crash/random.ts";
import { type Chaos, ChaosBus } from "../../testing/faults/chaos-bus.ts";
import { silentLog } from "../events.ts";
import { TestDatabase } from "../store/test-database.ts";
import type { Bus } from "./bus.ts";
import { openNatsBus } from "./bus-nats.ts";
import { openNotifyBus } from "./bus-notify.ts";
import { decodeHints, encodeHints, type HintMessage, packHeads, prefixOf, type ToEncode, unpackHeads } from "./hint.ts";
import { type HeardRun, HintLine } from "./hint-line.ts";
import { TestNats } from "./test-nats.ts";
import type { ToldEntries } from "./told-entries.ts";

let database: TestDatabase;
let url: string;
beforeAll(async () => {
  database = await TestDatabase.create();
  ({ url } = database);
});
afterAll(() => database?.[Symbol.asyncDispose]());

const key = randomBytes(32);
const hintsOf = (number: number, more: Partial<ToEncode>): string =>
  encodeHints({ run: "a", heads: new Map(), hints: [], largest: limits.busHintBytes, number: () => number, ...more })[0]!;
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

/** @param heard whom the registry named when it began */
function line(bus: Bus, run: string, heard: readonly HeardRun[] = []) {
  const messages: HintMessage[] = [];
  let missed = 0;
  const hints = new HintLine({
    bus,
    run,
    key,
    heard,
    log: silentLog,
    onHints: (message) => messages.push(message),
    onMissed: () => (missed += 1),
  });
  return { hints, messages, missed: () => missed };
}

test("the heads of a full append batch fit into one notification", () => {
  const heads = new Map(Array.from({ length: limits.appendBatchEntries }, (_, index) => [someConversation(), index + 1] as const));
  const payloads = encodeHints({ run: "0123456789abcdef", heads, hints: [], largest: limits.busHintBytes, number: () => 7 });
  expect(payloads).toHaveLength(1);
  expect(payloads[0]!.length).toBeLessThanOrEqual(limits.busHintBytes);
  const read = decodeHints(payloads[0]!);
  expect(read?.heads).toEqual([...heads].map(([conversation, head]) => ({ prefix: prefixOf(conversation), head })));
});

test("numbers that are none are not heard, and one that fits into no head does no harm", () => {
  const conversation = someConversation();
  const hint = (...hints: unknown[]) => `{"r":"a","n":1,"e":"","h":${JSON.stringify(hints)}}`;
  for (const number of [-1, 0.5, 2 ** 53, "1", null]) {
    expect(decodeHints(hint().replace('"n":1', `"n":${JSON.stringify(number)}`))).toBeUndefined();
    const hints = [
      ["members", conversation, number],
      ["slot", conversation, "", number],
    ];
    expect(decodeHints(hint(...hints))?.hints).toEqual([]);
  }
  expect(decodeHints(hint(["members", conversation, 2 ** 32]))?.hints).toEqual([]);
  expect(decodeHints(hint(["members", conversation, 7]))?.hints).toHaveLength(1);
  const [prefix, heads] = [prefixOf(conversation), [-1, 2 ** 40, 3]];
  expect(unpackHeads(packHeads(heads.map((head) => ({ prefix, head })))).map(({ head }) => head)).toEqual([0, limits.largestNumber, 3]);
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

/** @param sizes of bodies */
function someMessages(conversation: ConversationId, first: number, ...sizes: number[]): ToldEntries {
  const entries = sizes.map((size, index) => {
    const [account, device, body] = [randomBytes(32), randomBytes(32), randomBytes(size)];
    return { sequence: first + index, time: 1_700_000_000_000 + index, account, device, kind: 1, body };
  });
  return { conversation, entries };
}

test("a few messages go along with the word of them, and more than fit do not", async () => {
  await using one = await openNotifyBus({ url, log: silentLog });
  await using other = await openNotifyBus({ url, log: silentLog });
  const sender = line(one, "a");
  const receiver = line(other, "b", [{ run: "a", hints: 0 }]);
  const few = [someMessages(someConversation(), 7, 300, 0, 1), someMessages(someConversation(), 1, 500)];
  for (const each of few) sender.hints.tellStored(each);
  await until(() => receiver.messages.length === 1);
  expect(receiver.messages[0]).toMatchObject({ entries: few });
  expect(receiver.messages[0]!.heads).toEqual(
    few.map(({ conversation }, index) => ({ prefix: prefixOf(conversation), head: [9, 1][index] })),
  );

  const many = Array.from({ length: 20 }, () => someMessages(someConversation(), 1, 400));
  for (const each of many) sender.hints.tellStored(each);
  await until(() => receiver.messages.length === 2);
  expect(receiver.messages[1]).toMatchObject({ entries: [], number: 2 });
  expect(receiver.messages[1]!.heads).toHaveLength(20);

  // Of whom the registry does not know (any more), only the word counts.
  const stranger = line(one, "c");
  stranger.hints.tellStored(few[0]!);
  await until(() => receiver.messages.length === 3);
  expect(receiver.messages[2]).toMatchObject({ run: "c", entries: [] });
  expect(receiver.messages[2]!.heads).toHaveLength(1);
  receiver.hints.compare([{ run: "a", hints: sender.hints.number }]);

  // What did not fit is no reason against what comes later.
  sender.hints.tellStored(few[0]!);
  await until(() => receiver.messages.length === 4);
  expect(receiver.messages[3]).toMatchObject({ entries: [few[0]] });
});

test("messages on the bus count only under the installation's key, in their place; the word of them is heard anyway", () => {
  const conversation = someConversation();
  const entries = [someMessages(conversation, 1, 10)];
  const heads = new Map([[conversation, 1]]);
  const payload = hintsOf(3, { heads, entries, key });
  const heard = [{ prefix: prefixOf(conversation), head: 1 }];
  expect(decodeHints(payload, key)).toMatchObject({ entries, heads: heard });
  for (const nothing of ["null", "7", '"a"', "[]", "{"]) expect(decodeHints(nothing, key)).toBeUndefined();
  for (const [changed, with_] of [
    [payload, randomBytes(32)],
    [payload, undefined],
    [payload.replace('"n":3', '"n":4'), key],
    [payload.replace('"r":"a"', '"r":"b"'), key],
    [payload.replace(/"t":"[^"]*"/u, '"t":""'), key],
    [payload.replace(/"m":"./u, (start) => `${start.slice(0, -1)}${start.endsWith("A") ? "B" : "A"}`), key],
    [hintsOf(3, { heads, entries }), key],
  ] as const)
    expect(decodeHints(changed, with_)).toMatchObject({ entries: [], heads: heard });
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

test("[D9] the first hints of a server that began later can be missed like all others", async () => {
  await using one = await openNotifyBus({ url, log: silentLog });
  await using other = await openNotifyBus({ url, log: silentLog });
  let losing = true;
  const receiver = line(other, "b", [{ run: "old", hints: 7 }]);
  const sender = line(
    faulty(one, () => losing),
    "a",
  );
  sender.hints.tellHead(someConversation(), 1);
  await until(() => sender.hints.number === 1);
  // By its heartbeat …
  const beat = () =>
    receiver.hints.compare(
      [sender, { hints: { number: 7 } }].map(({ hints }, index) => ({ run: ["a", "old"][index]!, hints: hints.number })),
    );
  beat();
  expect(receiver.missed()).toBe(0);
  beat();
  expect(receiver.missed()).toBe(1);
  // … and of one more by the next one.
  const third = line(
    faulty(one, () => losing),
    "c",
  );
  third.hints.tellHead(someConversation(), 1);
  await until(() => third.hints.number === 1);
  losing = false;
  third.hints.tellHead(someConversation(), 1);
  await until(() => receiver.messages.length > 0);
  expect(receiver.missed()).toBe(2);
  // What those had said that were there before is no loss.
  beat();
  expect(receiver.missed()).toBe(2);
});

test("[D9] a hint that comes twice, or after a later one, is not heard", async () => {
  await using one = await openNotifyBus({ url, log: silentLog });
  await using other = await openNotifyBus({ url, log: silentLog });
  const receiver = line(other, "b");
  const vault = (number: number) => hintsOf(number, { hints: [["vault", accountId(randomBytes(32)), number]] });
  for (const number of [1, 1, 3, 2, 3, 4]) await one.publish(vault(number));
  await until(() => receiver.messages.some(({ number }) => number === 4));
  expect(receiver.messages.map(({ number }) => number)).toEqual([1, 3, 4]);
  expect(receiver.missed()).toBe(1);
});

// ---------------------------------------------------------------- chaos

let nats: TestNats | undefined;
beforeAll(async () => {
  if (TestNats.isInstalled()) nats = await TestNats.start();
});
afterAll(() => nats?.[Symbol.asyncDispose]());

const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 2 ** 31));
const chaoses: readonly (Chaos & { readonly name: string })[] = [
  { name: "much is lost", drop: 0.4, duplicate: 0, delay: 0, longestDelayMs: 0 },
  { name: "everything comes in any order", drop: 0, duplicate: 0.3, delay: 0.7, longestDelayMs: 60 },
  { name: "all of it", drop: 0.2, duplicate: 0.2, delay: 0.4, longestDelayMs: 150 },
  { name: "nothing arrives", drop: 1, duplicate: 0, delay: 0, longestDelayMs: 0 },
];
interface OwnBus extends AsyncDisposable {
  readonly open: () => Promise<Bus>;
}

/** On which nothing is heard that was said in another test. */
const buses = {
  async NOTIFY(): Promise<OwnBus> {
    const own = await TestDatabase.create();
    return { open: () => openNotifyBus({ url: own.url, log: silentLog }), [Symbol.asyncDispose]: () => own[Symbol.asyncDispose]() };
  },
  async NATS(): Promise<OwnBus> {
    const subject = `fastchat.test.${randomBytes(8).toString("hex")}`;
    return { open: () => openNatsBus({ place: nats!.place(), subject, log: silentLog }), [Symbol.asyncDispose]: async () => undefined };
  },
};

/** A server that holds what there is to know, as the database would, says so, and learns what others say; where it missed something it looks. */
class Talker implements AsyncDisposable {
  readonly bus: ChaosBus;
  readonly #line: HintLine;
  readonly #run: string;
  readonly #truth: Map<string, number>;
  readonly known = new Map<string, number>();
  /** Numbers of each other one's hints, as they came. */
  readonly heard = new Map<string, number[]>();

  constructor(bus: ChaosBus, run: string, truth: Map<string, number>) {
    this.bus = bus;
    this.#run = run;
    this.#truth = truth;
    this.#line = new HintLine({
      bus,
      run,
      key,
      heard: [],
      log: silentLog,
      onHints: ({ run: other, number, heads }) => {
        this.heard.set(other, [...(this.heard.get(other) ?? []), number]);
        for (const { prefix, head } of heads) this.known.set(prefix, Math.max(head, this.known.get(prefix) ?? 0));
      },
      onMissed: () => truth.forEach((head, prefix) => this.known.set(prefix, head)),
    });
  }

  say(conversation: ConversationId): void {
    const head = (this.#truth.get(prefixOf(conversation)) ?? 0) + 1;
    this.#truth.set(prefixOf(conversation), head);
    this.known.set(prefixOf(conversation), head);
    this.#line.tellHead(conversation, head);
  }

  beat(all: readonly Talker[]): void {
    this.#line.compare(all.map((each) => ({ run: each.#run, hints: each.#line.number })));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.bus[Symbol.asyncDispose]();
  }
}

for (const [name, make] of Object.entries(buses)) {
  for (const { name: how, ...chaos } of chaoses) {
    test(`[D9] ${name}: where ${how}, everybody knows everything in the end (SEED=${seed})`, async ({ skip }) => {
      if (name === "NATS") TestNats.orSkip(skip);
      await using own = await make();
      await play(own.open, chaos);
    });
  }
}

async function play(open: () => Promise<Bus>, chaos: Chaos): Promise<void> {
  const random = randomFrom(seed);
  await using stack = new AsyncDisposableStack();
  const truth = new Map<string, number>();
  const talkers: Talker[] = [];
  const join = async (run: string) => talkers.push(stack.use(new Talker(new ChaosBus(await open(), random, chaos), run, truth)));
  for (const run of ["a", "b", "c"]) await join(run);
  const conversations = Array.from({ length: 20 }, someConversation);
  for (let round = 0; round < 60; round++) {
    if (round === 20) await join("late");
    for (const talker of talkers) if (random() < 0.5) talker.say(conversations[Math.floor(random() * conversations.length)]!);
    if (round % 10 === 9) for (const talker of talkers) talker.beat(talkers);
    await wait(random() * 8);
  }
  await until(() => talkers.every(({ bus }) => bus.delayed === 0));
  for (const { bus } of talkers) bus.chaos = undefined;
  await expect
    .poll(() => {
      for (const talker of talkers) talker.beat(talkers);
      return talkers.map(({ known }) => Object.fromEntries(known));
    })
    .toEqual(talkers.map(() => Object.fromEntries(truth)));
  for (const numbers of talkers.flatMap(({ heard }) => [...heard.values()])) {
    expect(numbers).toEqual([...new Set(numbers)].toSorted((a, b) => a - b));
  }
  // Nothing was tested unless it happened.
  const happened = (what: keyof ChaosBus["counts"]) => talkers.some(({ bus }) => bus.counts[what] > 0);
  expect([happened("dropped"), happened("duplicated"), happened("delayed")]).toEqual([
    chaos.drop > 0,
    chaos.duplicate > 0,
    chaos.delay > 0,
  ]);
}

test("who spoke in another's name with a number far ahead makes nobody deaf to it", async () => {
  await using bus = await openNotifyBus({ url, log: silentLog });
  await using other = await openNotifyBus({ url, log: silentLog });
  const { hints, messages, missed } = line(bus, "hears", [{ run: "a", hints: 0 }]);
  const says = (number: number, head: number) => other.publish(hintsOf(number, { heads: new Map([[someConversation(), head]]) }));
  const heads = () => messages.map((message) => message.heads[0]!.head);
  await says(Number.MAX_SAFE_INTEGER, 1);
  await until(() => messages.length === 1);
  const before = missed();
  // Its own numbers, which the registry names, are not heard until that was noticed.
  hints.compare([{ run: "a", hints: 1 }]);
  await says(2, 2);
  hints.compare([{ run: "a", hints: 2 }]);
  expect(missed()).toBe(before + 1);
  await says(3, 3);
  await until(() => messages.length === 2);
  expect(heads()).toEqual([1, 3]);
});
