import { entryHash, equal, runningHash } from "@fastchat/protocol/seal";
import type { Entry, LinkEntry } from "@fastchat/protocol/wire/conversation";
import type { WitnessRecord } from "./generated/fastchat/profile/v1/profile_pb.ts";

/** Further than this from where it leaves what is known here, a server's log is not followed. */
const PAGES_AT_MOST = 40;

export type FetchPage = (
  page: { readonly after: number } | { readonly before: number },
) => Promise<{ readonly entries: readonly Entry[]; readonly head: number }>;

/** What this device has of the log. */
export interface OwnLog {
  readonly low: number;
  readonly high: number;
  readonly hashAt: (sequence: number) => Promise<Uint8Array | undefined>;
}

/** [H6] The newest place up to which the server's log is the one known here; `low` - 1: none that is here. */
export async function lastCommonPlace(fetch: FetchPage, head: number, { low, high, hashAt }: OwnLog): Promise<number> {
  let before = Math.min(high, head) + 1;
  while (before > low) {
    const { entries } = await fetch({ before });
    for (const entry of entries.toReversed()) {
      if (entry.sequence >= before || entry.sequence < low) continue;
      const [known, hash] = [await hashAt(entry.sequence), entryHash(entry)];
      if (known !== undefined && hash !== undefined && equal(known, hash)) return entry.sequence;
    }
    const first = entries[0]?.sequence ?? 0;
    if (first === 0 || first >= before) break;
    before = first;
  }
  return low - 1;
}

/** What a server's log has behind a place. */
export interface Branch {
  readonly links: readonly { readonly sequence: number; readonly entry: LinkEntry }[];
  /** An entry says that the server's data was restored, and names the very place it goes on from. */
  readonly isAnnounced: boolean;
  readonly head: number;
}

/**
 * Reads on from a place that is the same in both logs.
 *
 * @param from that place; undefined hash: what comes before is not known here, and what the entry names is believed
 * @returns undefined when it is too long to be followed, or has gaps
 */
export async function readBranch(
  fetch: FetchPage,
  from: { readonly sequence: number; readonly known: WitnessRecord | undefined },
): Promise<Branch | undefined> {
  const links: { sequence: number; entry: LinkEntry }[] = [];
  let { sequence } = from;
  let hash = from.known?.hash;
  let incarnation = from.known?.incarnation ?? 0;
  let isAnnounced = false;
  for (let pages = 0; pages < PAGES_AT_MOST; pages++) {
    const { entries, head } = await fetch({ after: sequence });
    for (const entry of entries) {
      const ofEntry = entryHash(entry);
      if (entry.sequence !== sequence + 1 || ofEntry === undefined) return undefined;
      if (entry.body.case === "link") links.push({ sequence: entry.sequence, entry: entry.body.value });
      if (entry.body.case === "incarnation") {
        const named = entry.body.value;
        const isTrue = hash === undefined || (named.incarnation === incarnation && named.sequence === sequence && equal(named.hash, hash));
        if (isTrue) incarnation++;
        isAnnounced ||= isTrue;
      }
      sequence = entry.sequence;
      hash = hash && runningHash(hash, sequence, ofEntry);
    }
    if (sequence >= head) return { links, isAnnounced, head: sequence };
    if (entries.length === 0) return undefined;
  }
  return undefined;
}

/** Whether one list of links begins with the other: then no two were written on the same one. */
export const isSameChain = (one: readonly LinkEntry[], other: readonly LinkEntry[]): boolean =>
  one.slice(0, other.length).every(({ link }, place) => {
    const also = other[place]?.link;
    return link !== undefined && also !== undefined && equal(link.body, also.body) && equal(link.signature, also.signature);
  });
