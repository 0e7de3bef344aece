import { randomBytes } from "node:crypto";
import { ErrorCode, errorRow, idBytes, limits } from "@fastchat/protocol";
import { toHex } from "@fastchat/protocol/seal";
import * as wire from "@fastchat/protocol/wire/gateway";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  addDevice,
  addDeviceBy,
  codeOf,
  getBlobPass,
  getTicket,
  post,
  signIn,
  signUp,
  type TestPerson,
  TestSocket,
} from "../test-client.ts";
import { TestInstallation } from "../test-installation.ts";
import type { Gateway } from "./gateway.ts";

let installation: TestInstallation;
let gateway: string;
/** Of the same installation, where everybody is signed in on one device at a time. */
let single: Gateway;
beforeAll(async () => {
  installation = await TestInstallation.start({ servers: 2 });
  gateway = installation.gateway.url;
  single = await installation.addGateway({ sessions: "single" });
});
afterAll(() => installation?.[Symbol.asyncDispose]());

async function grantOf(at: string, { name, password }: TestPerson): Promise<wire.SignInFinished> {
  const finished = await signIn(at, name, password);
  if (finished === "wrong-password") throw new Error("the test's own password is wrong");
  return finished;
}

const others = (at: string, grant: Uint8Array, slots: readonly Uint8Array[] = []) =>
  post(at, "/v1/devices/others", wire.OtherDevicesRequestSchema, wire.OtherDevicesSchema, { grant, slots: [...slots] });

/** Whether a socket of its own is welcomed. */
async function isLetIn(at: string, device: TestPerson["devices"][number]): Promise<number | "let in"> {
  const code = await codeOf(getTicket(at, device));
  return code === 0 ? "let in" : code;
}

test("[H8] many devices by default; where one at a time may be, the second is refused, unless it takes the place of the first", async () => {
  const alice = await signUp(gateway, "alice");
  const second = await addDevice(gateway, alice);
  expect([await isLetIn(gateway, alice.devices[0]!), await isLetIn(gateway, second)]).toEqual(["let in", "let in"]);

  const bob = await signUp(single.url, "bob");
  const { grant, alreadySignedIn } = await grantOf(single.url, bob);
  expect(alreadySignedIn).toBe(true);
  expect(await codeOf(addDeviceBy(single.url, bob, grant))).toBe(ErrorCode.ALREADY_SIGNED_IN);
  const replaced = await addDeviceBy(single.url, bob, grant, { replacesOthers: true });
  expect(await isLetIn(single.url, bob.devices[0]!)).toBe(ErrorCode.SIGNED_IN_ELSEWHERE);
  expect(await isLetIn(single.url, replaced)).toBe("let in");
  // Everywhere, also where that policy is not known.
  expect(await isLetIn(gateway, bob.devices[0]!)).toBe(ErrorCode.SIGNED_IN_ELSEWHERE);
});

test("[H8] who is replaced is put out at once, at every chat server; a ticket from before is worth nothing", async () => {
  const carol = await signUp(single.url, "carol");
  const [old] = carol.devices;
  await using first = await TestSocket.welcome(single.url, old!, ["chat-2"]);
  await using second = await TestSocket.welcome(single.url, old!, ["chat-1"]);
  const { ticket, url } = await getTicket(single.url, old!);
  const { grant } = await grantOf(single.url, carol);
  await addDeviceBy(single.url, carol, grant, { replacesOthers: true });
  const { close } = errorRow(ErrorCode.SIGNED_IN_ELSEWHERE);
  expect([await first.closed(), await second.closed()]).toEqual([close, close]);
  await using late = await TestSocket.open(url);
  expect(await codeOf(late.hello(ticket))).toBe(ErrorCode.TICKET_INVALID);
});

test("[H8] of two that come at once in the place of others one is taken, and the other one's link is stale", async () => {
  const dora = await signUp(single.url, "dora");
  const [one, other] = await Promise.all([grantOf(single.url, dora), grantOf(single.url, dora)]);
  const before = dora.state;
  const links = [...dora.links];
  const attempts = await Promise.all([
    codeOf(addDeviceBy(single.url, dora, one.grant, { replacesOthers: true })),
    codeOf(addDeviceBy(single.url, { ...dora, state: before, links }, other.grant, { replacesOthers: true })),
  ]);
  expect(attempts.toSorted((one, another) => one - another)).toEqual([0, ErrorCode.STALE_HEAD]);
  const rows = await installation.database.query
    .selectFrom("device")
    .select("replaced")
    .where("account", "=", idBytes(dora.account))
    .where("replaced", "is", null)
    .execute();
  expect(rows).toHaveLength(1);
});

test("[H8] an account may want one device at a time itself; that puts nobody out, and holds at the next sign-in", async () => {
  const erin = await signUp(gateway, "erin");
  const second = await addDevice(gateway, erin);
  await using socket = await TestSocket.welcome(gateway, erin.devices[0]!);
  const own = { case: "fetchAccount", value: { by: { case: "account", value: idBytes(erin.account) }, after: 0 } } as const;
  expect((await socket.ask(own, "account")).singleSession).toBe(false);
  await socket.ask({ case: "setSessions", value: { single: true } }, "sessionsSet");
  expect((await socket.ask(own, "account")).singleSession).toBe(true);
  expect([await isLetIn(gateway, erin.devices[0]!), await isLetIn(gateway, second)]).toEqual(["let in", "let in"]);
  const { grant, alreadySignedIn } = await grantOf(gateway, erin);
  expect(alreadySignedIn).toBe(true);
  expect(await codeOf(addDeviceBy(gateway, erin, grant))).toBe(ErrorCode.ALREADY_SIGNED_IN);
  // Nobody else is told what it wants.
  const frank = await signUp(gateway, "frank");
  await using stranger = await TestSocket.welcome(gateway, frank.devices[0]!);
  expect((await stranger.ask(own, "account")).singleSession).toBe(false);
  await socket.ask({ case: "setSessions", value: { single: false } }, "sessionsSet");
  expect((await grantOf(gateway, erin)).alreadySignedIn).toBe(false);
  expect(await codeOf(addDeviceBy(gateway, erin, grant))).toBe(0);
});

test("[H8] of a time when an account was on many devices the newest one counts, once the server lets in one", async () => {
  const grace = await signUp(gateway, "grace");
  const second = await addDevice(gateway, grace);
  expect(await isLetIn(single.url, grace.devices[0]!)).toBe(ErrorCode.SIGNED_IN_ELSEWHERE);
  expect(await isLetIn(single.url, second)).toBe("let in");
});

test("[H8] [S6] nor do those that are not let in get at files, with a pass of before either", async () => {
  const ivan = await signUp(gateway, "ivan");
  const [first] = ivan.devices;
  const early = await getBlobPass(gateway, first!);
  const second = await addDevice(gateway, ivan);
  expect(await codeOf(getBlobPass(single.url, first!))).toBe(ErrorCode.SIGNED_IN_ELSEWHERE);
  const dropWith = (pass: Uint8Array) =>
    codeOf(post(single.url, "/v1/blobs/drop", wire.DropBlobSchema, wire.BlobDroppedSchema, { pass, blob: randomBytes(32) }));
  expect(await dropWith(early)).toBe(ErrorCode.SIGNED_IN_ELSEWHERE);
  expect(await dropWith(await getBlobPass(single.url, second))).toBe(0);
});

test("[H8] [P4] what is signed in already is told to who has just signed in, sealed names by slots, and to nobody else", async () => {
  const heidi = await signUp(single.url, "heidi");
  const [device] = heidi.devices;
  await using socket = await TestSocket.welcome(single.url, device!);
  const slot = randomBytes(32);
  const entry = { slot, generation: 1, version: 1, sealed: randomBytes(90) };
  await socket.ask({ case: "writeVault", value: { entries: [entry, { ...entry, slot: randomBytes(32) }] } }, "vaultWritten");
  const { grant } = await grantOf(single.url, heidi);
  // That it is here is noted a moment after it came.
  const lastSeen = async () => Number((await others(single.url, grant)).times[0]!.lastSeen);
  await expect.poll(lastSeen).toBeGreaterThan(Date.now() - 60_000);
  const told = await others(single.url, grant, [slot, randomBytes(32)]);
  expect(told.notes.map(({ sealed }) => toHex(sealed))).toEqual([toHex(entry.sealed)]);
  expect(told.times.map((each) => toHex(each.device))).toEqual([toHex(idBytes(device!.device))]);
  // It stays as good as it was.
  const next = await addDeviceBy(single.url, heidi, grant, { replacesOthers: true });
  expect((await others(single.url, grant)).times.map((each) => toHex(each.device))).toEqual([toHex(idBytes(next.device))]);

  expect(await codeOf(others(single.url, randomBytes(120)))).toBe(ErrorCode.SIGN_IN_EXPIRED);
  expect(await codeOf(others(single.url, grant, [randomBytes(31)]))).toBe(ErrorCode.MALFORMED);
  const many = Array.from({ length: limits.deviceNotesPerRequest + 1 }, () => slot);
  expect(await codeOf(others(single.url, grant, many))).toBe(ErrorCode.TOO_LARGE);
  expect(many.slice(1).length * 34).toBeLessThan(limits.gatewayBodyBytes);
});
