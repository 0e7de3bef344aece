import { create } from "@bufbuild/protobuf";
import {
  type AccountAttachments,
  AccountAttachmentsSchema,
  AccountLinkSchema,
  type SealedDeviceCopy,
  type SignedLink,
  type Wrap,
  WrapPurpose,
} from "../generated/fastchat/v1/account_pb.ts";
import { idBytes } from "../ids.ts";
import { equal, toHex } from "../seal/bytes.ts";
import { hash } from "../seal/hash.ts";
import { isAcceptableSealingKey } from "../seal/hpke.ts";
import { type HashLabel, labels } from "../seal/labels.ts";
import { type AccountState, deviceIdOf } from "./account.ts";
import { decodeBody, type Invalid, invalid } from "./link.ts";

/** What a link names by hash, as expected beside it. */
interface Expected {
  readonly accountPublicKeyHash: Uint8Array | undefined;
  readonly deviceSealingKeyHash: Uint8Array | undefined;
  readonly copies: readonly { readonly device: Uint8Array; readonly sealedHash: Uint8Array }[];
  readonly generation: number;
  readonly wraps: readonly { readonly purpose: WrapPurpose; readonly version: number; readonly sealedHash: Uint8Array }[];
}

/**
 * [A2] Whether what travels beside a link is what it names: well-formed public keys, every copy and no other, the wraps of
 * the account key. The server takes the link only so. Wraps that no link names (of master and identity key) are the
 * server's to keep and not checked here.
 *
 * @param after the account's state after the link, which `applyAccountLink` found valid
 */
export function checkAccountAttachments(
  after: AccountState,
  link: SignedLink,
  attachments: AccountAttachments,
): { readonly kind: "valid" } | Invalid {
  const expected = expectedBeside(after, link);
  if (!isKeyOf(attachments.accountPublicKey, labels.hash.accountKeyPublic, expected.accountPublicKeyHash)) {
    return invalid("not the account's public key");
  }
  if (!isKeyOf(attachments.deviceSealingKey, labels.hash.deviceSealingKey, expected.deviceSealingKeyHash)) {
    return invalid("not the device's sealing key");
  }
  if (attachments.copies.length !== expected.copies.length) return invalid("more or fewer copies than named");
  for (const [place, { device, sealedHash }] of expected.copies.entries()) {
    const copy = attachments.copies[place];
    if (copy === undefined || !equal(copy.device, device)) return invalid("copies in another order than named");
    if (copy.generation !== expected.generation) return invalid("a copy of another generation");
    if (!equal(hash(labels.hash.sealedCopy, copy.sealed), sealedHash)) return invalid("not the copy that is named");
  }
  const ofAccountKey = attachments.wraps.filter(
    (wrap) => wrap.purpose === WrapPurpose.ACCOUNT_KEY_BY_MASTER || wrap.purpose === WrapPurpose.ACCOUNT_KEY_BY_NEXT,
  );
  if (ofAccountKey.length !== expected.wraps.length) return invalid("more or fewer wraps than named");
  for (const { purpose, version, sealedHash } of expected.wraps) {
    const wrap = ofAccountKey.find((each) => each.purpose === purpose && each.version === version);
    if (wrap === undefined) return invalid("a wrap is missing");
    if (!equal(hash(labels.hash.sealedCopy, wrap.sealed), sealedHash)) return invalid("not the wrap that is named");
  }
  return { kind: "valid" };
}

/** What may lie beside the links of an account, of all of them together. */
export interface BesideLinks {
  readonly accountPublicKeys: readonly Uint8Array[];
  readonly deviceSealingKeys: readonly Uint8Array[];
  readonly copies: readonly SealedDeviceCopy[];
  readonly wraps: readonly Wrap[];
}

/** What is offered, by hash: each piece is hashed once, however many links there are. */
export interface OfferedBeside {
  readonly accountPublicKeys: ReadonlyMap<string, Uint8Array>;
  readonly deviceSealingKeys: ReadonlyMap<string, Uint8Array>;
  readonly copies: ReadonlyMap<string, SealedDeviceCopy>;
  readonly wraps: ReadonlyMap<string, Wrap>;
}

const copyName = (device: Uint8Array, generation: number, sealedHash: Uint8Array): string =>
  `${toHex(device)}/${generation}/${toHex(sealedHash)}`;
const wrapName = (purpose: WrapPurpose, version: number, sealedHash: Uint8Array): string => `${purpose}/${version}/${toHex(sealedHash)}`;

/** [H6] For `attachmentsNamed`. */
export function offeredBeside({ accountPublicKeys, deviceSealingKeys, copies, wraps }: BesideLinks): OfferedBeside {
  const byHash = (keys: readonly Uint8Array[], label: HashLabel) => new Map(keys.map((key) => [toHex(hash(label, key)), key]));
  const sealedHash = (sealed: Uint8Array) => hash(labels.hash.sealedCopy, sealed);
  return {
    accountPublicKeys: byHash(accountPublicKeys, labels.hash.accountKeyPublic),
    deviceSealingKeys: byHash(deviceSealingKeys, labels.hash.deviceSealingKey),
    copies: new Map(copies.map((copy) => [copyName(copy.device, copy.generation, sealedHash(copy.sealed)), copy])),
    wraps: new Map(wraps.map((wrap) => [wrapName(wrap.purpose, wrap.version, sealedHash(wrap.sealed)), wrap])),
  };
}

/**
 * [H6] Of all that is offered what this link names by hash, as far as it is there.
 *
 * @param after as above
 */
export function attachmentsNamed(after: AccountState, link: SignedLink, offered: OfferedBeside): AccountAttachments {
  const expected = expectedBeside(after, link);
  const key = (keys: ReadonlyMap<string, Uint8Array>, named: Uint8Array | undefined) => {
    const found = named && keys.get(toHex(named));
    return found !== undefined && isAcceptableSealingKey(found) ? found : new Uint8Array(0);
  };
  return create(AccountAttachmentsSchema, {
    accountPublicKey: key(offered.accountPublicKeys, expected.accountPublicKeyHash),
    deviceSealingKey: key(offered.deviceSealingKeys, expected.deviceSealingKeyHash),
    copies: expected.copies.flatMap(
      ({ device, sealedHash }) => offered.copies.get(copyName(device, expected.generation, sealedHash)) ?? [],
    ),
    wraps: expected.wraps.flatMap(({ purpose, version, sealedHash }) => offered.wraps.get(wrapName(purpose, version, sealedHash)) ?? []),
  });
}

function expectedBeside(after: AccountState, link: SignedLink): Expected {
  const change = decodeBody(AccountLinkSchema, link.body)?.change;
  const nothing = { accountPublicKeyHash: undefined, deviceSealingKeyHash: undefined, copies: [], generation: 0, wraps: [] };
  switch (change?.case) {
    case "create":
    case "revoke":
    case "succeed": {
      const key = change.value.accountKey;
      if (key === undefined) return nothing;
      const { ACCOUNT_KEY_BY_MASTER, ACCOUNT_KEY_BY_NEXT } = WrapPurpose;
      const wrapped = { purpose: ACCOUNT_KEY_BY_MASTER, version: key.generation, sealedHash: key.wrappedHash };
      const previous = { purpose: ACCOUNT_KEY_BY_NEXT, version: key.generation - 1, sealedHash: key.previousHash };
      return {
        accountPublicKeyHash: key.publicKeyHash,
        deviceSealingKeyHash: change.case === "create" ? change.value.device?.sealingKeyHash : undefined,
        copies: key.copies,
        generation: key.generation,
        wraps: change.case === "create" ? [wrapped] : [wrapped, previous],
      };
    }
    case "addDevice": {
      const { device, sealedHash } = change.value;
      if (device === undefined) return nothing;
      return {
        ...nothing,
        deviceSealingKeyHash: device.sealingKeyHash,
        copies: [{ device: idBytes(deviceIdOf(device)), sealedHash }],
        generation: after.accountKeys.at(-1)?.generation ?? 0,
      };
    }
    case "signOut":
    case "recovery":
    case "close":
    case "policy":
    case undefined:
      return nothing;
    default:
      return change satisfies never;
  }
}

function isKeyOf(key: Uint8Array, label: HashLabel, expected: Uint8Array | undefined): boolean {
  if (expected === undefined) return key.length === 0;
  return isAcceptableSealingKey(key) && equal(hash(label, key), expected);
}
