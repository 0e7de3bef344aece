import { randomBytes } from "node:crypto";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { type AccountId, ErrorCode, idBytes, limits, passwordIdentifiers } from "@fastchat/protocol";
import { signNewRecord, signRecovery } from "@fastchat/protocol/seal";
import { WrapPurpose } from "@fastchat/protocol/wire/account";
import * as wire from "@fastchat/protocol/wire/gateway";
import { client as opaque, ready } from "@serenity-kit/opaque";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  addDevice,
  addDeviceBy,
  codeOf,
  getChallenge,
  keyStretching,
  makePerson,
  post,
  signIn,
  signUp,
  startSignUp,
  type TestPerson,
} from "../test-client.ts";
import { TestInstallation } from "../test-installation.ts";

// What strangers would try at the gateway, from one address and from many.

/** So few that none comes back while they are made. */
const REQUESTS = 20;

let installation: TestInstallation;
let gateway: string;
beforeAll(async () => {
  installation = await TestInstallation.start({ servers: 1, gateway: { trustedProxies: 1 } });
  gateway = installation.gateway.url;
  await ready;
});
afterAll(() => installation?.[Symbol.asyncDispose]());

const from = (address: string) => ({ "x-forwarded-for": address });

test("[W5] an account is made only with what a start gave, for its name, and not from an old one", async () => {
  const { person, link, attachments } = await makePerson("arno");
  const { registrationRecord, state } = await startSignUp(gateway, "arno", person.password);
  const finish = (with_: Uint8Array) =>
    codeOf(
      post(gateway, "/v1/sign-up/finish", wire.SignUpFinishSchema, wire.SignUpFinishedSchema, {
        name: "arno",
        registrationRecord,
        create: link,
        attachments,
        state: with_,
      }),
    );
  const others = await startSignUp(gateway, "berta", "berta's long password");
  const challenge = await getChallenge(gateway, person.devices[0]!.device);
  for (const wrong of [new Uint8Array(0), randomBytes(90), others.state, challenge]) {
    expect(await finish(wrong)).toBe(ErrorCode.SIGN_IN_EXPIRED);
  }
  expect(await codeOf(signIn(gateway, "arno", person.password))).toBe(ErrorCode.NO_SUCH_USER);
  expect(await finish(state)).toBe(0);
});

test("[W5] whatever is asked of the gateway is counted by address, a whole IPv6 network as one", async () => {
  await using strict = await TestInstallation.start({ servers: 0, gateway: { trustedProxies: 1, requestsPerMinutePerAddress: REQUESTS } });
  const ask = async (address: string): Promise<number> => {
    const headers = { "content-type": "application/x-protobuf", ...from(address) };
    const response = await fetch(`${strict.gateway.url}/v1/challenge`, { method: "POST", headers, body: "" });
    await response.arrayBuffer();
    return response.status;
  };
  const statuses: number[] = [];
  while (statuses.at(-1) !== 429 && statuses.length < 10 * REQUESTS) {
    statuses.push(await ask(`2001:db8:7:9:1::${(statuses.length + 1).toString(16)}`));
  }
  expect(statuses.length).toBeGreaterThan(REQUESTS);
  expect(new Set(statuses)).toEqual(new Set([400, 429]));
  expect(await ask("2001:db8:7:8::1")).toBe(400);
  expect(await ask("192.0.2.7")).toBe(400);
});

const startSignIn = (name: string, address: string, at = gateway) => {
  const { startLoginRequest } = opaque.startLogin({ password: "a guess" });
  const body = { name, loginRequest: Buffer.from(startLoginRequest, "base64url") };
  return post(at, "/v1/sign-in/start", wire.SignInStartSchema, wire.SignInStartedSchema, body, from(address));
};

test("[W5] who guesses a password is stopped soon, and locks nobody else out", async () => {
  const nina = await signUp(gateway, "nina");
  const codes: number[] = [];
  for (let tries = 0; tries <= limits.signInsPerMinutePerNameAndAddress; tries++)
    codes.push(await codeOf(startSignIn("nina", "192.0.2.1")));
  expect(codes.slice(0, -1).every((code) => code === 0)).toBe(true);
  expect(codes.at(-1)).toBe(ErrorCode.RATE_LIMITED);
  expect(await signIn(gateway, "nina", nina.password, from("192.0.2.2"))).toMatchObject({ account: idBytes(nina.account) });
});

test("[W5] who knows the password may sign in as often as it takes", async () => {
  const olaf = await signUp(gateway, "olaf");
  for (let times = 0; times < 2 * limits.signInsPerMinutePerNameAndAddress; times++) {
    expect(await signIn(gateway, "olaf", olaf.password, from("192.0.2.3"))).not.toBe("wrong-password");
  }
});

test("[W5] a finished sign-in is finished once: repeating it gives no guesses back", async () => {
  const vera = await signUp(gateway, "vera");
  const address = "192.0.2.5";
  const { clientLoginState, startLoginRequest } = opaque.startLogin({ password: vera.password });
  const loginRequest = Buffer.from(startLoginRequest, "base64url");
  const start = { name: "vera", loginRequest };
  const started = await post(gateway, "/v1/sign-in/start", wire.SignInStartSchema, wire.SignInStartedSchema, start, from(address));
  const login = opaque.finishLogin({
    clientLoginState,
    loginResponse: Buffer.from(started.loginResponse).toString("base64url"),
    password: vera.password,
    identifiers: passwordIdentifiers("vera"),
    keyStretching: { "argon2id-custom": { iterations: 1, memory: 8, parallelism: 1 } },
  })!;
  const finished = { state: started.state, loginFinish: Buffer.from(login.finishLoginRequest, "base64url") };
  const finish = () => codeOf(post(gateway, "/v1/sign-in/finish", wire.SignInFinishSchema, wire.SignInFinishedSchema, finished));
  // One at a time is not enough: two that come together are one as well.
  expect((await Promise.all([finish(), finish(), finish()])).toSorted((one, other) => one - other)).toEqual([
    0,
    ErrorCode.SIGN_IN_EXPIRED,
    ErrorCode.SIGN_IN_EXPIRED,
  ]);
  let guesses = 0;
  while (guesses < 3 * limits.signInsPerMinutePerNameAndAddress && (await codeOf(startSignIn("vera", address))) === 0) {
    guesses++;
    expect(await finish()).toBe(ErrorCode.SIGN_IN_EXPIRED);
  }
  // Few come back while they are made.
  expect(guesses).toBeLessThan(2 * limits.signInsPerMinutePerNameAndAddress);
});

test("[W5] floods of sign-ins: guesses from everywhere make the next one wait, and refuse it to nobody", async () => {
  const paul = await signUp(gateway, "paul");
  const each = limits.signInsPerMinutePerNameAndAddress;
  const guess = (index: number) => startSignIn("paul", `198.51.100.${Math.floor(index / each)}`);
  const most = limits.signInsPerMinutePerName;
  await Promise.all(Array.from({ length: most }, (_, index) => guess(index)));
  // Twenty more, for those that come back meanwhile; all are answered.
  const more = Array.from({ length: 20 }, (_, index) => guess(most + index));
  const since = performance.now();
  expect(await signIn(gateway, "paul", paul.password, from("192.0.2.4"))).not.toBe("wrong-password");
  expect(performance.now() - since).toBeGreaterThan(limits.signInDelayMs / 2);
  await Promise.all(more);
});

test("[W5] two gateways together allow no more guesses at a password than one", async () => {
  const other = (await installation.addGateway({ trustedProxies: 1 })).url;
  const rita = await signUp(gateway, "rita");
  const address = "192.0.2.6";
  const codes: number[] = [];
  for (let tries = 0; tries < 2 * limits.signInsPerMinutePerNameAndAddress; tries++) {
    codes.push(await codeOf(startSignIn("rita", address, tries % 2 === 0 ? gateway : other)));
  }
  const guesses = codes.filter((code) => code === 0).length;
  expect(guesses).toBeGreaterThanOrEqual(limits.signInsPerMinutePerNameAndAddress);
  expect(guesses).toBeLessThan(1.5 * limits.signInsPerMinutePerNameAndAddress);
  expect(codes.at(-1)).toBe(ErrorCode.RATE_LIMITED);
  // Nobody else is locked out, at either of them.
  for (const each of [gateway, other]) expect(await signIn(each, "rita", rita.password, from("192.0.2.7"))).not.toBe("wrong-password");
});

test("[W5] who begins a sign-in at one gateway and ends it at another may do so as often as it takes", async () => {
  const other = (await installation.addGateway({ trustedProxies: 1 })).url;
  const sven = await signUp(gateway, "sven");
  for (let times = 0; times < 2 * limits.signInsPerMinutePerNameAndAddress; times++) {
    expect(await signIn(gateway, "sven", sven.password, from("192.0.2.8"), other)).not.toBe("wrong-password");
  }
});

test("[W6] a sign-in's grant adds one device", async () => {
  const rosa = await signUp(gateway, "rosa");
  const grant = async () => {
    const signedIn = await signIn(gateway, "rosa", rosa.password);
    if (signedIn === "wrong-password") throw new Error("refused");
    return signedIn.grant;
  };
  const used = await grant();
  const unused = await grant();
  await addDeviceBy(gateway, rosa, used);
  expect(await codeOf(addDeviceBy(gateway, rosa, used))).toBe(ErrorCode.SIGN_IN_EXPIRED);
  // The chain has moved on since: sign in again.
  expect(await codeOf(addDeviceBy(gateway, rosa, unused))).toBe(ErrorCode.SIGN_IN_EXPIRED);
  await addDevice(gateway, rosa);
  expect(rosa.devices).toHaveLength(3);
});

/** A new password as its owner's client sends it; `seed` signs it. */
async function newPasswordOf(account: AccountId, grant: Uint8Array, seed: Uint8Array, version: number) {
  const { clientRegistrationState, registrationRequest } = opaque.startRegistration({ password: "correct horse battery" });
  const started = await post(gateway, "/v1/password/start", wire.PasswordStartSchema, wire.PasswordStartedSchema, {
    grant,
    registrationRequest: Buffer.from(registrationRequest, "base64url"),
  });
  const { registrationRecord } = opaque.finishRegistration({
    clientRegistrationState,
    registrationResponse: Buffer.from(started.registrationResponse).toString("base64url"),
    password: "correct horse battery",
    identifiers: passwordIdentifiers("x"),
    keyStretching,
  });
  const record = Buffer.from(registrationRecord, "base64url");
  const wrap = { version, sealed: randomBytes(64) };
  const signature = await signNewRecord(seed, { account, state: started.state, record, wrap });
  return { state: started.state, registrationRecord: record, wrap: { purpose: WrapPurpose.MASTER_BY_PASSWORD, ...wrap }, signature };
}

/** With the right password, up to the last step. */
async function startedSignIn({ name, password }: TestPerson) {
  const { clientLoginState, startLoginRequest } = opaque.startLogin({ password });
  const started = await post(gateway, "/v1/sign-in/start", wire.SignInStartSchema, wire.SignInStartedSchema, {
    name,
    loginRequest: Buffer.from(startLoginRequest, "base64url"),
  });
  const finished = opaque.finishLogin({
    clientLoginState,
    loginResponse: Buffer.from(started.loginResponse).toString("base64url"),
    password,
    identifiers: passwordIdentifiers(name),
    keyStretching,
  });
  const loginFinish = Buffer.from(finished!.finishLoginRequest, "base64url");
  return () =>
    post(gateway, "/v1/sign-in/finish", wire.SignInFinishSchema, wire.SignInFinishedSchema, { state: started.state, loginFinish });
}

const setPassword = (body: MessageInitShape<typeof wire.PasswordFinishSchema>) =>
  codeOf(post(gateway, "/v1/password/finish", wire.PasswordFinishSchema, wire.PasswordFinishedSchema, body));

test("[P2] a password is replaced only with the identity key's signature over the very record, once", async () => {
  const victim = await signUp(gateway, "vroni");
  const thief = await signUp(gateway, "tassilo");
  const grantOf = async (person: TestPerson) => ((await signIn(gateway, person.name, person.password)) as wire.SignInFinished).grant;
  const grant = await grantOf(victim);
  // A grant alone is not enough, nor is a device's key, nor another account's identity.
  for (const seed of [thief.identitySeed, victim.devices[0]!.signingSeed, randomBytes(32)]) {
    expect(await setPassword(await newPasswordOf(victim.account, grant, seed, 2))).toBe(ErrorCode.SIGNATURE_INVALID);
  }
  expect(await codeOf(newPasswordOf(victim.account, randomBytes(90), victim.identitySeed, 2))).toBe(ErrorCode.SIGN_IN_EXPIRED);
  // Signed for one account, taken for no other.
  const hers = await newPasswordOf(victim.account, grant, victim.identitySeed, 2);
  const his = await newPasswordOf(thief.account, await grantOf(thief), thief.identitySeed, 2);
  expect(await setPassword({ ...his, state: hers.state })).toBe(ErrorCode.SIGNATURE_INVALID);
  for (const changed of [
    { ...hers, registrationRecord: his.registrationRecord },
    { ...hers, wrap: { ...hers.wrap, sealed: randomBytes(64) } },
    { ...hers, wrap: { ...hers.wrap, version: 3 } },
  ]) {
    expect(await setPassword(changed)).toBe(ErrorCode.SIGNATURE_INVALID);
  }
  expect(await setPassword(await newPasswordOf(victim.account, grant, victim.identitySeed, 9))).toBe(ErrorCode.VERSION_CONFLICT);
  expect(await setPassword({ ...hers, wrap: { ...hers.wrap, purpose: WrapPurpose.IDENTITY_BY_MASTER } })).toBe(ErrorCode.MALFORMED);
  expect(await signIn(gateway, "vroni", victim.password)).not.toBe("wrong-password");
  const late = await newPasswordOf(victim.account, grant, victim.identitySeed, 2);
  const underWay = await startedSignIn(victim);
  expect(await setPassword(hers)).toBe(0);
  // Neither a sign-in with the old password that was under way, nor what was gained with it: no third password, and no device.
  expect(await codeOf(underWay())).toBe(ErrorCode.SIGN_IN_EXPIRED);
  expect(await codeOf(newPasswordOf(victim.account, grant, victim.identitySeed, 3))).toBe(ErrorCode.SIGN_IN_EXPIRED);
  expect(await codeOf(addDeviceBy(gateway, victim, grant))).toBe(ErrorCode.SIGN_IN_EXPIRED);
  expect(await signIn(gateway, "vroni", victim.password)).toBe("wrong-password");
  // What was signed for the record before is worth nothing any more.
  for (const again of [hers, late]) expect(await setPassword(again)).toBe(ErrorCode.VERSION_CONFLICT);
});

test("[P2] who has no recovery words gets nothing, and nothing twice; under uniform answers a missing name looks the same", async () => {
  const { person, link, attachments, recoverySeed } = await makePerson("renate");
  const { registrationRecord, state: signUpState } = await startSignUp(gateway, "renate", person.password);
  const signedUp = { name: "renate", registrationRecord, create: link, attachments, state: signUpState };
  await post(gateway, "/v1/sign-up/finish", wire.SignUpFinishSchema, wire.SignUpFinishedSchema, signedUp);
  const start = (name: string, at = gateway) =>
    post(at, "/v1/recovery/start", wire.RecoveryStartSchema, wire.RecoveryStartedSchema, { name });
  const finish = async (state: Uint8Array, seed: Uint8Array, name: string, at = gateway) =>
    codeOf(
      post(at, "/v1/recovery/finish", wire.RecoveryFinishSchema, wire.SignInFinishedSchema, {
        state,
        signature: await signRecovery(seed, { name, state }),
      }),
    );
  const { account } = person;
  const wrongSeeds = [randomBytes(32), person.identitySeed, person.devices[0]!.signingSeed];
  for (const seed of wrongSeeds) expect(await finish((await start("renate")).state, seed, "renate")).toBe(ErrorCode.WRONG_RECOVERY_WORDS);
  // One attempt for each start, right or wrong; and a signature is for its state and name.
  const { state } = await start("renate");
  expect(await finish(state, randomBytes(32), "renate")).toBe(ErrorCode.WRONG_RECOVERY_WORDS);
  expect(await finish(state, recoverySeed, "renate")).toBe(ErrorCode.SIGN_IN_EXPIRED);
  expect(await finish(randomBytes(120), recoverySeed, "renate")).toBe(ErrorCode.SIGN_IN_EXPIRED);
  expect(await finish((await start("renate")).state, recoverySeed, "rosa")).toBe(ErrorCode.WRONG_RECOVERY_WORDS);
  expect(await finish((await start("renate")).state, recoverySeed, "renate")).toBe(0);
  // What was begun before the password changed ends with it.
  const before = await start("renate");
  const { grant } = (await signIn(gateway, "renate", person.password)) as wire.SignInFinished;
  expect(await setPassword(await newPasswordOf(account, grant, person.identitySeed, 2))).toBe(0);
  expect(await finish(before.state, recoverySeed, "renate")).toBe(ErrorCode.SIGN_IN_EXPIRED);
  expect(await codeOf(start("nobody"))).toBe(ErrorCode.NO_SUCH_USER);
  await using uniform = await installation.addGateway({ signInAnswers: "uniform" });
  const made = await start("nobody", uniform.url);
  expect(made.state).toHaveLength((await start("nobody", uniform.url)).state.length);
  expect(await finish(made.state, recoverySeed, "nobody", uniform.url)).toBe(ErrorCode.WRONG_RECOVERY_WORDS);
});
