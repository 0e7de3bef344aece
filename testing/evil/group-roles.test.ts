import type { NoticeKind } from "@fastchat/client";
import { type AccountId, type ConversationId, ErrorCode, idBytes } from "@fastchat/protocol";
import {
  type AccountState,
  additionsOf,
  applyAccountLinks,
  type ConversationState,
  deviceAt,
  policyOf,
  removalOf,
  rolesOf,
} from "@fastchat/protocol/chain";
import { fromHex, generateSigningKey } from "@fastchat/protocol/seal";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { entryKinds } from "../../server/store/entries.ts";
import { toBinary } from "@bufbuild/protobuf";
import { type SealedMessage, SealedMessageSchema } from "@fastchat/protocol/wire/conversation";
import { takeDump } from "../groups/dump.ts";
import { agree, hears, say, textsOf } from "../groups/group-talk.ts";
import { anotherDevice, type Person, person } from "../person.ts";
import { type RawDevice, rawDevice, rawDeviceOf } from "../raw-device.ts";
import { startSystem, type System } from "../system.ts";
import { notices, until } from "./case.ts";
import { asAdmin, ModifiedClient, profileOf, type Wrong } from "./modified-client.ts";
import { startPatchedServer, takesInvalidLinks } from "./patched-server.ts";

const shared = new AsyncDisposableStack();
let system: System;
let cast: Cast;
beforeAll(async () => {
  system = shared.use(await startSystem({ servers: 1 }));
  cast = shared.use(await Cast.assemble(system));
}, 120_000);
afterAll(() => shared.disposeAsync());

/** Whose client was changed. */
const villains = ["admin", "member", "outsider", "former", "revoked", "signed-out"] as const;
type Villain = (typeof villains)[number];

/** Honest clients, and devices that do what they like: an admin's, a member's, somebody's who never was one or is no more, and two that have ended. */
class Cast implements AsyncDisposable {
  readonly alice: Person;
  readonly bob: Person;
  readonly carol: Person;
  /** In no group. */
  readonly dave: AccountId;
  readonly devices: ReadonlyMap<Villain, RawDevice>;
  /** Carol's own client on the device that signs out. */
  readonly out: Person;
  readonly #stack: AsyncDisposableStack;

  private constructor(parts: Pick<Cast, "alice" | "bob" | "carol" | "dave" | "devices" | "out">, stack: AsyncDisposableStack) {
    this.alice = parts.alice;
    this.bob = parts.bob;
    this.carol = parts.carol;
    this.dave = parts.dave;
    this.devices = parts.devices;
    this.out = parts.out;
    this.#stack = stack;
  }

  static async assemble(system: System): Promise<Cast> {
    await using stack = new AsyncDisposableStack();
    const use = async (name: string): Promise<Person> => stack.use(await person(system, name));
    const [alice, bob, carol, dave] = [await use("alice"), await use("bob"), await use("carol"), await use("dave")];
    const raw = async (name: string) => rawDevice(system, name);
    const lost = stack.use(await anotherDevice(system, carol, { profile: "carol-lost" }));
    const out = stack.use(await anotherDevice(system, carol, { profile: "carol-out" }));
    const devices = new Map<Villain, RawDevice>([
      ["admin", await raw("mallory")],
      ["member", await raw("niaj")],
      ["outsider", await raw("rupert")],
      ["former", await raw("sybil")],
      ["revoked", rawDeviceOf(system, await profileOf(lost))],
      ["signed-out", rawDeviceOf(system, await profileOf(out))],
    ]);
    return new Cast({ alice, bob, carol, dave: dave.me.account, devices, out }, stack.move());
  }

  get honest(): Person[] {
    return [this.alice, this.bob, this.carol];
  }

  device(villain: Villain): RawDevice {
    return this.devices.get(villain)!;
  }

  account(villain: Villain): AccountId {
    return this.device(villain).profile.me.account;
  }

  /** A group in which the villains are what they are called, and carol's devices those that she has now. */
  async group(name: string, policy: Parameters<Person["client"]["groups"]["create"]>[0]["policy"] = {}): Promise<ConversationId> {
    const { groups } = this.alice.client;
    const id = await groups.create({ name, members: ["bob", "carol", "niaj", "sybil"], admins: ["mallory"], policy });
    await groups.remove(id, ["sybil"]);
    await groups.invite(id);
    await agree(this.honest, id);
    return id;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

/** Everything that somebody may want to do to a group without the right, by what it would take. */
function wrongs(
  { members, policy, invitations }: ConversationState,
  author: AccountId,
): readonly (readonly [name: string, wrong: Wrong])[] {
  const [alice, bob] = [cast.alice.me.account, cast.bob.me.account];
  const admit = (role: "member" | "admin"): Wrong => ({ change: additionsOf(new Map([[cast.dave, role]])), adds: [cast.dave] });
  const [announced] = invitations.values();
  const { publicKey, uses, lastDay } = announced!;
  const change = (wanted: typeof policy, some: Parameters<typeof policyOf>[1] = []): Wrong => ({
    change: { case: "policy", value: { policy: policyOf(wanted, some) } },
  });
  const promoted = members.has(author) ? author : bob;
  return [
    ["make an invitation", change(policy, [{ publicKey: generateSigningKey().publicKey, uses: 5, lastDay }])],
    ["revoke an invitation", change(policy, [{ publicKey: fromHex(publicKey), uses, lastDay, revoked: true }])],
    ["change the policy", change({ ...policy, mayAdd: "members", joining: "asks" })],
    ["rename", { change: { case: "profile", value: { profileHash: new Uint8Array(32) } }, name: "Renamed" }],
    ["promote", { change: rolesOf(new Map([[promoted, "admin"]])) }],
    ["demote", { change: rolesOf(new Map([[alice, "member"]])) }],
    ["rekey", { change: { case: "rekey", value: { reason: "because" } } }],
    ["add", admit("member")],
    ["remove", { change: removalOf([bob]) }],
    ["add an admin", admit("admin")],
    ["leave and name a successor", { change: { case: "leave", value: { successor: idBytes(bob) } } }],
  ];
}

/** Any member may, whatever the role. */
const everybodyMay = new Set(["rekey"]);

/** The state in which a villain might write it, if only by what this device says of itself. */
const pretending = (villain: Villain, chain: AccountState, name: string) =>
  asAdmin(cast.account(villain), chain, name === "leave and name a successor" ? "members" : "as they are");

/** The account as it was when this device was an active one of it. */
async function chainOf(client: ModifiedClient): Promise<AccountState> {
  const { account, device } = client.profile.me;
  const { links } = await client.account(account);
  for (let count = links.length; count > 0; count--) {
    const result = applyAccountLinks(undefined, links.slice(0, count));
    if (result.kind === "valid" && deviceAt(result.state, device, result.state.head.index) === "active") return result.state;
  }
  throw new Error("never an active device");
}

const stateOf = async (id: ConversationId): Promise<ConversationState> => (await takeDump(system, id)).links.at(-1)!.state;
const headOf = async (id: ConversationId): Promise<string> => (await stateOf(id)).head.hash;

/** She decides by what she has; what a changed client wrote just now may be on its way. */
const aliceKnows = (id: ConversationId): Promise<true> =>
  until(
    cast.alice,
    "the newest link",
    async () => (await cast.alice.client.groups.info(id))?.head.hash === (await headOf(id)) || undefined,
  );

/** Everybody agrees with the server's chain, and the group can be talked in and changed. */
async function goesOn(id: ConversationId, name: string): Promise<void> {
  await cast.alice.client.groups.setProfile(id, { name });
  const view = await agree(cast.honest, id);
  expect(view.head.split(" ")[1]).toBe(await headOf(id));
  expect(view.name).toBe(name);
  for (const who of cast.honest) await say(who, id, `${who.name} in ${name}`);
  for (const who of cast.honest) for (const from of cast.honest) await hears(who, id, `${from.name} in ${name}`);
}

test("[C2] what an admin's changed client writes counts where an admin may, and nowhere else", async () => {
  const id = await cast.group("Admin");
  await using mallory = await ModifiedClient.open(system, cast.device("admin"));
  const { groups } = cast.alice.client;
  const make = async (wrong: Wrong, pretend?: (real: ConversationState) => ConversationState) =>
    mallory.append(id, await mallory.forge(id, wrong, pretend));
  const wrongNow = async (name: string): Promise<Wrong> => new Map(wrongs(await stateOf(id), cast.account("admin"))).get(name)!;
  for (const name of ["make an invitation", "revoke an invitation", "change the policy", "rename", "promote", "rekey", "add"]) {
    expect([name, await make(await wrongNow(name))]).toEqual([name, "appended"]);
  }
  await aliceKnows(id);
  await groups.remove(id, ["dave"]);
  expect(await make(await wrongNow("add an admin"))).toBe("appended");
  expect(await make(await wrongNow("remove"))).toBe("appended");
  await aliceKnows(id);
  await groups.add(id, ["bob"]);
  expect(await make(await wrongNow("demote"))).toBe("appended");
  const successor = "leave and name a successor";
  expect(await make(await wrongNow(successor), pretending("admin", await chainOf(mallory), successor))).toBe(ErrorCode.LINK_INVALID);
  expect(await make({ change: rolesOf(new Map([[cast.alice.me.account, "admin"]])) })).toBe("appended");
  await until(
    cast.alice,
    "that she is an admin again",
    async () => (await cast.alice.client.groups.info(id))?.role === "admin" || undefined,
  );
  await goesOn(id, "after an admin");
});

const refusals = [
  ["a member", "member", ErrorCode.LINK_INVALID],
  ["somebody who never was one", "outsider", ErrorCode.NOT_FOUND],
  ["a removed member", "former", ErrorCode.NOT_FOUND],
] as const;

test.each(refusals)(
  "[C2] [C3] removing or promoting without the right, and every other change, by %s: refused by the server",
  async (_, villain, code) => {
    const id = await cast.group(`No ${villain}`);
    const head = await headOf(id);
    await using client = await ModifiedClient.open(system, cast.device(villain));
    const chain = await chainOf(client);
    const state = await stateOf(id);
    for (const [name, wrong] of wrongs(state, client.profile.me.account)) {
      if (villain === "member" && everybodyMay.has(name)) continue;
      const outcome = await client.append(id, await client.forge(id, wrong, pretending(villain, chain, name)));
      expect([name, outcome]).toEqual([name, code]);
    }
    expect(await headOf(id)).toBe(head);
    await goesOn(id, `after a ${villain}`);
  },
);

test("[C1] [H3] a revoked device that still writes, and one that signed out: refused by the server, also through another's connection", async () => {
  const { carol } = cast;
  const ended = ["revoked", "signed-out"] as const;
  const sockets = new Map<Villain, ModifiedClient>();
  for (const villain of ended) sockets.set(villain, await ModifiedClient.open(system, cast.device(villain)));
  const id = await cast.group("Ended");
  // Both are recorded in it, and write something.
  const chains = new Map<Villain, AccountState>();
  for (const villain of ended) {
    chains.set(villain, await chainOf(sockets.get(villain)!));
    const renews = { change: { case: "rekey", value: { reason: "still active" } } } as const;
    expect(await sockets.get(villain)!.append(id, await sockets.get(villain)!.forge(id, renews))).toBe("appended");
  }
  // Its client erases what it has; the changed one kept it.
  await cast.out.client.signOut();
  await carol.client.revokeDevices(carol.password, [cast.device("revoked").profile.me.device]);
  await until(carol, "both recorded as ended", async () => {
    const recorded = (await stateOf(id)).members.get(carol.me.account)!.chain;
    return ended.every((villain) => recorded.devices.get(cast.device(villain).profile.me.device)?.status.kind === villain) || undefined;
  });
  const head = await headOf(id);
  await using other = await ModifiedClient.open(system, cast.device("member"));
  for (const villain of ended) {
    const own = sockets.get(villain)!;
    expect(await own.socket.closed).toBe(4_000 + ErrorCode.DEVICE_REVOKED);
    await expect(cast.device(villain).ticket()).rejects.toMatchObject({ code: ErrorCode.DEVICE_REVOKED });
    const borrowed = other.speakingFor(cast.device(villain).profile);
    const state = await stateOf(id);
    for (const [name, wrong] of wrongs(state, carol.me.account)) {
      const pretend = asAdmin(carol.me.account, chains.get(villain)!, name === "leave and name a successor" ? "members" : "as they are");
      expect([name, await borrowed.append(id, await borrowed.forge(id, wrong, pretend))]).toEqual([name, ErrorCode.FORBIDDEN]);
    }
  }
  expect(await headOf(id)).toBe(head);
  await goesOn(id, "after two that ended");
});

const announceOnly = [
  ["a member", "member", ErrorCode.FORBIDDEN],
  ["somebody who never was one", "outsider", ErrorCode.NOT_FOUND],
  ["a removed member", "former", ErrorCode.NOT_FOUND],
] as const;

test.each(announceOnly)("[C2] [S3] a message where only admins write, by %s: refused by the server", async (_, villain, code) => {
  const id = await cast.group(`Hear, ${villain}`, { mayWrite: "admins" });
  await using client = await ModifiedClient.open(system, cast.device(villain));
  expect(await client.send(id, await client.message(id, "may I say something?"))).toBe(code);
  await using mallory = await ModifiedClient.open(system, cast.device("admin"));
  expect(await mallory.send(id, await mallory.message(id, "hear ye"))).toBe("appended");
  for (const who of cast.honest) await hears(who, id, "hear ye");
});

describe("the server checks nothing", () => {
  beforeAll(async () => {
    shared.use(await startPatchedServer(system, takesInvalidLinks));
    await system.servers[0]!.process.stop();
    for (const { client } of cast.honest) await client.caughtUp(AbortSignal.timeout(30_000));
  }, 180_000);

  test.each(villains)("[C2] [C3] every client ignores and shows what is written without the right, by who is %s", async (villain) => {
    const id = await cast.group(`Unchecked ${villain}`);
    await using other = await ModifiedClient.open(system, cast.device("member"));
    const client = other.speakingFor(cast.device(villain).profile);
    const chain = await chainOf(client);
    const before = await agree(cast.honest, id);
    let ignored = 0;
    for (const [name, wrong] of wrongs(await stateOf(id), client.profile.me.account)) {
      if (villain === "admin" && name !== "leave and name a successor") continue;
      if (villain === "member" && everybodyMay.has(name)) continue;
      const forged = await client.forge(id, wrong, pretending(villain, chain, name));
      expect([name, await client.append(id, forged)]).toEqual([name, "appended"]);
      ignored += 1;
      for (const who of cast.honest) {
        await until(who, `that ${name} does not count`, async () => (await noticedBy(who, id, "invalid-link")) === ignored || undefined);
      }
    }
    expect(ignored).toBeGreaterThan(0);
    expect(await agree(cast.honest, id)).toEqual(before);
    await goesOn(id, `still ours, ${villain}`);
    for (const who of cast.honest) expect(await noticedBy(who, id, "invalid-link")).toBe(ignored);
  });

  test("[C2] [S3] nobody is shown what somebody without the right wrote where only admins write", async () => {
    const id = await cast.group("Unchecked announcements", { mayWrite: "admins" });
    const others = villains.filter((villain) => villain !== "admin");
    for (const villain of others) {
      await using client = await ModifiedClient.open(system, cast.device("member"));
      const author = client.speakingFor(cast.device(villain).profile);
      await storeMessage(id, author, await author.message(id, `from ${villain}`));
    }
    await say(cast.alice, id, "hear ye");
    for (const who of cast.honest) {
      await hears(who, id, "hear ye");
      expect(await textsOf(who, id)).toEqual(["hear ye"]);
      await expect.poll(() => noticedBy(who, id, "unreadable")).toBe(others.length);
    }
    await agree(cast.honest, id);
  });
});

/** How many notices of a kind they have there. */
const noticedBy = async (who: Person, id: ConversationId, kind: NoticeKind): Promise<number> =>
  (await notices(who, id)).filter(({ notice }) => notice === kind).length;

/** What whoever owns the database does with a message that no server would append. */
async function storeMessage(id: ConversationId, { profile }: ModifiedClient, message: SealedMessage): Promise<void> {
  const { account, device } = profile.me;
  const bytes = [idBytes(id), idBytes(account), idBytes(device), message.clientMessageId, toBinary(SealedMessageSchema, message)];
  await system.query(
    `WITH place AS (UPDATE conversation SET head = head + 1 WHERE conversation = $1 RETURNING head, head_time)
     INSERT INTO entry (conversation, sequence, time, account, device, client_message_id, kind, body)
     SELECT $1, head, head_time, $2, $3, $4, $6, $5 FROM place`,
    [...bytes.map((each) => Buffer.from(each)), entryKinds.message],
  );
}
