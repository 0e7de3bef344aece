import { randomBytes } from "node:crypto";
import { ErrorCode, idBytes, limits } from "@fastchat/protocol";
import { additionsOf, type ConversationChange, groupCreate, messageAllowed, removalOf, rolesOf } from "@fastchat/protocol/chain";
import { sealedProfileHash, toHex } from "@fastchat/protocol/seal";
import { Who } from "@fastchat/protocol/wire/conversation";
import { afterAll, beforeAll, expect, test } from "vitest";
import { forgeLink } from "../../protocol/chain/test-people.ts";
import { addDevice, buildRevocation, codeOf, signUp, stateOf, take, type TestDevice, type TestPerson, TestSocket } from "../test-client.ts";
import { type LinkOptions, type MadeLink, TestGroup } from "../test-group.ts";
import { TestInstallation } from "../test-installation.ts";

let installation: TestInstallation;
let gateway: string;
let alice: TestPerson;
let bob: TestPerson;
let carol: TestPerson;
let dave: TestPerson;
let eve: TestPerson;
let frank: TestPerson;

beforeAll(async () => {
  installation = await TestInstallation.start({ servers: 2 });
  gateway = installation.gateway.url;
  [alice, bob, carol, dave, eve, frank] = await Promise.all([
    signUp(gateway, "alice"),
    signUp(gateway, "bob"),
    signUp(gateway, "carol"),
    signUp(gateway, "dave"),
    signUp(gateway, "eve"),
    signUp(gateway, "frank"),
  ]);
});
afterAll(() => installation?.[Symbol.asyncDispose]());

const welcome = (person: TestPerson, device: TestDevice = person.devices[0]!) => TestSocket.welcome(gateway, device);

async function headOf(group: TestGroup): Promise<number> {
  const found = await installation.database.query
    .selectFrom("conversation")
    .select("head")
    .where("conversation", "=", idBytes(group.id))
    .executeTakeFirst();
  return found?.head ?? 0;
}

/** What somebody's modified client makes of an admin's link: the same, signed in his own name. */
function inTheNameOf(person: TestPerson, made: MadeLink): MadeLink {
  const entry = forgeLink(made.entry, person.devices[0]!.signingSeed, (body) => {
    body.account = idBytes(person.account);
    body.device = idBytes(person.devices[0]!.device);
  });
  return { ...made, entry: { ...entry, profile: made.entry.profile } };
}

interface Deed {
  readonly change: () => ConversationChange;
  readonly options?: () => LinkOptions;
  /** Whether a member may, by default, and where the policy lets members add and change the profile. */
  readonly member: readonly [byDefault: boolean, byPolicy: boolean];
}

const profile = randomBytes(60);
const never = [false, false] as const;
const always = [true, true] as const;
const byPolicy = [false, true] as const;
const deeds: Readonly<Record<string, Deed>> = {
  "add a member": { change: () => additionsOf(new Map([[frank.account, "member"]])), member: byPolicy },
  "add an admin": { change: () => additionsOf(new Map([[frank.account, "admin"]])), member: never },
  remove: { change: () => removalOf([carol.account]), member: never },
  promote: { change: () => rolesOf(new Map([[bob.account, "admin"]])), member: never },
  demote: { change: () => rolesOf(new Map([[alice.account, "member"]])), member: never },
  "set the policy": { change: () => ({ case: "policy", value: { policy: { mayAdd: Who.MEMBERS } } }), member: never },
  "set the profile": {
    change: () => ({ case: "profile", value: { profileHash: sealedProfileHash(profile) } }),
    options: () => ({ profile }),
    member: byPolicy,
  },
  rekey: { change: () => ({ case: "rekey", value: { reason: "again" } }), member: always },
  "write heads": { change: () => ({ case: "headsOnly", value: {} }), member: always },
  leave: { change: () => ({ case: "leave", value: {} }), member: always },
};

for (const [name, { change, options, member }] of Object.entries(deeds)) {
  test(`[C2] [C3] who may ${name}: every role is answered by the rules of the chain, whatever his client builds`, async () => {
    for (const [open, memberMay] of member.entries()) {
      const policy = open === 0 ? {} : { mayAdd: Who.MEMBERS, mayChangeProfile: Who.MEMBERS };
      const codes: Record<string, number> = {};
      for (const [role, person] of Object.entries({ stranger: eve, former: dave, member: bob, admin: alice })) {
        await using a = await welcome(alice);
        await using socket = await welcome(person);
        const group = new TestGroup(alice, bob, carol, dave);
        await group.create(a, policy);
        await group.remove(a, alice, dave);
        group.people.push(frank);
        // So that there is a head to write.
        if (name === "write heads") await addDevice(gateway, carol);
        const made = await group.link(alice, change(), options?.());
        const before = await headOf(group);
        codes[role] = await codeOf(socket.ask(group.request(person === alice ? made : inTheNameOf(person, made)), "appended"));
        expect(await headOf(group)).toBe(before + (codes[role] === 0 ? 1 : 0));
      }
      expect(codes).toEqual({
        stranger: ErrorCode.NOT_FOUND,
        former: ErrorCode.NOT_FOUND,
        member: memberMay ? 0 : ErrorCode.LINK_INVALID,
        admin: 0,
      });
    }
  });
}

const refusals = {
  "not-a-member": ErrorCode.NOT_FOUND,
  closed: ErrorCode.ACCOUNT_CLOSED,
  "device-unknown": ErrorCode.STALE_HEAD,
  "device-ended": ErrorCode.DEVICE_REVOKED,
  "may-not-write": ErrorCode.FORBIDDEN,
  "turn-due": ErrorCode.STALE_EPOCH,
  "stale-epoch": ErrorCode.STALE_EPOCH,
  "unknown-epoch": ErrorCode.STALE_EPOCH,
} as const;

test("[S3] every role and device, in every state of a group: the statement that appends judges as the chain does", async () => {
  const late = await addDevice(gateway, bob);
  const everyone: Record<string, readonly [TestPerson, TestDevice]> = {
    admin: [alice, alice.devices[0]!],
    member: [bob, bob.devices[0]!],
    "member's new device": [bob, late],
    former: [dave, dave.devices[0]!],
    stranger: [eve, eve.devices[0]!],
  };
  const sockets = new Map<string, TestSocket>();
  await using stack = new AsyncDisposableStack();
  for (const [who, [person, device]] of Object.entries(everyone)) sockets.set(who, stack.use(await welcome(person, device)));
  const a = sockets.get("admin")!;
  // Bob's new device is not known to who makes the group.
  const links = bob.links.slice(0, 1);
  const older = { ...bob, links, state: stateOf(links) };
  const group = new TestGroup(alice, older, carol, dave);
  const seen = new Set<string>();
  const judge = async (state: string) => {
    for (const [who, [person, device]] of Object.entries(everyone)) {
      for (let epoch = 1; epoch <= group.state!.epochs.length + 1; epoch++) {
        const verdict = messageAllowed(group.state!, { account: person.account, device: device.device, epoch });
        const expected = verdict.kind === "allowed" ? 0 : refusals[verdict.reason];
        const message = await group.message(state, person, { device, epoch: Math.min(epoch, group.state!.epochs.length) });
        const code = await codeOf(sockets.get(who)!.ask(group.send({ ...message, epoch }, true), "sent"));
        expect([state, who, epoch, code]).toEqual([state, who, epoch, expected]);
        seen.add(verdict.kind === "allowed" ? "allowed" : verdict.reason);
      }
    }
  };
  await group.create(a);
  await group.remove(a, alice, dave);
  await judge("a fresh epoch after a removal");
  await group.add(a, alice, frank);
  await judge("a derived epoch");
  const announce = (mayWrite: Who) => ({ case: "policy", value: { policy: { mayWrite } } }) as const;
  await group.write(a, alice, announce(Who.ADMINS));
  await judge("only admins write");
  await group.write(a, alice, rolesOf(new Map([[bob.account, "admin"]])));
  await judge("a member became admin");
  await group.write(a, alice, rolesOf(new Map([[bob.account, "member"]])));
  await judge("and none again");
  await group.write(a, alice, announce(Who.MEMBERS));
  await judge("everybody writes again");
  await using c = await welcome(carol);
  await group.write(c, carol, { case: "leave", value: {} });
  await judge("a turn is due");
  await group.write(a, alice, { case: "rekey", value: { reason: "somebody left" } });
  await judge("the turn was taken");
  expect(seen).toEqual(new Set(["allowed", "not-a-member", "device-unknown", "may-not-write", "turn-due", "stale-epoch", "unknown-epoch"]));
});

test("[S3] whoever is out of step: a device that a recorded head ended, and an epoch that no column can hold", async () => {
  const gina = await signUp(gateway, "gina");
  const stolen = await addDevice(gateway, gina);
  await using g = await welcome(gina);
  await using s = await welcome(gina, stolen);
  await using a = await welcome(alice);
  const group = new TestGroup(alice, gina);
  await group.create(a);
  await s.ask(group.send(await group.message("before", gina, { device: stolen })), "sent");
  const message = await group.message("huge", alice);
  // It fails alone, not the batch that it is in.
  const requests = [
    ...a.say(group.send({ ...message, epoch: limits.largestNumber })),
    ...g.say(group.send(await group.message("fine", gina))),
  ];
  await expect(a.answer(requests[0]!, "sent")).rejects.toMatchObject({ code: ErrorCode.STALE_EPOCH });
  await g.answer(requests[1]!, "sent");
  const { link, attachments } = await buildRevocation(gina, stolen);
  await g.ask({ case: "appendAccountLink", value: { link, attachments, vault: [], vaultRevision: 0 } }, "appended");
  take(gina, link);
  expect(await s.closed()).toBe(4_000 + ErrorCode.DEVICE_REVOKED);
  // The revocation makes a turn due as soon as somebody records it.
  await group.write(a, alice, { case: "headsOnly", value: {} });
  expect(messageAllowed(group.state!, { account: gina.account, device: stolen.device, epoch: 1 })).toMatchObject({
    reason: "device-ended",
  });
  expect(await codeOf(a.ask(group.send(await group.message("sealed to the thief", alice), true), "sent"))).toBe(ErrorCode.STALE_EPOCH);
});

test("[C3] the create of a group is answered again as the first time, however the chain went on", async () => {
  await using a = await welcome(alice);
  await using b = await welcome(bob);
  const group = new TestGroup(alice, bob);
  const members = new Map([alice, bob].map(({ account }) => [account, "admin"] as const));
  const made = await group.link(alice, groupCreate(members, randomBytes(32)));
  const asked = { case: "appendLink", value: { conversation: new Uint8Array(0), entry: made.entry, sealedKeys: made.sealedKeys } } as const;
  const first = await a.ask(asked, "appended");
  group.taken(made);
  expect(await a.ask(asked, "appended")).toEqual(first);
  expect(await a.ask({ case: "appendLink", value: { ...asked.value, conversation: idBytes(group.id) } }, "appended")).toEqual(first);
  await group.write(b, bob, { case: "rekey", value: { reason: "again" } });
  expect(await a.ask(asked, "appended")).toEqual(first);
  await group.remove(b, bob, alice);
  expect(await a.ask(asked, "appended")).toEqual(first);
  expect(await headOf(group)).toBe(3);
});

test("a change replayed in another conversation of the same people is refused there", async () => {
  await using a = await welcome(alice);
  const [one, other] = [new TestGroup(alice, bob), new TestGroup(alice, bob)];
  await one.create(a);
  await other.create(a);
  const made = await one.link(alice, { case: "rekey", value: { reason: "here" } });
  expect(await a.refusal(other.request(made))).toBe(ErrorCode.STALE_HEAD);
  await a.ask(one.request(made), "appended");
});

test("[C8] a link that names a profile brings it along, of that hash and not too large; another link brings none", async () => {
  await using a = await welcome(alice);
  const group = new TestGroup(alice, bob);
  const named = (bytes: Uint8Array) => ({ case: "profile", value: { profileHash: sealedProfileHash(bytes) } }) as const;
  const attempt = async (change: ConversationChange, options: LinkOptions, beside: Uint8Array) => {
    const made = await group.link(alice, change, options);
    return a.ask(group.request({ ...made, entry: { ...made.entry, profile: beside } }), "appended").then(
      () => group.taken(made),
      (error: Error) => error.message,
    );
  };
  const [first, second, third] = [randomBytes(900), randomBytes(900), randomBytes(limits.profileBytes)];
  const members = new Map([alice, bob].map(({ account }) => [account, "admin"] as const));
  const create_ = groupCreate(members, randomBytes(32));
  expect(await attempt(create_, { profile: first }, new Uint8Array(0))).toMatch(/profile .* missing/);
  expect(await attempt(create_, { profile: first }, second)).toMatch(/profile .* another/);
  expect(await attempt(create_, {}, first)).toMatch(/profile .* names none/);
  expect(await attempt(create_, { profile: first }, first)).toBe(undefined);
  // Whoever opens an epoch seals the newest profile into it.
  const rekey = { case: "rekey", value: { reason: "again" } } as const;
  expect(await attempt(rekey, { profile: second }, first)).toMatch(/profile .* another/);
  expect(await attempt(rekey, { profile: second }, second)).toBe(undefined);
  const large = randomBytes(limits.profileBytes + 1);
  expect(await attempt(named(large), { profile: large }, large)).toMatch(/profile .* too large/);
  expect(await attempt(named(third), { profile: third }, new Uint8Array(0))).toMatch(/profile .* missing/);
  expect(await attempt(named(third), { profile: third }, third)).toBe(undefined);
  expect(await attempt(rolesOf(new Map([[bob.account, "admin"]])), {}, third)).toMatch(/profile .* names none/);
  await using b = await welcome(bob);
  const { entries } = await b.ask({ case: "fetchLinks", value: { conversation: idBytes(group.id), after: 0 } }, "entries");
  const profiles = entries.map(({ body }) => (body.case === "link" ? toHex(body.value.profile) : ""));
  expect(profiles).toEqual([first, second, third].map(toHex));
});

test("a head tells who brought one in, and what is new since the cursor", async () => {
  const [hal, ida] = [await signUp(gateway, "hal"), await signUp(gateway, "ida")];
  await using a = await welcome(alice);
  await using b = await welcome(bob);
  await using i = await welcome(ida);
  const group = new TestGroup(alice, bob, hal);
  await group.create(a);
  await group.write(a, alice, rolesOf(new Map([[bob.account, "admin"]])));
  await group.add(b, bob, ida);
  await using h = await welcome(hal);
  const heads = async (socket: TestSocket, sequence = 0) => {
    const cursors = sequence === 0 ? [] : [{ conversation: idBytes(group.id), sequence }];
    const answer = await socket.ask({ case: "catchUp", value: { cursors } }, "heads");
    return answer.heads.map((head) => [toHex(head.by), head.sequence, head.ended, head.joinRequests]);
  };
  expect(await heads(i)).toEqual([[bob.account, 3, 0, 0]]);
  expect(await heads(h)).toEqual([[alice.account, 3, 0, 0]]);
  expect(await heads(h, 3)).toEqual([]);
  expect(await heads(h, 2)).toHaveLength(1);
  // Who was removed hears of it, until he has read as far as he may; who comes back was brought by who brings him back.
  await group.remove(a, alice, hal);
  expect(await heads(h, 3)).toEqual([[alice.account, 4, 4, 0]]);
  expect(await heads(h, 4)).toEqual([]);
  await group.add(b, bob, hal);
  expect(await heads(h, 4)).toEqual([[bob.account, 5, 0, 0]]);
});
