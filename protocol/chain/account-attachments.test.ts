import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { type AccountAttachments, AccountAttachmentsSchema, type SignedLink, WrapPurpose } from "../generated/fastchat/v1/account_pb.ts";
import { idBytes } from "../ids.ts";
import { accountPublicKeyHash, deviceSealingKeyHash, sealedCopyHash } from "../seal/account-keys.ts";
import { utf8 } from "../seal/bytes.ts";
import { generateSealingKey, sealingPublicKeyLength } from "../seal/hpke.ts";
import { publicKeyOf } from "../seal/signature.ts";
import {
  type AccountState,
  applyAccountLink,
  buildAccountCreate,
  buildAddDevice,
  buildRecovery,
  buildRevoke,
  checkAccountAttachments,
  newDeviceId,
} from "./index.ts";
import { bytesOf } from "./test-people.ts";

const copyOf = (name: string): Uint8Array => utf8(`a sealed copy: ${name}`);
const identitySeed = bytesOf("alice/identity");

/** Alice's account with real sealing keys: create, a second device, and its revocation, with all that travels beside. */
async function alice() {
  const [laptopKey, phoneKey, firstKey, secondKey] = await Promise.all(
    ["laptop", "phone", "first", "second"].map((name) => generateSealingKey(bytesOf(name))),
  );
  const keys = (name: string, sealingKey: typeof laptopKey) => ({
    signingSeed: bytesOf(`${name}/sign`),
    sealingKeyHash: deviceSealingKeyHash(sealingKey!.publicKey),
    nonce: bytesOf(`${name}/nonce`),
  });
  const [laptop, phone] = [keys("laptop", laptopKey), keys("phone", phoneKey)];
  const accountKey = (key: typeof firstKey, generation: number) => ({
    publicKeyHash: accountPublicKeyHash(key!.publicKey),
    wrappedHash: sealedCopyHash(copyOf(`wrapped ${generation}`)),
    ...(generation > 1 ? { previousHash: sealedCopyHash(copyOf("previous")) } : {}),
    copies: new Map([[newDeviceId(laptop), sealedCopyHash(copyOf(`laptop ${generation}`))]]),
  });
  const copy = (device: typeof laptop, generation: number, name: string) => ({
    device: idBytes(newDeviceId(device)),
    generation,
    sealed: copyOf(name),
  });
  const master = { purpose: WrapPurpose.MASTER_BY_PASSWORD, version: 1, sealed: copyOf("master") };
  const wrapped = (version: number) => ({ purpose: WrapPurpose.ACCOUNT_KEY_BY_MASTER, version, sealed: copyOf(`wrapped ${version}`) });
  const previous = { purpose: WrapPurpose.ACCOUNT_KEY_BY_NEXT, version: 1, sealed: copyOf("previous") };

  const begin = after(
    undefined,
    buildAccountCreate({
      name: "alice",
      nonce: bytesOf("nonce"),
      identitySeed,
      recoveryPublicKey: publicKeyOf(bytesOf("recovery")),
      device: laptop,
      accountKey: accountKey(firstKey, 1),
    }),
  );
  const added = after(
    begin.state,
    buildAddDevice(begin.state, { identitySeed, device: phone, sealedHash: sealedCopyHash(copyOf("phone 1")) }),
  );
  const devices = [newDeviceId(phone)];
  const revoked = after(added.state, buildRevoke(added.state, { identitySeed, devices, accountKey: accountKey(secondKey, 2) }));
  return {
    create: {
      ...begin,
      attachments: create(AccountAttachmentsSchema, {
        accountPublicKey: firstKey!.publicKey,
        deviceSealingKey: laptopKey!.publicKey,
        copies: [copy(laptop, 1, "laptop 1")],
        wraps: [master, wrapped(1)],
      }),
    },
    addDevice: {
      ...added,
      attachments: create(AccountAttachmentsSchema, { deviceSealingKey: phoneKey!.publicKey, copies: [copy(phone, 1, "phone 1")] }),
    },
    revoke: {
      ...revoked,
      attachments: create(AccountAttachmentsSchema, {
        accountPublicKey: secondKey!.publicKey,
        copies: [copy(laptop, 2, "laptop 2")],
        wraps: [previous, wrapped(2)],
      }),
    },
  };
}

function after(state: AccountState | undefined, link: SignedLink) {
  const result = applyAccountLink(state, link);
  if (result.kind !== "valid") throw new Error(result.reason);
  return { state: result.state, link };
}

test("[A2] what a link names lies beside it, whole and unchanged", async () => {
  for (const { state, link, attachments } of Object.values(await alice())) {
    expect(checkAccountAttachments(state, link, attachments)).toEqual({ kind: "valid" });
  }
});

test("[A2] a key, copy or wrap that is missing, swapped, malformed or too many is refused", async () => {
  const { create: begin, addDevice, revoke } = await alice();
  const refused = (at: typeof begin, change: (attachments: AccountAttachments) => void): string => {
    const attachments = structuredClone({ ...at.attachments });
    change(attachments);
    const result = checkAccountAttachments(at.state, at.link, attachments);
    return result.kind === "invalid" ? result.reason : "valid";
  };
  const otherKey = addDevice.attachments.deviceSealingKey;
  expect(refused(begin, (each) => (each.accountPublicKey = otherKey))).toBe("not the account's public key");
  expect(refused(begin, (each) => (each.accountPublicKey = new Uint8Array(0)))).toBe("not the account's public key");
  expect(refused(begin, (each) => (each.deviceSealingKey = otherKey))).toBe("not the device's sealing key");
  expect(refused(addDevice, (each) => (each.accountPublicKey = otherKey))).toBe("not the account's public key");
  expect(refused(revoke, (each) => (each.deviceSealingKey = otherKey))).toBe("not the device's sealing key");
  for (const at of [begin, addDevice, revoke]) {
    expect(refused(at, (each) => each.copies.pop())).toBe("more or fewer copies than named");
    expect(refused(at, (each) => each.copies.push(each.copies[0]!))).toBe("more or fewer copies than named");
    expect(refused(at, (each) => (each.copies[0]!.sealed = copyOf("other")))).toBe("not the copy that is named");
    expect(refused(at, (each) => (each.copies[0]!.generation += 1))).toBe("a copy of another generation");
    expect(refused(at, (each) => (each.copies[0]!.device = bytesOf("other")))).toBe("copies in another order than named");
  }
  expect(refused(begin, (each) => each.wraps.pop())).toBe("more or fewer wraps than named");
  expect(refused(begin, (each) => each.wraps.shift())).toBe("valid");
  expect(refused(revoke, (each) => (each.wraps[0]!.sealed = copyOf("other")))).toBe("not the wrap that is named");
  expect(refused(revoke, (each) => (each.wraps[0]!.version = 2))).toBe("a wrap is missing");
  expect(refused(addDevice, (each) => each.wraps.push({ ...begin.attachments.wraps[1]! }))).toBe("more or fewer wraps than named");
});

test("[A2] a malformed public key is refused although its hash stands in the link", () => {
  const malformed = new Uint8Array(sealingPublicKeyLength).fill(0xff);
  const device = { signingSeed: bytesOf("sign"), sealingKeyHash: deviceSealingKeyHash(malformed), nonce: bytesOf("nonce") };
  const { state, link } = after(
    undefined,
    buildAccountCreate({
      name: "mallory",
      nonce: bytesOf("nonce"),
      identitySeed,
      recoveryPublicKey: publicKeyOf(bytesOf("recovery")),
      device,
      accountKey: {
        publicKeyHash: accountPublicKeyHash(malformed),
        wrappedHash: bytesOf("wrapped"),
        copies: new Map([[newDeviceId(device), bytesOf("copy")]]),
      },
    }),
  );
  const attachments = create(AccountAttachmentsSchema, { accountPublicKey: malformed, deviceSealingKey: malformed });
  expect(checkAccountAttachments(state, link, attachments)).toEqual({ kind: "invalid", reason: "not the account's public key" });
});

test("[A2] a link that brings no key travels with nothing", async () => {
  const { create: begin } = await alice();
  const next = after(begin.state, buildRecovery(begin.state, { identitySeed, recoveryPublicKey: publicKeyOf(bytesOf("new")) }));
  expect(checkAccountAttachments(next.state, next.link, create(AccountAttachmentsSchema))).toEqual({ kind: "valid" });
  expect(checkAccountAttachments(next.state, next.link, begin.attachments).kind).toBe("invalid");
});
