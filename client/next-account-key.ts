import { create } from "@bufbuild/protobuf";
import { type DeviceId, ErrorCode, FastChatError, idBytes } from "@fastchat/protocol";
import { type AccountState, type NewAccountKey, remainingDevices } from "@fastchat/protocol/chain";
import { accountPublicKeyHash, generateSealingKey, sealAccountKey, sealedCopyHash, wrapKey } from "@fastchat/protocol/seal";
import { type AccountAttachments, AccountAttachmentsSchema, WrapPurpose } from "@fastchat/protocol/wire/account";
import { accountKeyRecord } from "./account-keys.ts";
import type { AccountKeySecret } from "./profile.ts";

export interface NextAccountKey {
  /** For the link. */
  readonly named: NewAccountKey;
  /** What the link names by hash. */
  readonly attachments: AccountAttachments;
  readonly secret: AccountKeySecret;
}

/**
 * [A2] The next generation of the account key, for the devices that remain.
 *
 * @param before the newest generation
 * @param sealingKeys X-Wing public keys of the devices that remain; of others they do not matter
 * @throws FastChatError UNAVAILABLE when one is missing
 */
export async function makeNextAccountKey(
  state: AccountState,
  {
    before,
    masterKey,
    revoked,
    sealingKeys,
  }: {
    readonly before: AccountKeySecret;
    readonly masterKey: Uint8Array;
    readonly revoked: readonly DeviceId[];
    readonly sealingKeys: ReadonlyMap<DeviceId, Uint8Array>;
  },
): Promise<NextAccountKey> {
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
  return {
    named: {
      publicKeyHash: accountPublicKeyHash(made.publicKey),
      wrappedHash: sealedCopyHash(wrapped),
      previousHash: sealedCopyHash(previous),
      copies: new Map([...copies].map(([device, copy]) => [device, sealedCopyHash(copy)])),
    },
    attachments: create(AccountAttachmentsSchema, {
      accountPublicKey: made.publicKey,
      copies: [...copies].map(([device, sealed]) => ({ device: idBytes(device), generation, sealed })),
      wraps: [
        { purpose: WrapPurpose.ACCOUNT_KEY_BY_MASTER, version: generation, sealed: wrapped },
        { purpose: WrapPurpose.ACCOUNT_KEY_BY_NEXT, version: before.generation, sealed: previous },
      ],
    }),
    secret: { generation, secret: made.secret },
  };
}
