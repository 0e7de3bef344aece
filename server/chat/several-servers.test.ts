import { randomBytes } from "node:crypto";
import { ErrorCode, errorRow, idBytes, limits } from "@fastchat/protocol";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import type { Bus } from "../bus/bus.ts";
import {
  addDevice,
  addDeviceBy,
  buildRevocation,
  codeOf,
  getTicket,
  signIn,
  signUp,
  TestConversation,
  type TestPerson,
  TestSocket,
} from "../test-client.ts";
import { TestInstallation } from "../test-installation.ts";

let installation: TestInstallation;
let gateway: string;
let alice: TestPerson;
let bob: TestPerson;
let conversation: TestConversation;
/** While true, nothing that a server says on the bus arrives. */
let deaf = false;

const losing = (bus: Bus): Bus => ({
  payloadBytes: bus.payloadBytes,
  publish: (payload) => (deaf ? Promise.resolve() : bus.publish(payload)),
  subscribe: (subscriber) => bus.subscribe(subscriber),
  [Symbol.asyncDispose]: () => bus[Symbol.asyncDispose](),
});

beforeAll(async () => {
  installation = await TestInstallation.start({ servers: 2, wrapBus: losing });
  gateway = installation.gateway.url;
  bob = await signUp(gateway, "bob");
});
afterAll(() => installation?.[Symbol.asyncDispose]());

let count = 0;
beforeEach(async () => {
  deaf = false;
  alice = await signUp(gateway, `alice${(count += 1)}`);
  conversation = new TestConversation(alice, bob);
});

const at = (person: TestPerson, server: "chat-1" | "chat-2") =>
  TestSocket.welcome(gateway, person.devices[0]!, [server === "chat-1" ? "chat-2" : "chat-1"]);

test("[D9] with every hint lost, messages, a new conversation and presence arrive all the same, only later", async () => {
  await using a = await at(alice, "chat-1");
  await using b = await at(bob, "chat-2");
  deaf = true;
  await conversation.open(a, alice);
  const requests = a.say(
    ...(await Promise.all([1, 2, 3].map(async (index) => conversation.send(await conversation.message(`${index}`, alice))))),
  );
  for (const request of requests) await a.answer(request, "sent");
  await b.until(() => b.live(conversation.id).length >= 4);
  expect(b.live(conversation.id)).toEqual([1, 2, 3, 4]);
  const link = b.frames.find(({ body }) => body.case === "entries")!;
  expect(link.body.case === "entries" && link.body.value.sealedKeys).toHaveLength(1);
  // And again, when hints were lost once before.
  await a.ask(conversation.send(await conversation.message("4", alice)), "sent");
  await b.until(() => b.live(conversation.id).length >= 5);
});

test("[D6] two people who write at once through two servers see one order, live, without a gap", async () => {
  await using a = await at(alice, "chat-1");
  await using b = await at(bob, "chat-2");
  await conversation.open(a, alice);
  await b.until(({ body }) => body.case === "entries");
  const write = async (socket: TestSocket, person: TestPerson) => {
    for (let round = 0; round < 20; round++) {
      const messages = await Promise.all([1, 2, 3, 4, 5].map((index) => conversation.message(`${round} ${index}`, person)));
      const requests = socket.say(...messages.map((message) => conversation.send(message)));
      for (const request of requests) await socket.answer(request, "sent");
    }
  };
  await Promise.all([write(a, alice), write(b, bob)]);
  const all = Array.from({ length: 201 }, (_, index) => index + 1);
  for (const socket of [a, b]) {
    await socket.until(() => socket.live(conversation.id).length >= all.length);
    expect(socket.live(conversation.id)).toEqual(all);
  }
});

test("[D4] a database that goes away under a send closes the socket, and the retry with the same id finds its place", async () => {
  await using a = await at(alice, "chat-1");
  await conversation.open(a, alice);
  const message = await conversation.message("once", alice);
  const { database } = installation;
  // Holds the conversation so that the append waits, then ends the connection that it waits on.
  const holder = await database.pool.connect();
  await holder.query("BEGIN");
  await holder.query("SELECT 1 FROM conversation FOR UPDATE");
  a.say(conversation.send(message));
  const waiting =
    "FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%append_together%'";
  await expect.poll(async () => (await database.pool.query(`SELECT pg_terminate_backend(pid) ${waiting}`)).rowCount).toBe(1);
  expect(await a.closed()).toBe(4_000 + ErrorCode.MOVED);
  await holder.query("COMMIT");
  holder.release();
  await using again = await at(alice, "chat-2");
  expect((await again.ask(conversation.send(message), "sent")).sequence).toBe(2);
  expect((await again.ask(conversation.send(message), "sent")).sequence).toBe(2);
});

test("[H8] who is replaced loses the socket although the gateway's word of it is lost", async () => {
  const deafBus: Bus = {
    payloadBytes: 1_000,
    publish: async () => undefined,
    subscribe: () => undefined,
    [Symbol.asyncDispose]: async () => undefined,
  };
  const single = await installation.addGateway({ sessions: "single", bus: deafBus });
  await using first = await at(alice, "chat-1");
  const signedIn = await signIn(single.url, alice.name, alice.password);
  if (signedIn === "wrong-password") throw new Error(signedIn);
  await addDeviceBy(single.url, alice, signedIn.grant, { replacesOthers: true });
  expect(await first.closed()).toBe(errorRow(ErrorCode.SIGNED_IN_ELSEWHERE).close);
});

test("[W6] of many that bring one ticket at once, to its server and to the other one, one gets in", async () => {
  const ticket = await getTicket(gateway, alice.devices[0]!);
  const urls = installation.servers.map(({ url }) => url);
  const sockets = await Promise.all(Array.from({ length: 10 }, (_, place) => TestSocket.open(urls[place % 2]!)));
  const codes = await Promise.all(sockets.map((socket) => codeOf(socket.hello(ticket.ticket))));
  expect(codes.filter((code) => code === 0)).toHaveLength(1);
  expect(new Set(codes)).toEqual(new Set([0, ErrorCode.TICKET_INVALID]));
  await Promise.all(sockets.map((socket) => socket[Symbol.asyncDispose]()));
});

test("[H3] [D9] a revocation ends the device's sockets at every server, also where every hint of it is lost", async () => {
  const stolen = await addDevice(gateway, alice);
  await using good = await at(alice, "chat-1");
  const sockets = [];
  for (const other of ["chat-1", "chat-2", "chat-1", "chat-2"]) sockets.push(await TestSocket.welcome(gateway, stolen, [other]));
  deaf = true;
  const { link, attachments } = await buildRevocation(alice, stolen);
  const vault = [{ slot: randomBytes(32), generation: 2, version: 1, sealed: randomBytes(9) }];
  await good.ask({ case: "appendAccountLink", value: { link, attachments, vault } }, "appended");
  for (const socket of sockets) expect(await socket.closed()).toBe(4_000 + ErrorCode.DEVICE_REVOKED);
});

test("[W5] what costs others is counted at all servers together: rekeys, writes of the vault", async () => {
  await using first = await at(alice, "chat-1");
  await using second = await at(alice, "chat-2");
  await conversation.open(first, alice);
  for (let count = 0; count < limits.rekeysPerMinutePerConversation; count++) {
    await conversation.open(count % 2 === 0 ? first : second, alice);
  }
  const { entry, sealedKeys } = await conversation.opening(alice);
  const rekey = { case: "appendLink", value: { conversation: idBytes(conversation.id), entry, sealedKeys } } as const;
  for (const socket of [first, second]) expect(await socket.refusal(rekey)).toBe(ErrorCode.RATE_LIMITED);
  // The other member's are their own.
  await using b = await at(bob, "chat-2");
  await conversation.open(b, bob);

  // Refused for its version; it counts all the same.
  const write = () =>
    ({ case: "writeVault", value: { entries: [{ slot: randomBytes(32), generation: 1, version: 2, sealed: randomBytes(9) }] } }) as const;
  const codes = async (socket: TestSocket, count: number) => Promise.all(Array.from({ length: count }, () => socket.refusal(write())));
  const half = limits.vaultWritesBurst / 2 + 40;
  const all = [...(await codes(first, half)), ...(await codes(second, half))];
  expect(all.filter((code) => code === ErrorCode.VERSION_CONFLICT).length).toBeGreaterThanOrEqual(limits.vaultWritesBurst);
  expect(all.at(-1)).toBe(ErrorCode.RATE_LIMITED);
});

// These two end servers, and come last.

test("[D12] a server that drains is not offered, asks its clients to move, and answers what was under way", async () => {
  const [first] = installation.servers;
  await using a = await at(alice, "chat-1");
  await using b = await at(bob, "chat-2");
  await conversation.open(a, alice);
  await b.until(({ body }) => body.case === "entries");
  const late = await getTicket(gateway, alice.devices[0]!, ["chat-2"]);
  expect(late.server).toBe("chat-1");
  const requests = a.say(
    ...(await Promise.all([1, 2, 3].map(async (index) => conversation.send(await conversation.message(`${index}`, alice))))),
  );
  const drained = first!.drain();
  for (const request of requests) await a.answer(request, "sent");
  await a.until(({ body }) => body.case === "move");
  expect((await getTicket(gateway, alice.devices[0]!, ["chat-2"])).server).toBe("chat-2");
  await expect(TestSocket.open(late.url)).rejects.toThrow("503");
  await using moved = await TestSocket.welcome(gateway, alice.devices[0]!);
  await a[Symbol.asyncDispose]();
  await drained;
  await first![Symbol.asyncDispose]();
  await moved.ask(conversation.send(await conversation.message("4", alice)), "sent");
  await b.until(() => b.live(conversation.id).length >= 5);
  expect(b.live(conversation.id)).toEqual([1, 2, 3, 4, 5]);
});

test("with the last server gone the gateway says so, until there is one again", async () => {
  for (const server of installation.servers) await server[Symbol.asyncDispose]();
  await expect(getTicket(gateway, alice.devices[0]!)).rejects.toMatchObject({ code: ErrorCode.NO_SERVER });
  expect((await fetch(`${gateway}/readyz`)).status).toBe(503);
  const joined = await installation.addServer();
  await using socket = await TestSocket.welcome(gateway, alice.devices[0]!);
  const welcome = socket.frames.find(({ body }) => body.case === "welcome")!;
  expect(welcome.body.case === "welcome" && welcome.body.value.server).toBe(joined.name);
  expect((await fetch(`${gateway}/readyz`)).status).toBe(200);
});
