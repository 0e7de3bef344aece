import { xchacha20poly1305 } from "@noble/ciphers/chacha.js";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { outcome, readVectors } from "../vectors/read.ts";
import { concat, decrypt, encodeParts, encrypt, encryptionOverhead, equal, fromHex, labels, random, toHex, utf8 } from "./index.ts";

type AeadCase = { tcId: number; key: string; iv: string; aad: string; msg: string; ct: string; tag: string; result: string };

const associatedData = encodeParts(labels.encrypt.message, "here");

test("Wycheproof XChaCha20-Poly1305", () => {
  const cases = readVectors<AeadCase>("wycheproof-xchacha20-poly1305");
  expect(cases.length).toBe(315);
  for (const { tcId, key, iv, aad, msg, ct, tag, result } of cases) {
    const cipher = () => xchacha20poly1305(fromHex(key), fromHex(iv), fromHex(aad));
    const sealed = fromHex(ct + tag);
    expect(
      outcome(() => toHex(cipher().decrypt(sealed))),
      `case ${tcId}`,
    ).toBe(result === "valid" ? msg : "refused");
    // Nonces of wrong sizes are invalid for encrypting, too; changed tags and ciphertexts are not for encrypting at all.
    const made = outcome(() => toHex(cipher().encrypt(fromHex(msg))));
    expect(made === ct + tag, `case ${tcId}`).toBe(result === "valid");
  }
});

test("[G3] [S1] encrypted and back; any changed or missing byte is refused, or names another suite", () => {
  const key = random(32);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(), fc.integer({ min: 1, max: 255 }), (plaintext, place, change) => {
      const encrypted = encrypt(key, associatedData, plaintext);
      expect(encrypted.length).toBe(plaintext.length + encryptionOverhead);
      expect(decrypt(key, associatedData, encrypted)).toEqual({ kind: "decrypted", plaintext });
      const changed = encrypted.slice();
      changed[place % changed.length]! ^= change;
      expect(decrypt(key, associatedData, changed).kind).toBe(place % changed.length < 2 ? "unknown-suite" : "refused");
      expect(decrypt(key, associatedData, encrypted.subarray(0, place % encrypted.length)).kind).toBe("refused");
      expect(decrypt(key, associatedData, concat(encrypted, Uint8Array.of(0))).kind).toBe("refused");
    }),
  );
  const encrypted = encrypt(key, associatedData, utf8("text"));
  expect(decrypt(random(32), associatedData, encrypted)).toEqual({ kind: "refused" });
  expect(decrypt(key, encodeParts(labels.encrypt.message, "there"), encrypted)).toEqual({ kind: "refused" });
});

test("[S1] two encryptions of one text share no nonce", () => {
  const key = random(32);
  const nonces = Array.from({ length: 100 }, () => toHex(encrypt(key, associatedData, utf8("text")).subarray(2, 26)));
  expect(new Set(nonces).size).toBe(100);
});

test("[G3] version and suite are authenticated, not only read", () => {
  const key = random(32);
  const nonce = random(24);
  const bare = concat(Uint8Array.of(1, 1), nonce, xchacha20poly1305(key, nonce, associatedData).encrypt(utf8("text")));
  expect(decrypt(key, associatedData, bare)).toEqual({ kind: "refused" });
  expect(decrypt(key, associatedData, Uint8Array.of(1, 2))).toEqual({ kind: "unknown-suite", version: 1, suite: 2 });
  expect(decrypt(key, associatedData, Uint8Array.of(9, 1))).toEqual({ kind: "unknown-suite", version: 9, suite: 1 });
});

test("a key of a wrong length is an error, never a weak encryption", () => {
  expect(() => encrypt(random(31), associatedData, utf8("text"))).toThrow(RangeError);
  expect(() => decrypt(random(31), associatedData, encrypt(random(32), associatedData, utf8("text")))).toThrow(RangeError);
});

test("[G3] golden bytes of an encryption", () => {
  const key = new Uint8Array(32).fill(6);
  const golden = fromHex("010107070707070707070707070707070707070707070707070798e67811886c6baba74a900853607baba651cb33f7d37e7f8d8ad5");
  const opened = decrypt(key, encodeParts(labels.encrypt.message, Uint8Array.of(1, 2, 3), "x", 4), golden);
  expect(opened).toEqual({ kind: "decrypted", plaintext: utf8("Salut, Béa") });
  expect(equal(golden.subarray(0, 26), concat(Uint8Array.of(1, 1), new Uint8Array(24).fill(7)))).toBe(true);
});
