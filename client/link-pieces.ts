import { limits } from "@fastchat/protocol";
import { type ConversationState, type EpochState, isGivenToNewcomers } from "@fastchat/protocol/chain";
import { sealingOverhead } from "@fastchat/protocol/seal";
import type { SignedLink } from "@fastchat/protocol/wire/account";
import type { KnownAccount } from "./accounts.ts";
import { inPieces } from "./pieces.ts";

/** Tags and lengths of a link in a request. */
const LINK_OVERHEAD = 32;
const COPY_BYTES = sealingOverhead + 32 + 60;
const MOST_GIVEN = Math.floor(limits.linkAttachmentBytes / COPY_BYTES) - 1;

/**
 * The older epochs that the policy opens to newcomers, in runs: a fresh one and those derived from it. The key of one of a run gives all that
 * follow in it. Of very many the newest.
 */
export function givenEpochs({ epochs, policy }: ConversationState): EpochState[][] {
  const runs: EpochState[][] = [];
  for (const each of epochs) {
    if (!isGivenToNewcomers(policy, each.epoch)) continue;
    if (each.kind === "fresh" || runs.length === 0) runs.push([]);
    runs.at(-1)!.push(each);
  }
  return runs.slice(-MOST_GIVEN);
}

/** What a link takes in a request, bytes. */
export const linkSize = ({ body, signature, cosignature, receipt }: SignedLink): number =>
  body.length + signature.length + cosignature.length + receipt.length + LINK_OVERHEAD;

/** Newcomers, as many at a time as one link may bring along: their evidence, and the copies that are sealed to them. */
export function newcomersInPieces<Newcomer>(
  newcomers: readonly Newcomer[],
  accountOf: (newcomer: Newcomer) => KnownAccount,
  state?: ConversationState,
): Newcomer[][] {
  const copies = COPY_BYTES * (1 + (state === undefined ? 0 : givenEpochs(state).length));
  const sizeOf = (each: Newcomer): number => accountOf(each).links.reduce((sum, link) => sum + linkSize(link), copies);
  return inPieces(newcomers, sizeOf, { bytes: limits.linkAttachmentBytes, count: Infinity });
}
