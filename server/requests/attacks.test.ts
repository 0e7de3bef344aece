import { randomBytes } from "node:crypto";
import { create, toBinary } from "@bufbuild/protobuf";
import { ErrorCode, idBytes, limits } from "@fastchat/protocol";
import { accountLinkHash, additionsOf, buildClose, buildSignOut, groupCreate } from "@fastchat/protocol/chain";
import { signSuccessionRecord, toHex } from "@fastchat/protocol/seal";
import { type SignedLink, SignedLinkSchema, WrapPurpose } from "@fastchat/protocol/wire/account";
import { ConversationLinkSchema } from "@fastchat/protocol/wire/conversation";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  addDevice,
  buildRevocation,
  buildSuccession,
  codeOf,
  signIn,
  signUp,
  take,
  TestConversation,
  type TestDevice,
  type TestPerson,
  TestSocket,
} from "../test-client.ts";
import { forgeLink } from "../../protocol/chain/test-people.ts";
import { TestGroup } from "../test-group.ts";
import { TestInstallation } from "../test-installation.ts";

// What a changed client would try, one request at a time.

let installation: TestInstallation;
let gateway: string;
let bob: TestPerson;
beforeAll(async () => {
  installation = await TestInstallation.start({ servers: 2 });
  gateway = installation.gateway.url;
  bob = await signUp(gateway, "bob");
});
afterAll(() => installation?.[Symbol.asyncDispose]());

const welcome = (person: TestPerson, device: TestDevice = person.devices[0]!) => TestSocket.welcome(gateway, device);

/** Somebody new and her conversation with bob, of which `stolen` is a recorded device of hers. */
async function withStolenDevice(name: string) {
  const alice = await signUp(gateway, name);
  const stolen = await addDevice(gateway, alice);
  const conversation = new TestConversation(alice, bob);
  await using socket = await welcome(alice);
  await conversation.open(socket, alice);
  return { alice, stolen, conversation };
}

const slotOf = (conversation: TestConversation, person: TestPerson, device: TestDevice, values: { epoch: number; counter: number }) => ({
  case: "writeSlot" as const,
  value: {
    conversation: idBytes(conversation.id),
    slot: { account: idBytes(person.account), device: idBytes(device.device), ...values, ciphertext: randomBytes(40) },
  },
});
const signalOf = (conversation: TestConversation, person: TestPerson, device: TestDevice, epoch: number) => ({
  case: "sendSignal" as const,
  value: {
    conversation: idBytes(conversation.id),
    signal: { account: idBytes(person.account), device: idBytes(device.device), epoch, ciphertext: randomBytes(40) },
  },
});

test("ghost member: a group cannot pass for a direct conversation, and a direct one takes nobody else", async () => {
  const [alice, mallory] = [await signUp(gateway, "alice-of-group"), await signUp(gateway, "mallory-of-group")];
  const group = new TestGroup(mallory, alice, bob);
  await using m = await welcome(mallory);
  const direct = new TestConversation(mallory, alice);
  await direct.open(m, mallory);
  // A group has an id of its own, whatever the request calls it.
  const made = await group.link(
    mallory,
    groupCreate(new Map([mallory, alice, bob].map(({ account }) => [account, "admin"])), randomBytes(32)),
  );
  const posing = { ...group.request(made).value, conversation: idBytes(new TestConversation(mallory, bob).id) };
  expect(await m.refusal({ case: "appendLink", value: posing })).toBe(ErrorCode.MALFORMED);
  await m.ask(group.request(made), "appended");
  group.taken(made);
  // A member of the group is added to the direct conversation by the link that adds him there.
  const carol = await signUp(gateway, "carol-of-group");
  group.people.push(carol);
  const { entry, sealedKeys } = await group.link(mallory, additionsOf(new Map([[carol.account, "member"]])));
  const forged = forgeLink(entry, mallory.devices[0]!.signingSeed, (body) => {
    body.conversation = idBytes(direct.id);
    body.previous = idBytes(direct.state!.head.hash);
  });
  const adding = { case: "appendLink", value: { conversation: idBytes(direct.id), entry: forged, sealedKeys } } as const;
  expect(await m.refusal(adding)).toBe(ErrorCode.LINK_INVALID);
  await using a = await welcome(alice);
  const { heads } = await a.ask({ case: "catchUp", value: { cursors: [] } }, "heads");
  expect(new Set(heads.map((head) => toHex(head.conversation)))).toEqual(new Set([direct.id, group.id]));
});

test("[S5] a slot comes from a recorded device, in an epoch that is still good, with a counter that leaves room", async () => {
  const { alice, stolen, conversation } = await withStolenDevice("alice-of-slots");
  const later = await addDevice(gateway, alice);
  await using a = await welcome(alice);
  await using l = await welcome(alice, later);
  await using s = await welcome(alice, stolen);
  const write = (device: TestDevice, epoch: number, counter: number) => slotOf(conversation, alice, device, { epoch, counter });
  expect(await l.refusal(write(later, 1, 5))).toBe(ErrorCode.STALE_HEAD);
  expect(await a.refusal(write(alice.devices[0]!, 2, 5))).toBe(ErrorCode.STALE_EPOCH);
  expect(await a.refusal(write(alice.devices[0]!, 0, 5))).toBe(ErrorCode.STALE_EPOCH);
  expect(await s.refusal(write(stolen, 1, limits.largestNumber))).toBe(ErrorCode.MALFORMED);
  // As high as it may be, before anybody knows that the device is stolen …
  await s.ask(write(stolen, 1, limits.largestNumber - 1), "slotWritten");
  // … and the next epoch's counts all the same.
  await conversation.open(a, alice);
  await a.ask(write(alice.devices[0]!, 2, 1), "slotWritten");
  await a.ask(write(alice.devices[0]!, 1, 9), "slotWritten");
  await using b = await welcome(bob);
  const { slots } = await b.ask({ case: "fetchSlots", value: { conversation: idBytes(conversation.id) } }, "slots");
  expect(slots.map((slot) => [slot.epoch, slot.counter])).toEqual([[2, 1]]);
});

test("[S5] an epoch from before a turn takes neither slots nor signals", async () => {
  const { alice, stolen, conversation } = await withStolenDevice("alice-of-turn");
  await using a = await welcome(alice);
  await conversation.open(a, alice);
  // As a revocation leaves it.
  await installation.database.query
    .updateTable("conversation")
    .set({ oldest_good_epoch: 2 })
    .where("conversation", "=", idBytes(conversation.id))
    .execute();
  await using s = await welcome(alice, stolen);
  expect(await s.refusal(slotOf(conversation, alice, stolen, { epoch: 1, counter: 5 }))).toBe(ErrorCode.STALE_EPOCH);
  expect(await s.refusal(signalOf(conversation, alice, stolen, 1))).toBe(ErrorCode.STALE_EPOCH);
  await s.ask(slotOf(conversation, alice, stolen, { epoch: 2, counter: 5 }), "slotWritten");
  await s.ask(signalOf(conversation, alice, stolen, 2), "pong");
});

test("[S5] a signal comes from a recorded device, and an ended one is refused", async () => {
  const { alice, stolen, conversation } = await withStolenDevice("alice-of-signals");
  const later = await addDevice(gateway, alice);
  await using l = await welcome(alice, later);
  expect(await l.refusal(signalOf(conversation, alice, later, 1))).toBe(ErrorCode.STALE_HEAD);
  await using s = await welcome(alice, stolen);
  await s.ask(signalOf(conversation, alice, stolen, 1), "pong");
  // Its sockets are closed as soon as its sign-out is known; what it said before that was read is refused too.
  const signOut = { case: "appendAccountLink", value: { link: buildSignOut(alice.state, stolen), vault: [] } } as const;
  const requests = s.say(signOut);
  await s.answer(requests[0]!, "appended");
  expect(await s.closed()).toBe(4_000 + ErrorCode.DEVICE_REVOKED);
});

const rekeyBy = (person: TestPerson, conversation: Uint8Array) => {
  const author = { account: idBytes(person.account), device: idBytes(person.devices[0]!.device) };
  const change = { case: "rekey" as const, value: { reason: "eaten" } };
  const body = toBinary(ConversationLinkSchema, create(ConversationLinkSchema, { version: 1, conversation, index: 9, ...author, change }));
  const entry = { link: { body, signature: randomBytes(64) }, evidence: [] };
  return { case: "appendLink" as const, value: { conversation, entry, sealedKeys: [] } };
};

test("[W8] a stranger cannot use up a conversation's rekeys, nor learn whether it is there", async () => {
  const { alice, conversation } = await withStolenDevice("alice-of-rekeys");
  const eve = await signUp(gateway, "eve-of-rekeys");
  await using e = await welcome(eve);
  for (let tries = 0; tries <= limits.rekeysPerMinutePerConversation; tries++) {
    expect(await e.refusal(rekeyBy(eve, idBytes(conversation.id)))).toBe(ErrorCode.NOT_FOUND);
  }
  expect(await e.refusal(rekeyBy(eve, randomBytes(32)))).toBe(ErrorCode.NOT_FOUND);
  await using a = await TestSocket.welcome(gateway, alice.devices[0]!);
  await conversation.open(a, alice);
});

test("[C5] a member's rekeys of a conversation are limited, and one member's do not use up another's", async () => {
  const { alice, conversation } = await withStolenDevice("alice-of-floods");
  await using a = await TestSocket.welcome(gateway, alice.devices[0]!, ["chat-2"]);
  for (let count = 0; count < limits.rekeysPerMinutePerConversation; count++) {
    expect(await a.refusal(rekeyBy(alice, idBytes(conversation.id)))).toBe(ErrorCode.STALE_HEAD);
  }
  expect(await a.refusal(rekeyBy(alice, idBytes(conversation.id)))).toBe(ErrorCode.RATE_LIMITED);
  await using b = await TestSocket.welcome(gateway, bob.devices[0]!, ["chat-2"]);
  await conversation.open(b, bob);
});

test("[W5] an id of any other length is refused before anything is kept under it", async () => {
  const eve = await signUp(gateway, "eve-of-lengths");
  await using e = await welcome(eve);
  const long = randomBytes(100_000);
  const codes: ErrorCode[] = [];
  // More often than a bucket for this id would allow.
  for (let tries = 0; tries < 12; tries++) codes.push(await e.refusal(rekeyBy(eve, long)));
  expect(new Set(codes)).toEqual(new Set([ErrorCode.MALFORMED]));
});

test("[W4] a search for what no name can hold is refused, never by an error of the database", async () => {
  const eve = await signUp(gateway, "eve-of-searches");
  await using e = await welcome(eve);
  for (const text of ["\0", "bob\0", `${"b".repeat(100)}\0`]) {
    for (const search of ["findPeople", "findGroups"] as const) {
      expect(await e.refusal({ case: search, value: { text, limit: 1 } })).toBe(ErrorCode.MALFORMED);
    }
  }
});

test("[W5] a socket that writes to more conversations than anybody has is asked to connect again", async () => {
  const eve = await signUp(gateway, "eve-of-many");
  await using e = await welcome(eve);
  // Each is refused for its form; its conversation counts all the same.
  const send = () => ({ case: "send", value: { conversation: randomBytes(32) } }) as const;
  for (let sent = 0; sent <= limits.sendConversationsPerSocket && e.closeCode === undefined; sent += 500) {
    const requests = e.say(...Array.from({ length: 500 }, send));
    await e.answer(requests.at(-1)!, "sent").catch(() => undefined);
  }
  expect(await e.closed()).toBe(4_000 + ErrorCode.MOVED);
});

test("[W5] writes of the vault have a rate for each device: a stolen one cannot write without pause, and holds up no other", async () => {
  const alice = await signUp(gateway, "alice-of-vaults");
  const thief = await addDevice(gateway, alice);
  await using stolen = await welcome(alice, thief);
  // Nobody has written before, so that each is refused for its version; it counts all the same.
  const write = () =>
    ({ case: "writeVault", value: { entries: [{ slot: randomBytes(32), generation: 1, version: 2, sealed: randomBytes(9) }] } }) as const;
  const writes = (count: number) => Promise.all(Array.from({ length: count }, () => stolen.refusal(write())));
  const codes: ErrorCode[] = [];
  while (codes.length < limits.vaultWritesBurst) codes.push(...(await writes(40)));
  expect(new Set(codes)).toEqual(new Set([ErrorCode.VERSION_CONFLICT]));
  expect(await writes(limits.vaultWritesBurst)).toContain(ErrorCode.RATE_LIMITED);
  // The other devices are not held up.
  await using own = await welcome(alice);
  const first = { ...write().value.entries[0]!, version: 1 };
  await own.ask({ case: "writeVault", value: { entries: [first] } }, "vaultWritten");
});

/** As if a person's account had taken so many more links like this one today; at places that no chain has. */
async function addRows(person: TestPerson, { body }: SignedLink, count: number): Promise<void> {
  const row = { account: idBytes(person.account), body, signature: randomBytes(64), cosignature: randomBytes(64), time: Date.now() };
  const rows = Array.from({ length: count }, (_, place) => ({ ...row, index: -1 - place, hash: randomBytes(32) }));
  await installation.database.query.insertInto("account_link").values(rows).execute();
}

test("[C5] new account keys are limited per account and day, and signing out never is", async () => {
  const alice = await signUp(gateway, "alice-of-days");
  const thief = await addDevice(gateway, alice);
  const second = await addDevice(gateway, alice);
  const third = await addDevice(gateway, alice);
  const other = await addDevice(gateway, alice);
  await using a = await welcome(alice);
  let vaultRevision = 0;
  const append = async (made: Awaited<ReturnType<typeof buildRevocation>>) => {
    const code = await codeOf(
      a.ask({ case: "appendAccountLink", value: { link: made.link, attachments: made.attachments, vault: [], vaultRevision } }, "appended"),
    );
    if (code === 0) {
      vaultRevision += 1;
      take(alice, made.link);
    }
    return code;
  };
  const made = await buildRevocation(alice, thief);
  expect(await append(made)).toBe(0);
  await addRows(alice, made.link, limits.keyTurnsPerDayPerAccount - 2);
  expect(await append(await buildRevocation(alice, second))).toBe(0);
  expect(await append(await buildRevocation(alice, third))).toBe(ErrorCode.RATE_LIMITED);
  await using o = await welcome(alice, other);
  await o.ask({ case: "appendAccountLink", value: { link: buildSignOut(alice.state, other), vault: [] } }, "appended");
  // The next day.
  const yesterday = Date.now() - 86_400_001;
  await installation.database.query
    .updateTable("account_link")
    .set({ time: yesterday })
    .where("account", "=", idBytes(alice.account))
    .execute();
  take(alice, buildSignOut(alice.state, other));
  expect(await append(await buildRevocation(alice, third))).toBe(0);
});

test("[P2] a stolen device's links bring no wrapped keys but those that they name, so that it locks nobody out of the account", async () => {
  const alice = await signUp(gateway, "alice-of-wraps");
  const stolen = await addDevice(gateway, alice);
  const before = await signIn(gateway, alice.name, alice.password);
  await using s = await welcome(alice, stolen);
  const link = buildSignOut(alice.state, stolen);
  const { MASTER_BY_PASSWORD, IDENTITY_BY_MASTER } = WrapPurpose;
  for (const [purpose, version] of [
    [MASTER_BY_PASSWORD, 1],
    [MASTER_BY_PASSWORD, 2],
    [IDENTITY_BY_MASTER, 1],
  ] as const) {
    const attachments = { wraps: [{ purpose, version, sealed: randomBytes(74) }] };
    expect(await s.refusal({ case: "appendAccountLink", value: { link, attachments, vault: [] } })).toBe(ErrorCode.LINK_INVALID);
  }
  const after = await signIn(gateway, alice.name, alice.password);
  if (before === "wrong-password" || after === "wrong-password") throw new Error("the test's own password is wrong");
  expect(after.wraps).toEqual(before.wraps);
  await s.ask({ case: "appendAccountLink", value: { link, vault: [] } }, "appended");
});

test("[P2] what opens the account goes with a succession, whole and signed by the new identity, and with nothing else", async () => {
  const alice = await signUp(gateway, "alice-of-successions");
  const stolen = await addDevice(gateway, alice);
  await using a = await welcome(alice);
  await using s = await welcome(alice, stolen);
  const [staying] = alice.devices;
  const made = await buildSuccession(alice, staying!);
  const { link, attachments, newIdentitySeed } = made;
  const record = randomBytes(192);
  const signedBy = async (seed: Uint8Array, registrationRecord = record, over = link) => {
    const wraps = attachments.wraps.slice(-3);
    const signed = { account: alice.account, link: accountLinkHash(over), record: registrationRecord, wraps };
    return { registrationRecord, signature: await signSuccessionRecord(seed, signed) };
  };
  const good = { link, attachments, vault: [], vaultRevision: 0, signInRecord: await signedBy(newIdentitySeed) };
  const refusal = (value: Partial<typeof good>) => s.refusal({ case: "appendAccountLink", value: { ...good, ...value } });

  const { signInRecord: _none, ...without } = good;
  expect(await s.refusal({ case: "appendAccountLink", value: without })).toBe(ErrorCode.LINK_INVALID);
  for (const missing of attachments.wraps) {
    const wraps = attachments.wraps.filter((wrap) => wrap !== missing);
    expect(await refusal({ attachments: { ...attachments, wraps } })).toBe(ErrorCode.LINK_INVALID);
    expect(await refusal({ attachments: { ...attachments, wraps: [...wraps, missing, missing] } })).toBe(ErrorCode.LINK_INVALID);
  }
  const ofAnother = await buildSuccession(alice, stolen);
  for (const signInRecord of [
    await signedBy(alice.identitySeed),
    await signedBy(staying!.signingSeed),
    await signedBy(newIdentitySeed, record, ofAnother.link),
    { ...(await signedBy(newIdentitySeed)), registrationRecord: randomBytes(192) },
  ]) {
    expect(await refusal({ signInRecord })).toBe(ErrorCode.SIGNATURE_INVALID);
  }
  expect(await refusal({ signInRecord: await signedBy(newIdentitySeed, randomBytes(191)) })).toBe(ErrorCode.MALFORMED);
  // A thief who has a device signs no succession, and takes no password along with a sign-out.
  const forged = await buildSuccession({ ...alice, identitySeed: stolen.signingSeed }, stolen);
  const his = {
    link: forged.link,
    attachments: forged.attachments,
    signInRecord: await signedBy(forged.newIdentitySeed, record, forged.link),
  };
  expect(await refusal(his)).toBe(ErrorCode.LINK_INVALID);
  const signOut = { link: buildSignOut(alice.state, stolen), attachments: {}, vault: [], signInRecord: await signedBy(newIdentitySeed) };
  expect(await s.refusal({ case: "appendAccountLink", value: signOut })).toBe(ErrorCode.LINK_INVALID);

  expect(await signIn(gateway, alice.name, alice.password)).not.toBe("wrong-password");
  await a.ask({ case: "appendAccountLink", value: good }, "appended");
  expect(await s.closed()).toBe(4000 + ErrorCode.DEVICE_REVOKED);
  const account = idBytes(alice.account);
  const { query } = installation.database;
  const rows = await query.selectFrom("account_wrap").select(["purpose", "version"]).where("account", "=", account).execute();
  const { MASTER_BY_PASSWORD, MASTER_BY_RECOVERY, IDENTITY_BY_MASTER, ACCOUNT_KEY_BY_MASTER, ACCOUNT_KEY_BY_NEXT } = WrapPurpose;
  const newer = [MASTER_BY_PASSWORD, MASTER_BY_RECOVERY, IDENTITY_BY_MASTER, ACCOUNT_KEY_BY_MASTER].map((purpose) => ({
    purpose,
    version: 2,
  }));
  expect(rows.toSorted((one, other) => one.purpose - other.purpose)).toEqual([...newer, { purpose: ACCOUNT_KEY_BY_NEXT, version: 1 }]);
  const stored = await query.selectFrom("sign_in_record").select("record").where("account", "=", account).executeTakeFirst();
  expect(stored?.record).toEqual(record);
});

test("[A1] added devices are limited per account and day", async () => {
  const alice = await signUp(gateway, "alice-of-devices");
  // Beside the one of `create`.
  await addRows(alice, alice.links[0]!, limits.accountLinksPerDayPerAccount - 2);
  await addDevice(gateway, alice);
  expect(await codeOf(addDevice(gateway, alice))).toBe(ErrorCode.RATE_LIMITED);
});

test("[A1] a stolen device cannot close the account: that takes the identity key, and then nobody comes in, and no key is kept for it", async () => {
  const { alice, stolen, conversation } = await withStolenDevice("alice-to-close");
  const kept = () =>
    installation.database.query.selectFrom("sealed_key").select("epoch").where("account", "=", idBytes(alice.account)).execute();
  await using s = await welcome(alice, stolen);
  const append = (link: SignedLink, more = {}) => s.refusal({ case: "appendAccountLink", value: { link, vault: [], ...more } });
  const good = buildClose(alice.state, alice);
  for (const identitySeed of [stolen.signingSeed, bob.identitySeed, randomBytes(32)])
    expect(await append(buildClose(alice.state, { identitySeed }))).toBe(ErrorCode.LINK_INVALID);
  expect(await append(create(SignedLinkSchema, { body: good.body }))).toBe(ErrorCode.LINK_INVALID);
  expect(await append(create(SignedLinkSchema, { ...good, cosignature: randomBytes(64) }))).toBe(ErrorCode.LINK_INVALID);
  const wraps = [{ purpose: WrapPurpose.ACCOUNT_KEY_BY_MASTER, version: 1, sealed: randomBytes(74) }];
  expect(await append(good, { attachments: { wraps } })).toBe(ErrorCode.LINK_INVALID);
  expect(await append(good, { vault: [{ slot: randomBytes(32), generation: 1, version: 1, sealed: randomBytes(9) }] })).toBe(
    ErrorCode.LINK_INVALID,
  );
  await using b = await welcome(bob);
  expect(await b.refusal({ case: "appendAccountLink", value: { link: good, vault: [] } })).toBeGreaterThan(0);
  expect(await signIn(gateway, alice.name, alice.password)).toMatchObject({ links: { length: 2 } });
  expect(await kept()).not.toEqual([]);

  const rows = (table: "device_copy" | "account_wrap") =>
    installation.database.query.selectFrom(table).selectAll().where("account", "=", idBytes(alice.account)).execute();
  const beside = { copies: await rows("device_copy"), wraps: await rows("account_wrap") };
  expect(beside).toMatchObject({ copies: [{}, {}], wraps: [{}, {}, {}, {}] });
  const [request] = s.say({ case: "appendAccountLink", value: { link: good, vault: [] } });
  await s.answer(request!, "appended");
  expect(await s.closed()).toBe(4_000 + ErrorCode.ACCOUNT_CLOSED);
  for (const device of alice.devices) expect(await codeOf(welcome(alice, device))).toBe(ErrorCode.ACCOUNT_CLOSED);
  expect(await codeOf(signIn(gateway, alice.name, alice.password))).toBe(ErrorCode.ACCOUNT_CLOSED);
  expect(await codeOf(signUp(gateway, alice.name))).toBe(ErrorCode.NAME_TAKEN);
  // Bob need not have heard of it.
  await conversation.open(b, bob);
  expect(await kept()).toEqual([]);
  // [H6] [H7] Who kept what lay beside her links brings none of it back.
  await b.ask({ case: "putBackAccount", value: { links: [...alice.links, good], ...beside } }, "accountPutBack");
  expect([await rows("device_copy"), await rows("account_wrap")]).toEqual([[], []]);
});
