import { expect, test } from "vitest";
import { accountId, conversationId, linkHash } from "../ids.ts";
import { fromHex, random, toHex } from "./bytes.ts";
import { deriveEpochKey, keyIdOf, newEpochKey, openEpochKey, sealedKeysHash, sealEpochKey } from "./epoch.ts";
import { generateSealingKey } from "./hpke.ts";

const fill = (byte: number) => new Uint8Array(32).fill(byte);
const conversation = conversationId(fill(1));
const bob = accountId(fill(2));

async function sealedForBob() {
  const key = newEpochKey();
  const pair = await generateSealingKey();
  const copy = await sealEpochKey(key, conversation, 3, { account: bob, generation: 2, publicKey: pair.publicKey });
  if (copy === undefined) throw new Error("bob's key is well formed");
  return { key, copy, secret: pair.secret };
}

test("[C4] a member opens its copy, and it matches the commitment", async () => {
  const { key, copy, secret } = await sealedForBob();
  const opened = await openEpochKey(copy, conversation, { account: bob, secret }, keyIdOf(conversation, key));
  expect(opened).toEqual({ kind: "opened", key });
  expect(copy.sealed.length).toBe(1_170);
});

test("[C4] a copy of another key than the committed one is refused", async () => {
  const { copy, secret } = await sealedForBob();
  const opened = await openEpochKey(copy, conversation, { account: bob, secret }, keyIdOf(conversation, newEpochKey()));
  expect(opened).toEqual({ kind: "unreadable", reason: "commitment" });
});

test("[G1] a copy opens only for its conversation, epoch, member and generation", async () => {
  const { key, copy, secret } = await sealedForBob();
  const expected = keyIdOf(conversation, key);
  const elsewhere = conversationId(fill(9));
  const kinds = await Promise.all([
    openEpochKey(copy, elsewhere, { account: bob, secret }, keyIdOf(elsewhere, key)),
    openEpochKey({ ...copy, epoch: 4 }, conversation, { account: bob, secret }, expected),
    openEpochKey({ ...copy, generation: 1 }, conversation, { account: bob, secret }, expected),
    openEpochKey(copy, conversation, { account: accountId(fill(8)), secret }, expected),
    openEpochKey(copy, conversation, { account: bob, secret: random(32) }, expected),
  ]);
  expect(kinds).toEqual(Array.from({ length: 5 }, () => ({ kind: "unreadable", reason: "refused" })));
});

test("[C4] a member whose key is malformed gets no copy", async () => {
  const recipient = { account: bob, generation: 1, publicKey: new Uint8Array(1_216).fill(255) };
  expect(await sealEpochKey(newEpochKey(), conversation, 1, recipient)).toBeUndefined();
});

test("[C4] golden bytes: key id and derived key", () => {
  const link = { previous: linkHash(fill(4)), bodyWithoutCommitments: fill(5) };
  expect(keyIdOf(conversation, fill(3))).toBe("f187c2dc69c9c3e6175934b83b9066c5cfb7d6229edffc3fb5fc73f55d724923");
  expect(toHex(deriveEpochKey(fill(3), conversation, link))).toBe("36f960e29c26d3a19c4a4d1549b37cbdd630428bab0932e6a7e2b2395d0d5c46");
});

test("[C4] a derived key depends on the key before, the conversation, the link before and the link", () => {
  const link = { previous: linkHash(fill(4)), bodyWithoutCommitments: fill(5) };
  const keys = [
    deriveEpochKey(fill(3), conversation, link),
    deriveEpochKey(fill(6), conversation, link),
    deriveEpochKey(fill(3), conversationId(fill(6)), link),
    deriveEpochKey(fill(3), conversation, { ...link, previous: linkHash(fill(6)) }),
    deriveEpochKey(fill(3), conversation, { ...link, bodyWithoutCommitments: fill(6) }),
  ].map(toHex);
  expect(new Set(keys).size).toBe(keys.length);
});

test("[C4] the hash of the list depends on order and on every field", async () => {
  const { copy } = await sealedForBob();
  const other = { ...copy, account: fill(7) };
  const lists = [
    [copy, other],
    [other, copy],
    [copy],
    [{ ...copy, epoch: 1 }],
    [{ ...copy, generation: 1 }],
    [{ ...copy, sealed: fromHex("00") }],
    [],
  ];
  expect(new Set(lists.map((list) => toHex(sealedKeysHash(list)))).size).toBe(lists.length);
});
