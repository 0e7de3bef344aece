import { Aes128Gcm, Aes256Gcm, CipherSuite, DhkemX25519HkdfSha256, HkdfSha256 } from "@hpke/core";
import { X25519, HkdfSha256 as X25519Hkdf } from "@hpke/dhkem-x25519";
import { XWing } from "@hpke/hybridkem-x-wing";
import { MlKem768 } from "mlkem";
import { sha256 } from "@noble/hashes/sha2.js";
import { expect, test } from "vitest";
import { readVectors } from "../vectors/read.ts";
import {
  concat,
  fromHex,
  generateSealingKey,
  isAcceptableSealingKey,
  labels,
  open,
  random,
  seal,
  sealingInfo,
  sealingOverhead,
  type SealingPlace,
  sealingPublicKeyOf,
  toHex,
  utf8,
} from "./index.ts";

type XWingCase = { seed: string; eseed: string; ss: string; sk: string; pk: string; ct: string };
type AeadCase = { tcId: number; key: string; iv: string; aad: string; msg: string; ct: string; tag: string; result: string };
type X25519Case = { tcId: number; public: string; private: string; shared: string; result: string; flags: string[] };
type DecapsCase = { tcId: number; seed: string; ek?: string; c: string; K?: string; result: string };
type EncapsCase = { tcId: number; flags: string[]; ek: string; m: string; c: string; K: string; result: string };

const place: SealingPlace = {
  context: new Uint8Array(32).fill(1),
  number: 2,
  recipient: new Uint8Array(32).fill(3),
  recipientGeneration: 4,
};
const info = sealingInfo(labels.seal.epochKeyToAccount, place);

async function sealed(publicKey: Uint8Array, plaintext: Uint8Array, associatedData?: Uint8Array): Promise<Uint8Array> {
  const result = await seal(publicKey, info, plaintext, associatedData);
  if (result.kind !== "sealed") throw new Error(result.kind);
  return result.copy;
}

test("RFC 9180, A.1.1: base mode, DHKEM(X25519), HKDF-SHA256, AES-128-GCM, through the same suite code", async () => {
  const kem = new DhkemX25519HkdfSha256();
  const suite = new CipherSuite({ kem, kdf: new HkdfSha256(), aead: new Aes128Gcm() });
  const hex = (text: string) => fromHex(text).slice().buffer;
  const rfcInfo = hex("4f6465206f6e2061204772656369616e2055726e");
  const plaintext = hex("4265617574792069732074727574682c20747275746820626561757479");
  const recipient = {
    privateKey: await kem.importKey("raw", hex("4612c550263fc8ad58375df3f557aac531d26850903e55a9f23f21d8534e8ac8"), false),
    publicKey: await kem.importKey("raw", hex("3948cfe0ad1ddb695d780e59077195da6c56506b027329794ab02bca80815c4d")),
  };
  const ekm = {
    privateKey: await kem.importKey("raw", hex("52c4a758a802cd8b936eceea314432798d5baf2d7e9235dc084ab1b9cfa2f736"), false),
    publicKey: await kem.importKey("raw", hex("37fda3567bdbd628e88668c3c8d7e97d1d1253b6d4ea6d44c150f741f1bf4431")),
  };
  const sender = await suite.createSenderContext({ recipientPublicKey: recipient.publicKey, info: rfcInfo, ekm });
  expect(toHex(new Uint8Array(sender.enc))).toBe("37fda3567bdbd628e88668c3c8d7e97d1d1253b6d4ea6d44c150f741f1bf4431");
  const expected = "f938558b5d72f1a23810b4be2ab4f84331acc02fc97babc53a52ae8218a355a96d8770ac83d07bea87e13c512a";
  expect(toHex(new Uint8Array(await sender.seal(plaintext, hex("436f756e742d30"))))).toBe(expected);
  const receiver = await suite.createRecipientContext({ recipientKey: recipient.privateKey, enc: sender.enc, info: rfcInfo });
  expect(new Uint8Array(await receiver.open(hex(expected), hex("436f756e742d30")))).toEqual(new Uint8Array(plaintext));
});

test("X-Wing draft: keys from seeds, encapsulation, decapsulation", async () => {
  const kem = new XWing();
  const cases = readVectors<XWingCase>("xwing-draft");
  expect(cases.length).toBe(3);
  for (const { seed, eseed, ss, pk, ct } of cases) {
    expect(toHex(await sealingPublicKeyOf(fromHex(seed)))).toBe(pk);
    expect(isAcceptableSealingKey(fromHex(pk))).toBe(true);
    const recipientPublicKey = await kem.importKey("raw", fromHex(pk).slice().buffer);
    const encapsulated = await kem.encap({ recipientPublicKey, ekm: fromHex(eseed) });
    expect(toHex(new Uint8Array(encapsulated.enc))).toBe(ct);
    expect(toHex(new Uint8Array(encapsulated.sharedSecret))).toBe(ss);
    const recipientKey = await kem.importKey("raw", fromHex(seed).slice().buffer, false);
    expect(toHex(new Uint8Array(await kem.decap({ recipientKey, enc: fromHex(ct) })))).toBe(ss);
  }
});

test("Wycheproof AES-256-GCM by WebCrypto, as HPKE uses it", async () => {
  const { subtle } = globalThis.crypto;
  const cases = readVectors<AeadCase>("wycheproof-aes-256-gcm");
  expect(cases.length).toBe(66);
  const bytes = (hex: string) => fromHex(hex).slice();
  for (const { tcId, key, iv, aad, msg, ct, tag, result } of cases) {
    const imported = await subtle.importKey("raw", bytes(key), "AES-GCM", false, ["encrypt", "decrypt"]);
    const algorithm = { name: "AES-GCM", iv: bytes(iv), additionalData: bytes(aad) };
    const decrypted = subtle.decrypt(algorithm, imported, bytes(ct + tag)).then(
      (plaintext) => toHex(new Uint8Array(plaintext)),
      () => "refused",
    );
    expect(await decrypted, `case ${tcId}`).toBe(result === "valid" ? msg : "refused");
    const encrypted = toHex(new Uint8Array(await subtle.encrypt(algorithm, imported, bytes(msg))));
    expect(encrypted === ct + tag, `case ${tcId}`).toBe(result === "valid");
  }
});

test("Wycheproof X25519 through X-Wing's own; a shared secret of zero is refused", async () => {
  const x25519 = new X25519(new X25519Hkdf());
  const cases = readVectors<X25519Case>("wycheproof-x25519");
  expect(cases.length).toBe(518);
  let zero = 0;
  for (const { tcId, public: publicKey, private: privateKey, shared, flags } of cases) {
    const derived = x25519.derive(fromHex(privateKey), fromHex(publicKey)).then(toHex, () => "refused");
    const isZero = flags.includes("ZeroSharedSecret");
    zero += Number(isZero);
    expect(await derived, `case ${tcId}`).toBe(isZero ? "refused" : shared);
    const acceptable = isAcceptableSealingKey(concat(new Uint8Array(1184), fromHex(publicKey)));
    expect(acceptable && isZero, `case ${tcId}`).toBe(false);
  }
  expect(zero).toBe(31);
});

test("Wycheproof ML-KEM-768 through X-Wing's own: keys from seeds, decapsulation", async () => {
  const kem = new MlKem768();
  const cases = readVectors<DecapsCase>("wycheproof-mlkem-768");
  expect(cases.length).toBe(20);
  for (const { tcId, seed, ek, c, K, result } of cases) {
    const decapsulated = kem
      .deriveKeyPair(fromHex(seed))
      .then(async ([publicKey, secretKey]) => [toHex(publicKey), toHex(await kem.decap(fromHex(c), secretKey))]);
    expect(await decapsulated.catch(() => "refused"), `case ${tcId}`).toEqual(result === "valid" ? [ek, K] : "refused");
  }
});

test("[A2] Wycheproof ML-KEM-768 encapsulation: keys beyond the modulus are refused by the library and before it", async () => {
  const kem = new MlKem768();
  const goodX25519 = (await generateSealingKey()).publicKey.subarray(1184);
  let refused = 0;
  for (const { tcId, ek, m, c, K, result } of readVectors<EncapsCase>("wycheproof-mlkem-768-encaps")) {
    const key = concat(fromHex(ek), goodX25519);
    const valid = result === "valid";
    refused += Number(!valid);
    const encapsulated = kem.encap(fromHex(ek), fromHex(m)).then((both) => both.map(toHex));
    expect(await encapsulated.catch(() => "refused"), `case ${tcId}`).toEqual(valid ? [c, K] : "refused");
    expect((await seal(key, info, random(32))).kind, `case ${tcId}`).toBe(valid ? "sealed" : "malformed-key");
  }
  expect(refused).toBe(22);
});

test("[C4] sealed and opened; a key of 32 bytes takes 1,170", async () => {
  const { secret, publicKey } = await generateSealingKey();
  const plaintext = random(32);
  const copy = await sealed(publicKey, plaintext, utf8("beside"));
  expect(copy.length).toBe(32 + sealingOverhead);
  expect(copy.length).toBe(1170);
  expect(await open(secret, info, copy, utf8("beside"))).toEqual({ kind: "opened", plaintext });
  expect(await open(secret, info, copy)).toEqual({ kind: "refused" });
  expect(await open((await generateSealingKey()).secret, info, copy, utf8("beside"))).toEqual({ kind: "refused" });
  const empty = await sealed(publicKey, new Uint8Array(0));
  expect(await open(secret, info, empty)).toEqual({ kind: "opened", plaintext: new Uint8Array(0) });
});

test("[G1] a sealed copy opens only for its context, number, recipient and recipient's generation", async () => {
  const { secret, publicKey } = await generateSealingKey();
  const copy = await sealed(publicKey, random(32));
  const elsewhere: SealingPlace[] = [
    { ...place, context: new Uint8Array(32).fill(9) },
    { ...place, number: 9 },
    { ...place, recipient: new Uint8Array(32).fill(9) },
    { ...place, recipientGeneration: 9 },
  ];
  for (const other of elsewhere) {
    expect(await open(secret, sealingInfo(labels.seal.epochKeyToAccount, other), copy)).toEqual({ kind: "refused" });
  }
});

test("[G3] changed, cut and lengthened copies are refused; another version or suite is named", async () => {
  const { secret, publicKey } = await generateSealingKey();
  const copy = await sealed(publicKey, random(32));
  for (const index of [2, 100, 1089, 1090, 1121, 1122, 1153, 1154, 1169]) {
    const changed = copy.slice();
    changed[index]! ^= 1;
    expect(await open(secret, info, changed), `byte ${index}`).toEqual({ kind: "refused" });
  }
  for (const length of [0, 1, 2, 3, 1121, 1122, 1137, 1138, 1169]) {
    expect(await open(secret, info, copy.subarray(0, length)), `${length} bytes`).toEqual({ kind: "refused" });
  }
  expect(await open(secret, info, concat(copy, Uint8Array.of(0)))).toEqual({ kind: "refused" });
  expect(await open(secret, info, copy.with(0, 2))).toEqual({ kind: "unknown-suite", version: 2, suite: 1 });
  expect(await open(secret, info, copy.with(1, 7))).toEqual({ kind: "unknown-suite", version: 1, suite: 7 });
});

test("[G3] an encapsulation with a low-order X25519 half is refused", async () => {
  const { secret, publicKey } = await generateSealingKey();
  const copy = await sealed(publicKey, random(32));
  copy.fill(0, 2 + 1088, 2 + 1120);
  expect(await open(secret, info, copy)).toEqual({ kind: "refused" });
});

test("[A2] malformed public keys get no copy", async () => {
  const { publicKey } = await generateSealingKey();
  const withX25519 = (half: Uint8Array) => concat(publicKey.subarray(0, 1184), half);
  const malformed = {
    empty: new Uint8Array(0),
    short: publicKey.subarray(1),
    long: concat(publicKey, Uint8Array.of(0)),
    "first coefficient is the modulus": concat(fromHex("010d"), publicKey.subarray(2)).with(1, 0x0d | (publicKey[1]! & 0xf0)),
    "last coefficient is too big": publicKey.with(1151, 0xff).with(1150, publicKey[1150]! | 0xf0),
    "zero X25519": withX25519(new Uint8Array(32)),
    "X25519 of order 4": withX25519(fromHex(`01${"00".repeat(31)}`)),
    "zero with the unused bit set": withX25519(fromHex(`${"00".repeat(31)}80`)),
    "X25519 above the prime": withX25519(fromHex(`ee${"ff".repeat(30)}7f`)),
    "X25519 with the unused bit set": publicKey.with(1215, publicKey[1215]! | 0x80),
  };
  for (const [name, key] of Object.entries(malformed)) {
    expect(isAcceptableSealingKey(key), `${name}`).toBe(false);
    expect(await seal(key, info, random(32)), `${name}`).toEqual({ kind: "malformed-key" });
  }
  for (let turn = 0; turn < 10; turn++) expect(isAcceptableSealingKey((await generateSealingKey()).publicKey)).toBe(true);
});

test("keys that lie within a larger buffer are taken as themselves", async () => {
  const { secret, publicKey } = await generateSealingKey();
  const within = (bytes: Uint8Array) => concat(random(5), bytes, random(7)).subarray(5, 5 + bytes.length);
  expect(await sealingPublicKeyOf(within(secret))).toEqual(publicKey);
  const plaintext = random(32);
  const copy = await sealed(within(publicKey), within(plaintext), within(utf8("beside")));
  expect(await open(within(secret), info, within(copy), within(utf8("beside")))).toEqual({ kind: "opened", plaintext });
  await expect(sealingPublicKeyOf(random(31))).rejects.toThrow(RangeError);
  await expect(open(random(31), info, copy)).rejects.toThrow(RangeError);
});

test("[G3] golden bytes of a sealed copy", async () => {
  const secret = new Uint8Array(32).fill(5);
  const { publicKey } = await generateSealingKey(secret);
  expect(toHex(sha256(publicKey))).toBe("ceb8809f4271307be44f8593fa698810057cfba2164a6dc772fea43223ea7e51");
  expect(toHex(info)).toBe(
    "0000002466617374636861742f312f7365616c2f65706f63682d6b65792d746f2d6163636f756e74000000080000000000000001000000080000000000000001000000200101010101010101010101010101010101010101010101010101010101010101000000080000000000000002000000200303030303030303030303030303030303030303030303030303030303030303000000080000000000000004",
  );
  const kem = new XWing();
  const suite = new CipherSuite({ kem, kdf: new HkdfSha256(), aead: new Aes256Gcm() });
  const sender = await suite.createSenderContext({
    recipientPublicKey: await kem.importKey("raw", publicKey.slice().buffer),
    info: info.slice().buffer,
    ekm: new Uint8Array(64).fill(6),
  });
  const ciphertext = await sender.seal(new Uint8Array(32).fill(7).buffer, utf8("beside").slice().buffer);
  const copy = concat(Uint8Array.of(1, 1), new Uint8Array(sender.enc), new Uint8Array(ciphertext));
  expect(toHex(copy.subarray(1122))).toBe(
    "7dbdc5e36ebf9469e3f28644f2292db8bc5b80c5a00fb7e968582186c3da8e1dd05cc780af0446bb111a86149782013d",
  );
  expect(toHex(sha256(copy))).toBe("879b753417f3997b45d72b7e08f84ccfc8cfb014169cbf310a552548928aa8c4");
  expect(await open(secret, info, copy, utf8("beside"))).toEqual({ kind: "opened", plaintext: new Uint8Array(32).fill(7) });
});
