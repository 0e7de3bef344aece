import { randomBytes } from "node:crypto";
import { clientMessageId, conversationId, type ErrorCode, ErrorCode as Code, idBytes, limits } from "@fastchat/protocol";
import { buildSignOut } from "@fastchat/protocol/chain";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import {
  addDevice,
  buildRevocation,
  getTicket,
  makePerson,
  signUp,
  stateOf,
  TestConversation,
  type TestPerson,
  TestSocket,
} from "../test-client.ts";
import { TestInstallation } from "../test-installation.ts";

let installation: TestInstallation;
let gateway: string;
let bob: TestPerson;
let eve: TestPerson;
beforeAll(async () => {
  installation = await TestInstallation.start({ servers: 2 });
  gateway = installation.gateway.url;
  [bob, eve] = [await signUp(gateway, "bob"), await signUp(gateway, "eve")];
});
afterAll(() => installation?.[Symbol.asyncDispose]());

/** New in each test, and her conversation with bob, which holds its `create` and one message. */
let alice: TestPerson;
let conversation: TestConversation;
let counter = 0;

beforeEach(async () => {
  counter += 1;
  alice = await signUp(gateway, `alice${counter}`);
  conversation = new TestConversation(alice, bob);
  await using socket = await TestSocket.welcome(gateway, alice.devices[0]!);
  await conversation.open(socket, alice);
  await socket.ask(conversation.send(await conversation.message("a secret", alice)), "sent");
});

const id = () => idBytes(conversation.id);

test("[W8] somebody else's log by id, and its links, keys and slots, are not found, as if they did not exist", async () => {
  await using socket = await TestSocket.welcome(gateway, eve.devices[0]!);
  const account = idBytes(eve.account);
  const device = idBytes(eve.devices[0]!.device);
  const message = await conversation.message("an intruder's", alice);
  const attempts = (target: Uint8Array) => [
    { case: "fetchEntries", value: { conversation: target, after: 0, limit: 10 } } as const,
    { case: "fetchEntries", value: { conversation: target, before: 100, limit: 10 } } as const,
    { case: "fetchLinks", value: { conversation: target, after: 0 } } as const,
    { case: "fetchSealedKeys", value: { conversation: target, fromEpoch: 1 } } as const,
    { case: "fetchSlots", value: { conversation: target } } as const,
    {
      case: "writeSlot",
      value: { conversation: target, slot: { account, device, epoch: 1, counter: 1, ciphertext: randomBytes(9) } },
    } as const,
    { case: "sendSignal", value: { conversation: target, signal: { account, device, epoch: 1, ciphertext: randomBytes(9) } } } as const,
    {
      case: "sendKeyRequest",
      value: { request: { conversation: target, account, device, epoch: 1, counter: 1, signature: randomBytes(64) } },
    } as const,
    { case: "send", value: { conversation: target, message, resume: true } } as const,
  ];
  const there: ErrorCode[] = [];
  const nowhere: ErrorCode[] = [];
  for (const attempt of attempts(id())) there.push(await socket.refusal(attempt));
  for (const attempt of attempts(randomBytes(32))) nowhere.push(await socket.refusal(attempt));
  expect(there).toEqual(there.map(() => Code.NOT_FOUND));
  expect(nowhere).toEqual(there);
  const heads = await socket.ask({ case: "catchUp", value: { cursors: [{ conversation: id(), sequence: 0 }] } }, "heads");
  expect(heads.heads).toEqual([]);
});

test("[W8] somebody else's vault or sealed key: only one's own can be asked for", async () => {
  await using a = await TestSocket.welcome(gateway, alice.devices[0]!);
  await using b = await TestSocket.welcome(gateway, bob.devices[0]!);
  for (const [socket, person] of [[a, alice] as const, [b, bob] as const]) {
    const { keys } = await socket.ask({ case: "fetchSealedKeys", value: { conversation: id(), fromEpoch: 1 } }, "sealedKeys");
    expect(keys.map((key) => Buffer.from(key.account).toString("hex"))).toEqual([person.account]);
  }
  const entry = { slot: randomBytes(32), generation: 1, version: 1, sealed: randomBytes(50) };
  await a.ask({ case: "writeVault", value: { entries: [entry] } }, "vaultWritten");
  expect((await a.ask({ case: "readVault", value: { afterRevision: 0 } }, "vault")).entries).toHaveLength(1);
  expect((await b.ask({ case: "readVault", value: { afterRevision: 0 } }, "vault")).entries).toHaveLength(0);
});

test("nobody writes in another's name: links, slots, signals, account links", async () => {
  await using b = await TestSocket.welcome(gateway, bob.devices[0]!);
  const { entry, sealedKeys } = await conversation.opening(alice);
  expect(await b.refusal({ case: "appendLink", value: { conversation: id(), entry, sealedKeys } })).toBe(Code.FORBIDDEN);
  const author = { account: idBytes(alice.account), device: idBytes(alice.devices[0]!.device) };
  const slot = { ...author, epoch: 1, counter: 9, ciphertext: randomBytes(20) };
  expect(await b.refusal({ case: "writeSlot", value: { conversation: id(), slot } })).toBe(Code.FORBIDDEN);
  const link = buildSignOut(alice.state, alice.devices[0]!);
  expect(await b.refusal({ case: "appendAccountLink", value: { link, vault: [] } })).toBe(Code.LINK_INVALID);
});

test("[C3] a link needs the right copies in the right order, and only the head takes one", async () => {
  await using a = await TestSocket.welcome(gateway, alice.devices[0]!);
  const { entry, sealedKeys } = await conversation.opening(alice);
  const append = (keys: typeof sealedKeys) => ({ case: "appendLink", value: { conversation: id(), entry, sealedKeys: keys } }) as const;
  expect(await a.refusal(append([]))).toBe(Code.LINK_INVALID);
  expect(await a.refusal(append(sealedKeys.toReversed()))).toBe(Code.LINK_INVALID);
  expect(await a.refusal(append(sealedKeys.map((key) => ({ ...key, sealed: randomBytes(key.sealed.length) }))))).toBe(Code.LINK_INVALID);
  await a.ask(append(sealedKeys), "appended");
  // The answer got lost: the same link again is the same place; another one in its place lost the race.
  expect((await a.ask(append(sealedKeys), "appended")).sequence).toBe(3);
  const late = await conversation.opening(alice);
  expect(await a.refusal({ case: "appendLink", value: { conversation: id(), ...late } })).toBe(Code.STALE_HEAD);
});

test("[C3] more parts of evidence than a link may have are refused, empty ones too", async () => {
  await using a = await TestSocket.welcome(gateway, alice.devices[0]!);
  const { entry, sealedKeys } = await conversation.opening(alice);
  const part = { $typeName: "fastchat.v1.AccountChainPart", account: idBytes(bob.account), links: [] } as const;
  const padded = { ...entry, evidence: Array.from({ length: limits.evidencePartsPerLink + 1 }, () => ({ ...part, links: [] })) };
  expect(await a.refusal({ case: "appendLink", value: { conversation: id(), entry: padded, sealedKeys } })).toBe(Code.TOO_LARGE);
  await a.ask({ case: "appendLink", value: { conversation: id(), entry, sealedKeys } }, "appended");
});

test("[C3] evidence for an account that the server does not have is refused before it costs anything", async () => {
  await using a = await TestSocket.welcome(gateway, alice.devices[0]!);
  const { person: ghost } = await makePerson("ghost");
  const haunted = new TestConversation(alice, ghost);
  const opening = await haunted.opening(alice);
  await expect(a.ask({ case: "appendLink", value: { conversation: idBytes(haunted.id), ...opening } }, "appended")).rejects.toThrow(
    /does not have/,
  );
  expect(
    await installation.database.query.selectFrom("conversation").select("head").where("conversation", "=", idBytes(haunted.id)).execute(),
  ).toEqual([]);
});

test("[C1] a head that was recorded late is taken as it was then", async () => {
  const before = alice.state;
  const links = [...alice.links];
  await addDevice(gateway, alice);
  // The writer has not heard of the new device yet.
  const stale = new TestConversation({ ...alice, state: before, links });
  await using a = await TestSocket.welcome(gateway, alice.devices[0]!);
  await stale.open(a, stale.people[0]!);
  expect(stale.state!.members.get(alice.account)!.chain.head.index).toBe(1);
});

test("of two servers that take a create at the same time one wins, and the loser reads the winner's", async () => {
  const other = new TestConversation(alice, eve);
  await using a = await TestSocket.welcome(gateway, alice.devices[0]!, ["chat-2"]);
  await using e = await TestSocket.welcome(gateway, eve.devices[0]!, ["chat-1"]);
  const [mine, hers] = [await other.opening(alice), await other.opening(eve)];
  const results = await Promise.allSettled([
    a.ask({ case: "appendLink", value: { conversation: idBytes(other.id), ...mine } }, "appended"),
    e.ask({ case: "appendLink", value: { conversation: idBytes(other.id), ...hers } }, "appended"),
  ]);
  expect(results.filter((result) => result.status === "fulfilled")).toHaveLength(1);
  const links = await e.ask({ case: "fetchLinks", value: { conversation: idBytes(other.id), after: 0 } }, "entries");
  expect(links.entries).toHaveLength(1);
});

test("[H3] a session that survives its revocation: a revoked device loses sockets on every server, tickets, and the right to write at once", async () => {
  const stolen = await addDevice(gateway, alice);
  await using good = await TestSocket.welcome(gateway, alice.devices[0]!, ["chat-2"]);
  await using bad = await TestSocket.welcome(gateway, stolen, ["chat-1"]);
  await conversation.open(bad, alice, stolen);
  await good.ask(
    { case: "writeVault", value: { entries: [{ slot: randomBytes(32), generation: 1, version: 1, sealed: randomBytes(9) }] } },
    "vaultWritten",
  );
  const unused = await getTicket(gateway, stolen);
  const { link, attachments } = await buildRevocation(alice, stolen);
  const vault = [{ slot: randomBytes(32), generation: 2, version: 1, sealed: randomBytes(9) }];
  // Sealed again from an older reading of the vault: what came since would be lost.
  const behind = { case: "appendAccountLink", value: { link, attachments, vault, vaultRevision: 0 } } as const;
  expect(await good.refusal(behind)).toBe(Code.VERSION_CONFLICT);
  await good.ask({ case: "appendAccountLink", value: { link, attachments, vault, vaultRevision: 1 } }, "appended");
  expect(await bad.closed()).toBe(4000 + Code.DEVICE_REVOKED);
  const late = await TestSocket.open(unused.url);
  await expect(late.hello(unused.ticket)).rejects.toThrow(/ticket/);
  await expect(getTicket(gateway, stolen)).rejects.toThrow(/revoked/);
  // The vault is the new generation's alone, and takes no entry of the old one.
  const read = await good.ask({ case: "readVault", value: { afterRevision: 0 } }, "vault");
  expect(read.entries.map((entry) => entry.generation)).toEqual([2]);
  const old = { slot: randomBytes(32), generation: 1, version: 1, sealed: randomBytes(9) };
  expect(await good.refusal({ case: "writeVault", value: { entries: [old] } })).toBe(Code.VERSION_CONFLICT);
  // Asked again because the answer got lost.
  expect((await good.ask({ case: "appendAccountLink", value: { link, attachments, vault } }, "appended")).sequence).toBe(3);
  alice.links.push(link);
  expect(stateOf(alice.links).accountKeys).toHaveLength(2);
});

test("[A1] a device signs itself out: it gets its answer, then its sockets close", async () => {
  const second = await addDevice(gateway, alice);
  await using watching = await TestSocket.welcome(gateway, alice.devices[0]!, ["chat-2"]);
  await using leaving = await TestSocket.welcome(gateway, second, ["chat-1"]);
  await leaving.ask({ case: "appendAccountLink", value: { link: buildSignOut(alice.state, second), vault: [] } }, "appended");
  expect(await leaving.closed()).toBe(4000 + Code.DEVICE_REVOKED);
  await watching.until(({ body }) => body.case === "accountMoved" && body.value.head?.index === 3);
});

test("[P4] a vault takes all entries or none, each one version further", async () => {
  await using socket = await TestSocket.welcome(gateway, alice.devices[0]!);
  const [x, y] = [randomBytes(32), randomBytes(32)];
  const entry = (slot: Uint8Array, version: number) => ({ slot, generation: 1, version, sealed: randomBytes(30) });
  const write = (...entries: ReturnType<typeof entry>[]) => ({ case: "writeVault", value: { entries } }) as const;
  expect((await socket.ask(write(entry(x, 1), entry(y, 1)), "vaultWritten")).revision).toBe(1);
  expect(await socket.refusal(write(entry(x, 2), entry(y, 1)))).toBe(Code.VERSION_CONFLICT);
  expect(await socket.refusal(write(entry(x, 3)))).toBe(Code.VERSION_CONFLICT);
  expect(await socket.refusal(write(entry(x, 2), entry(x, 2)))).toBe(Code.MALFORMED);
  expect((await socket.ask(write(entry(x, 2)), "vaultWritten")).revision).toBe(2);
  const changed = await socket.ask({ case: "readVault", value: { afterRevision: 1 } }, "vault");
  expect(changed.entries.map((each) => [Buffer.from(each.slot).toString("hex"), each.version])).toEqual([[x.toString("hex"), 2]]);
  expect(changed.revision).toBe(2);
});

test("a large vault comes in pages that lose nothing", async () => {
  await using socket = await TestSocket.welcome(gateway, alice.devices[0]!);
  for (let round = 0; round < 6; round++) {
    const entries = Array.from({ length: 5 }, () => ({ slot: randomBytes(32), generation: 1, version: 1, sealed: randomBytes(100_000) }));
    await socket.ask({ case: "writeVault", value: { entries } }, "vaultWritten");
  }
  const slots = new Set<string>();
  let pages = 0;
  for (let after = 0, more = true; more; pages++) {
    const page = await socket.ask({ case: "readVault", value: { afterRevision: after } }, "vault");
    for (const entry of page.entries) slots.add(Buffer.from(entry.slot).toString("hex"));
    ({ revision: after, more } = page);
  }
  expect(slots.size).toBe(30);
  expect(pages).toBeGreaterThan(1);
});

test("[S5] of slots the highest counter stays, and members on both servers hear of it", async () => {
  await using a = await TestSocket.welcome(gateway, alice.devices[0]!, ["chat-2"]);
  await using b = await TestSocket.welcome(gateway, bob.devices[0]!, ["chat-1"]);
  const author = { account: idBytes(alice.account), device: idBytes(alice.devices[0]!.device) };
  const write = (count: number) => ({
    case: "writeSlot" as const,
    value: { conversation: id(), slot: { ...author, epoch: 1, counter: count, ciphertext: Buffer.from(`${count}`) } },
  });
  await a.ask(write(5), "slotWritten");
  await a.ask(write(4), "slotWritten");
  const live = await b.until(({ request, body }) => request === 0 && body.case === "slots");
  expect(live.body.case === "slots" && live.body.value.slots[0]?.counter).toBe(5);
  const { slots } = await b.ask({ case: "fetchSlots", value: { conversation: id() } }, "slots");
  expect(slots.map((slot) => slot.counter)).toEqual([5]);
});

test("[S5] a signal reaches the members who are there, on both servers, and is not stored", async () => {
  await using a = await TestSocket.welcome(gateway, alice.devices[0]!, ["chat-2"]);
  await using b = await TestSocket.welcome(gateway, bob.devices[0]!, ["chat-1"]);
  const signal = { account: idBytes(alice.account), device: idBytes(alice.devices[0]!.device), epoch: 1, ciphertext: randomBytes(40) };
  a.say({ case: "sendSignal", value: { conversation: id(), signal } });
  const heard = await b.until(({ body }) => body.case === "signal");
  expect(heard.body.case === "signal" && Buffer.from(heard.body.value.signal!.ciphertext).equals(signal.ciphertext)).toBe(true);
});

test("who is connected is known across servers, live", async () => {
  const carl = await signUp(gateway, "carl");
  await using a = await TestSocket.welcome(gateway, alice.devices[0]!, ["chat-2"]);
  const watched = await a.ask({ case: "watchPresence", value: { accounts: [idBytes(carl.account)] } }, "presence");
  expect(watched.accounts.map((each) => each.online)).toEqual([false]);
  const c = await TestSocket.welcome(gateway, carl.devices[0]!, ["chat-1"]);
  await a.until(({ request, body }) => request === 0 && body.case === "presence" && body.value.accounts[0]?.online === true);
  const { people } = await a.ask({ case: "findPeople", value: { text: "carl", limit: 5 } }, "people");
  expect(people.map((person) => [person.name, person.online])).toEqual([[carl.name, true]]);
  await c[Symbol.asyncDispose]();
  const gone = await a.until(({ request, body }) => request === 0 && body.case === "presence" && body.value.accounts[0]?.online === false);
  expect(gone.body.case === "presence" && Number(gone.body.value.accounts[0]!.lastSeen)).toBeGreaterThan(0);
});

test("who connects again, to this server or another, is never told to be away", async () => {
  await using a = await TestSocket.welcome(gateway, alice.devices[0]!, ["chat-2"]);
  let b = await TestSocket.welcome(gateway, bob.devices[0]!, ["chat-1"]);
  const watched = async () =>
    (await a.ask({ case: "watchPresence", value: { accounts: [idBytes(bob.account)] } }, "presence")).accounts[0]?.online;
  for (let tries = 0; (await watched()) !== true && tries < 100; tries++) await new Promise((resolve) => setTimeout(resolve, 20));
  for (const avoid of ["chat-1", "chat-2", "chat-2", "chat-1"]) {
    await b[Symbol.asyncDispose]();
    // Longer than word of a change takes.
    await new Promise((resolve) => setTimeout(resolve, 300));
    b = await TestSocket.welcome(gateway, bob.devices[0]!, [avoid]);
  }
  await new Promise((resolve) => setTimeout(resolve, limits.presenceLingerMs + 500));
  const told = a.frames.flatMap(({ body }) => (body.case === "presence" && body.value.accounts.length > 0 ? body.value.accounts : []));
  const since = told.findIndex((each) => each.online);
  expect(told.slice(since).every((each) => each.online)).toBe(true);
  expect(await watched()).toBe(true);
  await b[Symbol.asyncDispose]();
  const count = a.frames.length;
  await a.until(
    (frame) => a.frames.indexOf(frame) >= count && frame.body.case === "presence" && frame.body.value.accounts[0]?.online === false,
  );
});

test("[D3] after a refused send the socket holds the next ones until one resumes", async () => {
  await using socket = await TestSocket.welcome(gateway, alice.devices[0]!);
  const good = await Promise.all([1, 2, 3, 4].map((index) => conversation.message(`${index}`, alice)));
  const bad = await conversation.message("of no epoch", alice, { epoch: 7 });
  const requests = socket.say(conversation.send(good[0]!), conversation.send(bad), conversation.send(good[1]!));
  expect((await socket.answer(requests[0]!, "sent")).sequence).toBe(3);
  await expect(socket.answer(requests[1]!, "sent")).rejects.toMatchObject({ code: Code.STALE_EPOCH });
  await expect(socket.answer(requests[2]!, "sent")).rejects.toMatchObject({ code: Code.HELD });
  expect(await socket.refusal(conversation.send(good[1]!))).toBe(Code.HELD);
  expect((await socket.ask(conversation.send(good[1]!, true), "sent")).sequence).toBe(4);
  expect((await socket.ask(conversation.send(good[2]!), "sent")).sequence).toBe(5);
  // A malformed one is refused at the door, and holds as well.
  expect(
    await socket.refusal({
      case: "send",
      value: { conversation: id(), message: { ...good[3]!, clientMessageId: randomBytes(3) }, resume: false },
    }),
  ).toBe(Code.MALFORMED);
  expect(await socket.refusal(conversation.send(good[3]!))).toBe(Code.HELD);
  // The same id again gets the first place, also from another server.
  await using other = await TestSocket.welcome(gateway, alice.devices[0]!);
  expect((await other.ask(conversation.send(good[1]!), "sent")).sequence).toBe(4);
});

test("[D8] what was appended while nobody was there is in the heads and pages, from both ends", async () => {
  await using b = await TestSocket.welcome(gateway, bob.devices[0]!);
  for (let index = 0; index < 30; index++)
    b.say(conversation.send(await conversation.message(`${index}`, bob, { id: clientMessageId(randomBytes(16)) })));
  await b.until(() => b.live(conversation.id).length >= 30);
  await using a = await TestSocket.welcome(gateway, alice.devices[0]!);
  const { heads } = await a.ask({ case: "catchUp", value: { cursors: [] } }, "heads");
  expect(heads.map((head) => [conversationId(head.conversation), head.sequence])).toEqual([[conversation.id, 32]]);
  const newest = await a.ask({ case: "fetchEntries", value: { conversation: id(), before: 33, limit: 10 } }, "entries");
  expect(newest.entries.map((entry) => entry.sequence)).toEqual([23, 24, 25, 26, 27, 28, 29, 30, 31, 32]);
  const all: number[] = [];
  for (let after = 0; ;) {
    const page = await a.ask({ case: "fetchEntries", value: { conversation: id(), after, limit: 7 } }, "entries");
    if (page.entries.length === 0) break;
    all.push(...page.entries.map((entry) => entry.sequence));
    after = all.at(-1)!;
  }
  expect(all).toEqual(Array.from({ length: 32 }, (_, index) => index + 1));
});
