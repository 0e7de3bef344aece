import { create } from "@bufbuild/protobuf";
import { type DeviceId, ErrorCode, FastChatError } from "@fastchat/protocol";
import { accountLinkHash, activeDevices, type AccountState, buildSucceed } from "@fastchat/protocol/chain";
import {
  generateRecoveryEntropy,
  generateSigningKey,
  newMasterKey,
  recoveryKeyOf,
  recoveryWordsOf,
  signSuccessionRecord,
  wrapKey,
} from "@fastchat/protocol/seal";
import { WrapPurpose, WrapSchema } from "@fastchat/protocol/wire/account";
import { SuccessionRecordSchema } from "@fastchat/protocol/wire/frames";
import { makeNextAccountKey } from "./next-account-key.ts";
import type { KeyTurn } from "./revocation.ts";
import { type OpenedAccount, places } from "./sign-in.ts";

export interface NewSecrets {
  readonly password: { readonly record: Uint8Array<ArrayBuffer>; readonly exportKey: Uint8Array };
  readonly masterKey: Uint8Array;
  readonly recoveryEntropy: Uint8Array;
  readonly identity: { readonly seed: Uint8Array; readonly publicKey: Uint8Array };
}

/** What takes the place of all that opened the account [P2], but for the account key, which depends on what stands there when it is written. */
export const makeSecrets = (password: NewSecrets["password"]): NewSecrets => ({
  password,
  masterKey: newMasterKey(),
  recoveryEntropy: generateRecoveryEntropy(),
  identity: generateSigningKey(),
});

export const recoveryWordsIn = ({ recoveryEntropy }: NewSecrets): readonly string[] => recoveryWordsOf(recoveryEntropy);

/** The new recovery words are lost with the answer: only a succession of its own gives others. */
export function successionUnknown(cause: unknown): FastChatError {
  const sentence =
    "The connection was lost before the answer came: either the new password counts, or the old one still does. Do the same again with the one that counts, trying the new one first: that gives you new recovery words.";
  return new FastChatError(ErrorCode.UNAVAILABLE, { sentence, cause });
}

/**
 * [P2] "Somebody knows it": a `succeed` after which neither password nor recovery words of before, nor any device but this one, open anything.
 *
 * @param state of the account, perhaps newer than when it was opened
 * @param sealingKeys X-Wing public key of the device that stays
 */
export async function buildSuccession(
  { identitySeed, accountKeys, wrapVersions }: OpenedAccount,
  state: AccountState,
  {
    device,
    sealingKeys,
    secrets,
  }: { readonly device: DeviceId; readonly sealingKeys: ReadonlyMap<DeviceId, Uint8Array>; readonly secrets: NewSecrets },
): Promise<KeyTurn> {
  const { password, masterKey, identity, recoveryEntropy } = secrets;
  const recovery = recoveryKeyOf(recoveryEntropy);
  const revoked = activeDevices(state).filter((other) => other !== device);
  const key = await makeNextAccountKey(state, { before: accountKeys.at(-1)!, masterKey, revoked, sealingKeys });
  const link = buildSucceed(state, {
    identitySeed,
    newIdentitySeed: identity.seed,
    recoveryPublicKey: recovery.signing.publicKey,
    device,
    accountKey: key.named,
  });
  const wrap = (
    purpose: WrapPurpose,
    [under, secret, record]: readonly [Parameters<typeof wrapKey>[0], Uint8Array, string],
    wrapped: Uint8Array,
  ) => {
    const version = (wrapVersions.get(purpose) ?? 0) + 1;
    const sealed = wrapKey(under, secret, { account: state.nonce, record, version }, wrapped);
    return create(WrapSchema, { purpose, version, sealed });
  };
  const { MASTER_BY_PASSWORD, MASTER_BY_RECOVERY, IDENTITY_BY_MASTER } = WrapPurpose;
  const wraps = [
    wrap(MASTER_BY_PASSWORD, ["masterUnderExportKey", password.exportKey, places.password], masterKey),
    wrap(MASTER_BY_RECOVERY, ["masterUnderRecoveryKey", recovery.wrapSecret, places.recovery], masterKey),
    wrap(IDENTITY_BY_MASTER, ["identityUnderMaster", masterKey, places.identity], identity.seed),
  ];
  const { record } = password;
  const signature = await signSuccessionRecord(identity.seed, { account: state.account, link: accountLinkHash(link), record, wraps });
  return {
    link,
    attachments: { ...key.attachments, wraps: [...key.attachments.wraps, ...wraps] },
    signInRecord: create(SuccessionRecordSchema, { registrationRecord: record, signature }),
    accountKey: key.secret,
  };
}
