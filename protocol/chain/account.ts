import {
  type AccountAddDevice,
  type AccountCreate,
  type AccountKey,
  type AccountLink,
  AccountLinkSchema,
  type AccountRevoke,
  type AccountSucceed,
  type DeviceKeys,
  type SignedLink,
} from "../generated/fastchat/v1/account_pb.ts";
import { type AccountId, accountId, type DeviceId, deviceId, idBytes, isHash, type LinkHash, linkHash } from "../ids.ts";
import { limits } from "../limits.ts";
import { parseName } from "../names.ts";
import { equal } from "../seal/bytes.ts";
import { hash } from "../seal/hash.ts";
import { labels } from "../seal/labels.ts";
import { isAcceptablePublicKey, judgeLinkAhead, verifyLink } from "../seal/signature.ts";
import {
  accountIdOf,
  accountLinkHash,
  ascendingIds,
  type ChainHead,
  decodeBody,
  hasLinkForm,
  hasUnknownFields,
  type Invalid,
  invalid,
  isAscending,
  isHeadForm,
  stale,
} from "./link.ts";

/** `at`: index of the link. A device that signed out and was revoked later is revoked. */
export type DeviceStatus =
  | { readonly kind: "active" }
  | { readonly kind: "signed-out"; readonly at: number }
  | { readonly kind: "revoked"; readonly at: number };

export interface AccountDevice {
  readonly device: DeviceId;
  /** Ed25519 public key. */
  readonly signingKey: Uint8Array;
  /** Hash of the X-Wing public key. */
  readonly sealingKeyHash: Uint8Array;
  /** Index of the link that brought it. */
  readonly addedAt: number;
  /** Index of the first link that took its rights. */
  readonly endedAt: number | undefined;
  readonly status: DeviceStatus;
}

/** One generation of the account key [A2]: hashes, as the link named by `from` carries them. */
export interface AccountKeyGeneration {
  readonly generation: number;
  readonly publicKeyHash: Uint8Array;
  readonly wrappedHash: Uint8Array;
  /** Empty in generation 1. */
  readonly previousHash: Uint8Array;
  readonly from: number;
}

/** An account after some link of its chain. Never changed in place; two states share what is the same. */
export interface AccountState {
  readonly account: AccountId;
  readonly name: string;
  /** The 32 random bytes of `create`. */
  readonly nonce: Uint8Array;
  readonly version: number;
  readonly head: ChainHead;
  /** `hashes[i]` is that of link number `i + 1`. */
  readonly hashes: readonly LinkHash[];
  readonly identityKey: Uint8Array;
  /** Oldest first; `from` is the index of the link that brought it. */
  readonly identityKeys: readonly { readonly key: Uint8Array; readonly from: number }[];
  readonly recoveryKey: Uint8Array;
  /** All that ever were, oldest first. */
  readonly devices: ReadonlyMap<DeviceId, AccountDevice>;
  /** Oldest first. */
  readonly accountKeys: readonly AccountKeyGeneration[];
  /** Index of the newest `revoke`, `succeed` or `close`, which make a turn due [C4]; 0 when there is none. */
  readonly lastTurn: number;
  /** The head is a `close`: nothing follows it. */
  readonly closed: boolean;
}

/**
 * [G4] The three results. `version`: the link is, or raises its chain to, a version that this code does not know: update.
 * `previous`: the link stands further on in the chain than the state reaches: ask for the links between.
 */
export type AccountResult =
  | { readonly kind: "valid"; readonly state: AccountState }
  | Invalid
  | { readonly kind: "incomplete"; readonly reason: "version" | "previous" };

/** As for one link; otherwise `position` (from 0) is that of the first link that is not valid, and `state` what was before it. */
export type AccountChainResult =
  | { readonly kind: "valid"; readonly state: AccountState }
  | (Invalid & { readonly position: number; readonly state: AccountState | undefined })
  | {
      readonly kind: "incomplete";
      readonly reason: "version" | "previous";
      readonly position: number;
      readonly state: AccountState | undefined;
    };

/** [G2] A device's id: the hash of its keys and nonce. */
export function deviceIdOf(keys: Pick<DeviceKeys, "signingKey" | "sealingKeyHash" | "nonce">): DeviceId {
  return deviceId(hash(labels.hash.deviceId, keys.signingKey, keys.sealingKeyHash, keys.nonce));
}

/** [G4] Applies one link to the state before it (`undefined` before `create`). Pure; never throws, whatever the bytes. */
export function applyAccountLink(state: AccountState | undefined, link: SignedLink): AccountResult {
  if (!hasLinkForm(link)) return invalid("no form of a link");
  const body = decodeBody(AccountLinkSchema, link.body);
  if (body === undefined) return invalid("no account link");
  if (state === undefined) {
    if (body.index !== 1) return body.index === 0 ? invalid("no index") : { kind: "incomplete", reason: "previous" };
    if (body.version > limits.chainVersion) return { kind: "incomplete", reason: "version" };
    if (body.version === 0) return invalid("no version");
    return hasUnknownFields(body) ? invalid("unknown field") : begin(body, link);
  }
  if (body.index > state.head.index + 1) return { kind: "incomplete", reason: "previous" };
  if (body.index !== state.head.index + 1) return stale("not the next link");
  if (body.version !== state.version) return invalid("not in the chain's version");
  if (hasUnknownFields(body)) return invalid("unknown field");
  if (!isHash(body.account) || accountId(body.account) !== state.account) return invalid("of another account");
  if (!equal(body.previous, idBytes(state.head.hash))) return stale("does not follow the link before");
  if (body.extra.length > limits.extraBytes) return invalid("extra is too long");
  if (state.closed) return invalid("the account is closed");
  if (body.index > limits.accountLinks && body.change.case !== "close") return invalid("the chain is full");
  return follow(state, body, link);
}

/** Applies consecutive links; stops at the first that is not valid. No link and no state: `previous`. */
export function applyAccountLinks(state: AccountState | undefined, links: readonly SignedLink[]): AccountChainResult {
  let current = state;
  for (const [position, link] of links.entries()) {
    const result = applyAccountLink(current, link);
    if (result.kind !== "valid") return { ...result, position, state: current };
    current = result.state;
  }
  if (current === undefined) return { kind: "incomplete", reason: "previous", position: 0, state: undefined };
  return { kind: "valid", state: current };
}

/** What a device was when the head had this index. A closed account has no active device. */
export function deviceAt(state: AccountState, device: DeviceId, index: number): "unknown" | "active" | "ended" {
  const known = state.devices.get(device);
  if (known === undefined || known.addedAt > index) return "unknown";
  if (state.closed && index >= state.head.index) return "ended";
  return known.endedAt !== undefined && known.endedAt <= index ? "ended" : "active";
}

/** The newest generation of the account key when the head had this index. */
export function accountKeyAt(state: AccountState, index: number): AccountKeyGeneration | undefined {
  return state.accountKeys.findLast((key) => key.from <= index);
}

/** Devices that may write and read on, ordered by id: those to which a new account key is sealed. */
export function activeDevices(state: AccountState): DeviceId[] {
  const active = [...state.devices.values()].filter((device) => device.status.kind === "active");
  return active.map((device) => device.device).sort();
}

function begin(body: AccountLink, link: SignedLink): AccountResult {
  if (body.change.case !== "create") return invalid("does not begin a chain");
  if (body.previous.length !== 0 || body.account.length !== 0) return invalid("create follows nothing");
  if (body.extra.length > limits.extraBytes) return invalid("extra is too long");
  const create: AccountCreate = body.change.value;
  const name = parseName(create.name);
  if (name.kind !== "valid" || name.name !== create.name) return invalid("not a name in its one form");
  if (!isHash(create.nonce)) return invalid("no nonce");
  if (!isAcceptablePublicKey(create.identityKey)) return invalid("not an acceptable identity key");
  if (!isAcceptablePublicKey(create.recoveryKey)) return invalid("not an acceptable recovery key");
  const device = newDevice(create.device, 1);
  if (device === undefined) return invalid("not an acceptable device");
  const key = newAccountKey(create.accountKey, undefined, [device.device], 1);
  if (key.kind === "invalid") return key;
  if (!verifyLink(create.identityKey, link.signature, labels.signature.accountLink, link.body)) return invalid("signature");
  if (!isCosignedByDevice(device, link)) return invalid("co-signature");
  const head = { index: 1, hash: accountLinkHash(link) };
  const identityKey = create.identityKey.slice();
  return {
    kind: "valid",
    state: {
      account: accountIdOf(link),
      name: name.name,
      nonce: create.nonce.slice(),
      version: body.version,
      head,
      hashes: [head.hash],
      identityKey,
      identityKeys: [{ key: identityKey, from: 1 }],
      recoveryKey: create.recoveryKey.slice(),
      devices: new Map([[device.device, device]]),
      accountKeys: [key.generation],
      lastTurn: 0,
      closed: false,
    },
  };
}

/** What a change does to the state besides moving its head. */
type Change = { readonly kind: "changes"; readonly fields: Partial<AccountState> };

const changes = (fields: Partial<AccountState>): Change => ({ kind: "changes", fields });

function follow(state: AccountState, body: AccountLink, link: SignedLink): AccountResult {
  const change = changeOf(state, body);
  if (change.kind === "invalid") return change;
  const unsigned = checkSignatures(state, body, link);
  if (unsigned !== undefined) return unsigned;
  const version = change.fields.version ?? state.version;
  if (version > limits.chainVersion) return { kind: "incomplete", reason: "version" };
  const head = { index: body.index, hash: accountLinkHash(link) };
  return { kind: "valid", state: { ...state, ...change.fields, head, hashes: [...state.hashes, head.hash] } };
}

function changeOf(state: AccountState, { change, index }: AccountLink): Change | Invalid {
  switch (change.case) {
    case "create":
      return invalid("create follows nothing");
    case "addDevice":
      return addDevice(state, change.value, index);
    case "revoke":
      return revoke(state, change.value, index);
    case "signOut": {
      const known = isHash(change.value.device) ? state.devices.get(deviceId(change.value.device)) : undefined;
      if (known?.status.kind !== "active") return invalid("signs out a device that is not active");
      return changes({ devices: ended(state, (device) => device === known, "signed-out", index) });
    }
    case "recovery":
      if (!isAcceptablePublicKey(change.value.recoveryKey)) return invalid("not an acceptable recovery key");
      return changes({ recoveryKey: change.value.recoveryKey.slice() });
    case "succeed":
      return succeed(state, change.value, index);
    case "close":
      return changes({ closed: true, lastTurn: index });
    case "policy":
      if (change.value.version <= state.version) return invalid("a version is only raised");
      return changes({ version: change.value.version });
    case undefined:
      return invalid("unknown change");
    default:
      return change satisfies never;
  }
}

function addDevice(state: AccountState, added: AccountAddDevice, index: number): Change | Invalid {
  const device = newDevice(added.device, index);
  if (device === undefined) return invalid("not an acceptable device");
  if (!isHash(added.sealedHash)) return invalid("no copy for the device");
  const known = [...state.devices.values()];
  if (known.some((other) => equal(other.signingKey, device.signingKey))) return invalid("a device's key is used once");
  if (known.filter((other) => other.status.kind === "active").length >= limits.devicesPerAccount) return invalid("too many devices");
  return changes({ devices: new Map(state.devices).set(device.device, device) });
}

function revoke(state: AccountState, revoked: AccountRevoke, index: number): Change | Invalid {
  const ids = ascendingIds(revoked.devices, deviceId);
  if (ids === undefined || ids.length === 0) return invalid("not an ordered list of devices");
  for (const id of ids) {
    const known = state.devices.get(id);
    if (known === undefined || known.status.kind === "revoked") return invalid("revokes a device that is unknown or revoked already");
  }
  const leaving = new Set(ids);
  const devices = ended(state, (device) => leaving.has(device.device), "revoked", index);
  return turned(state, devices, revoked.accountKey, index);
}

function succeed(state: AccountState, succession: AccountSucceed, index: number): Change | Invalid {
  const { identityKey, recoveryKey, settles } = succession;
  if (!isAcceptablePublicKey(identityKey)) return invalid("not an acceptable identity key");
  if (state.identityKeys.some((known) => equal(known.key, identityKey))) return invalid("an identity key is used once");
  if (!isAcceptablePublicKey(recoveryKey)) return invalid("not an acceptable recovery key");
  const ours = settles.every((head) => isHeadForm(head) && accountId(head.account) === state.account);
  if (
    !ours ||
    ascendingIds(
      settles.map((head) => head.hash),
      linkHash,
    ) === undefined
  ) {
    return invalid("settles something else than heads of this account");
  }
  const staying = isHash(succession.device) ? state.devices.get(deviceId(succession.device)) : undefined;
  if (staying?.status.kind !== "active") return invalid("the staying device is not active");
  const devices = ended(state, (device) => device !== staying && device.status.kind !== "revoked", "revoked", index);
  const turn = turned(state, devices, succession.accountKey, index);
  if (turn.kind === "invalid") return turn;
  const key = identityKey.slice();
  return changes({
    ...turn.fields,
    identityKey: key,
    identityKeys: [...state.identityKeys, { key, from: index }],
    recoveryKey: recoveryKey.slice(),
  });
}

/** New account key for the devices that remain [A1]. */
function turned(
  state: AccountState,
  devices: ReadonlyMap<DeviceId, AccountDevice>,
  accountKey: AccountKey | undefined,
  index: number,
): Change | Invalid {
  const key = newAccountKey(accountKey, state.accountKeys.at(-1), activeDevices({ ...state, devices }), index);
  if (key.kind === "invalid") return key;
  return changes({ devices, accountKeys: [...state.accountKeys, key.generation], lastTurn: index });
}

function ended(
  state: AccountState,
  leaves: (device: AccountDevice) => boolean,
  kind: "signed-out" | "revoked",
  at: number,
): ReadonlyMap<DeviceId, AccountDevice> {
  const devices = new Map(state.devices);
  for (const [id, device] of state.devices) {
    if (leaves(device)) devices.set(id, { ...device, endedAt: device.endedAt ?? at, status: { kind, at } });
  }
  return devices;
}

function newDevice(keys: DeviceKeys | undefined, addedAt: number): AccountDevice | undefined {
  if (keys === undefined || !isAcceptablePublicKey(keys.signingKey)) return undefined;
  if (!isHash(keys.sealingKeyHash) || !isHash(keys.nonce)) return undefined;
  return {
    device: deviceIdOf(keys),
    signingKey: keys.signingKey.slice(),
    sealingKeyHash: keys.sealingKeyHash.slice(),
    addedAt,
    endedAt: undefined,
    status: { kind: "active" },
  };
}

function newAccountKey(
  key: AccountKey | undefined,
  before: AccountKeyGeneration | undefined,
  devices: readonly DeviceId[],
  from: number,
): { readonly kind: "generation"; readonly generation: AccountKeyGeneration } | Invalid {
  if (key === undefined) return invalid("no account key");
  if (key.generation !== (before?.generation ?? 0) + 1) return invalid("not the next generation");
  if (!isHash(key.publicKeyHash) || !isHash(key.wrappedHash)) return invalid("not an account key");
  if (before === undefined ? key.previousHash.length !== 0 : !isHash(key.previousHash)) return invalid("previous account key");
  const complete =
    key.copies.length === devices.length &&
    key.copies.every((copy, place) => isHash(copy.device) && deviceId(copy.device) === devices[place] && isHash(copy.sealedHash));
  if (!complete || !isAscending(devices)) return invalid("copies for other than the active devices");
  return {
    kind: "generation",
    generation: {
      generation: key.generation,
      publicKeyHash: key.publicKeyHash.slice(),
      wrappedHash: key.wrappedHash.slice(),
      previousHash: key.previousHash.slice(),
      from,
    },
  };
}

/**
 * [A1] Who signs what: the identity key signs the body, but a device its own sign-out, under another label. The new device
 * co-signs body and signature of what brings it; the new identity key co-signs a `succeed` the same way. What needs no
 * co-signature has none, since it is part of the hash.
 */
function checkSignatures(state: AccountState, { change }: AccountLink, link: SignedLink): Invalid | undefined {
  if (change.case === "signOut") {
    const key = state.devices.get(deviceId(change.value.device))?.signingKey;
    const signed = key !== undefined && verifyLink(key, link.signature, labels.signature.deviceSignOut, link.body);
    if (!signed) return invalid("signature");
  } else if (!verifyLink(state.identityKey, link.signature, labels.signature.accountLink, link.body)) {
    return invalid("signature");
  }
  switch (change.case) {
    case "addDevice": {
      const device = newDevice(change.value.device, 0);
      return device !== undefined && isCosignedByDevice(device, link) ? undefined : invalid("co-signature");
    }
    case "succeed": {
      const { identityKey } = change.value;
      const cosigned = verifyLink(identityKey, link.cosignature, labels.signature.accountSuccession, link.body, link.signature);
      return cosigned ? undefined : invalid("co-signature");
    }
    case "create":
    case "revoke":
    case "signOut":
    case "recovery":
    case "close":
    case "policy":
    case undefined:
      return link.cosignature.length === 0 ? undefined : invalid("a co-signature that nobody needs");
    default:
      return change satisfies never;
  }
}

/**
 * Judges ahead the signatures of links that are about to be applied to a state (`undefined` before `create`), as far as it can be told by
 * whom they should be: it saves time and decides nothing.
 */
export async function judgeAccountLinksAhead(state: AccountState | undefined, links: readonly SignedLink[]): Promise<void> {
  let identityKey = state?.identityKey;
  const judging: Promise<void>[] = [];
  for (const link of links) {
    const change = decodeBody(AccountLinkSchema, link.body)?.change;
    if (change?.case === "create") ({ identityKey } = change.value);
    if (identityKey === undefined || change === undefined || change.case === "signOut") continue;
    judging.push(judgeLinkAhead(identityKey, link.signature, labels.signature.accountLink, link.body));
    const device = change.case === "create" || change.case === "addDevice" ? change.value.device?.signingKey : undefined;
    if (device !== undefined)
      judging.push(judgeLinkAhead(device, link.cosignature, labels.signature.deviceOfLink, link.body, link.signature));
    if (change.case === "succeed") ({ identityKey } = change.value);
  }
  await Promise.all(judging);
}

function isCosignedByDevice(device: AccountDevice, link: SignedLink): boolean {
  return verifyLink(device.signingKey, link.cosignature, labels.signature.deviceOfLink, link.body, link.signature);
}
