import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect } from "node:net";
import { setTimeout as wait } from "node:timers/promises";
import { create, toBinary } from "@bufbuild/protobuf";
import { clientMessageId, ErrorCode, idBytes, limits } from "@fastchat/protocol";
import { ClientPacketSchema, PingSchema } from "@fastchat/protocol/wire/frames";
import { afterAll, beforeAll, expect, test } from "vitest";
import { getTicket, signUp, TestConversation, type TestPerson, TestSocket } from "../test-client.ts";
import { TestInstallation } from "../test-installation.ts";

let installation: TestInstallation;
let gateway: string;
let alice: TestPerson;
let bob: TestPerson;
let conversation: TestConversation;

beforeAll(async () => {
  installation = await TestInstallation.start();
  gateway = installation.gateway.url;
  alice = await signUp(gateway, "alice");
  bob = await signUp(gateway, "bob");
  conversation = new TestConversation(alice, bob);
  await using socket = await TestSocket.welcome(gateway, alice.devices[0]!);
  await conversation.open(socket, alice);
});
afterAll(() => installation?.[Symbol.asyncDispose]());

const welcome = () => TestSocket.welcome(gateway, alice.devices[0]!);
const url = () => installation.servers[0]!.url;
const close = (code: ErrorCode) => 4_000 + code;
const packet = (...frames: { request: number; body: { case: string; value: object } }[]) =>
  toBinary(ClientPacketSchema, create(ClientPacketSchema, { frames } as never));

test("[W2] the newest version and suite that both know; a client that knows none is told to update", async () => {
  const ticket = await getTicket(gateway, alice.devices[0]!);
  const old = await TestSocket.open(url());
  await expect(old.hello(ticket.ticket, { versions: [0] })).rejects.toThrow(/update FastChat/);
  expect(await old.closed()).toBe(close(ErrorCode.VERSION_TOO_OLD));
  const strange = await TestSocket.open(url());
  await expect(strange.hello(ticket.ticket, { suites: [77] })).rejects.toThrow(/too old/);
  // Neither used the ticket up.
  await using good = await TestSocket.open(url());
  const welcomed = await good.hello(ticket.ticket, { versions: [1, 2, 99], suites: [1, 50] });
  expect([welcomed.version, welcomed.suite, welcomed.server]).toEqual([1, 1, "chat-1"]);
});

// This one and the next wait side by side.
test.concurrent("[W2] who says anything before hello, or nothing at all, is shown out", async () => {
  const rude = await TestSocket.open(url());
  rude.say({ case: "ping", value: {} });
  expect(await rude.closed()).toBe(close(ErrorCode.NOT_READY));
  const silent = await TestSocket.open(url());
  expect(await silent.closed()).toBe(close(ErrorCode.IDLE));
  const large = await TestSocket.open(url());
  large.socket.send(packet({ request: 1, body: { case: "hello", value: { agent: "x".repeat(limits.helloPacketBytes) } } }));
  expect(await large.closed()).toBe(close(ErrorCode.TOO_LARGE));
});

test.concurrent("[W7] a socket that says nothing for long is closed, one that pings is not", async () => {
  const idleMs = 2_500;
  const server = await installation.addServer(idleMs);
  const open = async (person: TestPerson): Promise<TestSocket> => {
    const ticket = await getTicket(gateway, person.devices[0]!, [installation.servers[0]!.name]);
    expect(ticket.server).toBe(server.name);
    const socket = await TestSocket.open(ticket.url);
    await socket.hello(ticket.ticket);
    return socket;
  };
  await using lively = await open(bob);
  const silent = await open(alice);
  const since = performance.now();
  const pinging = new AbortController();
  const pings = (async () => {
    while (!pinging.signal.aborted) {
      await lively.ask({ case: "ping", value: {} }, "pong");
      await wait(idleMs / 3);
    }
  })();
  expect(await silent.closed()).toBe(close(ErrorCode.IDLE));
  expect(performance.now() - since).toBeGreaterThan(idleMs - 100);
  pinging.abort();
  await pings;
  expect(lively.closeCode).toBe(undefined);
  await server[Symbol.asyncDispose]();
});

test("requests that come right behind hello wait for it", async () => {
  const ticket = await getTicket(gateway, alice.devices[0]!);
  await using socket = await TestSocket.open(url());
  const { protocolVersions, suites } = limits;
  socket.socket.send(
    packet(
      { request: 1, body: { case: "hello", value: { versions: [...protocolVersions], suites: [...suites], ticket: ticket.ticket } } },
      { request: 2, body: { case: "ping", value: {} } },
    ),
  );
  await socket.answer(2, "pong");
  expect(socket.frames[0]?.body.case).toBe("welcome");
});

test("[W1] giant frames, malformed and truncated packets close the socket with a code, and harm nobody else", async () => {
  await using bystander = await TestSocket.welcome(gateway, bob.devices[0]!);
  const whole = packet({ request: 1, body: { case: "findPeople", value: { text: "somebody", limit: 3 } } });
  for (const bytes of [Buffer.from([0xff, 0xff]), whole.subarray(0, whole.length - 3), Buffer.from("GET / HTTP/1.1\r\n\r\n")]) {
    const socket = await welcome();
    socket.socket.send(bytes);
    expect(await socket.closed()).toBe(close(ErrorCode.MALFORMED));
  }
  const asText = await welcome();
  asText.socket.send("words");
  expect(await asText.closed()).toBe(close(ErrorCode.MALFORMED));
  const crowded = await welcome();
  crowded.socket.send(
    packet(...Array.from({ length: limits.framesPerPacket + 1 }, () => ({ request: 1, body: { case: "ping", value: {} } }))),
  );
  expect(await crowded.closed()).toBe(close(ErrorCode.TOO_LARGE));
  const giant = await welcome();
  giant.socket.send(Buffer.alloc(limits.packetBytes + 1));
  expect(await giant.closed()).toBe(1009);
  await bystander.ask({ case: "ping", value: {} }, "pong");
});

test("[W5] fragmented frames: a packet in too many pieces closes the socket, one in a few does not", async () => {
  await using socket = await welcome();
  const bytes = packet({ request: 9, body: { case: "ping", value: {} } });
  for (const [index, byte] of bytes.entries()) socket.socket.send(Buffer.from([byte]), { fin: index === bytes.length - 1 });
  await socket.answer(9, "pong");
  for (let count = 0; count <= limits.fragmentsPerPacket; count++) socket.socket.send(Buffer.from([0]), { fin: false });
  expect(await socket.closed()).toBe(1008);
});

test("an unknown request is answered so, and the socket goes on", async () => {
  await using socket = await welcome();
  // Field 1 of the packet: a frame with request 5 and field 2000, which this version does not know.
  socket.socket.send(Buffer.from([0x0a, 0x06, 0x08, 0x05, 0x82, 0x7d, 0x01, 0x00]));
  await expect(socket.answer(5, "pong")).rejects.toMatchObject({ code: ErrorCode.UNKNOWN_REQUEST });
  await socket.ask({ case: "ping", value: {} }, "pong");
});

test("[W5] what is larger than its limit is refused with a code, before it costs anything", async () => {
  await using socket = await welcome();
  const message = await conversation.message("", alice);
  expect(await socket.refusal(conversation.send({ ...message, ciphertext: randomBytes(limits.ciphertextBytes + 1) }))).toBe(
    ErrorCode.TOO_LARGE,
  );
  expect(await socket.refusal(conversation.send({ ...message, blobs: [randomBytes(31)] }, true))).toBe(ErrorCode.MALFORMED);
  const author = { account: idBytes(alice.account), device: idBytes(alice.devices[0]!.device) };
  const slot = { ...author, epoch: 1, counter: 1, ciphertext: randomBytes(limits.smallCiphertextBytes + 1) };
  expect(await socket.refusal({ case: "writeSlot", value: { conversation: idBytes(conversation.id), slot } })).toBe(ErrorCode.TOO_LARGE);
  const accounts = Array.from({ length: limits.watchedPresences + 1 }, () => randomBytes(32));
  expect(await socket.refusal({ case: "watchPresence", value: { accounts } })).toBe(ErrorCode.TOO_LARGE);
  expect(await socket.refusal({ case: "fetchEntries", value: { conversation: randomBytes(31), after: 0, limit: 1 } })).toBe(
    ErrorCode.MALFORMED,
  );
});

test("[D10] slow readers: one that does not read is dropped, and the sender does not feel it", async () => {
  await using sender = await welcome();
  const slow = await TestSocket.welcome(gateway, bob.devices[0]!);
  slow.socket.pause();
  const message = await conversation.message("", alice);
  let sent = 0;
  // What the kernel holds for a reader comes on top of the server's own bound.
  for (let round = 0; round < 40 && (await connections()) > 1; round++) {
    const requests = sender.say(
      ...Array.from({ length: 16 }, () =>
        conversation.send(
          { ...message, clientMessageId: idBytes(clientMessageId(randomBytes(16))), ciphertext: randomBytes(limits.ciphertextBytes) },
          true,
        ),
      ),
    );
    for (const request of requests) await sender.answer(request, "sent");
    sent += requests.length;
  }
  expect(sent * limits.ciphertextBytes).toBeGreaterThan(limits.socketBufferBytes);
  expect(await connections()).toBe(1);
  slow.socket.resume();
  await slow.closed();
  await using back = await TestSocket.welcome(gateway, bob.devices[0]!);
  const { heads } = await back.ask({ case: "catchUp", value: { cursors: [] } }, "heads");
  expect(heads[0]?.sequence).toBe(1 + sent);
});

async function connections(): Promise<number> {
  const text = await (await fetch(`${url().replace("ws:", "http:")}/metrics`)).text();
  return Number(/^fastchat_connections (\d+)$/m.exec(text)?.[1]);
}

test("[W5] who sends faster than the rate is slowed down, and loses nothing", async () => {
  await using socket = await welcome();
  const requests: number[] = [];
  const since = performance.now();
  // Padded with a field that nobody knows, so that one read of the socket holds few of them.
  const padding = { no: 15, wireType: 2, data: Buffer.concat([Buffer.from([200, 1]), randomBytes(200)]) };
  const padded = create(PingSchema);
  padded.$unknown = [padding];
  const pings = Array.from({ length: 500 }, () => ({ case: "ping", value: padded }) as const);
  while (requests.length < limits.framesBurst + 4_000) requests.push(...socket.say(...pings));
  await socket.answer(requests.at(-1)!, "pong");
  expect(socket.frames.filter(({ body }) => body.case === "pong")).toHaveLength(requests.length);
  // Four thousand above the burst, at 2,000 a second, less a packet or two that were read before the pause.
  expect(performance.now() - since).toBeGreaterThan(1_000);
});

test("cross-site WebSocket: pages of other sites open no socket; programs and our own pages do", async () => {
  await expect(TestSocket.open(url(), { origin: "https://evil.example" })).rejects.toThrow("403");
  await expect(TestSocket.open(url(), { origin: "null" })).rejects.toThrow("403");
  await using own = await TestSocket.open(url(), { origin: "http://127.0.0.1:8080" });
  expect(own.closeCode).toBe(undefined);
});

test("[W2] who is refused a socket and resets the connection, or keeps it open, is no harm to the server", async () => {
  const { port, hostname } = new URL(url());
  const ask = (headers: string) => `GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n${headers}\r\n\r\n`;
  const refused = ["Sec-WebSocket-Protocol: fastchat-bus", "Origin: https://elsewhere.example"].map(ask);
  for (const request of refused) {
    for (let time = 0; time < 10; time++) {
      const socket = connect(Number(port), hostname);
      await once(socket, "connect");
      socket.write(request);
      if (time % 2 === 0) await wait(5);
      socket.resetAndDestroy();
    }
    // One that never closes its own side is closed all the same.
    const socket = connect({ port: Number(port), host: hostname, allowHalfOpen: true }).on("error", () => undefined);
    socket.write(request);
    socket.resume();
    await once(socket, "end");
    await expect.poll(() => socket.destroyed || !socket.write("more")).toBe(true);
    await expect.poll(() => socket.destroyed).toBe(true);
  }
  await using alive = await welcome();
  expect(alive).toBeDefined();
});
