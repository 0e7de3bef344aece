import { createHash, randomBytes } from "node:crypto";
import { appendFileSync, createReadStream, existsSync, mkdirSync, readdirSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type ClientMessageId, limits } from "@fastchat/protocol";
import { sealedFileSize } from "@fastchat/protocol/seal";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import type { ChatMessage } from "@fastchat/client";
import { fileSource } from "@fastchat/client/node";
import { fetchInto } from "../../terminal/files/fetching.ts";
import { fastchat, fastchatJson, startFastchat } from "../fastchat.ts";
import { type Person, person } from "../person.ts";
import { FrameProxy } from "../proxy.ts";
import { startSystem, type System } from "../system.ts";
import { CountedGateway } from "./counted-gateway.ts";

/** Files on their way while whoever carries them is killed: what came through is not carried again, and there is one of it. */

const LARGE = process.env["SIZE"] === "large";
/** `npm run test:large` takes 2 GB. */
const BYTES = LARGE ? 2_000_000_000 : 40_000_000;
const MIDDLE = BYTES / 2;
const SEALED = sealedFileSize(BYTES);
const TEST_MS = LARGE ? 600_000 : 120_000;
/** What else passes, and what lay in buffers of the system when it ended. Who began again would pass all that had passed until then. */
const BESIDE = 10_000_000;

const PART = 40_000_000;

let system: System;
let gateway: CountedGateway;
let folder: string;
let path: string;
let alice: Person;
let bob: Person;
let count = 0;

beforeAll(async () => {
  system = await startSystem({ servers: 1, faults: true });
  path = join(system.folder, "forty.bin");
  for (let left = BYTES; left > 0; left -= PART) appendFileSync(path, randomBytes(Math.min(PART, left)));
}, TEST_MS);
afterAll(() => system[Symbol.asyncDispose]());

/** People who have talked, and whose devices are not running. */
beforeEach(async () => {
  count++;
  folder = join(system.folder, `received-${count}`);
  mkdirSync(folder);
  gateway = await CountedGateway.before(system.gatewayUrl);
  [alice, bob] = [await person(system, `ann${count}`), await person(system, `ben${count}`)];
  await alice.say(bob.name, "before");
  await bob.hears(alice.name, "before");
  for (const { client } of [alice, bob]) await client.close();
}, 60_000);
afterEach(async () => {
  await system.query("DELETE FROM blob");
  await gateway[Symbol.asyncDispose]();
});

async function hashOf(file: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
  return hash.digest("hex");
}

const as = ({ profile }: Person) => ["--profile", profile];
const throughGateway = () => ({ gateway: gateway.url, withinMs: TEST_MS });

const send = (...more: string[]) =>
  startFastchat(system, ["send", bob.name, "--file", path, ...more, ...as(alice), "--json"], throughGateway());

/** Whatever waits is sent before it. */
const sayAfterwards = () => fastchatJson(system, ["send", bob.name, "after", "--timeout", "60s", ...as(alice)], throughGateway());

const startSaving = () => startFastchat(system, ["save", alice.name, "--to", folder, ...as(bob), "--json"], throughGateway());

/** What bob has, and what the server keeps of it. */
async function expectOneOnly(texts: readonly string[]): Promise<void> {
  const read = await fastchatJson(system, ["read", alice.name, "--all", ...as(bob)]);
  const messages = read.filter(({ type }) => type === "message");
  // What is written meanwhile does not wait for a file.
  expect(new Set(messages.map(({ text }) => text))).toEqual(new Set(texts));
  expect(messages).toHaveLength(texts.length);
  expect(messages.flatMap(({ files }) => (files as unknown[] | undefined) ?? [])).toHaveLength(1);
  expect(await system.query("SELECT size::int AS size, whole FROM blob")).toEqual([{ size: SEALED, whole: true }]);
  expect(storedOf(await blobIds())).toHaveLength(1);
  // With the message as it came back, which alice's process may not have waited for.
  await fastchatJson(system, ["read", bob.name, ...as(alice)]);
  expect(readdirSync(join(alice.home, alice.profile, "outgoing"))).toEqual([]);
}

const blobIds = async (): Promise<string[]> =>
  (await system.query("SELECT encode(blob, 'hex') AS id FROM blob")).map(({ id }) => String(id));

/** Entries in the blob folder, of these blobs. */
function storedOf(ids: readonly string[]): string[] {
  const blobs = join(system.folder, "data", "blobs");
  return readdirSync(blobs)
    .flatMap((shard) => readdirSync(join(blobs, shard)))
    .filter((name) => ids.some((id) => name.startsWith(id)));
}

async function expectSaved(): Promise<void> {
  expect(readdirSync(folder)).toEqual(["forty.bin"]);
  expect(await hashOf(join(folder, "forty.bin"))).toBe(await hashOf(path));
}

test(
  "[S6] the sender's process is killed in the middle of an upload: the next one goes on where it was",
  { timeout: TEST_MS },
  async () => {
    await using first = send();
    gateway.when("up", MIDDLE, () => first.kill());
    expect(await first.ended).toBe(undefined);
    expect(gateway.passed.up).toBeLessThan(MIDDLE + BESIDE);
    await sayAfterwards();
    expect(gateway.passed.up).toBeLessThan(SEALED + limits.blobPieceBytes + BESIDE);
    await expectOneOnly(["before", "", "after"]);
    expect((await fastchat(system, ["save", alice.name, "--to", folder, ...as(bob)])).code).toBe(0);
    await expectSaved();
  },
);

test("[S6] a file is interrupted while it is encrypted: nothing of it stays, and nothing is sent", { timeout: 60_000 }, async () => {
  const large = join(system.folder, "large.bin");
  writeFileSync(large, "");
  truncateSync(large, 1_000_000_000);
  await using sending = startFastchat(system, ["send", bob.name, "--file", large, ...as(alice)]);
  const outgoing = join(alice.home, alice.profile, "outgoing");
  await expect.poll(() => (existsSync(outgoing) ? readdirSync(outgoing) : []), { timeout: 20_000 }).toHaveLength(1);
  sending.kill("SIGINT");
  expect([await sending.ended, sending.errors]).toEqual([4, expect.stringMatching(/Cancelled: nothing was sent/u)]);
  expect(readdirSync(outgoing)).toEqual([]);
  rmSync(large);
  expect(await alice.reopen().then(() => alice.texts(bob.name))).toEqual(["before"]);
  await alice.client.close();
});

test("[S6] the gateway is killed in the middle of an upload: it goes on by itself", { timeout: TEST_MS }, async () => {
  await using sending = send("--timeout", "60s");
  const killed = Promise.withResolvers<void>();
  gateway.when("up", MIDDLE, () => killed.resolve(system.gateway.kill()));
  await killed.promise;
  await system.gateway.start();
  expect([await sending.ended, sending.errors]).toEqual([0, ""]);
  expect(sending.objects).toMatchObject([{ type: "sent", status: "sent" }]);
  expect(gateway.passed.up).toBeLessThan(SEALED + limits.blobPieceBytes + BESIDE);
  await expectOneOnly(["before", ""]);
  expect((await fastchat(system, ["save", alice.name, "--to", folder, ...as(bob)])).code).toBe(0);
  await expectSaved();
});

test("[S6] connections end in the middle of pieces and before their answers: nothing is stored twice", { timeout: TEST_MS }, async () => {
  await using sending = send("--timeout", "60s");
  let cuts = 0;
  const cut = (): void => {
    cuts++;
    gateway.cut();
  };
  for (const at of [5_000_000, 14_000_000, 29_000_000, 41_000_000]) gateway.when("up", at, cut);
  // The answer to a piece: what the server says after it has it.
  gateway.when("up", limits.blobPieceBytes * 3, () => gateway.when("down", 1, cut));
  expect([await sending.ended, sending.errors, cuts]).toEqual([0, "", 5]);
  expect(gateway.passed.up).toBeLessThan(SEALED + 5 * limits.blobPieceBytes + BESIDE);
  await expectOneOnly(["before", ""]);
  expect((await fastchat(system, ["save", alice.name, "--to", folder, ...as(bob)])).code).toBe(0);
  await expectSaved();
});

test("[S6] another network in the middle of an upload: it goes on as soon as there is a connection", { timeout: TEST_MS }, async () => {
  await using sending = send("--timeout", "90s");
  const silenced = Promise.withResolvers<number>();
  gateway.when("up", MIDDLE, () => {
    gateway.silence();
    system.servers[0]!.sockets!.cut();
    silenced.resolve(performance.now());
  });
  const since = await silenced.promise;
  expect([await sending.ended, sending.errors]).toEqual([0, ""]);
  // Longer than a request on another connection of that network is waited for, shorter than until the gateway gives up the piece.
  expect(performance.now() - since).toBeLessThan(limits.requestMs + 12_000);
  expect(gateway.passed.up).toBeLessThan(SEALED + limits.blobPieceBytes + BESIDE);
  await expectOneOnly(["before", ""]);
});

test("[S6] the gateway is killed in the middle of a download: it goes on by itself", { timeout: TEST_MS }, async () => {
  expect(await send("--timeout", "60s").ended).toBe(0);
  await using saving = startSaving();
  const killed = Promise.withResolvers<void>();
  gateway.when("down", MIDDLE, () => killed.resolve(system.gateway.kill()));
  await killed.promise;
  await system.gateway.start();
  expect([await saving.ended, saving.errors]).toEqual([0, ""]);
  expect(gateway.passed.down).toBeLessThan(SEALED + BESIDE);
  await expectSaved();
});

test(
  "[S6] the receiver's process is killed in the middle of a download: no half file, and the next one goes on",
  { timeout: TEST_MS },
  async () => {
    expect(await send("--timeout", "60s").ended).toBe(0);
    await using first = startSaving();
    gateway.when("down", MIDDLE, () => first.kill());
    expect(await first.ended).toBe(undefined);
    expect(gateway.passed.down).toBeLessThan(MIDDLE + BESIDE);
    expect(readdirSync(folder)).toEqual(["forty.bin.fastchat-part"]);
    await using second = startSaving();
    expect([await second.ended, second.errors]).toEqual([0, ""]);
    expect(gateway.passed.down).toBeLessThan(SEALED + BESIDE);
    await expectSaved();
  },
);

test("[S6] a download is interrupted by the user: it says how to go on, and does", { timeout: TEST_MS }, async () => {
  expect(await send("--timeout", "60s").ended).toBe(0);
  await using first = startSaving();
  gateway.when("down", MIDDLE, () => first.kill("SIGINT"));
  expect([await first.ended, first.errors]).toEqual([4, expect.stringMatching(/run it again to go on/)]);
  expect(readdirSync(folder)).toEqual(["forty.bin.fastchat-part"]);
  await using second = startSaving();
  expect(await second.ended).toBe(0);
  expect(gateway.passed.down).toBeLessThan(SEALED + BESIDE);
  await expectSaved();
});

test("[S6] what another file of the same name left half is no part of this one", { timeout: TEST_MS }, async () => {
  expect(await send("--timeout", "60s").ended).toBe(0);
  writeFileSync(join(folder, "forty.bin.fastchat-part"), randomBytes(MIDDLE));
  await using saving = startSaving();
  expect([await saving.ended, saving.errors]).toEqual([0, ""]);
  await expectSaved();
});

test("[S6] a file that is saved twice at the same time is there twice, whole", { timeout: TEST_MS }, async () => {
  expect(await send("--timeout", "60s").ended).toBe(0);
  await bob.reopen();
  const id = await bob.client.openDirect(alice.name);
  await bob.client.caughtUp(AbortSignal.timeout(20_000));
  const { items } = await bob.client.items(id, { limit: 10 });
  const message = items.find((item): item is ChatMessage => item.kind === "message" && item.files.length > 0)!;
  const received = { file: message.files[0]!, place: { conversation: id, sequence: message.sequence!, place: 0 } };
  const save = () => fetchInto(bob.client, received, folder, { replace: false, otherwise: "" });
  const fetched = await Promise.all([save(), save()]);
  await bob.client.close();
  expect(readdirSync(folder).toSorted()).toEqual(["forty (2).bin", "forty.bin"]);
  expect(await Promise.all(fetched.map((each) => hashOf(each.path)))).toEqual(Array(2).fill(await hashOf(path)));
});

test("[S6] an upload is cancelled in the middle: nothing of it stays, and what comes after it is sent", { timeout: TEST_MS }, async () => {
  await alice.reopen(gateway.url);
  const id = await alice.client.openDirect(bob.name);
  const cancelled = Promise.withResolvers<boolean>();
  const sent = Promise.withResolvers<ClientMessageId>();
  const cancel = async (): Promise<boolean> => {
    began = (await blobIds())[0];
    return alice.client.files.cancel(await sent.promise);
  };
  let began: string | undefined;
  // In the second piece.
  gateway.when("up", limits.blobPieceBytes + 1_000_000, () => cancelled.resolve(cancel()));
  sent.resolve(await alice.client.files.send(id, [{ source: await fileSource(path) }], { text: "not this" }));
  expect(await cancelled.promise).toBe(true);
  expect(began).toHaveLength(64);
  await alice.client.send(id, "after");
  await alice.client.sent(id, AbortSignal.timeout(30_000));
  await expect.poll(blobIds).toEqual([]);
  await expect.poll(() => storedOf([began!])).toEqual([]);
  expect(readdirSync(join(alice.home, alice.profile, "outgoing"))).toEqual([]);
  expect(await alice.texts(bob.name)).toEqual(["before", "after"]);
  expect(gateway.passed.up).toBeLessThan(SEALED);
  await alice.client.close();
  const read = await fastchatJson(system, ["read", alice.name, "--all", ...as(bob)]);
  expect(read.filter(({ type }) => type === "message").map(({ text }) => text)).toEqual(["before", "after"]);
});

test("[S6] what the server gave up before its message came is stored again", { timeout: TEST_MS }, async () => {
  await using proxy = await FrameProxy.start(system.gatewayUrl);
  await alice.reopen(proxy.url);
  const id = await alice.client.openDirect(bob.name);
  // The message itself does not come through.
  const isHeldBack = Promise.withResolvers<void>();
  proxy.script = {
    toServer: (frame) => {
      if (frame.body.case !== "send" || frame.body.value.message?.blobs.length !== 1) return frame;
      isHeldBack.resolve();
      return undefined;
    },
  };
  await alice.client.files.send(id, [{ source: await fileSource(path) }], { text: "late" });
  await isHeldBack.promise;
  const [blob] = await blobIds();
  await system.query("DELETE FROM blob");
  rmSync(join(system.folder, "data", "blobs", blob!.slice(0, 2), blob!), { recursive: true });
  proxy.script = {};
  for (const connection of proxy.connections) connection.close();
  await alice.client.sent(id, AbortSignal.timeout(60_000));
  await alice.client.close();
  await expectOneOnly(["before", "late"]);
  expect((await fastchat(system, ["save", alice.name, "--to", folder, ...as(bob)])).code).toBe(0);
  await expectSaved();
});
