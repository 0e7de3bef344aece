import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import {
  type AccountHead,
  AccountKeySchema,
  AccountLinkSchema,
  type DeviceKeys,
  DeviceKeysSchema,
  type SignedLink,
  SignedLinkSchema,
} from "../generated/fastchat/v1/account_pb.ts";
import { type DeviceId, idBytes } from "../ids.ts";
import { limits } from "../limits.ts";
import { labels } from "../seal/labels.ts";
import { publicKeyOf, signLink } from "../seal/signature.ts";
import { activeDevices, type AccountState, deviceIdOf } from "./account.ts";

/** A device that a link brings. `nonce`: random, 32 bytes. */
export interface NewDevice {
  readonly signingSeed: Uint8Array;
  /** Hash of its X-Wing public key, 32 bytes: `deviceSealingKeyHash`. */
  readonly sealingKeyHash: Uint8Array;
  readonly nonce: Uint8Array;
}

/** Hashes of a new generation of the account key and of its copies, each 32 bytes [A2]. */
export interface NewAccountKey {
  readonly publicKeyHash: Uint8Array;
  readonly wrappedHash: Uint8Array;
  /** Of the generation before, wrapped under this one; absent in generation 1. */
  readonly previousHash?: Uint8Array;
  /** For every device that remains; `remainingDevices` says which. */
  readonly copies: ReadonlyMap<DeviceId, Uint8Array>;
}

type LinkInit = Omit<MessageInitShape<typeof AccountLinkSchema>, "$typeName">;

/** The public half of a device, as links carry it. */
export function deviceKeysOf(device: NewDevice): DeviceKeys {
  return create(DeviceKeysSchema, {
    signingKey: publicKeyOf(device.signingSeed),
    sealingKeyHash: device.sealingKeyHash,
    nonce: device.nonce,
  });
}

/** The id that a device will have, known before the link that brings it: its copy of the account key is sealed for it. */
export const newDeviceId = (device: NewDevice): DeviceId => deviceIdOf(deviceKeysOf(device));

/** The devices to which the account key of a `revoke` must be sealed, ordered. */
export const remainingDevices = (state: AccountState, revoked: readonly DeviceId[]): DeviceId[] =>
  activeDevices(state).filter((device) => !revoked.includes(device));

export function buildAccountCreate(options: {
  readonly name: string;
  /** Random, 32 bytes. */
  readonly nonce: Uint8Array;
  readonly identitySeed: Uint8Array;
  readonly recoveryPublicKey: Uint8Array;
  readonly device: NewDevice;
  readonly accountKey: NewAccountKey;
}): SignedLink {
  const body = toBinary(
    AccountLinkSchema,
    create(AccountLinkSchema, {
      version: limits.chainVersion,
      index: 1,
      change: {
        case: "create",
        value: {
          name: options.name,
          nonce: options.nonce,
          identityKey: publicKeyOf(options.identitySeed),
          recoveryKey: options.recoveryPublicKey,
          device: deviceKeysOf(options.device),
          accountKey: accountKeyOf(1, options.accountKey),
        },
      },
    }),
  );
  const signature = signLink(options.identitySeed, labels.signature.accountLink, body);
  return cosignedByDevice(body, signature, options.device);
}

/** `sealedHash`: of the newest account-key secret sealed to the new device. */
export function buildAddDevice(
  state: AccountState,
  options: { readonly identitySeed: Uint8Array; readonly device: NewDevice; readonly sealedHash: Uint8Array },
): SignedLink {
  const value = { device: deviceKeysOf(options.device), sealedHash: options.sealedHash };
  const body = next(state, { change: { case: "addDevice", value } });
  const signature = signLink(options.identitySeed, labels.signature.accountLink, body);
  return cosignedByDevice(body, signature, options.device);
}

export function buildRevoke(
  state: AccountState,
  options: { readonly identitySeed: Uint8Array; readonly devices: readonly DeviceId[]; readonly accountKey: NewAccountKey },
): SignedLink {
  const devices = options.devices.toSorted().map((device) => idBytes(device));
  const accountKey = accountKeyOf(nextGeneration(state), options.accountKey);
  return byIdentity(options.identitySeed, next(state, { change: { case: "revoke", value: { devices, accountKey } } }));
}

/** [A1] The one link that the identity key does not sign: a device signs itself out. */
export function buildSignOut(state: AccountState, options: { readonly device: DeviceId; readonly signingSeed: Uint8Array }): SignedLink {
  const body = next(state, { change: { case: "signOut", value: { device: idBytes(options.device) } } });
  return create(SignedLinkSchema, { body, signature: signLink(options.signingSeed, labels.signature.deviceSignOut, body) });
}

export function buildRecovery(
  state: AccountState,
  options: { readonly identitySeed: Uint8Array; readonly recoveryPublicKey: Uint8Array },
): SignedLink {
  const value = { recoveryKey: options.recoveryPublicKey };
  return byIdentity(options.identitySeed, next(state, { change: { case: "recovery", value } }));
}

/** [P2] "Somebody knows my password": only `device` stays, and the account key goes to it alone. */
export function buildSucceed(
  state: AccountState,
  options: {
    readonly identitySeed: Uint8Array;
    readonly newIdentitySeed: Uint8Array;
    readonly recoveryPublicKey: Uint8Array;
    readonly device: DeviceId;
    readonly accountKey: NewAccountKey;
    /** Heads of other branches that this settles [G5], ordered by hash. */
    readonly settles?: readonly AccountHead[];
  },
): SignedLink {
  const value = {
    identityKey: publicKeyOf(options.newIdentitySeed),
    recoveryKey: options.recoveryPublicKey,
    device: idBytes(options.device),
    accountKey: accountKeyOf(nextGeneration(state), options.accountKey),
    settles: [...(options.settles ?? [])],
  };
  const body = next(state, { change: { case: "succeed", value } });
  const signature = signLink(options.identitySeed, labels.signature.accountLink, body);
  const cosignature = signLink(options.newIdentitySeed, labels.signature.accountSuccession, body, signature);
  return create(SignedLinkSchema, { body, signature, cosignature });
}

export function buildClose(state: AccountState, options: { readonly identitySeed: Uint8Array }): SignedLink {
  return byIdentity(options.identitySeed, next(state, { change: { case: "close", value: {} } }));
}

/** Raises the version of the account's chain [G4]. */
export function buildAccountPolicy(
  state: AccountState,
  options: { readonly identitySeed: Uint8Array; readonly version: number },
): SignedLink {
  return byIdentity(options.identitySeed, next(state, { change: { case: "policy", value: { version: options.version } } }));
}

function next(state: AccountState, init: LinkInit): Uint8Array {
  const link = create(AccountLinkSchema, {
    ...init,
    version: state.version,
    account: idBytes(state.account),
    index: state.head.index + 1,
    previous: idBytes(state.head.hash),
  });
  return toBinary(AccountLinkSchema, link);
}

const nextGeneration = (state: AccountState): number => (state.accountKeys.at(-1)?.generation ?? 0) + 1;

function accountKeyOf(generation: number, key: NewAccountKey) {
  const ordered = [...key.copies].toSorted(([one], [other]) => (one < other ? -1 : 1));
  return create(AccountKeySchema, {
    generation,
    publicKeyHash: key.publicKeyHash,
    wrappedHash: key.wrappedHash,
    previousHash: key.previousHash ?? new Uint8Array(0),
    copies: ordered.map(([device, sealedHash]) => ({ device: idBytes(device), sealedHash })),
  });
}

function byIdentity(identitySeed: Uint8Array, body: Uint8Array): SignedLink {
  return create(SignedLinkSchema, { body, signature: signLink(identitySeed, labels.signature.accountLink, body) });
}

function cosignedByDevice(body: Uint8Array, signature: Uint8Array, device: NewDevice): SignedLink {
  const cosignature = signLink(device.signingSeed, labels.signature.deviceOfLink, body, signature);
  return create(SignedLinkSchema, { body, signature, cosignature });
}
