import { create, type DescMessage, fromBinary, type MessageInitShape, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { type ConversationId, errorOfClose, errorRow, idBytes, limits } from "@fastchat/protocol";
import { random } from "@fastchat/protocol/seal";
import { type ClientFrameSchema, ClientPacketSchema, ServerPacketSchema } from "@fastchat/protocol/wire/frames";
import { ErrorSchema } from "@fastchat/protocol/wire/error";
import { SignUpFinishSchema, SignUpStartSchema } from "@fastchat/protocol/wire/gateway";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { fastchat } from "./fastchat.ts";
import { newPassword, type Person, person } from "./person.ts";
import { type RawDevice, rawDevice, RawSocket } from "./raw-device.ts";
import { startSystem, type System } from "./system.ts";

/** A clear error or a harmless display, nothing lost, the server unharmed. */

type ClientBody = NonNullable<MessageInitShape<typeof ClientFrameSchema>["body"]>;

const large = process.env["SIZE"] === "large";
let system: System;
let alice: Person;
let bob: Person;
let mallory: RawDevice;
/** Of alice and bob, in which mallory has no business. */
let conversation: ConversationId;

beforeAll(async () => {
  system = await startSystem({ servers: 2 });
  alice = await person(system, "alice");
  bob = await person(system, "bob");
  mallory = await rawDevice(system, "mallory");
  conversation = await alice.say("bob", "first");
  await bob.hears("alice", "first");
});

afterAll(async () => {
  await alice?.[Symbol.asyncDispose]();
  await bob?.[Symbol.asyncDispose]();
  await system?.[Symbol.asyncDispose]();
});

let talks = 0;

/** Whatever was done to it, the system serves the honest. */
afterEach(async () => {
  expect(system.processes.filter(({ running }) => !running)).toEqual([]);
  const text = `honest talk ${++talks}`;
  await alice.say("bob", text);
  await bob.hears("alice", text);
});

const packet = (...bodies: ClientBody[]): Uint8Array =>
  toBinary(ClientPacketSchema, create(ClientPacketSchema, { frames: bodies.map((body, index) => ({ request: index + 2, body })) }));
const ping = packet({ case: "ping", value: {} });

/** The name of the error with which the server closes, or "open" when it still answers. */
async function outcomeOf(socket: RawSocket): Promise<string> {
  const closed = socket.closed.then((code) => {
    const error = errorOfClose(code);
    return error === undefined ? `closed ${code}` : errorRow(error).name;
  });
  if (socket.open) socket.send(ping);
  const answered = socket
    .until((frames) => frames.some(({ body }) => body.case === "pong"), 3_000)
    .then(() => "open")
    .catch(() => "silent");
  return Promise.race([closed, answered]);
}

test.each<[what: string, outcome: string[], send: (socket: RawSocket) => void]>([
  ["an empty packet", ["open"], (socket) => socket.send(new Uint8Array(0))],
  ["a packet without frames that has unknown fields", ["open"], (socket) => socket.send(Buffer.from([0x7a, 2, 1, 1]))],
  ["random bytes", ["malformed"], (socket) => socket.send(Buffer.from("ffffffffffffffffffff", "hex"))],
  ["a truncated packet", ["malformed"], (socket) => socket.send(ping.subarray(0, ping.length - 1))],
  ["text", ["malformed"], (socket) => socket.send("hello")],
  ["a frame without a body", ["open"], (socket) => socket.send(packet({ case: undefined }))],
  ["a frame of an unknown kind", ["open"], (socket) => socket.send(Buffer.from([0x0a, 6, 0x08, 9, 0xfa, 0x3f, 1, 0]))],
  ["a second hello", ["open", "not-ready", "malformed"], (socket) => socket.hello(random(32))],
  [
    "more frames in a packet than allowed",
    ["too-large"],
    (socket) => socket.send(packet(...Array.from({ length: limits.framesPerPacket + 1 }, () => ({ case: "ping", value: {} }) as const))),
  ],
  ["a packet that is too large", ["closed 1009", "too-large"], (socket) => socket.send(random(65_536 * 65))],
  [
    "a packet in too many fragments",
    ["closed 1008", "closed 1009", "too-large", "closed 1006"],
    (socket) => socket.sendFragments(Array.from({ length: limits.fragmentsPerPacket + 2 }, () => new Uint8Array(1))),
  ],
  [
    "a frame whose ids have the wrong length",
    ["open"],
    (socket) => socket.send(packet({ case: "fetchEntries", value: { conversation: new Uint8Array(3), after: 0, limit: 1 } })),
  ],
  [
    "numbers at their limits",
    ["open"],
    (socket) =>
      socket.send(
        packet({ case: "fetchEntries", value: { conversation: new Uint8Array(32), before: 4_294_967_295, limit: 4_294_967_295 } }),
      ),
  ],
  [
    "ciphertext that is too long",
    ["open", "too-large"],
    (socket) =>
      socket.send(
        packet({
          case: "send",
          value: {
            conversation: new Uint8Array(32),
            message: { clientMessageId: random(16), epoch: 1, ciphertext: new Uint8Array(limits.ciphertextBytes + 1) },
          },
        }),
      ),
  ],
  ["a send without a message", ["open"], (socket) => socket.send(packet({ case: "send", value: { conversation: new Uint8Array(32) } }))],
])("%s: %s", async (_, outcomes, send) => {
  await using socket = await RawSocket.signedIn(mallory);
  send(socket);
  expect(outcomes).toContain(await outcomeOf(socket));
});

test.each<[what: string, outcome: string[], send: (socket: RawSocket) => void]>([
  ["a request", ["not-ready"], (socket) => socket.send(ping)],
  ["random bytes", ["malformed"], (socket) => socket.send(Buffer.from("ffffffffff", "hex"))],
  ["more bytes than a hello has", ["too-large", "closed 1009"], (socket) => socket.send(random(limits.helloPacketBytes + 1))],
  ["no version that the server speaks", ["version-too-old"], (socket) => socket.hello(random(32), { versions: [77] })],
  ["no suite that the server knows", ["version-too-old"], (socket) => socket.hello(random(32), { suites: [] })],
  ["a ticket of the wrong length", ["ticket-invalid"], (socket) => socket.hello(random(5))],
  ["a made-up ticket", ["ticket-invalid"], (socket) => socket.hello(random(32))],
])("before the welcome, %s: %s", async (_, outcomes, send) => {
  await using socket = await RawSocket.open((await mallory.ticket()).url);
  send(socket);
  const code = await socket.closed;
  const error = errorOfClose(code);
  expect(outcomes).toContain(error === undefined ? `closed ${code}` : errorRow(error).name);
});

test("a ticket used twice, expired, or for another server", async () => {
  const used = await mallory.ticket();
  const outcome = async (url: string, ticket: Uint8Array): Promise<string> => {
    await using socket = await RawSocket.open(url);
    socket.hello(ticket);
    return await Promise.race([
      socket.closed.then((code) => errorRow(errorOfClose(code) ?? 0).name),
      socket.until((frames) => frames.some(({ body }) => body.case === "welcome")).then(() => "welcome"),
    ]);
  };
  expect(await outcome(used.url, used.ticket)).toBe("welcome");
  expect(await outcome(used.url, used.ticket)).toBe("ticket-invalid");

  const expired = await mallory.ticket();
  await system.query("UPDATE ticket SET expires = now() - interval '1 second'");
  expect(await outcome(expired.url, expired.ticket)).toBe("ticket-invalid");

  const elsewhere = await mallory.ticket();
  const others = await Promise.all(Array.from({ length: 8 }, () => mallory.ticket()));
  const other = others.find(({ url }) => url !== elsewhere.url) ?? {
    url: `ws://127.0.0.1:${system.servers.find(({ port }) => !elsewhere.url.includes(String(port)))!.port}`,
  };
  expect(await outcome(other.url, elsewhere.ticket)).toBe("ticket-invalid");
});

test("somebody else's log by id, and its links, keys, slots; writing and signalling where one is no member", async () => {
  await using socket = await RawSocket.signedIn(mallory);
  const theirs = idBytes(conversation);
  const [account, device] = [idBytes(mallory.profile.me.account), idBytes(mallory.profile.me.device)];
  const bodies: ClientBody[] = [
    { case: "fetchEntries", value: { conversation: theirs, after: 0, limit: 10 } },
    { case: "fetchEntries", value: { conversation: theirs, before: 10, limit: 10 } },
    { case: "fetchLinks", value: { conversation: theirs } },
    { case: "fetchSealedKeys", value: { conversation: theirs } },
    { case: "fetchSlots", value: { conversation: theirs } },
    { case: "send", value: { conversation: theirs, message: { clientMessageId: random(16), epoch: 1, ciphertext: random(100) } } },
    { case: "writeSlot", value: { conversation: theirs, slot: { account, device, epoch: 1, counter: 1, ciphertext: random(100) } } },
    { case: "sendSignal", value: { conversation: theirs, signal: { account, device, epoch: 1, ciphertext: random(100) } } },
    { case: "sendKeyRequest", value: { request: { conversation: theirs, epoch: 1, account, device, counter: 1, signature: random(64) } } },
    { case: "appendLink", value: { conversation: theirs, entry: { link: { body: random(50), signature: random(64) } } } },
    // What belongs to another account, said in one's own name.
    {
      case: "writeSlot",
      value: {
        conversation: theirs,
        slot: { account: idBytes(alice.me.account), device: idBytes(alice.me.device), epoch: 1, counter: 9, ciphertext: random(100) },
      },
    },
    {
      case: "sendKeyRequest",
      value: {
        request: {
          conversation: theirs,
          epoch: 1,
          account: idBytes(alice.me.account),
          device: idBytes(alice.me.device),
          counter: 1,
          signature: random(64),
        },
      },
    },
  ];
  socket.send(packet(...bodies));
  await socket.until((frames) => bodies.every((_, index) => frames.some(({ request }) => request === index + 2)));
  const answers = bodies.map((body, index) => {
    const answer = socket.frames.find(({ request }) => request === index + 2)!.body;
    return `${body.case}: ${answer.case === "error" ? "refused" : answer.case}`;
  });
  expect(answers).toEqual(bodies.map((body) => `${body.case}: refused`));
  // A catch-up names no conversation of others, and a vault is one's own whoever asks.
  socket.send(
    toBinary(
      ClientPacketSchema,
      create(ClientPacketSchema, {
        frames: [
          { request: 900, body: { case: "catchUp", value: { cursors: [{ conversation: theirs, sequence: 0 }] } } },
          { request: 901, body: { case: "readVault", value: {} } },
        ],
      }),
    ),
  );
  await socket.until((frames) => [900, 901].every((request) => frames.some((frame) => frame.request === request)));
  const heads = socket.frames.find(({ request }) => request === 900)!.body;
  expect(heads.case === "heads" ? heads.value.heads : heads.case === "error" ? [] : "something else").toEqual([]);
  const vault = socket.frames.find(({ request }) => request === 901)!.body;
  expect(vault.case === "vault" ? vault.value.entries : "something else").toEqual([]);
});

const badNames = [
  "a",
  "аlice",
  "al\u202eice",
  "alice\u0000",
  "ali\nce",
  "ａlice",
  "alice ",
  "al ice",
  "-alice",
  "alice.",
  "a..b",
  "x".repeat(33),
  "алиса",
  "alice\u200b",
  "<b>bold</b>",
  "../alice",
  "ali\u001b[31mce",
  "",
];

test("right-to-left and look-alike names, control characters, spaces: refused by command and gateway, and nobody is made", async () => {
  const before = (await system.query("SELECT count(*)::int AS n FROM account"))[0];
  for (const name of badNames) {
    for (const [path, body] of [
      ["/v1/sign-up/start", toBinary(SignUpStartSchema, create(SignUpStartSchema, { name, registrationRequest: random(32) }))],
      ["/v1/sign-up/finish", toBinary(SignUpFinishSchema, create(SignUpFinishSchema, { name, registrationRecord: random(192) }))],
    ] as const) {
      const response = await fetch(system.gatewayUrl + path, {
        method: "POST",
        headers: { "content-type": "application/x-protobuf" },
        body: Buffer.from(body),
      });
      const { code } = fromBinary(ErrorSchema, new Uint8Array(await response.arrayBuffer()));
      expect([name, path, errorRow(code).name]).toEqual([name, path, "name-invalid"]);
    }
  }
  const { code, errors } = await fastchat(system, ["signup", "al\u202eice", "--password-stdin"], {
    input: "x\n",
    home: join(system.folder, "names"),
  });
  expect(code).not.toBe(0);
  expect(errors).not.toContain("\u202e");
  // Capital letters are the same name.
  expect(
    (
      await fastchat(system, ["signup", "ALICE", "--password-stdin"], {
        input: `${newPassword()}\n`,
        home: join(system.folder, "names"),
      })
    ).errors,
  ).toMatch(/already taken/);
  expect((await system.query("SELECT count(*)::int AS n FROM account"))[0]).toEqual(before);
});

test("requests to the gateway that are no requests are refused with a sentence", async () => {
  const attempts: [method: string, path: string, body: Uint8Array | undefined, type: string, status: number[]][] = [
    ["POST", "/v1/sign-in/start", random(40), "application/x-protobuf", [400]],
    ["POST", "/v1/sign-in/finish", new Uint8Array(0), "application/x-protobuf", [400, 401]],
    ["POST", "/v1/ticket", new Uint8Array(0), "application/x-protobuf", [400, 401]],
    ["POST", "/v1/challenge", toBinary(ServerPacketSchema, create(ServerPacketSchema)), "application/x-protobuf", [400, 401]],
    ["POST", "/v1/devices", random(64), "application/x-protobuf", [400, 401]],
    ["POST", "/v1/sign-up/finish", random(limits.packetBytes > 65_536 ? 65_536 : 1), "application/x-protobuf", [400]],
    ["POST", "/v1/sign-up/start", Buffer.from("{}"), "application/json", [400, 415]],
    ["GET", "/v1/sign-up/start", undefined, "", [404, 405]],
    ["GET", "/../../etc/passwd", undefined, "", [404]],
    ["GET", "/%2e%2e/%2e%2e/etc/passwd", undefined, "", [400, 404]],
  ];
  for (const [method, path, body, type, statuses] of attempts) {
    const response = await fetch(system.gatewayUrl + path, {
      method,
      ...(body !== undefined && { body: Buffer.from(body) }),
      headers: type === "" ? {} : { "content-type": type },
    });
    const answer = await response.text();
    expect([path, statuses.includes(response.status) ? "refused" : `${response.status} ${answer}`]).toEqual([path, "refused"]);
    expect(answer).not.toMatch(/at .*\.ts:\d+/);
  }
  const huge = await fetch(`${system.gatewayUrl}/v1/sign-up/start`, {
    method: "POST",
    headers: { "content-type": "application/x-protobuf" },
    body: new Uint8Array(limits.packetBytes + 1),
  }).catch(() => undefined);
  expect(huge === undefined || huge.status === 413).toBe(true);
});

test("terminal escape sequences, control characters and direction marks in messages are harmless on the screen", async () => {
  const nasty = [
    "\u001b[2J\u001b[31mred",
    "\u001b]0;title\u0007",
    "\u009b31m",
    "a\rb",
    "bell\u0007",
    "\u202edesrever",
    "\u2066isolated",
    "tab\there",
    "\u001b]8;;http://evil\u001b\\link",
    "back\b\b\b",
    "zero\u0000byte",
  ];
  for (const text of nasty) await alice.say("bob", text);
  await bob.hears("alice", nasty.at(-1)!);
  await bob.client.close();
  try {
    const plain = await fastchat(system, ["read", "alice", "--last", "20", "--profile", "bob"]);
    expect(plain.code).toBe(0);
    // oxlint-disable-next-line no-control-regex
    expect(plain.output).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/);
    expect(plain.output).toContain("red");
    const json = await fastchat(system, ["read", "alice", "--last", "20", "--json", "--profile", "bob"]);
    // JSON keeps the text as it is, and escapes what a terminal would obey.
    // oxlint-disable-next-line no-control-regex
    expect(json.output).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
    const texts = json.output
      .split("\n")
      .filter(Boolean)
      .map((line) => (JSON.parse(line) as { text?: string }).text);
    expect(texts).toEqual(expect.arrayContaining(nasty));
  } finally {
    await bob.reopen();
  }
});

test.each([3_600_000, -3_600_000])(
  "a client whose clock is wrong by %i ms talks all the same, in the order of the server",
  async (shift) => {
    const name = shift > 0 ? "early" : "late";
    const environment = {
      NODE_OPTIONS: `--import=${join(import.meta.dirname, "entries", "shifted-clock.ts")}`,
      SHIFT_CLOCK_MS: String(shift),
    };
    const password = `${newPassword()}\n`;
    expect(await fastchat(system, ["signup", name, "--profile", name, "--password-stdin"], { input: password, environment })).toMatchObject(
      { code: 0 },
    );
    await alice.say(name, "one");
    expect(await fastchat(system, ["send", "alice", "two", "--profile", name], { environment })).toMatchObject({ code: 0 });
    await alice.hears(name, "two");
    await alice.say(name, "three");
    const { code, output } = await fastchat(system, ["read", "alice", "--json", "--all", "--profile", name], { environment });
    expect(code).toBe(0);
    const shown = output
      .split("\n")
      .filter(Boolean)
      .map((line) => JSON.parse(line) as { type: string; text: string; time: number | string });
    const messages = shown.filter(({ type }) => type === "message");
    expect(messages.map(({ text }) => text)).toEqual(["one", "two", "three"]);
    for (const { time } of messages) expect(Math.abs(new Date(time).getTime() - Date.now())).toBeLessThan(600_000);
    expect(await alice.texts(name)).toEqual(["one", "two", "three"]);
  },
);

function decodedOrThrown<Schema extends DescMessage>(schema: Schema, bytes: Uint8Array): MessageShape<Schema> | Error {
  try {
    return fromBinary(schema, bytes);
  } catch (error) {
    if (error instanceof Error) return error;
    throw error;
  }
}

test("fuzz: whatever bytes a packet has, its decoder gives frames or throws, and what it gives can be written again", () => {
  const valid = fc.constantFrom(
    ping,
    packet({ case: "fetchEntries", value: { conversation: new Uint8Array(32), after: 1, limit: 5 } }),
    packet({
      case: "send",
      value: {
        conversation: new Uint8Array(32),
        message: { clientMessageId: new Uint8Array(16), epoch: 1, ciphertext: new Uint8Array(40) },
      },
    }),
  );
  const mutated = fc.tuple(valid, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 6 }), fc.nat()).map(([bytes, changes, length]) => {
    const copy = Uint8Array.from(bytes);
    for (const [at, value] of changes) copy[at % copy.length] = value;
    return copy.subarray(0, length % 3 === 0 ? length % copy.length : copy.length);
  });
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 300 }), mutated), (bytes) => {
      for (const schema of [ClientPacketSchema, ServerPacketSchema]) {
        const decoded = decodedOrThrown(schema, bytes);
        if (decoded instanceof Error) continue;
        expect(fromBinary(schema, toBinary(schema, decoded))).toEqual(decoded);
      }
    }),
    { numRuns: large ? 500_000 : 2_000 },
  );
});

test(
  "fuzz: whatever bytes a signed-in client sends, the server answers or closes with a code of its own",
  { timeout: 120_000 },
  async () => {
    const seed = Math.floor(Math.random() * 2 ** 31);
    console.log(`fuzz of a socket: seed ${seed}`);
    const packets = fc.sample(fc.uint8Array({ minLength: 1, maxLength: 200 }), { numRuns: large ? 2_000 : 40, seed });
    let socket = await RawSocket.signedIn(mallory);
    try {
      for (const bytes of packets) {
        socket.send(bytes);
        const outcome = await outcomeOf(socket);
        expect(outcome).toMatch(/^(?:open|[a-z-]+)$/);
        if (outcome === "open") {
          socket.frames.length = 0;
          continue;
        }
        await socket[Symbol.asyncDispose]();
        socket = await RawSocket.signedIn(mallory);
      }
    } finally {
      await socket[Symbol.asyncDispose]();
    }
  },
);
