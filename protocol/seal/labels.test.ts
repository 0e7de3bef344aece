import { expect, test } from "vitest";
import {
  decrypt,
  encodeParts,
  encrypt,
  everyLabel,
  generateSealingKey,
  generateSigningKey,
  hash,
  hkdf,
  type Label,
  labels,
  open,
  random,
  seal,
  sealingInfo,
  sign,
  toHex,
  verify,
  verifyLink,
} from "./index.ts";

// The types let each function take the labels of its own group alone. Whoever attacks has no types: the tests try them all.
const everything = everyLabel as readonly never[];
const place = { context: new Uint8Array(32).fill(1), number: 1, recipient: new Uint8Array(32).fill(2), recipientGeneration: 3 };

function others(label: Label): readonly never[] {
  return everything.filter((other) => other !== label);
}

/** Those on which a slow function is tried: all of them, or the next one, where a check that all inputs differ goes before. */
function tried(label: Label): readonly never[] {
  if (process.env["SIZE"] === "large") return others(label);
  return [everything[(everyLabel.indexOf(label) + 1) % everyLabel.length]!];
}

test("[G1] every label is ASCII, distinct, and no prefix of another", () => {
  expect(everyLabel.length).toBe(Object.values(labels).reduce((sum, group) => sum + Object.keys(group).length, 0));
  for (const label of everyLabel) {
    expect(label).toMatch(/^fastchat\/1\/[a-z]+\/[a-z-]+$/);
    for (const other of others(label)) expect((other as string).startsWith(label), `${label} begins ${String(other)}`).toBe(false);
  }
});

test("[G1] a signature under one label is none under any other", async () => {
  const { seed, publicKey } = generateSigningKey();
  expect(new Set(everything.map((label) => toHex(encodeParts(label, "a part", 7)))).size).toBe(everyLabel.length);
  for (const label of Object.values(labels.signature)) {
    const signature = await sign(seed, label, "a part", 7);
    expect(verifyLink(publicKey, signature, label, "a part", 7)).toBe(true);
    expect(await verify(publicKey, signature, label, "a part", 7)).toBe(true);
    for (const other of tried(label)) {
      expect(verifyLink(publicKey, signature, other, "a part", 7), `${label} as ${String(other)}`).toBe(false);
      expect(await verify(publicKey, signature, other, "a part", 7), `${label} as ${String(other)}`).toBe(false);
    }
  }
});

test("[G1] hashes and derived keys of one thing differ under every two labels", () => {
  const secret = random(32);
  const seen = new Set<string>();
  for (const label of everything) {
    seen.add(toHex(hash(label, "a part", 7)));
    seen.add(toHex(hkdf(secret, label, "a part", 7)));
  }
  expect(seen.size).toBe(2 * everyLabel.length);
});

test("[G1] what is encrypted under one label is refused under every other", () => {
  const key = random(32);
  for (const label of Object.values(labels.encrypt)) {
    const encrypted = encrypt(key, encodeParts(label, "a part"), random(5));
    expect(decrypt(key, encodeParts(label, "a part"), encrypted).kind).toBe("decrypted");
    for (const other of others(label)) expect(decrypt(key, encodeParts(other, "a part"), encrypted).kind).toBe("refused");
  }
});

test("[G1] what is sealed under one label is refused under every other", async () => {
  const { secret, publicKey } = await generateSealingKey();
  expect(new Set(everything.map((label) => toHex(sealingInfo(label, place)))).size).toBe(everyLabel.length);
  for (const label of Object.values(labels.seal)) {
    const sealed = await seal(publicKey, sealingInfo(label, place), random(32));
    if (sealed.kind !== "sealed") throw new Error(sealed.kind);
    expect((await open(secret, sealingInfo(label, place), sealed.copy)).kind).toBe("opened");
    for (const other of tried(label)) expect((await open(secret, sealingInfo(other, place), sealed.copy)).kind).toBe("refused");
  }
});
