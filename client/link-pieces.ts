import { limits } from "@fastchat/protocol";
import { type ConversationState, type EpochState, isGivenToNewcomers } from "@fastchat/protocol/chain";
import { sealingOverhead } from "@fastchat/protocol/seal";
import type { KnownAccount } from "./accounts.ts";

/** Two signatures of an account link and its receipt, and what frames them. */
const LINK_OVERHEAD = 174;
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

/** Newcomers, as many at a time as one link may bring along: their evidence, and the copies that are sealed to them. */
export function inPieces<Newcomer>(
  newcomers: readonly Newcomer[],
  accountOf: (newcomer: Newcomer) => KnownAccount,
  state?: ConversationState,
): Newcomer[][] {
  const copies = COPY_BYTES * (1 + (state === undefined ? 0 : givenEpochs(state).length));
  const pieces: Newcomer[][] = [];
  let room = 0;
  for (const newcomer of newcomers) {
    const size = accountOf(newcomer).links.reduce((sum, { body }) => sum + body.length + LINK_OVERHEAD, copies);
    if (size > room || pieces.length === 0) {
      pieces.push([]);
      room = limits.linkAttachmentBytes;
    }
    pieces.at(-1)!.push(newcomer);
    room -= size;
  }
  return pieces;
}
