import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, expect, test } from "vitest";
import { anotherDevice, FrameProxy, newPassword, person, startSystem, type System } from "../testing/index.ts";
import type { ClientEvent } from "./api.ts";
import { Beside } from "./beside.ts";
import { openClient } from "./node.ts";
import { loadProfile } from "./profile.ts";
import { prefixes } from "./records.ts";
import { openSqliteStorage } from "./storage-sqlite.ts";

let system: System;
beforeAll(async () => {
  system = await startSystem();
});
afterAll(() => system[Symbol.asyncDispose]());

const program = `
  import { openClient } from ${JSON.stringify(new URL("node.ts", import.meta.url).href)};
  const [home, profile, gateway, script] = process.argv.slice(1);
  const client = await openClient({ home, profile }, { gateway });
  client.subscribe((event) => {
    if (event.kind !== "items") return;
    for (const item of event.items) if (item.kind === "message") console.log("message", item.status, item.text);
  });
  console.log("role", client.role);
  await new Function("client", "return (async () => {" + script + "})()")(client);
`;

/** Another process that opens a profile and runs a script with \`client\`. Killed at the end. */
class Other implements AsyncDisposable {
  readonly process: ChildProcess;
  readonly lines: string[] = [];

  constructor(place: { home: string; profile: string; gateway: string }, script: string) {
    const args = ["--input-type=module", "-e", program, place.home, place.profile, place.gateway, script];
    this.process = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
    createInterface({ input: this.process.stdout! }).on("line", (line) => this.lines.push(line));
  }

  async says(line: string): Promise<void> {
    await expect.poll(() => this.lines, { timeout: 30_000, interval: 20 }).toContain(line);
  }

  async kill(): Promise<void> {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return;
    const ended = once(this.process, "exit");
    this.process.kill("SIGKILL");
    await ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }
}

const forEver = "await new Promise((resolve) => setTimeout(resolve, 1_000_000));";

test("[S7] a second process reads beside the first, leaves what it sends, and takes over when the first is gone", async () => {
  const alice = await person(system, "alice");
  await using bob = await person(system, "bob");
  const conversation = await alice.say("bob", "begin");
  await bob.hears("alice", "begin");
  await alice.client.close();

  await using holder = new Other(alice, forEver);
  await holder.says("role holder");
  await using beside = (await openClient(alice, { gateway: system.gatewayUrl }))!;
  expect(beside.role).toBe("beside");
  const events: ClientEvent[] = [];
  beside.subscribe((event) => events.push(event));

  // What arrives at the holder is seen beside it.
  await bob.say("alice", "to both of you");
  const textsBeside = async () =>
    (await beside.items(conversation, { limit: 50 })).items.flatMap((item) => (item.kind === "message" ? [item.text] : []));
  await expect.poll(textsBeside).toContain("to both of you");
  await expect
    .poll(() =>
      events.some(
        (event) => event.kind === "items" && event.items.some((item) => item.kind === "message" && item.text === "to both of you"),
      ),
    )
    .toBe(true);

  // What is left in the outbox is sent by the holder, and its fate is seen.
  const left = performance.now();
  await beside.send(conversation, "left by the second");
  await bob.hears("alice", "left by the second");
  expect(performance.now() - left).toBeLessThan(5_000);
  await beside.sent(conversation, AbortSignal.timeout(5_000));
  await beside.caughtUp(AbortSignal.timeout(5_000));
  const last = async () => (await beside.conversation(conversation))?.last;
  await expect.poll(last).toMatchObject({ text: "left by the second", status: "delivered" });

  // Whoever must be looked up on the server is, by the holder.
  await using carol = await person(system, "carol");
  const another = await beside.openDirect("carol");
  await beside.send(another, "hello carol");
  await carol.hears("alice", "hello carol");
  await expect(beside.openDirect("nobody-at-all")).rejects.toThrow("No such user");
  await beside.setNote("carol", "a note");
  await expect.poll(async () => (await beside.conversation(another))?.peer?.note).toBe("a note");

  await holder.kill();
  await expect.poll(() => beside.role).toBe("holder");
  await expect.poll(() => events).toContainEqual({ kind: "role", role: "holder" });
  await beside.send(conversation, "on my own now");
  await bob.hears("alice", "on my own now");
  expect(await bob.texts("alice")).toEqual(["begin", "to both of you", "left by the second", "on my own now"]);
});

test("[S7] [C8] beside the holder, requests are told, accepted and put away, and people and conversations are set up", async () => {
  const heidi = await person(system, "heidi");
  await using ivan = await person(system, "ivan");
  await using judy = await person(system, "judy");
  await heidi.client.close();
  await using holder = new Other(heidi, forEver);
  await holder.says("role holder");
  await using beside = (await openClient(heidi, { gateway: system.gatewayUrl }))!;
  const events: ClientEvent[] = [];
  beside.subscribe((event) => events.push(event));
  const requests = async () => (await beside.requests()).conversations.map(({ title }) => title);
  const counts = () => events.flatMap((event) => (event.kind === "requests" ? [event.count] : []));

  const id = await ivan.say("heidi", "hello");
  await expect.poll(requests).toEqual(["ivan"]);
  await expect.poll(counts).toEqual([1]);
  expect(await beside.conversations()).toEqual([]);
  const isLive = () => events.some((event) => event.kind === "items" && event.live);
  await expect.poll(async () => (await beside.conversation(id))?.last?.text).toBe("hello");
  expect(isLive()).toBe(false);
  await beside.accept(id);
  await expect.poll(async () => (await ivan.messages("heidi"))[0]?.status).toBe("delivered");
  const conversations = async () => (await beside.conversations()).map(({ title }) => title);
  await expect.poll(conversations).toEqual(["ivan"]);
  const told = events.length;
  await beside.setMute(id, "all");
  await beside.setPinned(id, true);
  await expect.poll(async () => (await beside.conversation(id))?.mute).toBe("all");
  await expect.poll(async () => (await beside.conversation(id))?.pinnedAt).toBeGreaterThan(0);
  const hearsOfNotes = () => events.slice(told).some((event) => event.kind === "conversations" && event.conversations.includes(id));
  await expect.poll(hearsOfNotes).toBe(true);

  // Who is there, the holder knows.
  const isOnline = async () => {
    const shown = await beside.conversation(id);
    return shown?.kind === "direct" && shown.peer.online;
  };
  expect(await isOnline()).toBe(false);
  await beside.watchPresence([ivan.me.account]);
  await expect.poll(isOnline, { timeout: 30_000 }).toBe(true);

  await judy.say("heidi", "hello, too");
  await expect.poll(requests).toEqual(["judy"]);
  // What comes after all were put away would ask again.
  await expect.poll(async () => (await beside.requests()).conversations[0]?.last?.text).toBe("hello, too");
  await beside.decline(undefined);
  await expect.poll(requests).toEqual([]);
  await beside.setBlocked("ivan", true);
  await expect.poll(conversations).toEqual([]);
  await beside.setBlocked("ivan", false);
  await beside.setBroadcastList("Both", ["ivan", "judy"]);
  await expect.poll(async () => (await beside.broadcastLists()).map(({ name, people }) => [name, people.length])).toEqual([["Both", 2]]);
  expect(await beside.broadcast(["ivan", "judy"], "to both of you")).toHaveLength(2);
  await ivan.hears("heidi", "to both of you");
  await judy.hears("heidi", "to both of you");
  await expect.poll(() => counts().at(-1)).toBe(0);
});

test("[S7] [P3] beside the holder, devices are revoked and keys replaced by password, and no secret lies in the profile", async () => {
  const heather = await person(system, "heather");
  const { client: phone } = await anotherDevice(system, heather, { profile: "heather-phone" });
  await heather.client.close();
  await using holder = new Other(heather, forEver);
  await holder.says("role holder");
  await using beside = (await openClient(heather, { gateway: system.gatewayUrl }))!;
  expect(beside.role).toBe("beside");
  await expect(beside.revokeDevices("not the password", [phone.me.device])).rejects.toThrow("Wrong password");
  await beside.revokeDevices(heather.password, [phone.me.device]);
  await expect.poll(() => phone.connection.kind).toBe("ended");
  await phone.close();
  const fresh = newPassword();
  const succeeded = await beside.succeed(heather.password, fresh);
  if (succeeded.kind !== "succeeded") throw new Error(succeeded.kind);
  expect(succeeded.recoveryWords).toHaveLength(12);
  const folder = join(heather.home, heather.profile);
  const files = (await readdir(folder, { recursive: true, withFileTypes: true })).filter((each) => each.isFile());
  expect(files.length).toBeGreaterThan(0);
  for (const file of files) {
    const bytes = await readFile(join(file.parentPath, file.name));
    for (const secret of [heather.password, fresh, succeeded.recoveryWords.join(" "), succeeded.recoveryWords.join('","')])
      expect([file.name, bytes.includes(secret)]).toEqual([file.name, false]);
  }
});

test("[S2] a client killed between stored and sent, or between sent and acknowledged, loses and repeats nothing", async () => {
  await using proxy = await FrameProxy.start(system.gatewayUrl);
  const dave = await person(system, "dave", { gateway: proxy.url });
  await using erin = await person(system, "erin");
  const conversation = await dave.say("erin", "begin");
  await erin.hears("dave", "begin");
  await dave.client.close();
  const send = (from: number, count: number) =>
    `await client.sendAll(${JSON.stringify(conversation)}, Array.from({ length: ${count} }, (_, index) => "m" + (${from} + index))); console.log("stored"); ${forEver}`;

  // Stored, and nothing of it reached the server.
  proxy.script = { toServer: (frame) => (frame.body.case === "send" ? undefined : frame) };
  await using first = new Other(dave, send(0, 20));
  await first.says("stored");
  await first.kill();

  // Sent, but neither an acknowledgement nor an entry came back.
  let passed = 0;
  proxy.script = {
    toServer: (frame) => {
      if (frame.body.case === "send") passed++;
      return frame;
    },
    toClient: (frame) => (passed > 0 && (frame.body.case === "sent" || frame.body.case === "entries") ? undefined : frame),
  };
  await using second = new Other(dave, send(20, 20));
  await second.says("stored");
  await expect.poll(() => passed).toBeGreaterThan(0);
  await erin.hears("dave", "m0");
  await second.kill();

  proxy.script = {};
  await using last = (await openClient(dave, { gateway: proxy.url }))!;
  await last.sent(conversation, AbortSignal.timeout(20_000));
  await erin.hears("dave", "m39");
  const expected = ["begin", ...Array.from({ length: 40 }, (_, index) => `m${index}`)];
  expect(await erin.texts("dave", 200)).toEqual(expected);
  const own = async () =>
    (await last.items(conversation, { limit: 200 })).items.flatMap((item) => (item.kind === "message" ? [item.text] : []));
  await expect.poll(own).toEqual(expected);
  const notices = (await erin.items("dave", 200)).filter((item) => item.kind === "notice" && item.notice !== "created");
  expect(notices).toEqual([]);
});

test("[S7] beside the holder its connection is known, and what a holder that is gone said is not believed", async () => {
  await using proxy = await FrameProxy.start(system.gatewayUrl);
  const frank = await person(system, "frank", { gateway: proxy.url });
  await frank.client.close();
  await using holder = new Other(
    frank,
    `client.subscribe((event) => event.kind === "connection" && console.log("connection", JSON.stringify(event.connection)));
     console.log("connection", JSON.stringify(client.connection));
     ${forEver}`,
  );
  await expect.poll(() => holder.lines.some((line) => line.includes('"online"'))).toBe(true);
  const said = JSON.parse(holder.lines.findLast((line) => line.startsWith("connection"))!.slice("connection ".length)) as object;
  const beside = (await openClient(frank, { gateway: proxy.url }))!;
  const kinds: string[] = [];
  try {
    expect(beside.role).toBe("beside");
    await expect.poll(() => beside.connection).toEqual(said);
    beside.subscribe((event) => event.kind === "connection" && kinds.push(event.connection.kind));
    proxy.script = { refuses: () => true };
    for (const { close } of proxy.connections) close();
    await expect.poll(() => beside.connection.kind).toBe("offline");
    proxy.script = {};
    await expect.poll(() => beside.connection.kind, { timeout: 20_000 }).toBe("online");
    expect(kinds.slice(0, 1)).toEqual(["offline"]);
    expect(kinds.at(-1)).toBe("online");
  } finally {
    await beside.close();
  }

  // Killed while online: who takes the lock after it does not repeat its words, and leaves none behind when it closes.
  await holder.kill();
  await using next = new Other(
    { home: frank.home, profile: frank.profile, gateway: "http://127.0.0.1:9" },
    `const told = new Promise((resolve) => process.once("SIGTERM", resolve));
     const stays = setInterval(() => undefined, 1_000);
     console.log("listens");
     await told;
     clearInterval(stays);
     await client.close();
     console.log("closed");`,
  );
  await next.says("role holder");
  await next.says("listens");
  {
    await using again = (await openClient(frank, { gateway: proxy.url }))!;
    expect(again.role).toBe("beside");
    expect(["connecting", "offline"]).toContain(again.connection.kind);
    next.process.kill("SIGTERM");
    await next.says("closed");
    await expect.poll(() => again.role).toBe("holder");
    await expect.poll(() => again.connection.kind).toBe("online");
  }
});

test("who waits for the holder keeps the process, and waiting ends when the client is closed", async () => {
  await using grace = await person(system, "grace", { gateway: system.gatewayUrl });
  const conversation = await grace.say("grace", "note");
  // Nothing but the wait keeps this process; a top-level await that nothing keeps ends it with code 13.
  await using other = new Other(
    grace,
    `const id = await client.openDirect("grace"); await client.setNote("grace", "x").catch(() => 0); console.log("asked", id); await client.close();`,
  );
  await other.says(`asked ${conversation}`);

  await grace.client.close();
  const offline = (await openClient(grace, { offline: true }))!;
  const waiting = offline.caughtUp().catch((error: Error) => error.message);
  await offline.close();
  expect(await waiting).toContain("closed");
});

test("[S6] [S7] what is left beside the holder while the profile is looked at is not told as taken back", async () => {
  await using erin = await person(system, "erin-of-quick-words");
  await using frank = await person(system, "frank-of-quick-words");
  const id = await erin.say("frank-of-quick-words", "first");
  await frank.hears("erin-of-quick-words", "first");
  const storage = openSqliteStorage(join(erin.home, erin.profile));
  const range = storage.range.bind(storage);
  const looking = Promise.withResolvers<void>();
  const gate = Promise.withResolvers<void>();
  let isHeld = false;
  storage.range = async (wanted) => {
    if (isHeld && wanted.from === prefixes.conversations) {
      looking.resolve();
      await gate.promise;
    }
    return range(wanted);
  };
  const events: ClientEvent[] = [];
  const clocks = { wall: () => Date.now(), steady: () => performance.now() };
  const beside = new Beside(storage, (await loadProfile(storage))!, {
    clocks,
    askUploads: () => expect.fail("No files are on their way."),
    emit: (event) => events.push(event),
    onUnexpected: (error) => expect.fail(String(error)),
  });
  await beside.open();
  isHeld = true;
  await frank.say("erin-of-quick-words", "have a look");
  await looking.promise;
  await beside.send([{ conversation: id, texts: ["left meanwhile"], expiresAfter: 0 }]);
  isHeld = false;
  gate.resolve();
  await frank.hears("erin-of-quick-words", "left meanwhile");
  const told = () => events.flatMap((event) => (event.kind === "items" ? event.items : []));
  await expect
    .poll(() => told().some((item) => item.kind === "message" && item.text === "left meanwhile" && item.sequence !== undefined))
    .toBe(true);
  expect(events.filter(({ kind }) => kind === "taken-back")).toEqual([]);
  await beside.close();
  await storage.close();
});
