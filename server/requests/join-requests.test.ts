import { randomBytes } from "node:crypto";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { ErrorCode, idBytes, limits } from "@fastchat/protocol";
import { additionOf, buildJoinRequest, type ConversationChange, policyOf } from "@fastchat/protocol/chain";
import { publicKeyOf, toHex } from "@fastchat/protocol/seal";
import { type JoinRequest, JoinRequestSchema, PolicySchema, Who } from "@fastchat/protocol/wire/conversation";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { addDevice, buildRevocation, codeOf, signUp, take, type TestDevice, type TestPerson, TestSocket } from "../test-client.ts";
import { TestGroup } from "../test-group.ts";
import { TestInstallation } from "../test-installation.ts";

let installation: TestInstallation;
let gateway: string;
let alice: TestPerson;
let bob: TestPerson;
let carol: TestPerson;

beforeAll(async () => {
  installation = await TestInstallation.start({ servers: 2 });
  gateway = installation.gateway.url;
  [alice, bob, carol] = [await signUp(gateway, "alice"), await signUp(gateway, "bob"), await signUp(gateway, "carol")];
});
afterAll(() => installation?.[Symbol.asyncDispose]());

/** New in each test; alice and carol are admins, bob is a member. */
let group: TestGroup;
let seed: Uint8Array;
beforeEach(() => {
  group = new TestGroup(alice, bob, carol);
  seed = randomBytes(32);
});

const today = () => Math.floor(Date.now() / 86_400_000);
const at = (person: TestPerson, server: "chat-1" | "chat-2", device: TestDevice = person.devices[0]!) =>
  TestSocket.welcome(gateway, device, [server === "chat-1" ? "chat-2" : "chat-1"]);
const id = () => idBytes(group.id);

/** The policy that there is, with these changes. */
const policy = (changes: { publicName?: string; mayAdd?: Who }, invitations: Parameters<typeof policyOf>[1] = []): ConversationChange => ({
  case: "policy",
  value: { policy: Object.assign(create(PolicySchema, policyOf(group.state!.policy, invitations)), changes) },
});
const invite = (terms: { uses?: number; lastDay?: number; revoked?: boolean } = {}) =>
  policy({}, [{ publicKey: publicKeyOf(seed), uses: 5, lastDay: today(), ...terms }]);

async function open(a: TestSocket): Promise<void> {
  await group.create(a);
  await group.write(a, alice, { case: "role", value: { members: [{ account: idBytes(carol.account), role: 2 }] } });
}

const requestOf = (person: TestPerson, device = person.devices[0]!) => buildJoinRequest(group.id, { chain: person.state, ...device }, seed);
const ask = (request: JoinRequest) => ({ case: "requestJoin", value: { request } }) as const;
const waiting = async (socket: TestSocket, limit = 0) => {
  const answer = await socket.ask({ case: "fetchJoinRequests", value: { conversation: id(), limit } }, "joinRequests");
  return { total: answer.total, accounts: answer.requests.map(({ request }) => toHex(request!.head!.account)) };
};
const joinAsked = (socket: TestSocket) => socket.frames.filter(({ body }) => body.case === "joinAsked").length;

test("[C7] a request waits, is told to every admin on every server and to nobody else, and is gone when the account is added", async () => {
  const dave = await signUp(gateway, "dave");
  await using a = await at(alice, "chat-1");
  await using b = await at(bob, "chat-1");
  await using c = await at(carol, "chat-2");
  await using d = await at(dave, "chat-1");
  await open(a);
  await group.write(a, alice, invite());
  await c.until(() => c.live(group.id).includes(3));
  const request = await requestOf(dave);
  expect((await d.ask(ask(request), "joinRequested")).member).toBe(false);
  for (const socket of [a, c]) {
    const { body } = await socket.until((frame) => frame.body.case === "joinAsked");
    expect(body.case === "joinAsked" && toHex(body.value.conversation)).toBe(group.id);
  }
  await b.ask({ case: "ping", value: {} }, "pong");
  expect([joinAsked(b), joinAsked(d)]).toEqual([0, 0]);
  // Every admin sees how many wait, also with nothing else new; a member does not.
  const heads = async (socket: TestSocket) =>
    (await socket.ask({ case: "catchUp", value: { cursors: [{ conversation: id(), sequence: 3 }] } }, "heads")).heads
      .filter((head) => toHex(head.conversation) === group.id)
      .map((head) => head.joinRequests);
  expect([await heads(a), await heads(c), await heads(b), await heads(d)]).toEqual([[1], [1], [], []]);
  const { requests, total } = await c.ask({ case: "fetchJoinRequests", value: { conversation: id(), limit: 5 } }, "joinRequests");
  expect(total).toBe(1);
  expect(toBinary(JoinRequestSchema, requests[0]!.request!)).toEqual(toBinary(JoinRequestSchema, request));

  group.people.push(dave);
  await group.write(c, carol, { case: "add", value: { additions: [additionOf(requests[0]!.request!)] } });
  expect(group.state!.members.has(dave.account)).toBe(true);
  expect(await waiting(a)).toEqual({ total: 0, accounts: [] });
  expect(await heads(a)).toEqual([0]);
  await d.until(() => d.live(group.id).includes(4));
  expect((await d.ask(ask(request), "joinRequested")).member).toBe(true);
  expect(await waiting(a)).toEqual({ total: 0, accounts: [] });
});

test("[C7] an invitation is announced, not revoked, not used up, of today or later, and both signatures are good", async () => {
  const [eve, fay] = [await signUp(gateway, "eve"), await signUp(gateway, "fay")];
  await using a = await at(alice, "chat-1");
  await using e = await at(eve, "chat-2");
  await using f = await at(fay, "chat-2");
  await open(a);
  const code = async (request: JoinRequest) => codeOf(e.ask(ask(request), "joinRequested"));
  const invalid = ErrorCode.INVITATION_INVALID;
  // Not announced; of a group that is not there; of another group.
  expect(await code(await requestOf(eve))).toBe(invalid);
  const nowhere = randomBytes(32);
  expect(await code({ ...(await requestOf(eve)), conversation: nowhere })).toBe(invalid);
  await group.write(a, alice, invite({ lastDay: today() - 1 }));
  expect(await code(await requestOf(eve))).toBe(invalid);
  seed = randomBytes(32);
  await group.write(a, alice, invite({ uses: 1 }));
  const good = await requestOf(eve);
  expect(await code({ ...good, deviceSignature: randomBytes(64) })).toBe(invalid);
  expect(await code({ ...good, invitationSignature: randomBytes(64) })).toBe(invalid);
  expect(await code({ ...good, head: { ...good.head!, hash: randomBytes(32) } })).toBe(invalid);
  expect(await code({ ...good, head: { ...good.head!, index: 9 } })).toBe(invalid);
  // Of the right form and the asker's own, or not even looked at.
  expect(await code({ ...good, device: idBytes(fay.devices[0]!.device) })).toBe(ErrorCode.FORBIDDEN);
  expect(await code({ ...good, deviceSignature: new Uint8Array(0) })).toBe(ErrorCode.MALFORMED);
  expect(await code({ ...good, invitationSignature: new Uint8Array(0) })).toBe(ErrorCode.MALFORMED);
  expect(await code({ ...good, invitation: randomBytes(31) })).toBe(ErrorCode.MALFORMED);
  expect(await code({ ...good, conversation: randomBytes(31) })).toBe(ErrorCode.MALFORMED);
  expect(await e.refusal(ask(await requestOf(fay)))).toBe(ErrorCode.FORBIDDEN);
  expect(await e.refusal({ case: "requestJoin", value: {} })).toBe(ErrorCode.MALFORMED);
  expect(await waiting(a)).toEqual({ total: 0, accounts: [] });
  expect(await code(good)).toBe(0);
  // Its one use is spent on somebody else.
  await f.ask(ask(await requestOf(fay)), "joinRequested");
  group.people.push(fay);
  await group.write(a, alice, { case: "add", value: { additions: [additionOf(await requestOf(fay))] } });
  expect(await code(good)).toBe(invalid);
  seed = randomBytes(32);
  await group.write(a, alice, invite());
  expect(await code(await requestOf(eve))).toBe(0);
  await group.write(a, alice, invite({ revoked: true }));
  expect(await code(await requestOf(eve))).toBe(invalid);
  // Who was removed needs more than an invitation.
  seed = randomBytes(32);
  await group.write(a, alice, invite());
  await group.remove(a, alice, fay);
  await f.until(() => f.frames.some(({ body }) => body.case === "entries" && body.value.entries.length > 0));
  expect(await f.refusal(ask(await requestOf(fay)))).toBe(invalid);
  expect((await waiting(a)).accounts).toEqual([eve.account]);
});

test("[C7] the account is asked for by a device that is active, at a head at which it was", async () => {
  const gina = await signUp(gateway, "gina");
  const stolen = await addDevice(gateway, gina);
  await using a = await at(alice, "chat-1");
  await using g = await at(gina, "chat-1");
  await using s = await at(gina, "chat-1", stolen);
  await open(a);
  await group.write(a, alice, invite());
  const request = await requestOf(gina, stolen);
  const early = { ...gina.state, head: { index: 1, hash: gina.state.hashes[0]! } };
  const before = await buildJoinRequest(group.id, { chain: early, ...stolen }, seed);
  expect(await s.refusal(ask(before))).toBe(ErrorCode.INVITATION_INVALID);
  expect((await s.ask(ask(request), "joinRequested")).member).toBe(false);
  const { link, attachments } = await buildRevocation(gina, stolen);
  await g.ask({ case: "appendAccountLink", value: { link, attachments, vault: [], vaultRevision: 0 } }, "appended");
  take(gina, link);
  expect(await s.closed()).toBe(4_000 + ErrorCode.DEVICE_REVOKED);
  // An older head of a device that is still active is good enough.
  const older = await buildJoinRequest(group.id, { chain: early, ...gina.devices[0]! }, seed);
  await g.ask(ask(older), "joinRequested");
  expect((await waiting(a)).total).toBe(1);
});

test("[C7] without an invitation one asks a group with a public name, and of any other learns nothing", async () => {
  const hal = await signUp(gateway, "hal");
  await using a = await at(alice, "chat-1");
  await using h = await at(hal, "chat-2");
  await open(a);
  const plain = () => buildJoinRequest(group.id, { chain: hal.state, ...hal.devices[0]! });
  const code = async (request: JoinRequest) => codeOf(h.ask(ask(request), "joinRequested"));
  expect(await code(await plain())).toBe(ErrorCode.NOT_FOUND);
  expect(await code({ ...(await plain()), conversation: randomBytes(32) })).toBe(ErrorCode.NOT_FOUND);
  await group.write(a, alice, policy({ publicName: "open-to-all" }));
  expect(await code({ ...(await plain()), deviceSignature: randomBytes(64) })).toBe(ErrorCode.NOT_FOUND);
  expect(await code({ ...(await plain()), invitationSignature: randomBytes(64) })).toBe(ErrorCode.MALFORMED);
  expect(await code(await plain())).toBe(0);
  expect((await waiting(a)).accounts).toEqual([hal.account]);
  await group.add(a, alice, hal);
  await group.remove(a, alice, hal);
  expect(await code(await plain())).toBe(ErrorCode.NOT_FOUND);
  await group.write(a, alice, policy({ publicName: "" }));
  const ida = await signUp(gateway, "ida");
  await using i = await at(ida, "chat-1");
  expect(await i.refusal(ask(await buildJoinRequest(group.id, { chain: ida.state, ...ida.devices[0]! })))).toBe(ErrorCode.NOT_FOUND);
});

test("[C7] who may add is told and may look: the admins, or every member where the policy says so; only admins turn down", async () => {
  const [jan, kim, lea] = [await signUp(gateway, "jan"), await signUp(gateway, "kim"), await signUp(gateway, "lea")];
  await using a = await at(alice, "chat-1");
  await using b = await at(bob, "chat-2");
  await open(a);
  await group.write(a, alice, invite());
  for (const person of [jan, kim, lea]) {
    await using socket = await at(person, "chat-1");
    await socket.ask(ask(await requestOf(person)), "joinRequested");
  }
  expect(await waiting(a)).toEqual({ total: 3, accounts: [jan, kim, lea].map(({ account }) => account) });
  expect(await waiting(a, 2)).toEqual({ total: 3, accounts: [jan, kim].map(({ account }) => account) });
  const fetch = { case: "fetchJoinRequests", value: { conversation: id(), limit: 0 } } as const;
  const drop = (person: TestPerson) =>
    ({ case: "dropJoinRequest", value: { conversation: id(), account: idBytes(person.account) } }) as const;
  expect([await b.refusal(fetch), await b.refusal(drop(jan))]).toEqual([ErrorCode.FORBIDDEN, ErrorCode.FORBIDDEN]);
  await group.write(a, alice, policy({ mayAdd: Who.MEMBERS }));
  expect((await waiting(b)).total).toBe(3);
  expect(await b.refusal(drop(jan))).toBe(ErrorCode.FORBIDDEN);
  // Asking again takes the place of the older request, and the last one.
  await using j = await at(jan, "chat-2");
  await j.ask(ask(await requestOf(jan)), "joinRequested");
  await b.until(({ body }) => body.case === "joinAsked");
  expect((await waiting(a)).accounts).toEqual([kim, lea, jan].map(({ account }) => account));
  await a.ask(drop(kim), "joinRequestDropped");
  await j.ask(drop(jan), "joinRequestDropped");
  expect(await j.refusal(drop(lea))).toBe(ErrorCode.NOT_FOUND);
  await j.ask({ case: "dropJoinRequest", value: { conversation: randomBytes(32), account: idBytes(jan.account) } }, "joinRequestDropped");
  expect(await waiting(a)).toEqual({ total: 1, accounts: [lea.account] });
  // Dropped, not banned.
  await j.ask(ask(await requestOf(jan)), "joinRequested");
  expect((await waiting(a)).total).toBe(2);
});

test("floods of invitations: so many requests wait in a group and no more, and a device asks so often and no more", async () => {
  const [mia, noa] = [await signUp(gateway, "mia"), await signUp(gateway, "noa")];
  await using a = await at(alice, "chat-1");
  await using m = await at(mia, "chat-1");
  await using n = await at(noa, "chat-2");
  await open(a);
  await group.write(a, alice, invite());
  const stored = toBinary(JoinRequestSchema, await requestOf(mia));
  const strangers = Array.from({ length: limits.joinRequestsPerGroup - 1 }, (_, time) => ({
    conversation: id(),
    account: randomBytes(32),
    request: stored,
    invited: true,
    time,
  }));
  await installation.database.query.insertInto("join_request").values(strangers).execute();
  const padded = create(JoinRequestSchema, await requestOf(mia));
  padded.$unknown = [{ no: 900, wireType: 2, data: Buffer.concat([Buffer.from([0x80, 0x08]), randomBytes(1_024)]) }];
  await m.ask(ask(padded), "joinRequested");
  await expect(n.ask(ask(await requestOf(noa)), "joinRequested")).rejects.toMatchObject({
    code: ErrorCode.RATE_LIMITED,
    message: expect.stringMatching(/try again later/) as string,
  });
  // Who waits may ask again, and nothing that this version does not know is kept.
  await m.ask(ask(await requestOf(mia)), "joinRequested");
  await m.ask(ask(padded), "joinRequested");
  const { heads } = await a.ask({ case: "catchUp", value: { cursors: [] } }, "heads");
  expect(heads.find((head) => toHex(head.conversation) === group.id)?.joinRequests).toBe(limits.joinRequestsPerGroup);
  const { total, accounts } = await waiting(a);
  expect([total, accounts.length, accounts.at(-1)]).toEqual([limits.joinRequestsPerGroup, limits.joinRequestsPerGroup, mia.account]);
  const kept = await installation.database.query
    .selectFrom("join_request")
    .select("request")
    .where("account", "=", idBytes(mia.account))
    .executeTakeFirstOrThrow();
  expect(kept.request.length).toBe(stored.length);
  expect(fromBinary(JoinRequestSchema, kept.request).$unknown).toBe(undefined);
  // Those who have no invitation take no place of those who have one, and stand behind them.
  await installation.database.query
    .updateTable("join_request")
    .set({ invited: false })
    .where("account", "!=", idBytes(mia.account))
    .execute();
  await n.ask(ask(await requestOf(noa)), "joinRequested");
  const both = await waiting(a);
  expect([both.total, both.accounts.slice(0, 2)]).toEqual([limits.joinRequestsPerGroup + 1, [mia.account, noa.account]]);
  const codes: number[] = [];
  for (let count = 0; count <= limits.joinRequestsBurst; count++) {
    codes.push(await codeOf(n.ask(ask({ ...(await requestOf(noa)), deviceSignature: randomBytes(64) }), "joinRequested")));
  }
  expect([codes[0], codes.at(-1)]).toEqual([ErrorCode.INVITATION_INVALID, ErrorCode.RATE_LIMITED]);
  // A group that nobody is left in keeps nobody waiting.
  for (const person of [bob, carol, alice]) {
    await using socket = await at(person, "chat-1");
    await group.write(socket, person, { case: "leave", value: {} });
  }
  const rows = await installation.database.query.selectFrom("join_request").select("time").where("conversation", "=", id()).execute();
  expect(rows).toEqual([]);
  expect(await m.refusal(ask(await requestOf(mia)))).toBe(ErrorCode.INVITATION_INVALID);
});
