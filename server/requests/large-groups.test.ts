import { randomBytes } from "node:crypto";
import { ErrorCode, idBytes, limits } from "@fastchat/protocol";
import { additionsOf, type ConversationChange, draftLink, finishLink, groupCreate, removalOf } from "@fastchat/protocol/chain";
import { keyIdOf, newEpochKey, sealedKeysHash, sealingOverhead } from "@fastchat/protocol/seal";
import { type SealedKey, SealedKeySchema } from "@fastchat/protocol/wire/conversation";
import { create } from "@bufbuild/protobuf";
import { afterAll, beforeAll, expect, test } from "vitest";
import { addDevice, type Person, signUp as makeCheaply } from "../../protocol/chain/test-people.ts";
import { signUp, type TestPerson, TestSocket } from "../test-client.ts";
import { TestGroup } from "../test-group.ts";
import { TestInstallation } from "../test-installation.ts";

let installation: TestInstallation;
let gateway: string;
let alice: TestPerson;
/** Accounts with real chains, whose sealing keys nobody has. */
let crowd: Person[];

beforeAll(async () => {
  installation = await TestInstallation.start({ servers: 2 });
  gateway = installation.gateway.url;
  alice = await signUp(gateway, "alice");
  crowd = Array.from({ length: limits.groupMembers }, (_, index) => makeCheaply(`crowd${index}`));
  for (let from = 0; from < crowd.length; from += 250) await store(crowd.slice(from, from + 250));
});
afterAll(() => installation?.[Symbol.asyncDispose]());

/** As if they had signed up here. */
async function store(people: readonly Person[]): Promise<void> {
  const { query } = installation.database;
  const account = (person: Person) => ({ account: idBytes(person.account) });
  await query
    .insertInto("account")
    .values(people.map((person) => ({ ...account(person), name: person.name, head_index: 1, head_hash: idBytes(person.state.head.hash) })))
    .execute();
  await query
    .insertInto("account_link")
    .values(people.map((person) => linkRow(person, 1)))
    .execute();
  const keys = { sealing_key: randomBytes(1_216), added: 1, ended: null };
  await query
    .insertInto("device")
    .values(
      people.map((person) => ({
        ...account(person),
        device: idBytes(person.devices[0]!.device),
        signing_key: person.state.devices.get(person.devices[0]!.device)!.signingKey,
        ...keys,
      })),
    )
    .execute();
  await query
    .insertInto("account_key")
    .values(people.map((person) => ({ ...account(person), generation: 1, public_key: randomBytes(1_216) })))
    .execute();
}

const linkRow = ({ account, links, state }: Person, index: number) => {
  const { body, signature, cosignature } = links[index - 1]!;
  return { account: idBytes(account), index, hash: idBytes(state.hashes[index - 1]!), body, signature, cosignature, time: Date.now() };
};

/** A link by alice with copies that nobody can open: the server cannot tell. */
function made(group: TestGroup, knows: readonly (TestPerson | Person)[], change: ConversationChange, kind: "fresh" | "derived" = "fresh") {
  const [device] = alice.devices;
  const known = new Map(knows.map((person) => [person.account, { state: person.state, links: person.links }]));
  const author = { account: alice.account, device: device!.device };
  const drafted = draftLink({ state: group.state, author, known, change, opening: { kind } });
  if (drafted.kind === "invalid") throw new Error(drafted.reason);
  const { context, epoch, recipients } = drafted.draft.opening!;
  const epochKey = newEpochKey();
  const sealedKeys: SealedKey[] = recipients.map(({ account, generation }) =>
    create(SealedKeySchema, { account: idBytes(account), generation, epoch, sealed: randomBytes(32 + sealingOverhead) }),
  );
  const commitments = { keyId: keyIdOf(context, epochKey), sealedKeysHash: sealedKeysHash(sealedKeys) };
  return { entry: finishLink(drafted.draft, device!.signingSeed, commitments), sealedKeys, epochKey };
}

const rolesOf = (people: readonly (TestPerson | Person)[]) =>
  new Map(people.map(({ account }) => [account, account === alice.account ? ("admin" as const) : ("member" as const)]));

/** Receipts or typing of others that came by themselves. */
const pushed = (socket: TestSocket, what: "slots" | "signal") =>
  socket.frames.filter(({ request, body }) => request === 0 && body.case === what).length;

test("a group of 1,000 is created, grown, shrunk and written in, by servers that remember it and by one that does not", async () => {
  const group = new TestGroup();
  const [first, second] = [crowd.slice(0, 599), crowd.slice(599, 999)];
  const late = crowd[999]!;
  await using a = await TestSocket.welcome(gateway, alice.devices[0]!, ["chat-2"]);
  await using one = await TestSocket.welcome(gateway, first[0]!.devices[0]!, ["chat-1"]);
  await using other = await TestSocket.welcome(gateway, second[0]!.devices[0]!, ["chat-1"]);
  const create_ = made(group, [alice, ...first], groupCreate(rolesOf([alice, ...first]), randomBytes(32)));
  expect((await a.ask(group.request(create_), "appended")).sequence).toBe(1);
  // Asked again because the answer got lost.
  expect((await a.ask(group.request(create_), "appended")).sequence).toBe(1);
  group.taken(create_);
  await one.until(() => one.live(group.id).includes(1));

  // By the server that has not seen the group yet.
  await using b = await TestSocket.welcome(gateway, alice.devices[0]!, ["chat-1"]);
  const add = made(group, second, additionsOf(rolesOf(second)), "derived");
  expect((await b.ask(group.request(add), "appended")).sequence).toBe(2);
  group.taken(add);
  await other.until(() => other.live(group.id).includes(2));
  const copies = other.frames.flatMap(({ body }) => (body.case === "entries" ? body.value.sealedKeys : []));
  expect(copies.map((copy) => copy.epoch)).toEqual([2]);

  // One that the honest builder would not make.
  const before = group.state!;
  group.state = { ...before, members: new Map([...before.members].slice(0, -1)) };
  const tooMany = made(group, [late], additionsOf(rolesOf([late])));
  group.state = before;
  await expect(a.ask(group.request(tooMany), "appended")).rejects.toThrow(/too many members/);

  const removal = made(group, [], removalOf([first[1]!.account]));
  expect((await a.ask(group.request(removal), "appended")).sequence).toBe(3);
  group.taken(removal);
  const again = made(group, [late], additionsOf(rolesOf([late])), "derived");
  expect((await b.ask(group.request(again), "appended")).sequence).toBe(4);
  group.taken(again);
  expect((await a.ask(group.send(await group.message("to all", alice)), "sent")).sequence).toBe(5);
  for (const socket of [a, b, one, other]) await socket.until(() => socket.live(group.id).at(-1) === 5);

  const rows = await installation.database.query
    .selectFrom("member")
    .select(["account", "role", "may_write", "account_head"])
    .where("conversation", "=", idBytes(group.id))
    .execute();
  expect(rows).toHaveLength(limits.groupMembers);
  expect(new Set(rows.map((row) => Buffer.from(row.account).toString("hex")))).toEqual(new Set(group.state!.members.keys()));
  const { keys } = await one.ask({ case: "fetchSealedKeys", value: { conversation: idBytes(group.id), fromEpoch: 1 } }, "sealedKeys");
  expect(keys.map((key) => key.epoch)).toEqual([1, 3]);
});

test("[C1] of 1,000 members those are told whose chains have grown, in one answer", async () => {
  const group = new TestGroup();
  const members = crowd.slice(0, 300);
  await using a = await TestSocket.welcome(gateway, alice.devices[0]!);
  const create_ = made(group, [alice, ...members], groupCreate(rolesOf([alice, ...members]), randomBytes(32)));
  await a.ask(group.request(create_), "appended");
  group.taken(create_);
  const ask = async () => {
    const { heads } = await a.ask({ case: "fetchMovedHeads", value: { conversation: idBytes(group.id) } }, "movedHeads");
    return heads.map(({ account, index, hash }) => [account, hash].map((id) => Buffer.from(id).toString("hex")).join() + index);
  };
  expect(await ask()).toEqual([]);
  const moved = members[7]!;
  addDevice(moved);
  await installation.database.query.insertInto("account_link").values(linkRow(moved, 2)).execute();
  await installation.database.query
    .updateTable("account")
    .set({ head_index: 2, head_hash: idBytes(moved.state.head.hash) })
    .where("account", "=", idBytes(moved.account))
    .execute();
  expect(await ask()).toEqual([`${moved.account},${moved.state.head.hash}2`]);
  const heads = draftLink({
    state: group.state,
    author: { account: alice.account, device: alice.devices[0]!.device },
    known: new Map([[moved.account, moved]]),
    change: { case: "headsOnly", value: {} },
  });
  if (heads.kind === "invalid") throw new Error(heads.reason);
  await a.ask(group.request({ entry: finishLink(heads.draft, alice.devices[0]!.signingSeed), sealedKeys: [] }), "appended");
  expect(await ask()).toEqual([]);
});

test("in a group of more than so many members receipts are kept and not told, and typing is not told; both are answered alike", async () => {
  const sizes = [limits.liveReceiptsMembers, limits.liveTypingMembers, limits.liveTypingMembers + 1];
  const told: number[][] = [];
  await using a = await TestSocket.welcome(gateway, alice.devices[0]!);
  const bob = crowd[0]!;
  for (const size of sizes) {
    await using b = await TestSocket.welcome(gateway, bob.devices[0]!);
    const members = crowd.slice(0, size - 1);
    const group = new TestGroup();
    const create_ = made(group, [alice, ...members], groupCreate(rolesOf([alice, ...members]), randomBytes(32)));
    await a.ask(group.request(create_), "appended");
    group.taken(create_);
    const conversation = idBytes(group.id);
    const author = { account: idBytes(alice.account), device: idBytes(alice.devices[0]!.device), epoch: 1, ciphertext: randomBytes(40) };
    await a.ask({ case: "writeSlot", value: { conversation, slot: { ...author, counter: 1 } } }, "slotWritten");
    await a.ask({ case: "sendSignal", value: { conversation, signal: author } }, "pong");
    await a.ask(group.send(await group.message("after both", alice)), "sent");
    await b.until(() => b.live(group.id).includes(2));
    told.push([pushed(b, "slots"), pushed(b, "signal")]);
    expect((await b.ask({ case: "fetchSlots", value: { conversation } }, "slots")).slots).toHaveLength(1);
  }
  expect(told).toEqual([
    [1, 1],
    [0, 1],
    [0, 0],
  ]);
});

test("public keys of many accounts come in one answer, the newest of each; unknown accounts are left out", async () => {
  await using a = await TestSocket.welcome(gateway, alice.devices[0]!);
  const known = crowd.slice(0, limits.accountKeysPerRequest - 2);
  const newest = randomBytes(1_216);
  await installation.database.query
    .insertInto("account_key")
    .values({ account: idBytes(known[3]!.account), generation: 2, public_key: newest })
    .execute();
  const accounts = [randomBytes(32), idBytes(alice.account), ...known.map(({ account }) => idBytes(account))];
  const { keys } = await a.ask({ case: "fetchAccountKeys", value: { accounts } }, "accountKeys");
  const got = new Map(keys.map(({ account, publicKey }) => [Buffer.from(account).toString("hex"), Buffer.from(publicKey)]));
  expect(new Set(got.keys())).toEqual(new Set([alice, ...known].map(({ account }) => account)));
  expect(got.get(alice.account)).toEqual(Buffer.from(alice.accountKey.publicKey));
  expect(got.get(known[3]!.account)).toEqual(newest);
  const many = Array.from({ length: limits.accountKeysPerRequest + 1 }, () => randomBytes(32));
  expect(await a.refusal({ case: "fetchAccountKeys", value: { accounts: many } })).toBe(ErrorCode.TOO_LARGE);
  expect(await a.refusal({ case: "fetchAccountKeys", value: { accounts: [randomBytes(31)] } })).toBe(ErrorCode.MALFORMED);
});
