import type { DeviceId } from "@fastchat/protocol";
import { equal } from "@fastchat/protocol/seal";
import { idBytes } from "@fastchat/protocol";
import type { AccountState } from "@fastchat/protocol/chain";
import { checkAccountKey, openAccountKey, unwrapKey } from "@fastchat/protocol/seal";
import { WrapPurpose } from "@fastchat/protocol/wire/account";
import type { Account } from "@fastchat/protocol/wire/frames";
import type { AccountKeySecret } from "./profile.ts";

/** The keys that a chain names. */
interface NamedKeys extends Pick<AccountState, "nonce"> {
  /** Oldest first. */
  readonly accountKeys: readonly Pick<AccountState["accountKeys"][number], "generation" | "publicKeyHash">[];
}

/**
 * Generations of the own account key that this device lacks, oldest first: the newest from the copy sealed to the device,
 * older ones from the wraps under their successors [A2]. Nothing counts that is not what the chain names; empty when the
 * server does not give them.
 */
export async function openNewAccountKeys(
  state: NamedKeys,
  answer: Pick<Account, "copies" | "wraps">,
  known: readonly AccountKeySecret[],
  device: { readonly device: DeviceId; readonly sealingSecret: Uint8Array },
): Promise<AccountKeySecret[]> {
  const newestKnown = known.at(-1)?.generation ?? 0;
  const missing = state.accountKeys.filter(({ generation }) => generation > newestKnown).toReversed();
  const opened: AccountKeySecret[] = [];
  for (const { generation, publicKeyHash } of missing) {
    const newer = opened[0];
    const secret =
      newer === undefined
        ? await openCopy(state, answer, generation, publicKeyHash, device)
        : unwrapOlder(state, answer, generation, newer);
    const checked = secret && (await checkAccountKey(secret, publicKeyHash));
    if (checked?.kind !== "opened") return [];
    opened.unshift({ generation, secret: checked.secret });
  }
  return opened;
}

async function openCopy(
  state: NamedKeys,
  { copies }: Pick<Account, "copies">,
  generation: number,
  publicKeyHash: Uint8Array,
  { device, sealingSecret }: { readonly device: DeviceId; readonly sealingSecret: Uint8Array },
): Promise<Uint8Array | undefined> {
  const copy = copies.find((each) => each.generation === generation && equal(each.device, idBytes(device)));
  if (copy === undefined) return undefined;
  const result = await openAccountKey(copy.sealed, state.nonce, generation, { device, secret: sealingSecret }, publicKeyHash);
  return result.kind === "opened" ? result.secret : undefined;
}

function unwrapOlder(
  state: NamedKeys,
  { wraps }: Pick<Account, "wraps">,
  generation: number,
  newer: AccountKeySecret,
): Uint8Array | undefined {
  const wrap = wraps.find(({ purpose, version }) => purpose === WrapPurpose.ACCOUNT_KEY_BY_NEXT && version === generation);
  if (wrap === undefined) return undefined;
  const place = { account: state.nonce, record: accountKeyRecord, version: generation };
  const result = unwrapKey("olderAccountKeyUnderNewer", newer.secret, place, wrap.sealed);
  return result.kind === "unwrapped" ? result.secret : undefined;
}

/** Name of the place of an account key's wraps [P2]. */
export const accountKeyRecord = "account-key";
