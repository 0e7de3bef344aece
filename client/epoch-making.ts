import { type AccountId, type ConversationId, ErrorCode, FastChatError, idBytes, type KeyId, limits } from "@fastchat/protocol";
import { type ConversationState, type CopyRecipient, epochContext, type LinkDraft, newestEpoch } from "@fastchat/protocol/chain";
import { accountPublicKeyHash, deriveEpochKey, equal, keyIdOf, newEpochKey, sealEpochKey } from "@fastchat/protocol/seal";
import type { SealedKey } from "@fastchat/protocol/wire/conversation";
import type { KnownAccounts } from "./accounts.ts";
import { breathe } from "./breathe.ts";
import type { Connection } from "./connection.ts";
import type { EpochKeys } from "./epoch-keys.ts";
import { givenEpochs } from "./link-pieces.ts";

/** Copies sealed between two pauses: each takes some 3 ms. */
const SEALED_AT_ONCE = 4;
/** From so many copies on somebody is told how far it is. */
const TOLD_FROM = 50;

export interface MadeEpoch {
  readonly key: Uint8Array;
  readonly keyId: KeyId;
  /** Ordered by account, then epoch. */
  readonly copies: readonly SealedKey[];
}

type PublicKeys = ReadonlyMap<AccountId, Uint8Array>;

/** The X-Wing keys of those among these whose key, as the chain names it, is known here or given by the server. */
export async function publicKeysOf(
  recipients: readonly CopyRecipient[],
  { accounts, connection }: { readonly accounts: KnownAccounts; readonly connection: Pick<Connection, "request"> },
): Promise<PublicKeys> {
  const lookUp = async () => {
    const known = await accounts.all(recipients.map(({ account }) => account));
    const found = new Map<AccountId, Uint8Array>();
    for (const { account, publicKeyHash } of recipients) {
      const publicKey = known.get(account)?.publicKey;
      if (publicKey !== undefined && equal(accountPublicKeyHash(publicKey), publicKeyHash)) found.set(account, publicKey);
    }
    return found;
  };
  const found = await lookUp();
  const missing = recipients.filter(({ account }) => !found.has(account));
  if (missing.length === 0) return found;
  for (let at = 0; at < missing.length; at += limits.accountKeysPerRequest) {
    const some = missing.slice(at, at + limits.accountKeysPerRequest).map(({ account }) => idBytes(account));
    const { keys } = await connection.request({ case: "fetchAccountKeys", value: { accounts: some } }, "accountKeys");
    await accounts.keepKeys(keys);
  }
  return lookUp();
}

/**
 * Makes the key of the epoch that a draft opens, and the copies that lie beside its link [C4]: of this epoch for everybody, or for
 * newcomers alone where it is derived; and for newcomers those of older epochs that the policy gives them. Epochs that are derived from
 * one that is given need no copy.
 *
 * @param onSealed how many copies of how many are done
 */
export async function makeEpoch(
  draft: LinkDraft,
  state: ConversationState | undefined,
  epochKeys: EpochKeys | undefined,
  publicKeys: PublicKeys,
  onSealed: (done: number, total: number) => void,
): Promise<MadeEpoch> {
  const { after } = draft;
  const opening = draft.opening!;
  const isDerived = newestEpoch(after).kind === "derived";
  const previousKey = isDerived ? await epochKeys?.get(opening.epoch - 1) : undefined;
  if (isDerived && previousKey === undefined) throw new FastChatError(ErrorCode.UNAVAILABLE, { detail: "The epoch before is not open." });
  const key =
    previousKey === undefined
      ? newEpochKey()
      : deriveEpochKey(previousKey, after.conversation, { ...opening, previous: opening.previous! });
  const older = epochKeys === undefined || state === undefined ? [] : await givenToNewcomers(state, epochKeys);
  const isNew = (account: AccountId) => after.members.get(account)?.addedAt === after.head.index;
  const copies: SealedKey[] = [];
  const total = opening.recipients.length;
  for (const [place, { account, generation }] of opening.recipients.entries()) {
    const publicKey = publicKeys.get(account)!;
    const epochs = isNew(account) ? older : [];
    for (const each of [...epochs, { epoch: opening.epoch, key, context: opening.context }]) {
      const copy = await sealEpochKey(each.key, each.context, each.epoch, { account, generation, publicKey });
      if (copy === undefined) throw new FastChatError(ErrorCode.UNAVAILABLE, { detail: "Nobody can seal to an account key." });
      copies.push(copy);
    }
    if ((place + 1) % SEALED_AT_ONCE !== 0) continue;
    if (total >= TOLD_FROM) onSealed(place + 1, total);
    await breathe();
  }
  if (total >= TOLD_FROM) onSealed(total, total);
  return { key, keyId: keyIdOf(opening.context, key), copies };
}

/** Keys of the older epochs that newcomers are given, as far as they are open here. */
async function givenToNewcomers(state: ConversationState, epochKeys: EpochKeys) {
  const given: { epoch: number; key: Uint8Array; context: ConversationId }[] = [];
  for (const run of givenEpochs(state)) {
    for (const opened of run) {
      const key = await epochKeys.get(opened.epoch);
      if (key === undefined) continue;
      given.push({ epoch: opened.epoch, key, context: epochContext(state, opened) });
      break;
    }
  }
  return given;
}
