import { randomBytes } from "node:crypto";
import { readdir, rm, stat } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { ErrorCode, type FastChatError, idBytes, limits } from "@fastchat/protocol";
import { fromBinary } from "@bufbuild/protobuf";
import type { Wrap } from "@fastchat/protocol/wire/account";
import { ErrorSchema } from "@fastchat/protocol/wire/error";
import * as wire from "@fastchat/protocol/wire/gateway";
import { client as opaque, ready } from "@serenity-kit/opaque";
import { afterAll, beforeAll, expect, test } from "vitest";
import { silentLog } from "../events.ts";
import { addInvitation } from "../store/accounts.ts";
import {
  addDevice,
  codeOf,
  getChallenge,
  getTicket,
  makePerson,
  post,
  signIn,
  signUp,
  startSignUp,
  stateOf,
  TestSocket,
} from "../test-client.ts";
import { TestInstallation } from "../test-installation.ts";
import { readSecrets } from "./secret-file.ts";
import { invitationHash } from "./sign-up.ts";

let installation: TestInstallation;
let gateway: string;
beforeAll(async () => {
  installation = await TestInstallation.start({ servers: 2 });
  gateway = installation.gateway.url;
  await ready;
});
afterAll(() => installation?.[Symbol.asyncDispose]());

test("[P1] a sign-in gives chain and wraps to who knows the password, and tells wrong password from no such user", async () => {
  const alice = await signUp(gateway, "alice");
  const signedIn = await signIn(gateway, "alice", alice.password);
  if (signedIn === "wrong-password") throw new Error("refused");
  expect(stateOf(signedIn.links).account).toBe(alice.account);
  expect(signedIn.wraps).toHaveLength(4);
  expect(Buffer.from(signedIn.accountPublicKey).equals(Buffer.from(alice.accountKey.publicKey))).toBe(true);
  expect(await signIn(gateway, "alice", "wrong")).toBe("wrong-password");
  expect(await codeOf(signIn(gateway, "nobody", "any"))).toBe(ErrorCode.NO_SUCH_USER);
  expect(await codeOf(signIn(gateway, "../etc", "any"))).toBe(ErrorCode.NAME_INVALID);
});

test("[P1] who guesses KE3 gets nothing, and a state of another sign-in or an old one is no state", async () => {
  const dora = await signUp(gateway, "dora");
  const { startLoginRequest } = opaque.startLogin({ password: dora.password });
  const loginRequest = Buffer.from(startLoginRequest, "base64url");
  const started = await post(gateway, "/v1/sign-in/start", wire.SignInStartSchema, wire.SignInStartedSchema, {
    name: "dora",
    loginRequest,
  });
  const finish = (state: Uint8Array) =>
    post(gateway, "/v1/sign-in/finish", wire.SignInFinishSchema, wire.SignInFinishedSchema, { state, loginFinish: randomBytes(64) });
  expect(await codeOf(finish(started.state))).toBe(ErrorCode.WRONG_PASSWORD);
  const changed = Buffer.from(started.state);
  changed[20]! ^= 1;
  expect(await codeOf(finish(changed))).toBe(ErrorCode.SIGN_IN_EXPIRED);
  const challenge = await getChallenge(gateway, dora.devices[0]!.device);
  expect(await codeOf(finish(challenge))).toBe(ErrorCode.SIGN_IN_EXPIRED);
});

test("with uniform answers a stranger cannot tell a missing user from a wrong password", async () => {
  await using uniform = await installation.addGateway({ signInAnswers: "uniform" });
  await signUp(gateway, "eva");
  expect(await signIn(uniform.url, "eva", "wrong")).toBe("wrong-password");
  expect(await signIn(uniform.url, "nobody-here", "wrong")).toBe("wrong-password");
  const sizes = async (name: string) => {
    const loginRequest = Buffer.from(opaque.startLogin({ password: "wrong" }).startLoginRequest, "base64url");
    const body = { name, loginRequest };
    const started = await post(uniform.url, "/v1/sign-in/start", wire.SignInStartSchema, wire.SignInStartedSchema, body);
    return [started.state.length, started.loginResponse.length];
  };
  expect(await sizes("zoe")).toEqual(await sizes("eva"));
});

test("[A3] a name is given once, also when two ask at the same time", async () => {
  const attempts = await Promise.allSettled([signUp(gateway, "frank"), signUp(gateway, "frank"), signUp(gateway, "frank")]);
  expect(attempts.filter((attempt) => attempt.status === "fulfilled")).toHaveLength(1);
  const codes = attempts.flatMap((attempt) => (attempt.status === "rejected" ? [(attempt.reason as FastChatError).code] : []));
  expect(codes).toEqual([ErrorCode.NAME_TAKEN, ErrorCode.NAME_TAKEN]);
});

const withVersion = ([first, ...others]: readonly Wrap[], version: number) => [{ ...first!, version }, ...others];

test("[A2] a sign-up whose keys, name or wraps do not fit its link leaves nothing behind", async () => {
  const { person, link, attachments } = await makePerson("grace");
  const started = await startSignUp(gateway, "grace", person.password);
  const finish = (changes: object) =>
    post(gateway, "/v1/sign-up/finish", wire.SignUpFinishSchema, wire.SignUpFinishedSchema, {
      name: "grace",
      ...started,
      create: link,
      attachments,
      ...changes,
    });
  const refused: [object, number][] = [
    [{ attachments: { ...attachments, accountPublicKey: randomBytes(1216) } }, ErrorCode.LINK_INVALID],
    [{ attachments: { ...attachments, deviceSealingKey: attachments.accountPublicKey } }, ErrorCode.LINK_INVALID],
    [{ attachments: { ...attachments, copies: [] } }, ErrorCode.LINK_INVALID],
    [{ attachments: { ...attachments, wraps: attachments.wraps.slice(1) } }, ErrorCode.LINK_INVALID],
    [{ attachments: { ...attachments, wraps: withVersion(attachments.wraps, limits.largestNumber) } }, ErrorCode.MALFORMED],
    [{ name: "grace2" }, ErrorCode.SIGN_IN_EXPIRED],
    [{ create: { ...link, signature: randomBytes(64) } }, ErrorCode.LINK_INVALID],
    [{ registrationRecord: randomBytes(7) }, ErrorCode.MALFORMED],
  ];
  for (const [changes, code] of refused) expect(await codeOf(finish(changes))).toBe(code);
  expect(await codeOf(signIn(gateway, "grace", person.password))).toBe(ErrorCode.NO_SUCH_USER);
  await finish({});
  // The answer got lost and the client asks again.
  await finish({});
});

test("an invitation is needed where the policy says so, and is good for as many as it says", async () => {
  await using closed = await installation.addGateway({ signUp: "invitation" });
  const { code, text } = { code: "correct-horse", text: "correct-horse" };
  await addInvitation(installation.database, { hash: invitationHash(code), uses: 1, expires: Date.now() + 60_000 });
  await addInvitation(installation.database, { hash: invitationHash("too-late"), uses: 1, expires: Date.now() - 1 });
  expect(await codeOf(signUp(closed.url, "henry"))).toBe(ErrorCode.INVITATION_NEEDED);
  expect(await codeOf(signUp(closed.url, "henry", "too-late"))).toBe(ErrorCode.INVITATION_NEEDED);
  await signUp(closed.url, "henry", text);
  expect(await codeOf(signUp(closed.url, "ida", text))).toBe(ErrorCode.INVITATION_NEEDED);
});

test("[W6] a ticket opens one socket, at its server, for a while", async () => {
  const jane = await signUp(gateway, "jane");
  const ticket = await getTicket(gateway, jane.devices[0]!);
  const other = installation.servers.find((server) => server.name !== ticket.server)!;
  const wrongServer = await TestSocket.open(other.url);
  await expect(wrongServer.hello(ticket.ticket)).rejects.toThrow(/another server/);
  await using right = await TestSocket.open(ticket.url);
  await right.hello(ticket.ticket);
  const again = await TestSocket.open(ticket.url);
  await expect(again.hello(ticket.ticket)).rejects.toThrow(/was used/);
  expect(await again.closed()).toBe(4000 + ErrorCode.TICKET_INVALID);

  const late = await getTicket(gateway, jane.devices[0]!);
  await installation.database.query
    .updateTable("ticket")
    .set({ expires: new Date(Date.now() - 1_000) })
    .execute();
  const tooLate = await TestSocket.open(late.url);
  await expect(tooLate.hello(late.ticket)).rejects.toThrow(/expired/);
  const guessed = await TestSocket.open(ticket.url);
  await expect(guessed.hello(randomBytes(32))).rejects.toThrow(/ticket/);
});

test("[W6] a ticket needs the device's signature over the gateway's own challenge", async () => {
  const karl = await signUp(gateway, "karl");
  const liz = await signUp(gateway, "liz");
  const [device] = karl.devices;
  expect(await codeOf(getTicket(gateway, { ...device!, signingSeed: liz.devices[0]!.signingSeed }))).toBe(ErrorCode.SIGNATURE_INVALID);
  const ask = (challenge: Uint8Array) =>
    post(gateway, "/v1/ticket", wire.TicketRequestSchema, wire.TicketSchema, {
      device: idBytes(device!.device),
      challenge,
      signature: randomBytes(64),
      avoid: [],
    });
  expect(await codeOf(ask(randomBytes(80)))).toBe(ErrorCode.SIGN_IN_EXPIRED);
  const stranger = { device: Buffer.from(randomBytes(32)).toString("hex") as never, signingSeed: randomBytes(32) };
  expect(await codeOf(getTicket(gateway, stranger))).toBe(ErrorCode.DEVICE_UNKNOWN);
});

test("tickets go to both servers by turns, and round one that just failed the client while there is another", async () => {
  const mia = await signUp(gateway, "mia");
  const first = await getTicket(gateway, mia.devices[0]!);
  const second = await getTicket(gateway, mia.devices[0]!, [first.server]);
  expect(new Set([first.server, second.server])).toEqual(new Set(["chat-1", "chat-2"]));
  expect((await getTicket(gateway, mia.devices[0]!, ["chat-1", "chat-2"])).server).toMatch(/^chat-/);
});

test("[A1] a second device joins by name and password, and its retry is answered alike", async () => {
  const olga = await signUp(gateway, "olga");
  const second = await addDevice(gateway, olga);
  await using socket = await TestSocket.welcome(gateway, second);
  const account = await socket.ask({ case: "fetchAccount", value: { by: { case: "name", value: "olga" }, after: 0 } }, "account");
  expect(stateOf(account.links).devices.size).toBe(2);
});

test("bodies that are too large, malformed, or of another type are refused with an error of the table", async () => {
  const send = async (path: string, body: Uint8Array | string, type = "application/x-protobuf") => {
    const response = await fetch(gateway + path, { method: "POST", headers: { "content-type": type }, body: body as BodyInit });
    return fromBinary(ErrorSchema, new Uint8Array(await response.arrayBuffer())).code;
  };
  for (const path of ["sign-up/start", "sign-in/start", "sign-in/finish", "challenge", "ticket"]) {
    expect(await send(`/v1/${path}`, Buffer.alloc(limits.gatewayBodyBytes))).toBe(ErrorCode.MALFORMED);
    expect(await send(`/v1/${path}`, Buffer.alloc(limits.gatewayBodyBytes + 1))).toBe(ErrorCode.TOO_LARGE);
  }
  for (const path of ["sign-up/finish", "devices"]) {
    expect(await send(`/v1/${path}`, Buffer.alloc(limits.gatewayLinkBodyBytes))).toBe(ErrorCode.MALFORMED);
    expect(await send(`/v1/${path}`, Buffer.alloc(limits.gatewayLinkBodyBytes + 1))).toBe(ErrorCode.TOO_LARGE);
  }
  expect(await send("/v1/sign-up/start", Buffer.from([0x0a, 0xff]))).toBe(ErrorCode.MALFORMED);
  expect(await send("/v1/sign-up/start", "{}", "application/json")).toBe(ErrorCode.MALFORMED);
  expect(await send("/v1/nothing", "")).toBe(ErrorCode.UNKNOWN_REQUEST);
  const garbage = { name: "peter", registrationRequest: randomBytes(9) };
  expect(await codeOf(post(gateway, "/v1/sign-up/start", wire.SignUpStartSchema, wire.SignUpStartedSchema, garbage))).toBe(
    ErrorCode.MALFORMED,
  );
});

test("pages of loopback may ask a gateway on loopback, others may not; health, readiness and metrics are free", async () => {
  const allowed = async (origin: string) => {
    const response = await fetch(`${gateway}/v1/info`, { headers: { origin } });
    return response.headers.get("access-control-allow-origin");
  };
  expect(await allowed("http://localhost:5173")).toBe("http://localhost:5173");
  expect(await allowed("https://evil.example")).toBe(null);
  for (const path of ["/healthz", "/readyz", "/metrics"]) expect((await fetch(gateway + path)).status).toBe(200);
  const info = fromBinary(wire.GatewayInfoSchema, new Uint8Array(await (await fetch(`${gateway}/v1/info`)).arrayBuffer()));
  expect(info.product).toBe("fastchat");
  expect(info.invitationNeeded).toBe(false);
});

test("the secret file is readable for its owner alone, and the same for all gateways that start at once", async () => {
  expect((await stat(installation.secretFile)).mode & 0o777).toBe(0o600);
  const path = `${installation.secretFile}.other`;
  const all = await Promise.all([1, 2, 3, 4].map(() => readSecrets(path, silentLog)));
  expect(new Set(all.map((secrets) => secrets.setup.id)).size).toBe(1);
  await rm(path);
  expect((await readdir(dirname(path))).filter((name) => name.startsWith(`${basename(path)}.`))).toEqual([]);
});
