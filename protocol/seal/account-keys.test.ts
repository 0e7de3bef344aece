import { expect, test } from "vitest";
import { deviceId } from "../ids.ts";
import {
  accountPublicKeyHash,
  checkAccountKey,
  newMasterKey,
  openAccountKey,
  sealAccountKey,
  signKeyRequest,
  signTicketRequest,
  verifyKeyRequest,
  verifyTicketRequest,
} from "./account-keys.ts";
import { random } from "./bytes.ts";
import { generateSealingKey } from "./hpke.ts";
import { generateSigningKey } from "./signature.ts";

const device = deviceId(new Uint8Array(32).fill(1));
const nonce = new Uint8Array(32).fill(2);

test("[A2] a device opens its copy of the account key and checks the public key against the chain", async () => {
  const accountKey = await generateSealingKey();
  const ofDevice = await generateSealingKey();
  const copy = await sealAccountKey({ generation: 1, secret: accountKey.secret }, nonce, { device, publicKey: ofDevice.publicKey });
  if (copy === undefined) throw new Error("the device's key is well formed");
  const recipient = { device, secret: ofDevice.secret };
  const expected = accountPublicKeyHash(accountKey.publicKey);
  expect(await openAccountKey(copy, nonce, 1, recipient, expected)).toEqual({ kind: "opened", ...accountKey });
  const another = accountPublicKeyHash((await generateSealingKey()).publicKey);
  expect(await openAccountKey(copy, nonce, 1, recipient, another)).toEqual({ kind: "unreadable", reason: "commitment" });
  expect(await openAccountKey(copy, nonce, 2, recipient, expected)).toEqual({ kind: "unreadable", reason: "refused" });
  expect(await openAccountKey(copy, random(32), 1, recipient, expected)).toEqual({ kind: "unreadable", reason: "refused" });
});

test("[A2] a secret of another length is no account key", async () => {
  expect(await checkAccountKey(random(31), random(32))).toEqual({ kind: "unreadable", reason: "commitment" });
});

test("[P2] master keys are random", () => {
  expect(newMasterKey()).not.toEqual(newMasterKey());
});

test("[G1] a ticket's signature binds device and challenge, and is no healing request", async () => {
  const signing = generateSigningKey();
  const challenge = random(80);
  const signature = await signTicketRequest(signing.seed, device, challenge);
  expect(await verifyTicketRequest(signing.publicKey, device, challenge, signature)).toBe(true);
  expect(await verifyTicketRequest(signing.publicKey, device, random(80), signature)).toBe(false);
  expect(await verifyTicketRequest(signing.publicKey, deviceId(random(32)), challenge, signature)).toBe(false);
  const request = { conversation: random(32), epoch: 1, account: random(32), device: random(32), counter: 1 };
  const requested = await signKeyRequest(signing.seed, request);
  expect(await verifyKeyRequest(signing.publicKey, request, requested)).toBe(true);
  expect(await verifyKeyRequest(signing.publicKey, { ...request, epoch: 2 }, requested)).toBe(false);
  expect(await verifyKeyRequest(signing.publicKey, request, signature)).toBe(false);
});
