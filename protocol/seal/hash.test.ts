import { hkdf as nobleHkdf } from "@noble/hashes/hkdf.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { expect, test } from "vitest";
import { outcome, readVectors } from "../vectors/read.ts";
import { encodeParts, fromHex, hash, hkdf, labels, toHex } from "./index.ts";

type HkdfCase = { tcId: number; ikm: string; salt: string; info: string; size: number; okm: string; result: string };

test("Wycheproof HKDF-SHA-256", () => {
  const cases = readVectors<HkdfCase>("wycheproof-hkdf-sha256");
  expect(cases.length).toBe(83);
  for (const { tcId, ikm, salt, info, size, okm, result } of cases) {
    const derive = () => toHex(nobleHkdf(sha256, fromHex(ikm), fromHex(salt), fromHex(info), size));
    expect(outcome(derive), `case ${tcId}`).toBe(result === "valid" ? okm : "refused");
  }
});

test("hkdf is HKDF-SHA-256 of WebCrypto without salt, and hash its SHA-256, over the encoding", async () => {
  const { subtle } = globalThis.crypto;
  const secret = new Uint8Array(32).fill(3);
  const info = encodeParts(labels.derive.messageKey, "a", 1) as Uint8Array<ArrayBuffer>;
  const key = await subtle.importKey("raw", secret, "HKDF", false, ["deriveBits"]);
  const derived = await subtle.deriveBits({ name: "HKDF", hash: "SHA-256", salt: new Uint8Array(0), info }, key, 256);
  expect(hkdf(secret, labels.derive.messageKey, "a", 1)).toEqual(new Uint8Array(derived));
  const encoded = encodeParts(labels.hash.entry, "a", 1) as Uint8Array<ArrayBuffer>;
  expect(hash(labels.hash.entry, "a", 1)).toEqual(new Uint8Array(await subtle.digest("SHA-256", encoded)));
});

test("[G1] golden bytes of hash and hkdf", () => {
  expect(toHex(hash(labels.hash.accountId, Uint8Array.of(1, 2, 3), "x", 4))).toBe(
    "4971a575ac36a6b67192d149984221f3467235c2713741b53fabeee53e89f03b",
  );
  expect(toHex(hkdf(new Uint8Array(32).fill(3), labels.derive.epochAdd, Uint8Array.of(1, 2, 3), "x", 4))).toBe(
    "a361462624a8bd8d761e3e6422b024795eb34db88d350e1e48de29f2978434cb",
  );
});
