import { fromBinary } from "@bufbuild/protobuf";
import { type ConversationId, ErrorCode, FastChatError, idBytes, limits } from "@fastchat/protocol";
import { startHash } from "@fastchat/protocol/seal";
import { ConversationLinkSchema, type LinkEntry } from "@fastchat/protocol/wire/conversation";
import type { Connection } from "./connection.ts";
import type { ConversationChain } from "./conversation-chain.ts";
import type { Conversation as ConversationRecord, StoredEntry, WitnessRecord } from "./generated/fastchat/profile/v1/profile_pb.ts";
import { incarnationAt, type LogCheck, witnessRecord } from "./log-check.ts";
import { keys, read, remove, schemas, sequenceOfKey } from "./records.ts";
import { type FetchPage, isSameChain, lastCommonPlace, readBranch } from "./server-log.ts";
import type { Change, Item, Storage } from "./storage.ts";

export interface RestoredLogParts {
  readonly id: ConversationId;
  readonly storage: Storage;
  readonly chain: ConversationChain;
  readonly check: LogCheck;
  readonly connection: Pick<Connection, "request">;
}

export type Repair =
  /** Nothing that is here was lost. */
  | { readonly kind: "same" }
  /** Others wrote another change where this device knows one: neither chain goes on from the other. */
  | { readonly kind: "forked" }
  /** What the server shows cannot be followed. */
  | { readonly kind: "refused" }
  /**
   * The server's log is the same up to `from`, says that it was restored, and has every link that is known here again.
   *
   * @property places of the links behind `from`, in order
   * @property rekeys an epoch was put back, of which nobody has the sealed keys any more
   */
  | {
      readonly kind: "repaired";
      readonly from: number;
      readonly head: number;
      readonly places: readonly number[];
      readonly rekeys: boolean;
    };

/**
 * [H6] Makes good what a restored server lost of one conversation: has it say so in the log, and puts back the links that it lost, on top of what it
 * has. Throws FastChatError where the server refuses, ConnectionLost; nothing is changed here then.
 */
export async function repairLog({ id, storage, chain, check, connection }: RestoredLogParts, record: ConversationRecord): Promise<Repair> {
  const conversation = idBytes(id);
  const fetch: FetchPage = (page) =>
    connection.request({ case: "fetchEntries", value: { conversation, limit: limits.entriesPerPage, ...page } }, "entries");
  const hashAt = async (sequence: number) => (await read(storage, keys.entry(id, sequence), schemas.entry))?.entryHash;
  const { low, high } = record;
  const head = await headOf(fetch);
  const common = head === 0 ? 0 : await lastCommonPlace(fetch, head, { low, high, hashAt });
  if (common === high) return { kind: "same" };
  const from = common < low ? 0 : common;
  const known = await knownAt(check, record, id, from);
  const own = (await chain.linksAfter(from)).map(({ entry }) => entry);
  const branch = head === 0 ? { links: [], isAnnounced: false, head } : await readBranch(fetch, { sequence: from, known });
  if (branch === undefined) return { kind: "refused" };
  const theirs = branch.links.map(({ entry }) => entry);
  if (!isSameChain(own, theirs)) return { kind: "forked" };
  const announce = () => connection.request({ case: "beginIncarnation", value: { conversation } }, "appended");
  if (!branch.isAnnounced && head > 0) await announce();
  const lost = own.slice(theirs.length);
  for (const entry of lost) {
    await connection.request({ case: "appendLink", value: { conversation, entry, sealedKeys: [], putBack: true } }, "appended");
  }
  // There was no log that could say it.
  if (head === 0) await announce();
  const repaired = await readBranch(fetch, { sequence: from, known });
  const links = repaired?.links ?? [];
  const isWhole = repaired?.isAnnounced === true && links.length >= own.length;
  if (
    !isWhole ||
    !isSameChain(
      own,
      links.map(({ entry }) => entry),
    )
  )
    return { kind: "refused" };
  return {
    kind: "repaired",
    from,
    head: repaired.head,
    places: links.slice(0, own.length).map(({ sequence }) => sequence),
    rekeys: lost.some(opensEpoch),
  };
}

async function headOf(fetch: FetchPage): Promise<number> {
  try {
    return (await fetch({ after: 0 })).head;
  } catch (error) {
    if (error instanceof FastChatError && error.code === ErrorCode.NOT_FOUND) return 0;
    throw error;
  }
}

/** Place and hash that the server's log is to go on from; undefined while what comes before is not here. */
async function knownAt(
  check: LogCheck,
  record: ConversationRecord,
  id: ConversationId,
  sequence: number,
): Promise<WitnessRecord | undefined> {
  if (sequence === 0) return witnessRecord({ incarnation: 0, sequence: 0, hash: startHash(id) });
  const hash = await check.knownHashAt(record, sequence);
  return hash && witnessRecord({ incarnation: incarnationAt(record, sequence) ?? 0, sequence, hash });
}

const opensEpoch = ({ link }: LinkEntry): boolean =>
  fromBinary(ConversationLinkSchema, link?.body ?? new Uint8Array(0)).opening !== undefined;

/**
 * What is stored behind a place stands in the log no more: kept by itself until the next entry comes, beside which it is shown.
 *
 * @param placeOf where a link stands now that stood behind it
 */
export function leaveBehind(
  id: ConversationId,
  record: ConversationRecord,
  { from, stored, placeOf }: { readonly from: number; readonly stored: readonly Item[]; readonly placeOf: (sequence: number) => number },
): Change[] {
  const changes = stored.flatMap(({ key, value }): Change[] => [
    remove(key),
    { kind: "put", key: keys.lost(id, sequenceOfKey(key)), value },
  ]);
  const atMost = (sequence: number) => Math.min(sequence, from);
  record.lost += stored.length;
  record.high = from;
  if (record.low > from + 1) record.low = from + 1;
  record.readUpTo = atMost(record.readUpTo);
  record.deletedUpTo = atMost(record.deletedUpTo);
  record.othersDelivered = atMost(record.othersDelivered);
  record.othersRead = atMost(record.othersRead);
  record.deliveredWritten = atMost(record.deliveredWritten);
  record.readWritten = atMost(record.readWritten);
  record.claims = [];
  for (const device of record.revoked) device.high = atMost(device.high);
  for (const slot of record.memberSlots) {
    slot.since = placeOf(slot.since);
    slot.delivered = atMost(slot.delivered);
    slot.read = atMost(slot.read);
  }
  if (record.group !== undefined) {
    record.group.memberSince = placeOf(record.group.memberSince);
    for (const place of record.group.profilePlaces) place.link = placeOf(place.link);
  }
  return changes;
}

/** Of what was left behind, what somebody wrote, marked as lost. */
export function lostMessages(entries: readonly StoredEntry[]): StoredEntry[] {
  return entries
    .flatMap((entry) => [entry, ...entry.others])
    .filter(({ body }) => body.case === "message" || body.case === "unreadable")
    .map((entry) => {
      if (entry.body.case === "message") entry.body.value.doubt = "lost";
      entry.notices = [];
      entry.others = [];
      return entry;
    });
}
