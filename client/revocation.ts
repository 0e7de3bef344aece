import type { DeviceId } from "@fastchat/protocol";
import { type AccountState, buildRevoke } from "@fastchat/protocol/chain";
import type { SignedLink } from "@fastchat/protocol/wire/account";
import type { AppendAccountLink } from "@fastchat/protocol/wire/frames";
import { makeNextAccountKey } from "./next-account-key.ts";
import type { AccountKeySecret } from "./profile.ts";
import type { OpenedKeys } from "./sign-in.ts";

/** A link that brings a new account key, and what goes with it. */
export interface KeyTurn extends Pick<AppendAccountLink, "attachments" | "signInRecord"> {
  readonly link: SignedLink;
  readonly accountKey: AccountKeySecret;
}

/**
 * [H3] A `revoke` with a new account key for the devices that remain.
 *
 * @param state of the account, perhaps newer than when it was opened
 * @param sealingKeys X-Wing public keys of the devices that remain
 */
export async function buildRevocation(
  { masterKey, identitySeed, accountKeys }: OpenedKeys,
  state: AccountState,
  { devices, sealingKeys }: { readonly devices: readonly DeviceId[]; readonly sealingKeys: ReadonlyMap<DeviceId, Uint8Array> },
): Promise<KeyTurn> {
  const key = await makeNextAccountKey(state, { before: accountKeys.at(-1)!, masterKey, revoked: devices, sealingKeys });
  const link = buildRevoke(state, { identitySeed, devices, accountKey: key.named });
  return { link, attachments: key.attachments, signInRecord: undefined, accountKey: key.secret };
}
