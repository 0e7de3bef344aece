import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  type Manifest,
  ManifestSchema,
  SignedVaultContentSchema,
  type VaultContent,
  VaultContentSchema,
  type VaultEntry,
  VaultEntrySchema,
} from "../generated/fastchat/v1/vault_pb.ts";
import { type AccountId, deviceId, type DeviceId, idBytes, isHash } from "../ids.ts";
import { decrypt, encrypt } from "./aead.ts";
import { concat, encodeList, encodeParts, equal, fromHex, type LabelledBytes, toHex } from "./bytes.ts";
import { hash, hashLength, hkdf } from "./hash.ts";
import { labels } from "./labels.ts";
import { pad, unpad } from "./padding.ts";
import { sign, verify } from "./signature.ts";

/** Keys of the vault under one generation of the account key [P4]. */
export interface VaultKeys {
  readonly generation: number;
  readonly sealing: Uint8Array;
  readonly naming: Uint8Array;
  readonly reference: Uint8Array;
}

/** The kind of an entry, and its key within the kind: a contact's name, a conversation's or device's id in hex, or "". */
export interface VaultPlace {
  readonly kind: NonNullable<VaultContent["kind"]["case"]>;
  readonly key: string;
}

/** [P4]: moved, swapped, rolled back or unreadable gives one and the same error. */
export type OpenedVaultEntry =
  | { readonly kind: "opened"; readonly place: VaultPlace; readonly content: VaultContent; readonly device: DeviceId }
  | { readonly kind: "unreadable" };

export function vaultKeysOf(accountKey: { readonly generation: number; readonly secret: Uint8Array }): VaultKeys {
  return {
    generation: accountKey.generation,
    sealing: hkdf(accountKey.secret, labels.derive.vaultKey),
    naming: hkdf(accountKey.secret, labels.derive.vaultSlotName),
    reference: hkdf(accountKey.secret, labels.derive.manifestReferenceKey),
  };
}

/** The name an entry has on the server, 32 bytes: a keyed hash, so that the server learns neither kind nor key. */
export function vaultSlot(keys: VaultKeys, place: VaultPlace): Uint8Array {
  return hkdf(keys.naming, labels.derive.vaultSlotName, place.kind, place.key);
}

/** Where a content belongs; undefined when it is of no kind that this client knows. */
export function vaultPlaceOf(content: VaultContent): VaultPlace | undefined {
  switch (content.kind.case) {
    case "manifest":
    case "settings":
      return { kind: content.kind.case, key: "" };
    case "contact":
      return { kind: "contact", key: content.kind.value.name };
    case "broadcastList":
      return { kind: "broadcastList", key: content.kind.value.name };
    case "deviceNote":
      return { kind: "deviceNote", key: `${toHex(content.kind.value.device)}${content.kind.value.own ? "/own" : ""}` };
    case "draft":
    case "readPosition":
    case "conversationSettings":
      return { kind: content.kind.case, key: toHex(content.kind.value.conversation) };
    case undefined:
      return undefined;
    default:
      return content.kind satisfies never;
  }
}

/** Who writes, as which version of the entry. */
export interface VaultAuthor {
  readonly account: AccountId;
  readonly device: DeviceId;
  readonly signingSeed: Uint8Array;
}

/** Seals an entry [P4]. @throws RangeError when the content has no kind. */
export async function sealVaultEntry(keys: VaultKeys, author: VaultAuthor, version: number, content: VaultContent): Promise<VaultEntry> {
  const place = vaultPlaceOf(content);
  if (place === undefined) throw new RangeError("a vault entry has a kind");
  const slot = vaultSlot(keys, place);
  const associatedData = associatedDataOf(author.account, slot, version, keys.generation);
  const bytes = toBinary(VaultContentSchema, content);
  const signature = await sign(author.signingSeed, labels.signature.vaultEntry, associatedData, idBytes(author.device), bytes);
  const signed = create(SignedVaultContentSchema, { content: bytes, device: idBytes(author.device), signature });
  const sealed = encrypt(keys.sealing, associatedData, pad(toBinary(SignedVaultContentSchema, signed)));
  return create(VaultEntrySchema, { slot, generation: keys.generation, version, sealed });
}

/**
 * Opens an entry as the newest generation's. The kind and key are bound through the slot, which is their keyed hash: it is
 * part of the associated data, and computed again from what was inside.
 *
 * @param signingKeyOf the public key of a device whose entries count, or undefined
 */
export async function openVaultEntry(
  keys: VaultKeys,
  account: AccountId,
  entry: VaultEntry,
  signingKeyOf: (device: DeviceId) => Uint8Array | undefined,
): Promise<OpenedVaultEntry> {
  const unreadable = { kind: "unreadable" } as const;
  if (entry.generation !== keys.generation) return unreadable;
  const associatedData = associatedDataOf(account, entry.slot, entry.version, entry.generation);
  const opened = decrypt(keys.sealing, associatedData, entry.sealed);
  if (opened.kind !== "decrypted") return unreadable;
  const unpadded = unpad(opened.plaintext);
  if (unpadded.kind !== "unpadded") return unreadable;
  try {
    const { content: bytes, device: deviceBytes, signature } = fromBinary(SignedVaultContentSchema, unpadded.content);
    if (!isHash(deviceBytes)) return unreadable;
    const device = deviceId(deviceBytes);
    const signingKey = signingKeyOf(device);
    if (signingKey === undefined) return unreadable;
    const signed = await verify(signingKey, signature, labels.signature.vaultEntry, associatedData, deviceBytes, bytes);
    if (!signed) return unreadable;
    const content = fromBinary(VaultContentSchema, bytes);
    const place = vaultPlaceOf(content);
    if (place === undefined || !equal(vaultSlot(keys, place), entry.slot)) return unreadable;
    return { kind: "opened", place, content, device };
  } catch {
    return unreadable;
  }
}

/** The hash of a sealed entry, as the manifest lists it. */
export function vaultEntryHash(entry: VaultEntry): Uint8Array {
  return hash(labels.hash.vaultEntry, entry.slot, entry.generation, entry.version, entry.sealed);
}

/** What a manifest says of the entries that it covers [P4]: how many there are, and one hash over all of theirs. */
export function manifestOf(keys: VaultKeys, entries: Iterable<VaultEntry>): Manifest {
  const hashes = Array.from(entries, hexHashOf).sort();
  return create(ManifestSchema, {
    count: hashes.length,
    hash: hash(labels.hash.manifest, keys.generation, encodeList(hashes.map((each) => fromHex(each)))),
  });
}

/** Each entry is hashed once: a vault has thousands, and one of them changes at a time. */
const hexHashes = new WeakMap<VaultEntry, string>();

function hexHashOf(entry: VaultEntry): string {
  const known = hexHashes.get(entry) ?? toHex(vaultEntryHash(entry));
  hexHashes.set(entry, known);
  return known;
}

/** The manifest's version and hash, sealed under the vault for the account's own messages [P4]: 78 bytes, always. */
export function sealManifestReference(keys: VaultKeys, account: AccountId, manifest: VaultEntry): Uint8Array {
  const version = new Uint8Array(4);
  new DataView(version.buffer).setUint32(0, manifest.version);
  return encrypt(keys.reference, referenceData(account, keys.generation), concat(version, vaultEntryHash(manifest)));
}

/** Undefined for what was sealed under another generation or is no reference. */
export function openManifestReference(
  keys: VaultKeys,
  account: AccountId,
  sealed: Uint8Array,
): { readonly version: number; readonly hash: Uint8Array } | undefined {
  const opened = decrypt(keys.reference, referenceData(account, keys.generation), sealed);
  if (opened.kind !== "decrypted" || opened.plaintext.length !== 4 + hashLength) return undefined;
  const { plaintext } = opened;
  const version = new DataView(plaintext.buffer, plaintext.byteOffset, plaintext.byteLength).getUint32(0);
  return { version, hash: plaintext.slice(4) };
}

function associatedDataOf(account: AccountId, slot: Uint8Array, version: number, generation: number): LabelledBytes {
  return encodeParts(labels.encrypt.vaultEntry, idBytes(account), slot, version, generation);
}

function referenceData(account: AccountId, generation: number): LabelledBytes {
  return encodeParts(labels.encrypt.manifestReference, idBytes(account), generation);
}
