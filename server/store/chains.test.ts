import { randomBytes } from "node:crypto";
import { create, toBinary } from "@bufbuild/protobuf";
import { conversationId, idBytes, limits, linkHash } from "@fastchat/protocol";
import {
  type AccountState,
  applyAccountLinks,
  buildAddDevice,
  buildSignOut,
  type ConversationState,
  type NewDevice,
  newDeviceId,
  stateHash,
} from "@fastchat/protocol/chain";
import { toHex } from "@fastchat/protocol/seal";
import { AccountAttachmentsSchema, type SignedLink } from "@fastchat/protocol/wire/account";
import { LinkEntrySchema } from "@fastchat/protocol/wire/conversation";
import { afterAll, beforeAll, expect, test } from "vitest";
import { first, grow, openGroup, signUp as cheaply } from "../../protocol/chain/test-people.ts";
import { makePerson, stateOf, take, type TestPerson } from "../test-client.ts";
import { appendAccountLink, createAccount } from "./accounts.ts";
import { appendLink } from "./append-link.ts";
import { applyInSlices, ChainStates } from "./chains.ts";
import type { Database } from "./database.ts";
import { type OpenTestDatabase, TestDatabase } from "./test-database.ts";

let opened: OpenTestDatabase;
let database: Database;
beforeAll(async () => {
  opened = await TestDatabase.open();
  ({ database } = opened);
});
afterAll(() => opened?.[Symbol.asyncDispose]());

/** Devices that come and go. */
function longer(person: TestPerson, count: number): SignedLink[] {
  const links = [...person.links];
  let state = person.state;
  let came: NewDevice | undefined;
  while (links.length < count) {
    const { identitySeed } = person;
    const device = { signingSeed: randomBytes(32), sealingKeyHash: randomBytes(32), nonce: randomBytes(32) };
    const link =
      came === undefined
        ? buildAddDevice(state, { identitySeed, device, sealedHash: randomBytes(32) })
        : buildSignOut(state, { device: newDeviceId(came), signingSeed: came.signingSeed });
    came = came === undefined ? device : undefined;
    links.push(link);
    const result = applyAccountLinks(state, [link]);
    if (result.kind !== "valid") throw new Error(`the test's own link is ${result.kind}`);
    ({ state } = result);
  }
  return links;
}

test("[W5] a long chain is verified in slices, others' requests in between, and the verdict is the same", async () => {
  const { person } = await makePerson("lena");
  const links = longer(person, 50);
  const whole = applyAccountLinks(undefined, links);
  let pauses = 0;
  const pause = async () => {
    pauses += 1;
  };
  expect(await applyInSlices(undefined, links, pause)).toEqual(whole);
  expect(pauses).toBe(3);
  expect(await applyInSlices(person.state, links.slice(1), pause)).toEqual(whole);
  const broken = links.with(40, { ...links[40]!, signature: randomBytes(64) });
  expect(await applyInSlices(undefined, broken, pause)).toEqual(applyAccountLinks(undefined, broken));
  expect(await applyInSlices(undefined, [], pause)).toEqual(applyAccountLinks(undefined, []));
});

test("[W5] who asks for the same chain while it is verified waits for the same answer", async () => {
  const { person, link, attachments } = await makePerson("mara");
  const record = { signInRecord: randomBytes(192), setup: "one", invitation: undefined, now: Date.now() };
  await createAccount(database, { state: person.state, link, attachments, ...record });
  const chains = new ChainStates(database);
  const [one, other] = await Promise.all([chains.account(person.account), chains.account(person.account)]);
  expect(one?.account).toBe(person.account);
  expect(other).toBe(one);
});

/** Signed up here, with this many links more that the server took one after the other. */
async function settle(name: string, more: number): Promise<TestPerson> {
  const { person, link, attachments } = await makePerson(name);
  const record = { signInRecord: randomBytes(192), setup: "one", invitation: undefined, now: Date.now() };
  await createAccount(database, { state: person.state, link, attachments, ...record });
  if (more > 0) await growTo(person, 1 + more);
  return person;
}

async function growTo(person: TestPerson, count: number): Promise<void> {
  const nothing = create(AccountAttachmentsSchema, { deviceSealingKey: randomBytes(1_216) });
  const vault = { revision: 0, entries: [] };
  for (const link of longer(person, count).slice(person.links.length)) {
    const before = person.state;
    take(person, link);
    await appendAccountLink(database, { before, state: person.state, link, attachments: nothing, vault, now: Date.now() });
  }
}

const headAt = ({ account, state }: TestPerson, index: number) => ({ account, index, hash: state.hashes[index - 1]! });

/** What tells two states of an account apart. */
const accountShape = ({ account, head, hashes, devices }: AccountState) => ({
  account,
  head,
  hashes,
  devices: [...devices.values()].map(({ device, status }) => [device, status]),
});

test("[C1] the heads that a link names are known at whatever place of their chains they stand, and none that no chain had", async () => {
  const [nina, olaf, pia] = [await settle("nina", 0), await settle("olaf", 5), await settle("pia", 40)];
  const chains = new ChainStates(database);
  const shapes = async (...heads: ReturnType<typeof headAt>[]) => {
    const verified = await chains.knownHeads(heads);
    return verified && Array.from(verified, ([hash, state]) => [hash, accountShape(state)]);
  };
  const shapeAt = (person: TestPerson, index: number) => [headAt(person, index).hash, accountShape(stateOf(person.links.slice(0, index)))];
  expect(await shapes(headAt(nina, 1), headAt(olaf, 3), headAt(pia, 41))).toEqual([shapeAt(nina, 1), shapeAt(olaf, 3), shapeAt(pia, 41)]);
  // From the remembered state on, before it, and at it.
  await growTo(olaf, 8);
  for (const index of [8, 2, 3]) expect(await shapes(headAt(olaf, index))).toEqual([shapeAt(olaf, index)]);
  expect((await chains.account(olaf.account))?.head).toEqual(olaf.state.head);
  expect(await shapes()).toEqual([]);
  for (const wrong of [headAt(nina, 1).hash, linkHash(randomBytes(32))]) {
    expect(await shapes(headAt(pia, 7), { ...headAt(olaf, 2), hash: wrong })).toBe(undefined);
  }
  expect(await shapes({ ...headAt(pia, 7), index: limits.largestNumber })).toBe(undefined);
});

test("[C3] a long conversation chain is the same from its beginning as from any state that is remembered, and is built once for many", async () => {
  const alice = cheaply("alice-of-long");
  const bob = cheaply("bob-of-long");
  let { state, entry } = openGroup([alice, bob]);
  const { conversation } = state;
  const device = first(alice).device;
  await database.query
    .insertInto("device")
    .values({
      device: idBytes(device),
      account: idBytes(alice.account),
      signing_key: randomBytes(32),
      sealing_key: randomBytes(1_216),
      added: 1,
      ended: null,
    })
    .execute();
  const store = async (before: ConversationState | undefined) => {
    const append = {
      conversation,
      account: alice.account,
      device,
      entry: toBinary(LinkEntrySchema, entry),
      sealedKeys: [],
      heads: [],
      isAuthors: true,
    };
    const stored = await appendLink(database, { ...append, before, state, now: Date.now() });
    expect(stored).toMatchObject({ kind: "appended", sequence: state.head.index });
  };
  await store(undefined);
  const built = async (chains: ChainStates) => toHex(stateHash((await chains.conversation(conversation))!));
  const chains = new ChainStates(database);
  expect(await built(chains)).toBe(toHex(stateHash(state)));
  const write = async (links: number) => {
    for (let count = 1; count <= links; count++) {
      const before = state;
      ({ state, entry } = grow(before, { by: alice, change: { case: "policy", value: { policy: { retentionSeconds: count } } } }));
      await store(before);
    }
  };
  await write(3);
  expect(await built(chains)).toBe(toHex(stateHash(state)));
  await write(150);
  expect(await built(chains)).toBe(toHex(stateHash(state)));
  const fresh = new ChainStates(database);
  const [one, other] = await Promise.all([fresh.conversation(conversation), fresh.conversation(conversation)]);
  expect(one?.head).toEqual(state.head);
  expect(other).toBe(one);
  expect(await built(fresh)).toBe(toHex(stateHash(state)));
  expect(await fresh.conversation(conversationId(randomBytes(32)))).toBe(undefined);
});
