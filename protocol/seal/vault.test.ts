import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { type VaultContent, VaultContentSchema } from "../generated/fastchat/v1/vault_pb.ts";
import { accountId, deviceId } from "../ids.ts";
import { toHex } from "./bytes.ts";
import { generateSigningKey } from "./signature.ts";
import {
  manifestOf,
  openManifestReference,
  openVaultEntry,
  sealManifestReference,
  sealVaultEntry,
  vaultEntryHash,
  vaultKeysOf,
  vaultSlot,
} from "./vault.ts";

const fill = (byte: number) => new Uint8Array(32).fill(byte);
const account = accountId(fill(1));
const device = deviceId(fill(2));
const signing = generateSigningKey();
const author = { account, device, signingSeed: signing.seed };
const keys = vaultKeysOf({ generation: 1, secret: fill(3) });
const known = (asked: string) => (asked === device ? signing.publicKey : undefined);
const contact = (name: string, note: string): VaultContent =>
  create(VaultContentSchema, { kind: { case: "contact", value: { name, account: fill(4), identityKey: fill(5), note } } });

test("[P4] an entry opens for its account, slot, version and generation, signed by a known device", async () => {
  const entry = await sealVaultEntry(keys, author, 1, contact("bob", "owes me a book"));
  const opened = await openVaultEntry(keys, account, entry, known);
  expect(opened).toMatchObject({ kind: "opened", device, place: { kind: "contact", key: "bob" } });
  expect(toHex(entry.sealed)).not.toContain(toHex(new TextEncoder().encode("owes me a book")));
});

test("[P4] an entry moved, swapped, renumbered or unreadable gives one and the same error", async () => {
  const bob = await sealVaultEntry(keys, author, 2, contact("bob", "b"));
  const carol = await sealVaultEntry(keys, author, 2, contact("carol", "c"));
  const next = vaultKeysOf({ generation: 2, secret: fill(6) });
  const answers = await Promise.all([
    openVaultEntry(keys, account, { ...bob, sealed: carol.sealed }, known),
    openVaultEntry(keys, account, { ...bob, slot: carol.slot }, known),
    openVaultEntry(keys, account, { ...bob, version: 1 }, known),
    openVaultEntry(keys, account, { ...bob, generation: 2 }, known),
    openVaultEntry(next, account, { ...bob, generation: 2 }, known),
    openVaultEntry(keys, accountId(fill(9)), bob, known),
    openVaultEntry(keys, account, bob, () => undefined),
    openVaultEntry(keys, account, bob, () => generateSigningKey().publicKey),
  ]);
  expect(answers).toEqual(answers.map(() => ({ kind: "unreadable" })));
});

test("[P4] an entry sealed into the slot of another is refused even from the account's own device", async () => {
  const carol = await sealVaultEntry(keys, author, 1, contact("carol", ""));
  const bobSlot = vaultSlot(keys, { kind: "contact", key: "bob" });
  expect(toHex(bobSlot)).not.toBe(toHex(carol.slot));
  expect(await openVaultEntry(keys, account, { ...carol, slot: bobSlot }, known)).toEqual({ kind: "unreadable" });
});

/** Every copy of these bytes with one bit changed. */
const flips = (bytes: Uint8Array): Uint8Array[] =>
  Array.from({ length: 8 * bytes.length }, (_, bit) => bytes.map((byte, place) => (place === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte)));

test("[P4] every bit of an entry that is changed: one and the same error", async () => {
  const entry = await sealVaultEntry(keys, author, 1, contact("bob", ""));
  const manifest = await sealVaultEntry(
    keys,
    author,
    1,
    create(VaultContentSchema, { kind: { case: "manifest", value: manifestOf(keys, [entry]) } }),
  );
  for (const each of [entry, manifest]) {
    const changed = [
      ...flips(each.sealed).map((sealed) => ({ ...each, sealed })),
      ...flips(each.slot).map((slot) => ({ ...each, slot })),
      ...Array.from({ length: 32 }, (_, bit) => ({ ...each, version: (each.version ^ (1 << bit)) >>> 0 })),
      ...Array.from({ length: 32 }, (_, bit) => ({ ...each, generation: (each.generation ^ (1 << bit)) >>> 0 })),
    ];
    expect(changed.length).toBeGreaterThan(1_500);
    for (const other of changed) expect(await openVaultEntry(keys, account, other, known)).toEqual({ kind: "unreadable" });
  }
});

test("[P4] every bit of the manifest's reference that is changed makes it none", async () => {
  const manifest = create(VaultContentSchema, { kind: { case: "manifest", value: manifestOf(keys, []) } });
  const reference = sealManifestReference(keys, account, await sealVaultEntry(keys, author, 1, manifest));
  for (const changed of flips(reference)) expect(openManifestReference(keys, account, changed)).toBeUndefined();
});

test("[P4] the manifest's reference has one length, opens under its generation only, and tells versions apart", async () => {
  const manifest = create(VaultContentSchema, { kind: { case: "manifest", value: manifestOf(keys, []) } });
  const first = await sealVaultEntry(keys, author, 1, manifest);
  const later = await sealVaultEntry(keys, author, 70_000, manifest);
  const reference = sealManifestReference(keys, account, first);
  expect(reference.length).toBe(78);
  expect(sealManifestReference(keys, account, later).length).toBe(78);
  expect(openManifestReference(keys, account, reference)).toEqual({ version: 1, hash: vaultEntryHash(first) });
  expect(openManifestReference(vaultKeysOf({ generation: 2, secret: fill(6) }), account, reference)).toBeUndefined();
  expect(openManifestReference(keys, accountId(fill(9)), reference)).toBeUndefined();
});

test("[P4] golden bytes: the name of a slot", () => {
  expect(toHex(vaultSlot(keys, { kind: "contact", key: "bob" }))).toBe("05d6bd0c614a3f9502c2f56af23354c7b1139aa3a4a0086d5c6b4bbc4207dc2e");
});

test("[P4] a manifest tells apart whatever entry is another one, is missing, or is one too many, and no order of them", async () => {
  const contact = (name: string, version = 1) =>
    sealVaultEntry(keys, author, version, create(VaultContentSchema, { kind: { case: "contact", value: { name } } }));
  const [bob, carol, later] = [await contact("bob"), await contact("carol"), await contact("bob", 2)];
  const manifest = manifestOf(keys, [bob, carol]);
  expect(manifest.count).toBe(2);
  expect(manifestOf(keys, [carol, bob])).toEqual(manifest);
  for (const others of [[bob], [later, carol], [bob, carol, later], [bob, bob], []]) expect(manifestOf(keys, others)).not.toEqual(manifest);
  expect(manifestOf(vaultKeysOf({ generation: 2, secret: fill(6) }), [bob, carol])).not.toEqual(manifest);
});
