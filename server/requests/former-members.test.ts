import { randomBytes } from "node:crypto";
import { ErrorCode, idBytes } from "@fastchat/protocol";
import { buildJoinRequest } from "@fastchat/protocol/chain";
import { toHex } from "@fastchat/protocol/seal";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import type { Bus } from "../bus/bus.ts";
import { forgeLink } from "../../protocol/chain/test-people.ts";
import { addDevice, signUp, type TestDevice, type TestPerson, TestSocket } from "../test-client.ts";
import { TestGroup } from "../test-group.ts";
import { TestInstallation } from "../test-installation.ts";

let installation: TestInstallation;
let gateway: string;
let alice: TestPerson;
let carol: TestPerson;
/** Names that wait until the other servers may hear them. */
let held: (() => void)[] | undefined;

const holding = (bus: Bus): Bus => ({
  payloadBytes: bus.payloadBytes,
  publish: async (payload) => {
    if (held === undefined) return bus.publish(payload);
    held.push(() => void bus.publish(payload));
  },
  subscribe: (subscriber) => bus.subscribe(subscriber),
  [Symbol.asyncDispose]: () => bus[Symbol.asyncDispose](),
});

beforeAll(async () => {
  installation = await TestInstallation.start({ servers: 2, wrapBus: holding });
  gateway = installation.gateway.url;
  [alice, carol] = [await signUp(gateway, "alice"), await signUp(gateway, "carol")];
});
afterAll(() => installation?.[Symbol.asyncDispose]());

let bob: TestPerson;
let group: TestGroup;
let count = 0;
beforeEach(async () => {
  bob = await signUp(gateway, `bob${(count += 1)}`);
  group = new TestGroup(alice, bob, carol);
});

const at = (person: TestPerson, server: "chat-1" | "chat-2", device: TestDevice = person.devices[0]!) =>
  TestSocket.welcome(gateway, device, [server === "chat-1" ? "chat-2" : "chat-1"]);
const say = async (socket: TestSocket, text: string) => socket.ask(group.send(await group.message(text, alice)), "sent");
const id = () => idBytes(group.id);

/** A group's life: bob is in until the link at 4; the newest entry is 8, the newest epoch 3. */
async function lifeWithBob(a: TestSocket, end: () => Promise<number>): Promise<void> {
  await group.create(a);
  await say(a, "with bob");
  await group.write(a, alice, { case: "rekey", value: { reason: "a second epoch" } });
  expect(await end()).toBe(4);
  if (group.state!.turnDue) await group.write(a, alice, { case: "rekey", value: { reason: "he is gone" } });
  else await group.write(a, alice, { case: "policy", value: { policy: {} } });
  await say(a, "without bob");
  await group.write(a, alice, { case: "policy", value: { policy: {} } });
  await say(a, "and again");
}

/** What a log's door gives, by every way of asking. */
async function readable(socket: TestSocket) {
  const entries = async (range: { after: number } | { before: number }, limit = 100) => {
    const page = await socket.ask({ case: "fetchEntries", value: { conversation: id(), limit, ...range } }, "entries");
    return [page.head, ...page.entries.map((entry) => entry.sequence)];
  };
  const links = await socket.ask({ case: "fetchLinks", value: { conversation: id(), after: 0 } }, "entries");
  const { keys } = await socket.ask({ case: "fetchSealedKeys", value: { conversation: id(), fromEpoch: 0 } }, "sealedKeys");
  return {
    all: await entries({ after: 0 }),
    newest: await entries({ before: 1_000 }, 2),
    older: await entries({ before: 3 }),
    beyond: await entries({ after: 4 }),
    farBeyond: await entries({ before: 7 }, 1),
    links: [links.head, ...links.entries.map((entry) => entry.sequence)],
    epochs: keys.map((key) => key.epoch),
  };
}

const upToItsEnd = {
  all: [4, 1, 2, 3, 4],
  newest: [4, 3, 4],
  older: [4, 1, 2],
  beyond: [4],
  farBeyond: [4, 4],
  links: [4, 1, 3, 4],
  epochs: [1, 2],
};

for (const how of ["removed", "left"] as const) {
  test(`[C2] removed member: who was ${how} reads up to the link that ended it, also on a new device, and not one entry beyond`, async () => {
    await using a = await at(alice, "chat-1");
    await using b = await at(bob, "chat-2");
    await lifeWithBob(a, () => (how === "removed" ? group.remove(a, alice, bob) : group.write(b, bob, { case: "leave", value: {} })));
    expect(await readable(b)).toEqual(upToItsEnd);
    await using newer = await at(bob, "chat-1", await addDevice(gateway, bob));
    expect(await readable(newer)).toEqual(upToItsEnd);
    const { heads } = await newer.ask({ case: "catchUp", value: { cursors: [] } }, "heads");
    expect(heads.map((head) => [toHex(head.conversation), head.sequence, head.ended])).toEqual([[group.id, 4, 4]]);
    const { entries } = await a.ask({ case: "fetchEntries", value: { conversation: id(), after: 3, limit: 1 } }, "entries");
    expect(heads[0]!.time).toBe(entries[0]!.time);
    // Live he got the same.
    await b.until(() => b.live(group.id).includes(4));
    expect(b.live(group.id)).toEqual([1, 2, 3, 4]);
  });
}

test("[W8] removed member: every other request is answered as if there were no such group", async () => {
  await using a = await at(alice, "chat-1");
  await using b = await at(bob, "chat-2");
  await lifeWithBob(a, () => group.remove(a, alice, bob));
  const author = { account: idBytes(bob.account), device: idBytes(bob.devices[0]!.device) };
  const message = await group.message("an intruder's", bob);
  const rekey = await group.link(alice, { case: "rekey", value: { reason: "let me in" } });
  const forged = forgeLink(rekey.entry, bob.devices[0]!.signingSeed, (body) => Object.assign(body, author));
  const { signingSeed, device } = bob.devices[0]!;
  const attempts = async (conversation: Uint8Array) => {
    const request = await buildJoinRequest(group.id, { chain: bob.state, device, signingSeed });
    return [
      { case: "fetchSlots", value: { conversation } },
      { case: "writeSlot", value: { conversation, slot: { ...author, epoch: 3, counter: 9, ciphertext: randomBytes(9) } } },
      { case: "sendSignal", value: { conversation, signal: { ...author, epoch: 3, ciphertext: randomBytes(9) } } },
      { case: "sendKeyRequest", value: { request: { conversation, ...author, epoch: 3, counter: 1, signature: randomBytes(64) } } },
      { case: "send", value: { conversation, message, resume: true } },
      { case: "appendLink", value: { conversation, entry: forged, sealedKeys: rekey.sealedKeys } },
      { case: "fetchMovedHeads", value: { conversation } },
      { case: "fetchJoinRequests", value: { conversation, limit: 10 } },
      { case: "dropJoinRequest", value: { conversation, account: idBytes(carol.account) } },
      { case: "requestJoin", value: { request: { ...request, conversation } } },
    ] as const;
  };
  const codes: ErrorCode[][] = [];
  for (const conversation of [id(), randomBytes(32)]) {
    const answers: ErrorCode[] = [];
    for (const attempt of await attempts(conversation)) answers.push(await b.refusal(attempt));
    codes.push(answers);
  }
  expect(new Set(codes[0])).toEqual(new Set([ErrorCode.NOT_FOUND]));
  expect(codes[1]).toEqual(codes[0]);
});

test("[W8] who is removed gets nothing that follows, although his server reads the removal and what follows in one page", async () => {
  await using a = await at(alice, "chat-1");
  await using b = await at(bob, "chat-2");
  await using c = await at(carol, "chat-2");
  await group.create(a);
  for (const socket of [b, c]) await socket.until(() => socket.live(group.id).includes(1));
  held = [];
  await group.remove(a, alice, bob);
  for (let number = 1; number <= 5; number++) await say(a, `without bob ${number}`);
  for (const publish of held) publish();
  held = undefined;
  await c.until(() => c.live(group.id).includes(7));
  await b.until(() => b.live(group.id).includes(2));
  await say(a, "later");
  await c.until(() => c.live(group.id).includes(8));
  // A round trip: whatever was on its way to bob has come.
  await b.ask({ case: "ping", value: {} }, "pong");
  expect(b.live(group.id)).toEqual([1, 2]);
  const told = b.frames.flatMap(({ body }) => (body.case === "entries" ? [body.value.head] : []));
  expect(Math.max(...told)).toBe(2);
  const epochs = b.frames.flatMap(({ body }) => (body.case === "entries" ? body.value.sealedKeys.map((key) => key.epoch) : []));
  expect(epochs).toEqual([1]);
});

test("[W8] receipts, typing and key requests do not reach who was removed; his own receipt is gone", async () => {
  await using a = await at(alice, "chat-1");
  await using b = await at(bob, "chat-1");
  await using c = await at(carol, "chat-2");
  await group.create(a);
  const authorOf = (person: TestPerson) => ({ account: idBytes(person.account), device: idBytes(person.devices[0]!.device) });
  const slotOf = (person: TestPerson, epoch: number) =>
    ({
      case: "writeSlot",
      value: { conversation: id(), slot: { ...authorOf(person), epoch, counter: 1, ciphertext: randomBytes(9) } },
    }) as const;
  await c.until(() => c.live(group.id).includes(1));
  await b.ask(slotOf(bob, 1), "slotWritten");
  await group.remove(a, alice, bob);
  await b.until(() => b.live(group.id).includes(2));
  await c.until(() => c.live(group.id).includes(2));
  await a.ask(slotOf(alice, 2), "slotWritten");
  await a.ask(
    { case: "sendSignal", value: { conversation: id(), signal: { ...authorOf(alice), epoch: 2, ciphertext: randomBytes(9) } } },
    "pong",
  );
  const request = { conversation: id(), ...authorOf(alice), epoch: 2, counter: 1, signature: randomBytes(64) };
  await a.ask({ case: "sendKeyRequest", value: { request } }, "pong");
  await c.until(({ body }) => body.case === "keyRequested");
  await b.ask({ case: "ping", value: {} }, "pong");
  const heard = (socket: TestSocket) =>
    socket.frames.flatMap(({ request: number, body }) => (number === 0 && body.case !== "entries" ? [body.case] : []));
  expect(heard(c)).toEqual(["slots", "slots", "signal", "keyRequested"]);
  expect(heard(b)).toEqual([]);
  const { slots } = await c.ask({ case: "fetchSlots", value: { conversation: id() } }, "slots");
  expect(slots.map((slot) => toHex(slot.account))).toEqual([alice.account]);
});

test("[W8] receipts, typing and key requests that overtake the word of a removal do not reach who was removed either", async () => {
  await using a = await at(alice, "chat-1");
  await using b = await at(bob, "chat-2");
  await using c = await at(carol, "chat-2");
  await group.create(a);
  for (const socket of [b, c]) await socket.until(() => socket.live(group.id).includes(1));
  const author = { account: idBytes(alice.account), device: idBytes(alice.devices[0]!.device) };
  const conversation = id();
  held = [];
  await group.remove(a, alice, bob);
  const removal = held.splice(0);
  expect(removal.length).toBeGreaterThan(0);
  await a.ask(
    { case: "writeSlot", value: { conversation, slot: { ...author, epoch: 2, counter: 1, ciphertext: randomBytes(9) } } },
    "slotWritten",
  );
  await a.ask({ case: "sendSignal", value: { conversation, signal: { ...author, epoch: 2, ciphertext: randomBytes(9) } } }, "pong");
  const request = { conversation, ...author, epoch: 2, counter: 1, signature: randomBytes(64) };
  await a.ask({ case: "sendKeyRequest", value: { request } }, "pong");
  for (const publish of held) publish();
  held = undefined;
  // Where hints are missing more is told, but of the group nothing else than these.
  const pushes: ReadonlySet<string | undefined> = new Set(["slots", "signal", "keyRequested"]);
  const heard = ({ frames }: TestSocket) => frames.map(({ body }) => body.case).filter((each) => pushes.has(each));
  await expect.poll(() => heard(c)).toEqual(["slots", "signal", "keyRequested"]);
  await b.until(() => b.live(group.id).includes(2));
  await b.ask({ case: "ping", value: {} }, "pong");
  expect(heard(b)).toEqual([]);
  for (const publish of removal) publish();
});

test("[C2] who is brought back reads everything again, and hears it live", async () => {
  await using a = await at(alice, "chat-1");
  await using b = await at(bob, "chat-2");
  await lifeWithBob(a, () => group.remove(a, alice, bob));
  expect(await group.add(a, alice, bob)).toBe(9);
  await b.until(() => b.live(group.id).includes(9));
  const page = await b.ask({ case: "fetchEntries", value: { conversation: id(), after: 0, limit: 100 } }, "entries");
  expect([page.head, page.entries.length]).toEqual([9, 9]);
  const { keys } = await b.ask({ case: "fetchSealedKeys", value: { conversation: id(), fromEpoch: 1 } }, "sealedKeys");
  expect(keys.map((key) => key.epoch)).toEqual([1, 2, 4]);
  await b.ask(group.send(await group.message("I am back", bob)), "sent");
  await b.until(() => b.live(group.id).includes(10));
});

const linksTo = (socket: TestSocket) =>
  socket.frames.flatMap(({ body }) =>
    body.case === "entries" && Buffer.from(body.value.conversation).equals(id())
      ? body.value.entries.flatMap((entry) => (entry.body.case === "link" ? [entry.sequence] : []))
      : [],
  );

test.each([["nobody else is there", false] as const, ["others watch there", true] as const])(
  "[D8] who is brought in and put out before the server hears of it is told of both, where %s",
  async (_, isWatched) => {
    await using a = await at(alice, "chat-1");
    await using b = await at(bob, "chat-2");
    await using c = await at(carol, "chat-2");
    group = isWatched ? new TestGroup(alice, carol) : new TestGroup(alice, bob);
    if (isWatched) {
      await group.create(a);
      await c.until(() => linksTo(c).includes(1));
    }
    held = [];
    const first = isWatched ? await group.add(a, alice, bob) : await group.create(a);
    const last = await group.remove(a, alice, bob);
    const waiting = held;
    held = undefined;
    for (const pass of waiting) pass();
    await expect.poll(() => linksTo(b)).toEqual([first, last]);
  },
);
