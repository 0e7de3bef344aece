import { create } from "@bufbuild/protobuf";
import { deviceId, idBytes } from "@fastchat/protocol";
import { accountPublicKeyHash, generateSealingKey, random, sealAccountKey, wrapKey } from "@fastchat/protocol/seal";
import { SealedDeviceCopySchema, WrapPurpose, WrapSchema } from "@fastchat/protocol/wire/account";
import { type Account, AccountSchema } from "@fastchat/protocol/wire/frames";
import { expect, test } from "vitest";
import { randomFrom } from "../testing/crash/random.ts";
import { accountKeyRecord, openNewAccountKeys } from "./account-keys.ts";

/** `SIZE=large` takes every bit. */
const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 2 ** 31));
const SAMPLE = 150;
const isLarge = process.env["SIZE"] === "large";

/** An account whose key has turned twice since this device was there; what the server gives it, and what it would give others. */
async function away() {
  const nonce = random(32);
  const keyOf = async (generation: number) => ({ generation, ...(await generateSealingKey()) });
  const deviceOf = async (byte: number) => ({ device: deviceId(new Uint8Array(32).fill(byte)), ...(await generateSealingKey()) });
  const [first, second, third] = [await keyOf(1), await keyOf(2), await keyOf(3)];
  const [own, other] = [await deviceOf(1), await deviceOf(2)];
  const copyFor = async (
    key: Pick<typeof first, "generation" | "secret">,
    { device, publicKey }: Pick<typeof own, "device" | "publicKey">,
  ) =>
    create(SealedDeviceCopySchema, {
      device: idBytes(device),
      generation: key.generation,
      sealed: (await sealAccountKey(key, nonce, { device, publicKey }))!,
    });
  const wrapOf = (key: typeof first, under: typeof first) => {
    const place = { account: nonce, record: accountKeyRecord, version: key.generation };
    const sealed = wrapKey("olderAccountKeyUnderNewer", under.secret, place, key.secret);
    return create(WrapSchema, { purpose: WrapPurpose.ACCOUNT_KEY_BY_NEXT, version: key.generation, sealed });
  };
  const state = {
    nonce,
    accountKeys: [first, second, third].map(({ generation, publicKey }) => ({
      generation,
      publicKeyHash: accountPublicKeyHash(publicKey),
    })),
  };
  const answer = create(AccountSchema, { copies: [await copyFor(third, own)], wraps: [wrapOf(first, second), wrapOf(second, third)] });
  const foreign = await keyOf(3);
  const tampered: readonly (readonly [string, Partial<Account>])[] = [
    ["no copy", { copies: [] }],
    ["the copy of another device", { copies: [await copyFor(third, other)] }],
    ["the copy of another device under this one's name", { copies: [{ ...(await copyFor(third, other)), device: idBytes(own.device) }] }],
    ["an older key's copy", { copies: [await copyFor(second, own)] }],
    ["an older key's copy as the newest", { copies: [{ ...(await copyFor(second, own)), generation: 3 }] }],
    ["an older key as the newest", { copies: [await copyFor({ ...second, generation: 3 }, own)] }],
    ["a key of the server's own", { copies: [await copyFor(foreign, own)] }],
    ["no wraps", { wraps: [] }],
    ["wraps swapped", { wraps: answer.wraps.map((wrap, place) => ({ ...wrap, sealed: answer.wraps.at(place - 1)!.sealed })) }],
    ["another older key, wrapped rightly", { wraps: [wrapOf(first, second), wrapOf({ ...foreign, generation: 2 }, third)] }],
    ["a wrap under a key of the server's own", { wraps: [wrapOf(first, second), wrapOf(second, foreign)] }],
  ];
  const device = { device: own.device, sealingSecret: own.secret };
  const open = (change: Partial<Account>) =>
    openNewAccountKeys(state, { ...answer, ...change }, [{ generation: 1, secret: first.secret }], device);
  return { answer, open, tampered, expected: [second, third].map(({ generation, secret }) => ({ generation, secret })) };
}

test("[A2] [P4] account keys that are swapped, old, missing, or the server's own: none of them counts", async () => {
  const { open, tampered, expected } = await away();
  expect(await open({})).toEqual(expected);
  for (const [what, change] of tampered) expect([what, await open(change)]).toEqual([what, []]);
});

test(
  `[A2] [P4] any changed bit of what a device gets of its account's keys: none of them counts (SEED=${seed})`,
  { timeout: 3_600_000 },
  async () => {
    const { answer, open } = await away();
    const copy = answer.copies[0]!;
    // The wrap of the oldest key is not needed: that one is known.
    const [oldest, older] = answer.wraps as [(typeof answer.wraps)[0], (typeof answer.wraps)[0]];
    const bits = [
      ...Array.from({ length: 8 * copy.sealed.length }, (_, bit) => ({
        bytes: copy.sealed,
        bit,
        put: (sealed: Uint8Array) => ({ copies: [{ ...copy, sealed }] }),
      })),
      ...Array.from({ length: 8 * older.sealed.length }, (_, bit) => ({
        bytes: older.sealed,
        bit,
        put: (sealed: Uint8Array) => ({ wraps: [oldest, { ...older, sealed }] }),
      })),
    ];
    const next = randomFrom(seed);
    const chosen = isLarge ? bits : Array.from({ length: SAMPLE }, () => bits[Math.floor(next() * bits.length)]!);
    for (const { bytes, bit, put } of chosen) {
      const changed = Uint8Array.from(bytes);
      changed[bit >> 3]! ^= 1 << (bit & 7);
      expect([bit, await open(put(changed))]).toEqual([bit, []]);
    }
  },
);
