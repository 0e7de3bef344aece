import { create } from "@bufbuild/protobuf";
import { type DeviceId, ErrorCode, FastChatError, idBytes } from "@fastchat/protocol";
import { buildRevoke, remainingDevices } from "@fastchat/protocol/chain";
import { accountPublicKeyHash, generateSealingKey, sealAccountKey, sealedCopyHash, wrapKey } from "@fastchat/protocol/seal";
import { type AccountAttachments, AccountAttachmentsSchema, type SignedLink, WrapPurpose } from "@fastchat/protocol/wire/account";
import { accountKeyRecord } from "./account-keys.ts";
import type { AccountKeySecret } from "./profile.ts";
import type { OpenedKeys } from "./sign-in.ts";

export interface Revocation {
  readonly link: SignedLink;
  readonly attachments: AccountAttachments;
  readonly accountKey: AccountKeySecret;
}

/**
 * [H3] A `revoke` with a new account key for the devices that remain.
 *
 * @param sealingKeys X-Wing public keys of the devices that remain
 */
export async function buildRevocation(
  account: OpenedKeys,
  revoked: readonly DeviceId[],
  sealingKeys: ReadonlyMap<DeviceId, Uint8Array>,
): Promise<Revocation> {
  const { state, masterKey, identitySeed } = account;
  const before = account.accountKeys.at(-1)!;
  const generation = before.generation + 1;
  const made = await generateSealingKey();
  const place = (version: number) => ({ account: state.nonce, record: accountKeyRecord, version });
  const wrapped = wrapKey("accountKeyUnderMaster", masterKey, place(generation), made.secret);
  const previous = wrapKey("olderAccountKeyUnderNewer", made.secret, place(before.generation), before.secret);
  const copies = new Map<DeviceId, Uint8Array>();
  for (const device of remainingDevices(state, revoked)) {
    const publicKey = sealingKeys.get(device);
    const copy = publicKey && (await sealAccountKey({ generation, secret: made.secret }, state.nonce, { device, publicKey }));
    if (copy === undefined)
      throw new FastChatError(ErrorCode.UNAVAILABLE, { detail: "The sealing key of one of your devices is not at hand." });
    copies.set(device, copy);
  }
  const link = buildRevoke(state, {
    identitySeed,
    devices: revoked,
    accountKey: {
      publicKeyHash: accountPublicKeyHash(made.publicKey),
      wrappedHash: sealedCopyHash(wrapped),
      previousHash: sealedCopyHash(previous),
      copies: new Map([...copies].map(([device, copy]) => [device, sealedCopyHash(copy)])),
    },
  });
  const attachments = create(AccountAttachmentsSchema, {
    accountPublicKey: made.publicKey,
    copies: [...copies].map(([device, sealed]) => ({ device: idBytes(device), generation, sealed })),
    wraps: [
      { purpose: WrapPurpose.ACCOUNT_KEY_BY_MASTER, version: generation, sealed: wrapped },
      { purpose: WrapPurpose.ACCOUNT_KEY_BY_NEXT, version: before.generation, sealed: previous },
    ],
  });
  return { link, attachments, accountKey: { generation, secret: made.secret } };
}
