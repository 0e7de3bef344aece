import { create } from "@bufbuild/protobuf";
import { type DeviceId, idBytes } from "@fastchat/protocol";
import { buildRevoke, remainingDevices } from "@fastchat/protocol/chain";
import { accountPublicKeyHash, generateSealingKey, random, sealedCopyHash, wrapKey } from "@fastchat/protocol/seal";
import { AccountAttachmentsSchema, WrapPurpose } from "@fastchat/protocol/wire/account";
import { openAccount } from "../client/account.ts";
import { Gateway } from "../client/gateway.ts";
import type { Person } from "./person.ts";
import { bodyOf, type ProxiedConnection } from "./proxy.ts";

/**
 * Revokes a device of somebody as the password allows it: a real link, signed by the identity key, with a new account key. The copies
 * for the devices that stay hold nothing, so this is for tests of what others make of it.
 *
 * @param connection of one of the person's devices that stay
 */
export async function revokeDevice(gatewayUrl: string, person: Person, device: DeviceId, connection: ProxiedConnection): Promise<void> {
  const { state, masterKey, identitySeed, accountKeys } = await openAccount(new Gateway(gatewayUrl), person.name, person.password);
  const newest = accountKeys.at(-1)!;
  const generation = newest.generation + 1;
  const accountKey = await generateSealingKey();
  const place = (version: number) => ({ account: state.nonce, record: "account-key", version });
  const wrapped = wrapKey("accountKeyUnderMaster", masterKey, place(generation), accountKey.secret);
  const previous = wrapKey("olderAccountKeyUnderNewer", accountKey.secret, place(newest.generation), newest.secret);
  const copies = remainingDevices(state, [device]).map((remaining) => ({ device: remaining, sealed: random(1_170) }));
  const link = buildRevoke(state, {
    identitySeed,
    devices: [device],
    accountKey: {
      publicKeyHash: accountPublicKeyHash(accountKey.publicKey),
      wrappedHash: sealedCopyHash(wrapped),
      previousHash: sealedCopyHash(previous),
      copies: new Map(copies.map((copy) => [copy.device, sealedCopyHash(copy.sealed)])),
    },
  });
  const attachments = create(AccountAttachmentsSchema, {
    accountPublicKey: accountKey.publicKey,
    copies: copies.map((copy) => ({ device: idBytes(copy.device), generation, sealed: copy.sealed })),
    wraps: [
      { purpose: WrapPurpose.ACCOUNT_KEY_BY_MASTER, version: generation, sealed: wrapped },
      { purpose: WrapPurpose.ACCOUNT_KEY_BY_NEXT, version: newest.generation, sealed: previous },
    ],
  });
  bodyOf(await connection.ask({ case: "appendAccountLink", value: { link, attachments } }), "appended");
}
