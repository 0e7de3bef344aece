import { create, fromBinary } from "@bufbuild/protobuf";
import { type ConversationId, isClientMessageId, isHash } from "@fastchat/protocol";
import { equal, toHex } from "@fastchat/protocol/seal";
import { EntrySchema } from "@fastchat/protocol/wire/conversation";
import { StoredErasedSchema, type StoredEntry, type Withdrawal } from "./generated/fastchat/profile/v1/profile_pb.ts";
import { lifetimeOf } from "./lifetimes.ts";
import type { LogDraft } from "./log-check.ts";
import { identityOf, type MessageEntry, type ReadMessage } from "./log-page.ts";
import { keys, prefixes, put, remove, schemas } from "./records.ts";
import { type Change, prefixRange, type Storage } from "./storage.ts";

/** Places of the newest deletions, for a process beside. */
const LATELY = 64;

/** [S5] A message that its author deleted for everybody. */
export interface Withdrawn {
  readonly account: Uint8Array;
  readonly device: Uint8Array;
  readonly id: Uint8Array;
  /** Where it stands, as its author says; 0: that is not known any more. */
  readonly sequence: number;
  /** That it was deleted is not shown: it would have disappeared by itself. */
  readonly silent: boolean;
}

/**
 * [S5] What a message of the log deletes: messages of its own account that stand before it, each under the number that it withdraws. Who wrote it was proven
 * when it was opened. What a revoked device wrote deletes nothing.
 */
export function withdrawnBy(entry: MessageEntry, read: ReadMessage, doubt: string): readonly Withdrawn[] {
  if (read.kind === "unreadable" || read.content.kind.case !== "deletion" || doubt !== "none") return [];
  const { withdraws } = entry.body.value;
  const { messages } = read.content.kind.value;
  if (messages.length !== withdraws.length) return [];
  const silent = lifetimeOf(read.content) > 0;
  return messages.flatMap(({ device, clientMessageId: id }, place) => {
    const sequence = withdraws[place]!;
    // What is no name names nothing, and is not kept.
    const isName = isHash(device) && isClientMessageId(id);
    return isName && sequence < entry.sequence ? [{ account: entry.account, device, id, sequence, silent }] : [];
  });
}

/**
 * By what a message can be taken away: its id, also where it is not opened, or its place alone where the server erased it before it was read here.
 * Undefined: there is nothing to take away.
 */
function handleOf(sequence: number, { account, device, body }: StoredEntry): string | undefined {
  switch (body.case) {
    case "message":
      return byId({ account, device, id: body.value.clientMessageId });
    case "unreadable": {
      const sealed = fromBinary(EntrySchema, body.value.entry).body;
      return sealed.case === "message" ? byId({ account, device, id: sealed.value.clientMessageId }) : undefined;
    }
    case "erased":
      return body.value.clientMessageId.length === 0 ? byPlace({ account, device, sequence }) : undefined;
    case "link":
    case "incarnation":
    case "duplicate":
    case undefined:
      return undefined;
    default:
      return body satisfies never;
  }
}

// Nobody's deletion stands in the way of another account's.
const byId = ({ account, device, id }: Pick<Withdrawn, "account" | "device" | "id">): string => [account, device, id].map(toHex).join("/");
const byPlace = ({ account, device, sequence }: Pick<Withdrawn, "account" | "device" | "sequence">): string =>
  `${toHex(account)}/${toHex(device)}@${sequence}`;

/** Under these a deletion is found. */
const handlesOf = (withdrawn: Withdrawn): readonly string[] =>
  withdrawn.sequence === 0 ? [byId(withdrawn)] : [byId(withdrawn), byPlace(withdrawn)];

/** Whether this message, or one beside it, is the one that is named, taken away or not. */
export const standsIn = (entry: StoredEntry, named: Withdrawn): boolean =>
  [entry, ...entry.others].some((each) => {
    if (handleOf(named.sequence, each) === byId(named)) return true;
    const known = identityOf(each);
    return known !== undefined && equal(known.id, named.id) && equal(each.device, named.device);
  });

/** Takes away what was written; that something was, who did, and its hash stay [S4]. Of what nobody was shown here it is not said that it was deleted. */
function takeAway(entry: StoredEntry, { id, silent }: Withdrawn): void {
  const counter = identityOf(entry)?.counter ?? 0;
  const deleted = !silent && isMeant(entry);
  entry.body = { case: "erased", value: create(StoredErasedSchema, { clientMessageId: id, counter, deleted }) };
  entry.notices = entry.notices.filter(({ kind }) => kind !== "unreadable");
}

/** It was written for this account, too, as far as is known. */
const isMeant = ({ body }: StoredEntry): boolean =>
  !((body.case === "erased" && body.value.notMeant) || (body.case === "unreadable" && body.value.reason === "before-joining"));

/**
 * [S5] The messages of one conversation that their authors deleted for everybody, as far as this device has read so: they are never shown again. They lie in the
 * storage alone, for a member may delete whatever there is and is not.
 */
export class Withdrawals {
  readonly #storage: Pick<Storage, "getMany" | "range">;
  readonly #id: ConversationId;

  constructor(storage: Pick<Storage, "getMany" | "range">, id: ConversationId) {
    this.#storage = storage;
    this.#id = id;
  }

  /** Keeps them, with the draft's commit. */
  note({ record, changes, withdrawn }: Pick<LogDraft, "record" | "changes" | "withdrawn">): void {
    if (withdrawn.length === 0) return;
    for (const each of withdrawn) changes.push(...handlesOf(each).map((handle) => this.#put(handle, each)));
    record.withdrawals += withdrawn.length;
    record.withdrawnLately = [...record.withdrawnLately, ...withdrawn.map(({ sequence }) => sequence)].slice(-LATELY);
  }

  /**
   * Takes away the messages of these entries that were deleted, and what stands beside them likewise. Which of them, and by what.
   *
   * @param draft whose deletions may not be stored yet
   */
  async apply(
    { record, withdrawn }: Pick<LogDraft, "record" | "withdrawn">,
    entries: Iterable<readonly [sequence: number, entry: StoredEntry]>,
  ): Promise<ReadonlyMap<number, Withdrawn>> {
    const applied = new Map<number, Withdrawn>();
    if (record.withdrawals === 0) return applied;
    const shown = [...entries].flatMap(([sequence, entry]) =>
      [entry, ...entry.others].flatMap((each) => {
        const handle = handleOf(sequence, each);
        return handle === undefined ? [] : [{ sequence, each, handle }];
      }),
    );
    const fresh = new Map(withdrawn.flatMap((each) => handlesOf(each).map((handle) => [handle, each] as const)));
    const known = await this.#storage.getMany(shown.map(({ handle }) => keys.withdrawal(this.#id, handle)));
    for (const [place, { sequence, each, handle }] of shown.entries()) {
      const value = known[place];
      const found = fresh.get(handle) ?? (value && ofRecord(each, fromBinary(schemas.withdrawal, value)));
      if (found === undefined) continue;
      takeAway(each, found);
      applied.set(sequence, found);
    }
    return applied;
  }

  /** [H6] Behind this number the log is another one from now on. */
  async endAt(changes: Change[], from: number): Promise<void> {
    for (const { key, value } of await this.#storage.range(prefixRange(prefixes.withdrawals(this.#id)))) {
      const record = fromBinary(schemas.withdrawal, value);
      if (record.sequence <= from) continue;
      const isByPlace = key.includes("@");
      changes.push(isByPlace ? remove(key) : put(key, schemas.withdrawal, { ...record, sequence: 0 }));
    }
  }

  #put(handle: string, { id, sequence, silent }: Withdrawn): Change {
    return put(
      keys.withdrawal(this.#id, handle),
      schemas.withdrawal,
      create(schemas.withdrawal, { clientMessageId: id, sequence, silent }),
    );
  }
}

const ofRecord = ({ account, device }: StoredEntry, { clientMessageId: id, sequence, silent }: Withdrawal): Withdrawn => ({
  account,
  device,
  id,
  sequence,
  silent,
});
