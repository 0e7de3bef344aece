import { type AccountId, idBytes, type LinkHash } from "../ids.ts";
import { hash } from "./hash.ts";
import { labels } from "./labels.ts";
import { sign, verify } from "./signature.ts";

/** A new password, as the identity key signs it [P2]. */
export interface NewSignInRecord {
  readonly account: AccountId;
  /** The gateway's state, which names the record that is replaced. */
  readonly state: Uint8Array;
  /** OPAQUE RegistrationRecord. */
  readonly record: Uint8Array;
  /** The master key under the new export key, and its number. */
  readonly wrap: { readonly version: number; readonly sealed: Uint8Array };
}

const partsOf = ({ account, state, record, wrap }: NewSignInRecord) =>
  [idBytes(account), state, hash(labels.hash.signInRecord, record), hash(labels.hash.wraps, wrap.version, wrap.sealed)] as const;

export const signNewRecord = (identitySeed: Uint8Array, record: NewSignInRecord): Promise<Uint8Array> =>
  sign(identitySeed, labels.signature.signInRecord, ...partsOf(record));

export const verifyNewRecord = (identityKey: Uint8Array, record: NewSignInRecord, signature: Uint8Array): Promise<boolean> =>
  verify(identityKey, signature, labels.signature.signInRecord, ...partsOf(record));

/** The password that comes with a `succeed`, as the new identity key signs it [P2]. */
export interface SuccessionRecord {
  readonly account: AccountId;
  /** The `succeed`. */
  readonly link: LinkHash;
  /** OPAQUE RegistrationRecord. */
  readonly record: Uint8Array;
  /** The new wraps, in order of their purposes. */
  readonly wraps: readonly { readonly version: number; readonly sealed: Uint8Array }[];
}

const partsOfSuccession = ({ account, link, record, wraps }: SuccessionRecord) =>
  [
    idBytes(account),
    idBytes(link),
    hash(labels.hash.signInRecord, record),
    hash(labels.hash.wraps, ...wraps.flatMap(({ version, sealed }) => [version, sealed])),
  ] as const;

export const signSuccessionRecord = (newIdentitySeed: Uint8Array, record: SuccessionRecord): Promise<Uint8Array> =>
  sign(newIdentitySeed, labels.signature.successionRecord, ...partsOfSuccession(record));

export const verifySuccessionRecord = (newIdentityKey: Uint8Array, record: SuccessionRecord, signature: Uint8Array): Promise<boolean> =>
  verify(newIdentityKey, signature, labels.signature.successionRecord, ...partsOfSuccession(record));

/** What the recovery key signs: with an empty hash of a record it asks for its wrap alone [P2]. */
export interface RecoveryRequest {
  /** Of the account: the id is told to nobody who has not proved to be its owner. */
  readonly name: string;
  /** The gateway's state: its nonce. */
  readonly state: Uint8Array;
}

const NO_RECORD = new Uint8Array(0);

export const signRecovery = (recoverySeed: Uint8Array, { name, state }: RecoveryRequest): Promise<Uint8Array> =>
  sign(recoverySeed, labels.signature.recoveryReset, name, state, NO_RECORD);

export const verifyRecovery = (recoveryKey: Uint8Array, { name, state }: RecoveryRequest, signature: Uint8Array): Promise<boolean> =>
  verify(recoveryKey, signature, labels.signature.recoveryReset, name, state, NO_RECORD);
