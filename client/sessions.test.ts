import { join } from "node:path";
import { ErrorCode, errorRow } from "@fastchat/protocol";
import { afterAll, beforeAll, expect, test } from "vitest";
import { FrameProxy, newPassword, person, startSystem, type System } from "../testing/index.ts";
import type { Client, ConnectionState, SignInResult } from "./api.ts";
import { openClient, recover, signIn, signUp } from "./node.ts";

// Where everybody is signed in on one device at a time.

let system: System;
beforeAll(async () => {
  system = await startSystem({ servers: 2, environment: { FASTCHAT_SESSIONS: "single" } });
});
afterAll(() => system?.[Symbol.asyncDispose]());

const at = (device: string): { home: string; profile: string } => ({ home: join(system.folder, "sessions"), profile: device });
const gatewayOf = () => ({ gateway: system.gatewayUrl });

/** Signed up on a device that is called so. */
async function newcomer(name: string, deviceName = "Terminal on kitchen-pc") {
  const password = newPassword();
  const signedUp = await signUp(at(`${name}-1`), { ...gatewayOf(), name, password });
  if (signedUp.kind !== "signed-up") throw new Error(signedUp.kind);
  const client = (await openClient(at(`${name}-1`), { ...gatewayOf(), deviceName: () => deviceName }))!;
  await expect.poll(async () => (await client.devices())[0]?.name).toBe(deviceName);
  const words = signedUp.recoveryWords.join(" ");
  return { name, password, words, client, options: { ...gatewayOf(), name, password } };
}

async function becomes(client: Client, kind: ConnectionState["kind"]): Promise<ConnectionState> {
  await expect.poll(() => client.connection.kind, { timeout: 10_000 }).toBe(kind);
  return client.connection;
}

const ELSEWHERE = { code: ErrorCode.SIGNED_IN_ELSEWHERE, sentence: errorRow(ErrorCode.SIGNED_IN_ELSEWHERE).sentence };

test("[H8] the second sign-in is told where one is signed in; in its place it revokes that one, which is told and put out, and nothing is lost", async () => {
  await using bob = await person(system, "bob");
  const { name, client: first, options } = await newcomer("quentin");
  await using _ = first;
  const id = await first.openDirect("bob");
  await first.send(id, "from the kitchen");
  await first.sent(id);
  await first.setVerified("bob", true);
  await bob.hears(name, "from the kitchen");
  await becomes(first, "online");

  const told = await signIn(at("quentin-2"), options);
  const { device } = first.me;
  expect(told).toEqual({
    kind: "already-signed-in",
    devices: [{ device, name: "Terminal on kitchen-pc", added: expect.any(Number), lastSeen: expect.any(Number) }],
  });
  // Nothing was changed, on either side.
  expect(await openClient(at("quentin-2"), gatewayOf())).toBeUndefined();
  expect(first.connection.kind).toBe("online");
  expect(await first.devices()).toHaveLength(1);
  expect(await signIn(at("quentin-2"), { ...options, password: "not it" })).toMatchObject({
    kind: "refused",
    code: ErrorCode.WRONG_PASSWORD,
  });

  expect(await signIn(at("quentin-2"), { ...options, signOutOthers: true })).toMatchObject({ kind: "signed-in", others: "revoked" });
  expect(await becomes(first, "ended")).toMatchObject(ELSEWHERE);
  await using second = (await openClient(at("quentin-2"), gatewayOf()))!;
  await second.caughtUp();
  expect((await second.devices()).map(({ me, state }) => [me, state])).toEqual([
    [true, "active"],
    [false, "revoked"],
  ]);
  const { items } = await second.items(id, { limit: 10 });
  expect(items.flatMap((item) => (item.kind === "message" ? [item.text] : []))).toEqual(["from the kitchen"]);
  expect((await second.conversation(id))?.peer?.verification).toBe("verified");
  await second.send(id, "from the sofa");
  await bob.hears(name, "from the sofa");
});

test("[H8] a crash between the new device and the revocation: one is signed in all the same, and revokes the other later", async () => {
  const { client: first, options } = await newcomer("rosa");
  await using _ = first;
  await becomes(first, "online");
  await using proxy = await FrameProxy.start(system.gatewayUrl);
  proxy.script = {
    toServer(frame, connection) {
      if (frame.body.case !== "appendAccountLink") return frame;
      connection.close();
      return undefined;
    },
  };
  const result = await signIn(at("rosa-2"), { ...options, gateway: proxy.url, signOutOthers: true });
  expect(result).toMatchObject({ kind: "signed-in", others: "shut-out" });
  expect(await becomes(first, "ended")).toMatchObject(ELSEWHERE);
  await first.close();
  // Not even with what it has kept.
  await using again = (await openClient(at("rosa-1"), gatewayOf()))!;
  expect(await becomes(again, "ended")).toMatchObject(ELSEWHERE);
  await using second = (await openClient(at("rosa-2"), gatewayOf()))!;
  await second.caughtUp();
  const [, old] = await second.devices();
  expect(old).toMatchObject({ state: "active", device: first.me.device });
  await second.revokeDevices(options.password, [old!.device]);
  expect((await second.devices()).map(({ state }) => state)).toEqual(["active", "revoked"]);
});

test("[H8] of sign-ins at once exactly one remains, whichever way they meet", async () => {
  const { client, options } = await newcomer("serena");
  await client.close();
  for (let round = 1; round <= 4; round++) {
    const places = [1, 2].map((number) => at(`serena-${round}-${number}`));
    const results = await Promise.all(places.map((place) => signIn(place, { ...options, signOutOthers: true })));
    const lost = results.filter(({ kind }) => kind !== "signed-in");
    for (const each of lost) expect(each).toMatchObject({ kind: "refused", code: ErrorCode.SIGNED_IN_ELSEWHERE });
    const states = await Promise.all(places.map(stateOf));
    expect(states.toSorted()).toEqual(lost.length === 0 ? ["ended", "online"] : ["nobody", "online"]);
  }
  // Who is told finds one, too.
  const last = (await openClient(at("serena-1"), gatewayOf()))!;
  await last.signOut();
  const results = (await Promise.all([1, 2].map((number) => signIn(at(`serena-told-${number}`), options)))) as SignInResult[];
  expect(results.map(({ kind }) => kind).toSorted()).toEqual(["already-signed-in", "already-signed-in"]);
});

async function stateOf(place: { home: string; profile: string }): Promise<string> {
  await using client = await openClient(place, gatewayOf());
  if (client === undefined) return "nobody";
  await expect.poll(() => client.connection.kind).toMatch(/online|ended/u);
  return client.connection.kind;
}

test("[H8] [P2] who comes back by the recovery words is told likewise, before anything is changed", async () => {
  const { name, words, client: first, options } = await newcomer("tilda");
  await using _ = first;
  await becomes(first, "online");
  const fresh = newPassword();
  const recovery = { ...gatewayOf(), name, words, password: fresh };
  expect(await recover(at("tilda-2"), recovery)).toMatchObject({
    kind: "already-signed-in",
    devices: [{ name: "Terminal on kitchen-pc" }],
  });
  expect(await signIn(at("tilda-2"), options)).toMatchObject({ kind: "already-signed-in" });
  expect(await recover(at("tilda-2"), { ...recovery, signOutOthers: true })).toMatchObject({ kind: "signed-in", others: "revoked" });
  expect(await becomes(first, "ended")).toMatchObject(ELSEWHERE);
  expect(await signIn(at("tilda-3"), options)).toMatchObject({ kind: "refused", code: ErrorCode.WRONG_PASSWORD });
  expect(await signIn(at("tilda-3"), { ...options, password: fresh })).toMatchObject({ kind: "already-signed-in" });
});

test("[H8] who signed out is signed in nowhere: the next one is asked nothing", async () => {
  const { client: first, options } = await newcomer("ulla");
  await becomes(first, "online");
  expect(await first.sessionPolicy()).toEqual({ account: "many", server: "single" });
  expect(await first.signOut()).toEqual({ server: "told" });
  expect(await signIn(at("ulla-2"), options)).toEqual({ kind: "signed-in", me: expect.objectContaining({ name: "ulla" }) });
});
