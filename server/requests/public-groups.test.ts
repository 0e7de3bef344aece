import { randomBytes } from "node:crypto";
import { ErrorCode, idBytes } from "@fastchat/protocol";
import { groupCreate } from "@fastchat/protocol/chain";
import { toHex } from "@fastchat/protocol/seal";
import { afterAll, beforeAll, expect, test } from "vitest";
import { codeOf, signUp, type TestPerson, TestSocket } from "../test-client.ts";
import { TestGroup } from "../test-group.ts";
import { TestInstallation } from "../test-installation.ts";

let installation: TestInstallation;
let gateway: string;
let alice: TestPerson;
let bob: TestPerson;

beforeAll(async () => {
  installation = await TestInstallation.start({ servers: 2 });
  gateway = installation.gateway.url;
  [alice, bob] = [await signUp(gateway, "alice"), await signUp(gateway, "bob")];
});
afterAll(() => installation?.[Symbol.asyncDispose]());

const at = (person: TestPerson, server: "chat-1" | "chat-2") =>
  TestSocket.welcome(gateway, person.devices[0]!, [server === "chat-1" ? "chat-2" : "chat-1"]);
const named = (publicName: string) => ({ case: "policy", value: { policy: { publicName } } }) as const;
const find = async (socket: TestSocket, text: string, { exact = false, limit = 0 } = {}) => {
  const { groups, more } = await socket.ask({ case: "findGroups", value: { text, exact, limit } }, "publicGroups");
  return { more, groups: groups.map(({ name, conversation, members }) => `${name} ${toHex(conversation)} ${members}`) };
};

test("a public name belongs to one group, until that changes it, gives it up or has nobody left", async () => {
  await using a = await at(alice, "chat-1");
  await using b = await at(bob, "chat-2");
  const one = new TestGroup(alice, bob);
  const other = new TestGroup(bob, alice);
  await one.create(a, { publicName: "hikers" });
  await other.create(b);
  const take = async (name: string) => codeOf(other.write(b, bob, named(name)));
  const head = other.state!.head;
  expect(await take("hikers")).toBe(ErrorCode.PUBLIC_NAME_TAKEN);
  // Nothing of it was stored.
  expect((await b.ask({ case: "fetchLinks", value: { conversation: idBytes(other.id), after: 0 } }, "entries")).entries).toHaveLength(1);
  expect(other.state!.head).toEqual(head);
  const third = new TestGroup(bob);
  const made = await third.link(bob, groupCreate(new Map([[bob.account, "admin"]]), randomBytes(32), { publicName: "hikers" }));
  expect(await b.refusal(third.request(made))).toBe(ErrorCode.PUBLIC_NAME_TAKEN);
  third.taken(made);
  const rows = await installation.database.query
    .selectFrom("conversation")
    .select("head")
    .where("conversation", "=", idBytes(third.id))
    .execute();
  expect(rows).toEqual([]);

  await one.write(a, alice, named("climbers"));
  expect(await take("hikers")).toBe(0);
  expect(await take("hikers")).toBe(0);
  expect((await find(a, "", { limit: 10 })).groups).toEqual([`climbers ${one.id} 2`, `hikers ${other.id} 2`]);
  await one.write(a, alice, named(""));
  expect(await take("climbers")).toBe(0);
  // The last one who leaves leaves no name behind.
  const leave = { case: "leave", value: {} } as const;
  await other.write(a, alice, leave);
  expect((await find(a, "climbers", { exact: true })).groups).toEqual([`climbers ${other.id} 1`]);
  await other.write(b, bob, leave);
  expect((await find(a, "climbers", { exact: true })).groups).toEqual([]);
  await one.write(a, alice, named("climbers"));
});

test("of two groups that take a name at the same time through two servers one gets it, and the other hears so", async () => {
  await using a = await at(alice, "chat-1");
  await using b = await at(bob, "chat-2");
  for (let round = 0; round < 8; round++) {
    const [one, other] = [new TestGroup(alice, bob), new TestGroup(bob, alice)];
    await one.create(a);
    await other.create(b);
    const name = `raced-${round}`;
    const codes = await Promise.all([codeOf(one.write(a, alice, named(name))), codeOf(other.write(b, bob, named(name)))]);
    expect(new Set(codes)).toEqual(new Set([0, ErrorCode.PUBLIC_NAME_TAKEN]));
    const winner = codes[0] === 0 ? one : other;
    expect((await find(a, name, { exact: true })).groups).toEqual([`${name} ${winner.id} 2`]);
  }
});

test("groups are found by a part of their public name or by the whole one, by anybody, and those without one never", async () => {
  const stranger = await signUp(gateway, "stranger");
  await using a = await at(alice, "chat-1");
  await using s = await at(stranger, "chat-2");
  const groups: TestGroup[] = [];
  for (const publicName of ["quiet-chess", "chess", "chess_club", "chessxclub", ""]) {
    const group = new TestGroup(alice);
    await group.create(a, { publicName });
    groups.push(group);
  }
  const [quiet, chess, club, xclub] = groups.map(({ id }) => id);
  expect((await find(s, "chess")).groups).toEqual([
    `chess ${chess} 1`,
    `chess_club ${club} 1`,
    `chessxclub ${xclub} 1`,
    `quiet-chess ${quiet} 1`,
  ]);
  expect(await find(s, "CHESS", { limit: 2 })).toEqual({ more: true, groups: [`chess ${chess} 1`, `chess_club ${club} 1`] });
  expect((await find(s, "chess", { exact: true })).groups).toEqual([`chess ${chess} 1`]);
  // No wildcards.
  expect((await find(s, "chess_club")).groups).toEqual([`chess_club ${club} 1`]);
  expect((await find(s, "chess%")).groups).toEqual([]);
  expect((await find(s, "quiet", { exact: true })).groups).toEqual([]);
});
