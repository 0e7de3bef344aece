import { accountId, type AccountId, deviceId, type DeviceId, isHash, type LinkHash } from "@fastchat/protocol";
import { type ConversationState, deviceAt } from "@fastchat/protocol/chain";

export interface SealedAuthor {
  readonly account: AccountId;
  readonly device: DeviceId;
  /** Ed25519. */
  readonly signingKey: Uint8Array;
  readonly epoch: number;
  readonly openingLink: LinkHash;
}

/**
 * [S5] Who sealed a slot or a signal, by what its envelope claims: a device that is active at the recorded head, in an epoch that
 * still counts. Undefined for everybody else: what a device left behind that has ended counts no more.
 */
export function sealedAuthor(
  state: ConversationState,
  claimed: { readonly account: Uint8Array; readonly device: Uint8Array; readonly epoch: number },
): SealedAuthor | undefined {
  if (!isHash(claimed.account) || !isHash(claimed.device)) return undefined;
  const [account, device] = [accountId(claimed.account), deviceId(claimed.device)];
  const chain = state.members.get(account)?.chain;
  const signingKey = chain?.devices.get(device)?.signingKey;
  const opening = claimed.epoch >= state.oldestGoodEpoch ? state.epochs[claimed.epoch - 1] : undefined;
  if (chain === undefined || signingKey === undefined || opening === undefined) return undefined;
  if (deviceAt(chain, device, chain.head.index) !== "active") return undefined;
  return { account, device, signingKey, epoch: claimed.epoch, openingLink: opening.openingLink };
}
