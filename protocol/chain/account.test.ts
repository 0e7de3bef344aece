import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import {
  AccountCloseSchema,
  AccountHeadSchema,
  type AccountKey,
  type AccountLink,
  AccountLinkSchema,
  type AccountSucceed,
  type SignedLink,
  SignedLinkSchema,
} from "../generated/fastchat/v1/account_pb.ts";
import { type DeviceId, deviceId, idBytes } from "../ids.ts";
import { limits } from "../limits.ts";
import { concat, fromHex } from "../seal/bytes.ts";
import { labels } from "../seal/labels.ts";
import { publicKeyOf, signLink } from "../seal/signature.ts";
import {
  accountIdOf,
  accountKeyAt,
  accountLinkHash,
  type AccountState,
  activeDevices,
  applyAccountLink,
  applyAccountLinks,
  buildAccountPolicy,
  buildAddDevice,
  buildClose,
  buildRecovery,
  buildRevoke,
  buildSignOut,
  deviceAt,
} from "./index.ts";
import {
  accountKeyFor,
  addDevice,
  bytesOf,
  close,
  deviceOf,
  first,
  forgeAccountLink,
  newRecovery,
  people,
  type Person,
  revoke,
  signOut,
  signUp,
  succeed,
  take,
  twin,
} from "./test-people.ts";

/** The verdict on a link and, unless it is valid, the reason. */
function verdict(state: AccountState | undefined, link: SignedLink): string {
  const result = applyAccountLink(state, link);
  return result.kind === "valid" ? "valid" : `${result.kind}: ${result.reason}`;
}

const seedsOf = (person: Person) => ({ signing: bytesOf(`${person.name}/identity`), cosigning: first(person).signingSeed });

function forgeCreate(change: Parameters<typeof forgeAccountLink>[2]): string {
  const { alice } = people();
  return verdict(undefined, forgeAccountLink(alice.links[0]!, seedsOf(alice), change));
}

const smallOrder = fromHex("0100000000000000000000000000000000000000000000000000000000000000");
const notCanonical = fromHex("eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f");

test("[G2] an account's id is the hash of its create, and no link's hash", () => {
  const { alice } = people();
  expect(alice.account).toBe(accountIdOf(alice.links[0]!));
  expect(alice.account).not.toBe(accountLinkHash(alice.links[0]!));
  expect(alice.state.head).toEqual({ index: 1, hash: accountLinkHash(alice.links[0]!) });
  expect(signUp("bob").account).not.toBe(alice.account);
});

test("[A1] a chain with every type of link is valid and says who is what", () => {
  const { alice } = people();
  const laptop = first(alice);
  const phone = addDevice(alice);
  const tablet = addDevice(alice);
  newRecovery(alice);
  signOut(alice, tablet);
  revoke(alice, phone);
  const watch = addDevice(alice);
  succeed(alice, laptop);
  close(alice);
  expect(alice.state).toMatchObject({ name: "alice", version: 1, lastTurn: 9, closed: true });
  expect(alice.state.devices.get(phone.device)?.status).toEqual({ kind: "revoked", at: 6 });
  expect(alice.state.devices.get(tablet.device)).toMatchObject({ status: { kind: "revoked", at: 8 }, endedAt: 5 });
  expect(alice.state.devices.get(watch.device)?.status).toEqual({ kind: "revoked", at: 8 });
  expect(alice.state.accountKeys.map((key) => [key.generation, key.from])).toEqual([
    [1, 1],
    [2, 6],
    [3, 8],
  ]);
  expect(alice.state.identityKeys.map((key) => key.from)).toEqual([1, 8]);
  expect(applyAccountLinks(undefined, alice.links)).toEqual({ kind: "valid", state: alice.state });
});

test("[A1] deviceAt and accountKeyAt tell what was at any head", () => {
  const { alice } = people();
  const phone = addDevice(alice);
  signOut(alice, phone);
  revoke(alice, phone);
  close(alice);
  const was = (index: number) => [deviceAt(alice.state, phone.device, index), deviceAt(alice.state, first(alice).device, index)];
  expect([0, 1, 2, 3, 4, 5].map(was)).toEqual([
    ["unknown", "unknown"],
    ["unknown", "active"],
    ["active", "active"],
    ["ended", "active"],
    ["ended", "active"],
    ["ended", "ended"],
  ]);
  expect([1, 3, 4, 5].map((index) => accountKeyAt(alice.state, index)?.generation)).toEqual([1, 1, 2, 2]);
  expect(accountKeyAt(alice.state, 0)).toBeUndefined();
});

test("[A3] only a name in its one form is taken", () => {
  for (const name of ["Alice", "alicé", "a", "", "a".repeat(33), "alice ", "a..b", "аlice", "alice‮"]) {
    const result = forgeCreate((body) => {
      if (body.change.case === "create") body.change.value.name = name;
    });
    expect([name, result]).toEqual([name, "invalid: not a name in its one form"]);
  }
});

test("[G3] no small-order and no non-canonical key gets into a chain", () => {
  for (const key of [smallOrder, notCanonical, new Uint8Array(31), new Uint8Array(0)]) {
    for (const field of ["identityKey", "recoveryKey"] as const) {
      const result = forgeCreate((body) => {
        if (body.change.case === "create") body.change.value[field] = key;
      });
      expect(result).toBe(`invalid: not an acceptable ${field === "identityKey" ? "identity" : "recovery"} key`);
    }
    const device = forgeCreate((body) => {
      if (body.change.case === "create" && body.change.value.device) body.change.value.device.signingKey = key;
    });
    expect(device).toBe("invalid: not an acceptable device");
    const { alice } = people();
    newRecovery(alice);
    const before = signUp("alice").state;
    const forged = forgeAccountLink(alice.links[1]!, { signing: alice.identitySeed }, (body) => {
      if (body.change.case === "recovery") body.change.value.recoveryKey = key;
    });
    expect(verdict(before, forged)).toBe("invalid: not an acceptable recovery key");
  }
});

test("[G2] create follows nothing and begins every chain", () => {
  expect(forgeCreate((body) => (body.previous = bytesOf("x")))).toBe("invalid: create follows nothing");
  expect(forgeCreate((body) => (body.account = bytesOf("x")))).toBe("invalid: create follows nothing");
  expect(forgeCreate((body) => (body.index = 0))).toBe("invalid: no index");
  expect(forgeCreate((body) => (body.index = 2))).toBe("incomplete: previous");
  expect(forgeCreate((body) => (body.change = { case: "close", value: create(AccountCloseSchema) }))).toBe(
    "invalid: does not begin a chain",
  );
  const { alice } = people();
  expect(verdict(alice.state, alice.links[0]!)).toBe("invalid: not the next link");
});

test("[G4] a create in a version above ours is incomplete; without a version it is invalid", () => {
  expect(forgeCreate((body) => (body.version = limits.chainVersion + 1))).toBe("incomplete: version");
  expect(forgeCreate((body) => (body.version = 0))).toBe("invalid: no version");
});

test("[G4] a link that is not in the chain's version is invalid; raising it above ours stops the chain only if it is signed", () => {
  const { alice } = people();
  const before = alice.state;
  const recovery = newRecovery(alice);
  for (const version of [0, 2]) {
    const forged = forgeAccountLink(recovery, { signing: alice.identitySeed }, (body) => (body.version = version));
    expect(verdict(before, forged)).toBe("invalid: not in the chain's version");
  }
  const { identitySeed } = alice;
  expect(verdict(before, buildAccountPolicy(before, { identitySeed, version: 2 }))).toBe("incomplete: version");
  expect(verdict(before, buildAccountPolicy(before, { identitySeed, version: 1 }))).toBe("invalid: a version is only raised");
  expect(verdict(before, buildAccountPolicy(before, { identitySeed: bytesOf("mallory"), version: 2 }))).toBe("invalid: signature");
});

test("[G4] an unknown change or field, at any depth, is invalid", () => {
  const { alice } = people();
  const before = alice.state;
  const recovery = newRecovery(alice);
  const none = forgeAccountLink(recovery, { signing: alice.identitySeed }, (body) => (body.change = { case: undefined }));
  expect(verdict(before, none)).toBe("invalid: unknown change");
  // Field 18 of the oneof, length-delimited, empty: a change that a later version may bring.
  const body = concat(recovery.body, fromHex("920100"));
  const label = labels.signature.accountLink;
  const newer = forgeAccountLink(create(SignedLinkSchema, { body }), { signing: alice.identitySeed, label }, () => undefined);
  expect(fromBinary(AccountLinkSchema, newer.body).$unknown).toHaveLength(1);
  expect(verdict(before, newer)).toBe("invalid: unknown field");
  const nested = forgeCreate((link) => {
    if (link.change.case === "create") link.change.value.device!.$unknown = [{ no: 9, wireType: 0, data: fromHex("01") }];
  });
  expect(nested).toBe("invalid: unknown field");
});

test("[G3] the bytes received count, in whatever order their fields are", () => {
  const { alice } = people();
  const before = alice.state;
  const recovery = fromBinary(AccountLinkSchema, newRecovery(alice).body);
  const extra = toBinary(AccountLinkSchema, create(AccountLinkSchema, { extra: fromHex("00") }));
  const body = concat(extra, toBinary(AccountLinkSchema, recovery));
  const link = { ...create(SignedLinkSchema, { body }) };
  const signed = forgeAccountLink(link, { signing: alice.identitySeed }, () => undefined);
  expect(signed.body).not.toEqual(body);
  // Signed as it was written, not as it would be written again.
  const own = create(SignedLinkSchema, { body, signature: signLink(alice.identitySeed, labels.signature.accountLink, body) });
  expect(verdict(before, own)).toBe("valid");
  expect(verdict(before, create(SignedLinkSchema, { body, signature: signed.signature }))).toBe("invalid: signature");
});

test("[G4] extra is signed and never read", () => {
  const { alice } = people();
  const before = alice.state;
  const recovery = newRecovery(alice);
  const withExtra = (length: number) =>
    forgeAccountLink(recovery, { signing: alice.identitySeed }, (body) => (body.extra = new Uint8Array(length)));
  expect(verdict(before, withExtra(limits.extraBytes))).toBe("valid");
  expect(verdict(before, withExtra(limits.extraBytes + 1))).toBe("invalid: extra is too long");
  const other = create(SignedLinkSchema, { ...withExtra(1), signature: withExtra(2).signature });
  expect(verdict(before, other)).toBe("invalid: signature");
});

test("[G4] a link follows exactly the head, in exactly this account", () => {
  const { alice } = people();
  const before = alice.state;
  const recovery = newRecovery(alice);
  const forge = (change: Parameters<typeof forgeAccountLink>[2]) =>
    verdict(before, forgeAccountLink(recovery, { signing: alice.identitySeed }, change));
  expect(forge((body) => (body.previous = bytesOf("elsewhere")))).toBe("invalid: does not follow the link before");
  expect(forge((body) => (body.previous = new Uint8Array(0)))).toBe("invalid: does not follow the link before");
  expect(forge((body) => (body.account = idBytes(signUp("bob").account)))).toBe("invalid: of another account");
  expect(forge((body) => (body.account = new Uint8Array(0)))).toBe("invalid: of another account");
  expect(forge((body) => (body.index = 3))).toBe("incomplete: previous");
  expect(forge((body) => (body.index = 1))).toBe("invalid: not the next link");
  const gap = applyAccountLinks(undefined, [alice.links[0]!, alice.links[0]!]);
  expect(gap).toMatchObject({ kind: "invalid", position: 1, state: before });
  expect(applyAccountLinks(undefined, [])).toMatchObject({ kind: "incomplete", reason: "previous", position: 0 });
});

test("[A1] every link needs the identity key; a co-signature that nobody needs is refused", () => {
  const { alice } = people();
  const before = alice.state;
  const phone = addDevice(twin(alice));
  for (const grow of [
    newRecovery,
    close,
    (person: Person) => revoke(person, first(person)),
    (person: Person) => succeed(person, first(person)),
  ]) {
    const link = grow(twin(alice));
    const cosigning = link.cosignature.length > 0 ? bytesOf("alice/identity/2") : undefined;
    const cosignLabel = labels.signature.accountSuccession;
    const byDevice = { signing: first(alice).signingSeed, cosignLabel };
    const forged = forgeAccountLink(link, cosigning === undefined ? byDevice : { ...byDevice, cosigning }, () => undefined);
    expect(verdict(before, forged)).toBe("invalid: signature");
  }
  for (const link of [
    newRecovery(twin(alice)),
    close(twin(alice)),
    revoke(twin(alice), first(alice)),
    signOut(twin(alice), first(alice)),
  ]) {
    const more = create(SignedLinkSchema, { ...link, cosignature: link.signature });
    expect(verdict(before, more)).toBe("invalid: a co-signature that nobody needs");
  }
  expect(deviceAt(before, phone.device, 1)).toBe("unknown");
});

test("[A1] a device signs its own sign-out, under its own label, and nobody else's", () => {
  const { alice } = people();
  const phone = addDevice(alice);
  const laptop = first(alice);
  const link = buildSignOut(alice.state, phone);
  expect(verdict(alice.state, link)).toBe("valid");
  expect(verdict(alice.state, buildSignOut(alice.state, { ...phone, signingSeed: laptop.signingSeed }))).toBe("invalid: signature");
  expect(verdict(alice.state, buildSignOut(alice.state, { ...phone, signingSeed: alice.identitySeed }))).toBe("invalid: signature");
  const label = forgeAccountLink(link, { signing: phone.signingSeed, label: labels.signature.accountLink }, () => undefined);
  expect(verdict(alice.state, label)).toBe("invalid: signature");
  const unknown = buildSignOut(alice.state, deviceOf("alice", 9));
  expect(verdict(alice.state, unknown)).toBe("invalid: signs out a device that is not active");
  take(alice, link);
  expect(verdict(alice.state, buildSignOut(alice.state, phone))).toBe("invalid: signs out a device that is not active");
});

test("[A1] create and add device are co-signed by the new device over the whole link", () => {
  const { alice } = people();
  const before = alice.state;
  const phone = addDevice(alice);
  const link = alice.links[1]!;
  const { identitySeed } = alice;
  expect(verdict(before, create(SignedLinkSchema, { ...link, cosignature: new Uint8Array(0) }))).toBe("invalid: co-signature");
  const byOther = forgeAccountLink(link, { signing: identitySeed, cosigning: first(alice).signingSeed }, () => undefined);
  expect(verdict(before, byOther)).toBe("invalid: co-signature");
  const overElse = create(SignedLinkSchema, { ...link, cosignature: alice.links[0]!.cosignature });
  expect(verdict(before, overElse)).toBe("invalid: co-signature");
  const otherLabel = { signing: identitySeed, cosigning: phone.signingSeed, cosignLabel: labels.signature.accountSuccession };
  expect(
    verdict(
      before,
      forgeAccountLink(link, otherLabel, () => undefined),
    ),
  ).toBe("invalid: co-signature");
  const begin = alice.links[0]!;
  expect(verdict(undefined, create(SignedLinkSchema, { ...begin, cosignature: new Uint8Array(0) }))).toBe("invalid: co-signature");
  expect(verdict(undefined, create(SignedLinkSchema, { ...begin, cosignature: begin.signature }))).toBe("invalid: co-signature");
});

test("[A1] a device's key is used once, also after its end", () => {
  const { alice } = people();
  const phone = addDevice(alice);
  signOut(alice, phone);
  const { identitySeed } = alice;
  const again = buildAddDevice(alice.state, {
    identitySeed,
    device: { ...phone.keys, nonce: bytesOf("another nonce") },
    sealedHash: bytesOf("copy"),
  });
  expect(verdict(alice.state, again)).toBe("invalid: a device's key is used once");
});

test("[A1] an account has no more active devices than the limit, and a signed-out one makes room", () => {
  const { alice } = people();
  while (activeDevices(alice.state).length < limits.devicesPerAccount) addDevice(alice);
  const { identitySeed } = alice;
  const next = () => buildAddDevice(alice.state, { identitySeed, device: deviceOf("alice", 99).keys, sealedHash: bytesOf("copy") });
  expect(verdict(alice.state, next())).toBe("invalid: too many devices");
  signOut(alice, alice.devices[3]!);
  expect(verdict(alice.state, next())).toBe("valid");
});

test("[A1] the account key changes only with a revoke or succeed, by one generation, for exactly the devices that stay", () => {
  const { alice } = people();
  const phone = addDevice(alice);
  addDevice(alice);
  const before = alice.state;
  const link = revoke(twin(alice), phone);
  const { identitySeed } = alice;
  const forge = (change: (key: AccountKey) => void) =>
    verdict(
      before,
      forgeAccountLink(link, { signing: identitySeed }, (body) => change(accountKeyIn(body))),
    );
  expect(forge((key) => (key.generation = 3))).toBe("invalid: not the next generation");
  expect(forge((key) => (key.generation = 1))).toBe("invalid: not the next generation");
  expect(forge((key) => (key.previousHash = new Uint8Array(0)))).toBe("invalid: previous account key");
  expect(forge((key) => (key.publicKeyHash = new Uint8Array(31)))).toBe("invalid: not an account key");
  expect(forge((key) => (key.wrappedHash = new Uint8Array(0)))).toBe("invalid: not an account key");
  const copies = "invalid: copies for other than the active devices";
  expect(forge((key) => key.copies.reverse())).toBe(copies);
  expect(forge((key) => key.copies.pop())).toBe(copies);
  expect(forge((key) => (key.copies[0]!.device = idBytes(phone.device)))).toBe(copies);
  expect(forge((key) => key.copies.push({ ...key.copies[0]!, device: idBytes(phone.device) }))).toBe(copies);
  expect(forge((key) => (key.copies[0]!.sealedHash = new Uint8Array(0)))).toBe(copies);
  const none = forgeAccountLink(link, { signing: identitySeed }, (body) => {
    if (body.change.case === "revoke") delete body.change.value.accountKey;
  });
  expect(verdict(before, none)).toBe("invalid: no account key");
  expect(forgeCreate((body) => (accountKeyIn(body).previousHash = bytesOf("x")))).toBe("invalid: previous account key");
});

test("[A1] revoke names known devices in order, each once; signed-out ones too, revoked ones not again", () => {
  const { alice } = people();
  const phone = addDevice(alice);
  const tablet = addDevice(alice);
  signOut(alice, tablet);
  const { identitySeed } = alice;
  const attempt = (devices: readonly DeviceId[], remaining: readonly DeviceId[]) => {
    const accountKey = accountKeyFor("alice", 2, remaining);
    return verdict(alice.state, buildRevoke(alice.state, { identitySeed, devices, accountKey }));
  };
  const all = activeDevices(alice.state);
  const laptop = first(alice).device;
  const unordered = "invalid: not an ordered list of devices";
  expect(attempt([], all)).toBe(unordered);
  expect(attempt([phone.device, phone.device], [laptop])).toBe(unordered);
  expect(attempt([deviceId(bytesOf("nobody's"))], all)).toBe("invalid: revokes a device that is unknown or revoked already");
  expect(attempt([tablet.device], all)).toBe("valid");
  expect(attempt([phone.device, tablet.device], [laptop])).toBe("valid");
  expect(attempt([phone.device, laptop], [])).toBe("valid");
  revoke(alice, tablet);
  expect(attempt([tablet.device], all)).toBe("invalid: revokes a device that is unknown or revoked already");
});

test("[P2] succeed is signed by the old identity and co-signed by the new one; only one device stays", () => {
  const { alice } = people();
  const laptop = first(alice);
  const phone = addDevice(alice);
  const before = alice.state;
  const link = succeed(alice, laptop);
  const seeds = {
    signing: bytesOf("alice/identity"),
    cosigning: bytesOf("alice/identity/2"),
    cosignLabel: labels.signature.accountSuccession,
  };
  const forge = (change: (value: AccountSucceed) => void, other: Partial<typeof seeds> = {}) =>
    verdict(
      before,
      forgeAccountLink(link, { ...seeds, ...other }, (body) => {
        if (body.change.case === "succeed") change(body.change.value);
      }),
    );
  expect(forge(() => undefined)).toBe("valid");
  expect(forge(() => undefined, { signing: seeds.cosigning })).toBe("invalid: signature");
  expect(forge(() => undefined, { cosigning: seeds.signing })).toBe("invalid: co-signature");
  expect(verdict(before, create(SignedLinkSchema, { ...link, cosignature: new Uint8Array(0) }))).toBe("invalid: co-signature");
  expect(forge((value) => (value.identityKey = before.identityKey))).toBe("invalid: an identity key is used once");
  expect(forge((value) => (value.identityKey = smallOrder))).toBe("invalid: not an acceptable identity key");
  expect(forge((value) => (value.recoveryKey = notCanonical))).toBe("invalid: not an acceptable recovery key");
  expect(forge((value) => (value.device = bytesOf("nobody's")))).toBe("invalid: the staying device is not active");
  expect(forge((value) => (value.device = idBytes(phone.device)))).toBe("invalid: copies for other than the active devices");
  const head = (account: Person) => create(AccountHeadSchema, { account: idBytes(account.account), index: 3, hash: bytesOf("branch") });
  expect(forge((value) => value.settles.push(head(alice)))).toBe("valid");
  const elsewhere = "invalid: settles something else than heads of this account";
  expect(forge((value) => value.settles.push(head(signUp("bob"))))).toBe(elsewhere);
  expect(forge((value) => value.settles.push(head(alice), head(alice)))).toBe(elsewhere);
  expect(deviceAt(alice.state, phone.device, 3)).toBe("ended");
  expect(deviceAt(alice.state, laptop.device, 3)).toBe("active");
  const byOld = buildClose(alice.state, { identitySeed: bytesOf("alice/identity") });
  expect(verdict(alice.state, byOld)).toBe("invalid: signature");
  expect(verdict(alice.state, buildClose(alice.state, { identitySeed: alice.identitySeed }))).toBe("valid");
});

test("[A1] nothing follows a close", () => {
  const { alice } = people();
  close(alice);
  const { identitySeed } = alice;
  expect(verdict(alice.state, buildClose(alice.state, { identitySeed }))).toBe("invalid: the account is closed");
  const device = deviceOf("alice", 2).keys;
  expect(verdict(alice.state, buildAddDevice(alice.state, { identitySeed, device, sealedHash: bytesOf("copy") }))).toBe(
    "invalid: the account is closed",
  );
});

test("[G4] a full chain can only be closed", () => {
  const { alice } = people();
  const full = { ...alice.state, head: { ...alice.state.head, index: limits.accountLinks } };
  const { identitySeed } = alice;
  const recoveryPublicKey = publicKeyOf(bytesOf("new"));
  expect(verdict(full, buildRecovery(full, { identitySeed, recoveryPublicKey }))).toBe("invalid: the chain is full");
  expect(verdict(full, buildClose(full, { identitySeed }))).toBe("valid");
});

test("[G4] links of the wrong size are refused before anything is read", () => {
  const [link] = signUp("alice").links;
  const form = "invalid: no form of a link";
  expect(verdict(undefined, create(SignedLinkSchema, { ...link!, signature: link!.signature.slice(1) }))).toBe(form);
  expect(verdict(undefined, create(SignedLinkSchema, { ...link!, cosignature: link!.cosignature.slice(1) }))).toBe(form);
  expect(verdict(undefined, create(SignedLinkSchema, { ...link!, body: new Uint8Array(0) }))).toBe(form);
  expect(verdict(undefined, create(SignedLinkSchema, { ...link!, body: new Uint8Array(limits.linkBodyBytes + 1) }))).toBe(form);
  expect(verdict(undefined, create(SignedLinkSchema, { ...link!, body: fromHex("ff") }))).toBe("invalid: no account link");
});

function accountKeyIn({ change }: AccountLink): AccountKey {
  const value = change.case === "create" || change.case === "revoke" ? change.value : undefined;
  if (value?.accountKey === undefined) throw new Error("no account key");
  return value.accountKey;
}
