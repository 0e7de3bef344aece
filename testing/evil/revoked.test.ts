import { create, toBinary } from "@bufbuild/protobuf";
import { clientMessageId, type ConversationId, ErrorCode, idBytes } from "@fastchat/protocol";
import { applyAccountLinks, buildAddDevice, newDeviceId } from "@fastchat/protocol/chain";
import { deviceSealingKeyHash, generateSealingKey, generateSigningKey, random, sealedCopyHash } from "@fastchat/protocol/seal";
import { SealedMessageSchema } from "@fastchat/protocol/wire/conversation";
import { VaultEntrySchema } from "@fastchat/protocol/wire/vault";
import { cp } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Gateway } from "../../client/gateway.ts";
import { openClient } from "../../client/node.ts";
import { appendBatch } from "../../server/store/append.ts";
import { type Database, openDatabase } from "../../server/store/database.ts";
import { TicketGiver, TicketTaker } from "../../server/store/tickets.ts";
import { writeVault } from "../../server/store/vault.ts";
import { anotherDevice, newPassword, type Person, person } from "../person.ts";
import { FrameProxy } from "../proxy.ts";
import { type RawDevice, rawDeviceOf, RawSocket } from "../raw-device.ts";
import { startSystem, type System } from "../system.ts";
import { chainIn, dumpTables, openedWith } from "./loot.ts";
import { DeviceSecrets } from "./secrets.ts";

const shared = new AsyncDisposableStack();
let system: System;
let database: Database;
let proxy: FrameProxy;
beforeAll(async () => {
  system = shared.use(await startSystem({ servers: 2 }));
  database = shared.use(openDatabase({ url: system.databaseUrl, connections: 2, onIdleError: () => undefined }));
  proxy = shared.use(await FrameProxy.start(system.gatewayUrl));
});
afterAll(() => shared.disposeAsync());

const LOOK_MS = 5;

/** Alice with two devices, one of which is stolen: all that is in it was copied, and it is still connected. */
async function theft([owner, friend, third]: readonly [string, string, string]) {
  const stack = new AsyncDisposableStack();
  const alice = stack.use(await person(system, owner, { gateway: proxy.url }));
  const bob = stack.use(await person(system, friend));
  const carol = stack.use(await person(system, third));
  const stolen = stack.use(await anotherDevice(system, alice, { profile: `${owner}-stolen` }));
  const direct = await alice.say(friend, "hello bob");
  await bob.hears(owner, "hello bob");
  const group = await alice.client.groups.create({ name: "Friends", members: [friend, third] });
  const toSelf = await alice.client.openDirect(owner);
  for (const id of [direct, group, toSelf]) {
    await alice.client.send(id, "before");
    await alice.client.sent(id);
    await expect.poll(() => textsIn(stolen, id)).toContain("before");
    await stolen.client.send(id, "from the other device");
    await stolen.client.sent(id);
  }
  await alice.client.setNote(bob.name, "from school");
  await expect.poll(async () => (await stolen.client.conversation(direct))?.peer?.note).toBe("from school");
  await stolen.client.close();
  await cp(join(stolen.home, stolen.profile), join(stolen.home, `${stolen.name}-thief`), { recursive: true });
  const secrets = await DeviceSecrets.take(stolen, direct);
  return { stack, alice, bob, carol, stolen, secrets, direct, group, toSelf };
}

async function textsIn({ client }: Person, id: ConversationId): Promise<string[]> {
  const { items } = await client.items(id, { limit: 100 });
  return items.flatMap((item) => (item.kind === "message" ? [item.text] : []));
}

/** Resolves when the database says that the device has ended; another connection sees it as soon as it is committed. */
async function ended({ profile }: RawDevice): Promise<number> {
  const device = Buffer.from(idBytes(profile.me.device));
  for (;;) {
    const { rows } = await database.pool.query("SELECT ended FROM device WHERE device = $1 AND ended IS NOT NULL", [device]);
    if (rows.length > 0) return performance.now();
    await wait(LOOK_MS);
  }
}

/** What the tables themselves answer a device, past all servers and whatever these know. */
async function asksTheDatabase({ profile }: RawDevice, secrets: DeviceSecrets, direct: ConversationId): Promise<string[]> {
  const { account, device } = profile.me;
  const item = {
    conversation: direct,
    account,
    device,
    clientMessageId: clientMessageId(random(16)),
    epoch: 1,
    body: toBinary(SealedMessageSchema, await secrets.message("let me in", 100)),
    withdraws: [],
  };
  const [sent] = await appendBatch(database.append, [item], Date.now());
  const entry = create(VaultEntrySchema, { slot: random(32), generation: 2, version: 1, sealed: random(60) });
  const written = await writeVault(database, account, device, [entry], false);
  const given = await new TicketGiver(database).add({ ticket: random(32), device, server: "chat-1" });
  return [sent?.kind === "refused" ? sent.reason : String(sent?.kind), written.kind, given ? "a ticket" : "no ticket"];
}

test("[H3] [A1] a revoked device with its whole profile: refused by the database at once, its socket closed within a second, and it cannot add itself", async () => {
  const { stack, alice, stolen, secrets, direct } = await theft(["alice", "bob", "carol"]);
  await using _ = stack;
  const thief = rawDeviceOf(system, secrets.profile);
  const socket = stack.use(await RawSocket.signedIn(thief));
  const unused = await thief.ticket();
  const grants: Uint8Array[] = [];
  proxy.script = {
    posts: {
      "/v1/sign-in/finish": (answer) => {
        grants.push(answer.grant);
        return answer;
      },
    },
  };
  expect(await asksTheDatabase(thief, secrets, direct)).toEqual(["stored", "conflict", "a ticket"]);
  const closing = socket.closed.then((code) => ({ code, at: performance.now() }));
  const [committedAt] = await Promise.all([ended(thief), alice.client.revokeDevices(alice.password, [stolen.me.device])]);
  const { code, at } = await closing;
  expect(at - committedAt).toBeLessThan(1_000);
  expect(code).toBe(4_000 + ErrorCode.DEVICE_REVOKED);

  expect(await asksTheDatabase(thief, secrets, direct)).toEqual(["device-ended", "device-ended", "no ticket"]);
  expect((await new TicketTaker(database, "chat-1").take(unused.ticket)).kind).not.toBe("taken");
  expect((await new TicketTaker(database, "chat-2").take(unused.ticket)).kind).not.toBe("taken");
  await expect(thief.ticket()).rejects.toMatchObject({ code: ErrorCode.DEVICE_REVOKED });
  const late = stack.use(await RawSocket.open(unused.url));
  late.hello(unused.ticket);
  await late.closed;
  expect(late.frames.map(({ body }) => body.case)).not.toContain("welcome");
  const client = stack.use((await openClient({ home: stolen.home, profile: `${stolen.name}-thief` }, { gateway: system.gatewayUrl }))!);
  await expect.poll(() => client.connection).toMatchObject({ kind: "ended", code: ErrorCode.DEVICE_REVOKED });

  // It signs itself in with the best that it has, and with the grant of somebody who knows the password.
  const state = chainIn(await dumpTables(system), thief.profile.me.account);
  const [signing, sealing] = [generateSigningKey(), await generateSealingKey()];
  const keys = { signingSeed: signing.seed, sealingKeyHash: deviceSealingKeyHash(sealing.publicKey), nonce: random(32) };
  const sealed = random(1_170);
  const link = buildAddDevice(state, { identitySeed: thief.profile.signingSeed, device: keys, sealedHash: sealedCopyHash(sealed) });
  expect(applyAccountLinks(state, [link]).kind).toBe("invalid");
  const attachments = {
    deviceSealingKey: sealing.publicKey,
    copies: [{ device: idBytes(newDeviceId(keys)), generation: state.accountKeys.length, sealed }],
  };
  expect(grants).toHaveLength(1);
  const { head } = state;
  for (const grant of [...grants, random(grants[0]!.length)])
    await expect(new Gateway(system.gatewayUrl).addDevice({ grant, link, attachments })).rejects.toThrow(/./);
  expect(chainIn(await dumpTables(system), thief.profile.me.account).head).toEqual(head);
});

test("[H3] [P4] [C5] a revoked device with its whole profile and the whole database opens nothing that is written afterwards", async () => {
  const { stack, alice, bob, carol, stolen, direct, group, toSelf } = await theft(["dave", "erin", "frank"]);
  await using _ = stack;
  const thief = { home: stolen.home, profile: `${stolen.name}-thief`, me: stolen.me };
  const old = await openedWith(system, thief, await dumpTables(system));
  await alice.client.revokeDevices(alice.password, [stolen.me.device]);
  for (const id of [direct, group, toSelf]) {
    await alice.client.send(id, "after");
    await alice.client.sent(id);
  }
  await bob.hears(alice.name, "after");
  await bob.say(alice.name, "after, from bob");
  await carol.client.send(group, "after, from carol");
  await carol.client.sent(group);
  await alice.hears(bob.name, "after, from bob");
  await alice.client.groups.setProfile(group, { name: "Closer friends" });
  await alice.client.setNote(bob.name, "a good friend");
  await alice.client.setDraft(direct, "a draft");
  await alice.client.markRead(direct, (await alice.client.conversation(direct))!.head);
  expect(await alice.client.changePassword(alice.password, newPassword())).toEqual({ kind: "changed" });
  await expect.poll(() => textsIn(alice, group)).toContain("after, from carol");

  await alice.client.close();
  const after = await dumpTables(system);
  const [hers, theirs] = [await openedWith(system, alice, after), await openedWith(system, thief, after)];
  // Alice's own device opens it all, or this would prove nothing.
  const kinds = Map.groupBy(
    [...hers].filter((name) => !theirs.has(name)),
    (name) => name.split(" ")[0]!,
  );
  for (const kind of ["entry", "vault_entry", "account_wrap", "device_copy", "sealed_key", "slot", "profile"])
    expect([...kinds.keys()]).toContain(kind);
  expect([...theirs].filter((name) => !old.has(name))).toEqual([]);
});
