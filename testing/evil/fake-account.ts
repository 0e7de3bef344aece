import { create } from "@bufbuild/protobuf";
import { type AccountId, idBytes } from "@fastchat/protocol";
import { accountIdOf, buildAccountCreate, newDeviceId } from "@fastchat/protocol/chain";
import {
  accountPublicKeyHash,
  deviceSealingKeyHash,
  generateSealingKey,
  generateSigningKey,
  random,
  type SealingKey,
  type SigningKey,
} from "@fastchat/protocol/seal";
import type { SignedLink } from "@fastchat/protocol/wire/account";
import { type Account, AccountSchema } from "@fastchat/protocol/wire/frames";

/** An account that is valid in every way, but that whoever owns the server has made, under any name. */
export interface FakeAccount {
  readonly name: string;
  readonly account: AccountId;
  readonly links: readonly SignedLink[];
  readonly identity: SigningKey;
  readonly device: SigningKey;
  readonly accountKey: SealingKey;
  /** As the server would hand it out. */
  readonly answer: Account;
}

export async function makeFakeAccount(name: string): Promise<FakeAccount> {
  const [identity, recovery, device] = [generateSigningKey(), generateSigningKey(), generateSigningKey()];
  const [accountKey, deviceKey] = [await generateSealingKey(), await generateSealingKey()];
  const newDevice = { signingSeed: device.seed, sealingKeyHash: deviceSealingKeyHash(deviceKey.publicKey), nonce: random(32) };
  const link = buildAccountCreate({
    name,
    nonce: random(32),
    identitySeed: identity.seed,
    recoveryPublicKey: recovery.publicKey,
    device: newDevice,
    accountKey: {
      publicKeyHash: accountPublicKeyHash(accountKey.publicKey),
      wrappedHash: random(32),
      copies: new Map([[newDeviceId(newDevice), random(32)]]),
    },
  });
  const account = accountIdOf(link);
  const answer = create(AccountSchema, { account: idBytes(account), links: [link], accountPublicKey: accountKey.publicKey });
  return { name, account, links: [link], identity, device, accountKey, answer };
}
