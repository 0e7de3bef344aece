import { type ConversationId, limits } from "@fastchat/protocol";
import { accountPublicKeyHash, equal, toHex } from "@fastchat/protocol/seal";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as wait } from "node:timers/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { keys, prefixes } from "../client/records.ts";
import { prefixRange } from "../client/storage.ts";
import { openSqliteStorage } from "../client/storage-sqlite.ts";
import { type TestPerson, signUp, stateOf, TestConversation, TestSocket } from "../server/test-client.ts";
import { TestGroup } from "../server/test-group.ts";
import { type Person, person } from "./person.ts";
import { FrameProxy } from "./proxy.ts";
import { startSystem, type System } from "./system.ts";

let system: System;
beforeAll(async () => {
  system = await startSystem({ servers: 1 });
});
afterAll(() => system[Symbol.asyncDispose]());

const isLarge = process.env["SIZE"] === "large";
const INVITATIONS = isLarge ? 10_000 : 300;
/** A device may not write more links at once. */
const PER_STRANGER = limits.linksBurst - 20;
const AT_ONCE = 8;

/** What everybody on the server may know of somebody, to write to them. */
async function victimOf(socket: TestSocket, { me, password }: Person): Promise<TestPerson> {
  const by = { case: "name", value: me.name } as const;
  const { links, accountPublicKey } = await socket.ask({ case: "fetchAccount", value: { by, after: 0 } }, "account");
  const state = stateOf(links);
  expect(equal(accountPublicKeyHash(accountPublicKey), state.accountKeys.at(-1)!.publicKeyHash)).toBe(true);
  const unknown = new Uint8Array(32);
  const accountKey = { secret: unknown, publicKey: Uint8Array.from(accountPublicKey) };
  return { name: me.name, password, account: me.account, identitySeed: unknown, accountKey, links, state, devices: [] };
}

let strangers = 0;

/** So many conversations with her: of each stranger a direct one with a message in it, the rest are groups into which they bring her. */
async function flood(alice: Person, count: number): Promise<void> {
  for (let made = 0; made < count; made += PER_STRANGER) {
    const stranger = await signUp(system.gatewayUrl, `stranger${strangers++}`);
    await using socket = await TestSocket.welcome(system.gatewayUrl, stranger.devices[0]!);
    const victim = await victimOf(socket, alice);
    const direct = new TestConversation(stranger, victim);
    await direct.open(socket, stranger);
    await socket.ask(direct.send(await direct.message("buy this", stranger)), "sent");
    const left = Array.from({ length: Math.min(PER_STRANGER, count - made) - 1 }).values();
    const work = async () => {
      for (const _ of left) await new TestGroup(stranger, victim).create(socket);
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
  }
}

/** How long the client made whoever asks it something wait, and everything else in this process, while something went on; milliseconds. */
async function measured(alice: Person, work: () => Promise<void>): Promise<{ readonly answer: number; readonly eventLoop: number }> {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  let done = false;
  let answer = 0;
  const asks = async () => {
    for (; !done; await wait(5)) {
      const begin = performance.now();
      await alice.client.conversations();
      answer = Math.max(answer, performance.now() - begin);
    }
  };
  delay.enable();
  const asking = asks();
  await work();
  done = true;
  await asking;
  delay.disable();
  return { answer: Math.round(answer), eventLoop: Math.round(delay.max / 1e6) };
}

const countOf = async ({ client }: Person) => (await client.requests()).count;
const readOf = async ({ client }: Person) => (await client.requests()).conversations.length;

test(`[C8] ${INVITATIONS} invitations from strangers leave one quiet counter`, { timeout: isLarge ? 1_800_000 : 120_000 }, async () => {
  await using proxy = await FrameProxy.start(system.gatewayUrl);
  const fetched = new Set<string>();
  const told: string[] = [];
  let heads: number | undefined;
  proxy.script = {
    toServer: (frame) => {
      const { body } = frame;
      if (body.case === "fetchEntries" || body.case === "fetchLinks") fetched.add(toHex(body.value.conversation));
      if (body.case === "writeSlot" || body.case === "sendSignal") told.push(body.case);
      return frame;
    },
    toClient: (frame) => {
      if (frame.body.case === "heads") heads = frame.body.value.heads.length;
      return frame;
    },
  };
  await using alice = await person(system, "alice", { gateway: proxy.url });
  const notes = await alice.client.openDirect("alice");
  await alice.client.close();
  fetched.clear();

  // While she is away.
  const before = Math.ceil(INVITATIONS / 2);
  await flood(alice, before);
  await alice.reopen();
  const away = await measured(alice, async () => {
    await expect.poll(() => countOf(alice), { timeout: 60_000 }).toBe(before);
    await expect.poll(() => readOf(alice)).toBe(limits.requestsRead);
    await alice.client.caughtUp(AbortSignal.timeout(60_000));
  });
  // While she looks on. What the strangers do is done in this process, too: their work is not hers.
  alice.events.length = 0;
  const begin = performance.now();
  await flood(alice, INVITATIONS - before);
  await expect.poll(() => countOf(alice), { timeout: 60_000 }).toBe(INVITATIONS);
  const lasted = performance.now() - begin;
  const counts = () => alice.events.flatMap((event) => (event.kind === "requests" ? [event.count] : []));
  await expect.poll(() => counts().at(-1)).toBe(INVITATIONS);
  expect(counts().length).toBeLessThan(3 + lasted / 250);
  expect(await readOf(alice)).toBe(limits.requestsRead);
  expect(fetched.size).toBeLessThanOrEqual(limits.requestsRead);
  expect((await alice.client.conversations()).map(({ id }) => id)).toEqual([notes]);
  expect(told).toEqual([]);

  // Named with what is known of them, they are told of no more.
  await alice.reopen();
  heads = undefined;
  const again = await measured(alice, () => alice.client.caughtUp(AbortSignal.timeout(60_000)));
  expect([heads, await countOf(alice), await readOf(alice)]).toEqual([0, INVITATIONS, limits.requestsRead]);
  console.log(`[C8] ${INVITATIONS} invitations, milliseconds waited at most: ${JSON.stringify({ away, again })}`);
  expect(fetched.size).toBeLessThanOrEqual(limits.requestsRead);

  // One is put away, the next is read; somebody is blocked, and all of theirs are gone; whichever is asked for is read.
  const [first] = (await alice.client.requests()).conversations;
  await alice.client.decline(first!.id);
  expect(await countOf(alice)).toBe(INVITATIONS - 1);
  await expect.poll(() => readOf(alice)).toBe(limits.requestsRead);
  await alice.client.setBlocked("stranger0", true);
  const left = INVITATIONS - 1 - PER_STRANGER;
  expect(await countOf(alice)).toBe(left);
  // Who was blocked is a contact: what they began comes back as ordinary conversations.
  await alice.client.setBlocked("stranger0", false);
  const ordinary = async () => (await alice.client.conversations()).length;
  await expect.poll(ordinary, { timeout: 60_000 }).toBe(1 + PER_STRANGER);
  expect(await countOf(alice)).toBe(left);
  await expect.poll(() => readOf(alice)).toBe(limits.requestsRead);
  await alice.client.close();
  const storage = openSqliteStorage(join(alice.home, alice.profile));
  const noted = (await storage.range(prefixRange(prefixes.unread))).map(({ key }) => key.slice(prefixes.unread.length) as ConversationId);
  // What was read a moment ago may still be noted.
  const stored = await storage.getMany(noted.map((id) => keys.conversation(id)));
  await storage.close();
  const unread = noted.filter((_, index) => stored[index] === undefined);
  expect(unread).toHaveLength(left - limits.requestsRead);
  await alice.reopen();
  expect(await alice.client.conversation(unread[0]!)).toBeUndefined();
  await alice.client.caughtUp(AbortSignal.timeout(60_000));
  expect(await alice.client.conversation(unread[0]!)).toMatchObject({ request: true });
  await alice.client.accept(unread[0]!);
  expect((await alice.client.conversations()).map(({ id }) => id)).toContain(unread[0]);
  await alice.client.decline(undefined);
  expect([await countOf(alice), await readOf(alice)]).toEqual([0, 0]);
});
