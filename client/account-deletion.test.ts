import { existsSync } from "node:fs";
import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import { ErrorCode } from "@fastchat/protocol";
import { buildClose, directConversationId } from "@fastchat/protocol/chain";
import { AccountHeadSchema } from "@fastchat/protocol/wire/account";
import { afterAll, beforeAll, expect, test } from "vitest";
import { anotherDevice, FrameProxy, newPassword, type Person, person, startSystem, type System } from "../testing/index.ts";
import { loadKnownAccount } from "./accounts.ts";
import { signIn, signUp } from "./node.ts";
import { openSqliteStorage } from "./storage-sqlite.ts";

let system: System;
beforeAll(async () => {
  system = await startSystem({ servers: 2 });
});
afterAll(() => system[Symbol.asyncDispose]());

/** How many rows of each table name one of these ids in any column of bytes; none: the table is left out. */
async function rowsNaming(ids: readonly string[]): Promise<Record<string, number>> {
  const columns = await system.query(
    `SELECT table_name, string_agg(quote_ident(column_name), ',') AS columns FROM information_schema.columns
     WHERE table_schema = 'public' AND data_type = 'bytea' GROUP BY table_name ORDER BY table_name`,
  );
  const wanted = ids.map((id) => Buffer.from(id, "hex"));
  const counted: Record<string, number> = {};
  for (const { table_name: table, columns: names } of columns as { table_name: string; columns: string }[]) {
    const named = names.split(",").map((column) => `${column} = ANY($1)`);
    const [row] = await system.query(`SELECT count(*)::integer AS count FROM ${table} WHERE ${named.join(" OR ")}`, [wanted]);
    if (Number(row!["count"]) > 0) counted[table] = Number(row!["count"]);
  }
  return counted;
}

const groupWith = async (owner: Person, name: string, members: readonly Person[]) => {
  const group = await owner.client.groups.create({ name, members: members.map((each) => each.name) });
  for (const { client } of members)
    await expect
      .poll(async () => (await client.conversations()).concat((await client.requests()).conversations).map(({ id }) => id))
      .toContain(group);
  for (const { client } of members) await client.accept(group);
  return group;
};
const say = async ({ client }: Person, id: Awaited<ReturnType<typeof groupWith>>, text: string) => {
  await client.send(id, text);
  await client.sent(id, AbortSignal.timeout(20_000));
};
const textsIn = async ({ client }: Person, id: Awaited<ReturnType<typeof groupWith>>) =>
  (await client.items(id, { limit: 100 })).items.flatMap((item) => (item.kind === "message" ? [item.text] : []));
/** Of those who were added by one link any may be the one who is admin next. */
async function rosterOf({ client }: Person, id: Awaited<ReturnType<typeof groupWith>>) {
  const { members = [] } = (await client.groups.info(id)) ?? {};
  return { members: members.map(({ person: { name } }) => name).sort(), admins: members.filter(({ role }) => role === "admin").length };
}

test("[A1] [C2] [C4] [H7] who deletes the account leaves nothing of its own in the database, is put out everywhere, and the others go on", async () => {
  await using alice = await person(system, "alice");
  await using bob = await person(system, "bob");
  await using carol = await person(system, "carol");
  await using phone = await anotherDevice(system, alice, { profile: "alice-phone" });
  const direct = await alice.say("bob", "hello bob");
  await bob.hears("alice", "hello bob");
  await bob.say("alice", "hello alice");
  await alice.hears("bob", "hello alice");
  const group = await groupWith(alice, "Chess club", [bob, carol]);
  await say(alice, group, "welcome");
  await expect.poll(() => textsIn(carol, group)).toEqual(["welcome"]);
  const left = await groupWith(alice, "Book club", [bob]);
  await alice.client.groups.leave(left);
  const alone = await alice.client.groups.create({ name: "Only me", members: [] });
  await alice.say("alice", "note to self");
  await alice.client.setDraft(direct, "never sent");
  await alice.client.setNote("bob", "a friend");
  const open = await bob.client.groups.create({ name: "Open", members: [], policy: { publicName: "open-group" } });
  await alice.client.groups.join("open-group");
  await expect.poll(async () => (await bob.client.groups.joinRequests(open)).length).toBe(1);
  const ids = [alice.me.account, alice.me.device, phone.me.device];
  const own = [directConversationId(alice.me.account, alice.me.account), alone];
  const before = await rowsNaming(ids);
  const removed = [
    "account_wrap",
    "device_copy",
    "device_seen",
    "former_member",
    "join_request",
    "sealed_key",
    "sign_in_record",
    "vault",
    "vault_entry",
  ];
  expect(Object.keys(before)).toEqual(expect.arrayContaining(removed));
  const ofOwn = await rowsNaming(own);
  expect(Object.keys(ofOwn)).toEqual(expect.arrayContaining(["conversation", "entry", "member"]));

  await expect(alice.client.deleteAccount("not the password at all")).rejects.toThrow("Wrong password");
  expect((await rosterOf(bob, group)).members).toContain("alice");
  expect(await alice.client.deleteAccount(alice.password)).toEqual({ groupsLeft: 2, groupsNotLeft: 0 });
  await expect.poll(() => phone.client.connection).toMatchObject({ kind: "ended", code: ErrorCode.ACCOUNT_CLOSED });
  expect(existsSync(join(alice.home, alice.profile))).toBe(false);
  // What the other device has, it keeps: a server's word erases nothing.
  expect(await phone.texts("bob")).toEqual(["hello bob", "hello alice"]);
  await phone.reopen();
  await expect.poll(() => phone.client.connection).toMatchObject({ kind: "ended", sentence: expect.stringContaining("was deleted") });

  // Public keys and the chain, by which the others check what she wrote; the logs that they share with her, one of them with one more link; and members: she of the
  // conversation with bob, and four whom she brought in.
  const entry = before["entry"]! - ofOwn["entry"]! + 1;
  await expect.poll(() => rowsNaming(ids)).toEqual({ account: 1, account_key: 1, account_link: 3, device: 2, entry, member: 5 });
  expect(await rowsNaming(own)).toEqual({});
  // Nor when she was there last, which others saw: neither that of before nor that of her end.
  await expect.poll(async () => (await rowsNaming(ids))["presence"] ?? 0).toBe(0);
  const seen = await system.query("SELECT last_seen FROM account WHERE account = $1", [Buffer.from(alice.me.account, "hex")]);
  expect(seen).toEqual([{ last_seen: "0" }]);
  const place = { home: system.home, profile: "alice-again" };
  const options = { gateway: system.gatewayUrl, name: "alice", password: alice.password };
  expect(await signIn(place, options)).toMatchObject({ kind: "refused", code: ErrorCode.ACCOUNT_CLOSED });
  expect(await signUp(place, { ...options, password: newPassword() })).toMatchObject({ kind: "refused", code: ErrorCode.NAME_TAKEN });

  expect(await rosterOf(bob, group)).toEqual({ members: ["bob", "carol"], admins: 1 });
  await say(bob, group, "without her");
  await expect.poll(() => textsIn(carol, group)).toEqual(["welcome", "without her"]);
  expect(
    (await carol.client.items(group, { limit: 100 })).items.flatMap((item) => (item.kind === "notice" ? [item.notice] : [])),
  ).toContain("rekeyed");
  expect((await bob.client.conversation(direct))?.blocked).toBe("closed");
  await expect(bob.client.send(direct, "anybody there?")).rejects.toThrow("was deleted");
  expect(await bob.texts("alice")).toEqual(["hello bob", "hello alice"]);
  expect((await carol.client.people("alice")).filter(({ contact }) => !contact)).toEqual([]);
});

test("[C2] a group that could not be left is left all the same once somebody writes there, with a new key", async () => {
  await using proxy = await FrameProxy.start(system.gatewayUrl);
  await using dave = await person(system, "dave", { gateway: proxy.url });
  await using erin = await person(system, "erin");
  await using frank = await person(system, "frank");
  const group = await groupWith(dave, "Chess club", [erin, frank]);
  proxy.script = {
    toServer(frame, connection) {
      if (frame.body.case !== "appendLink") return frame;
      connection.answer(frame, { case: "error", value: { code: ErrorCode.RATE_LIMITED } });
      return undefined;
    },
  };
  expect(await dave.client.deleteAccount(dave.password)).toEqual({ groupsLeft: 0, groupsNotLeft: 1 });
  await say(erin, group, "is he gone?");
  await expect.poll(() => textsIn(frank, group)).toEqual(["is he gone?"]);
  expect(await rosterOf(frank, group)).toEqual({ members: ["erin", "frank"], admins: 1 });
  const { items } = await frank.client.items(group, { limit: 100 });
  const notices = items.flatMap((item) => (item.kind === "notice" ? [item.text] : []));
  expect(notices).toContain("dave closed the account.");
  expect(Object.keys(await rowsNaming([dave.me.account]))).not.toContain("sealed_key");
});

test("[A1] whatever interrupts a deletion leaves an account that is whole or closed", async () => {
  await using proxy = await FrameProxy.start(system.gatewayUrl);
  await using grace = await person(system, "grace", { gateway: proxy.url });
  // The database cannot go on in the middle of the transaction.
  await system.query(`CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'failed'; END $$`);
  await system.query("CREATE TRIGGER fail BEFORE DELETE ON vault FOR EACH ROW EXECUTE FUNCTION fail()");
  const whole = await rowsNaming([grace.me.account, grace.me.device]);
  await expect(grace.client.deleteAccount(grace.password)).rejects.toThrow(/./u);
  const { ticket: _, ...kept } = await rowsNaming([grace.me.account, grace.me.device]);
  expect(kept).toEqual(whole);
  await system.query("DROP TRIGGER fail ON vault");
  // It was closed, and the answer is lost.
  proxy.script = {
    toClient(frame, connection) {
      if (frame.body.case !== "appended") return frame;
      connection.close();
      return undefined;
    },
  };
  // Where the gateway is not reached nothing is begun, and it is asked for again.
  const remove = () => grace.client.deleteAccount(grace.password);
  expect(await remove().catch(remove)).toEqual({ groupsLeft: 0, groupsNotLeft: 0 });
  expect(existsSync(join(grace.home, grace.profile))).toBe(false);
  const keptRows = async () => Object.keys(await rowsNaming([grace.me.account]));
  await expect.poll(keptRows).toEqual(["account", "account_key", "account_link", "device"]);
});

test("[A1] a close that the identity key did not sign is a lie of the server's: nobody believes it, and both talk on", async () => {
  await using proxy = await FrameProxy.start(system.gatewayUrl);
  await using heidi = await person(system, "heidi");
  await using ivan = await person(system, "ivan", { gateway: proxy.url });
  const conversation = await heidi.say("ivan", "hi");
  await ivan.hears("heidi", "hi");
  await using storage = {
    store: openSqliteStorage(join(ivan.home, ivan.profile)),
    [Symbol.asyncDispose]: async () => storage.store.close(),
  };
  const { state } = (await loadKnownAccount(storage.store, heidi.me.account))!;
  const forged = buildClose(state, { identitySeed: new Uint8Array(32).fill(7) });
  proxy.script = {
    toClient(frame, { asked }) {
      const request = asked(frame);
      if (frame.body.case !== "account" || request?.body.case !== "fetchAccount") return frame;
      frame.body.value.links.push(forged);
      return frame;
    },
  };
  const [{ push }] = [...proxy.connections] as [typeof proxy.connections extends Set<infer Each> ? Each : never];
  const head = create(AccountHeadSchema, { account: Buffer.from(heidi.me.account, "hex"), index: state.head.index + 1 });
  push({ case: "accountMoved", value: { head } });
  await expect.poll(() => ivan.events.some((event) => event.kind === "warning" && event.warning === "account-fork")).toBe(true);
  expect((await ivan.client.conversation(conversation))?.blocked).not.toBe("closed");
  proxy.script = {};
  await ivan.say("heidi", "still there?");
  await heidi.hears("ivan", "still there?");
});
