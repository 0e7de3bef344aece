import { create, fromBinary } from "@bufbuild/protobuf";
import { type ConversationId, isClientMessageId, isHash } from "@fastchat/protocol";
import { equal, fromHex, toHex } from "@fastchat/protocol/seal";
import { EntrySchema } from "@fastchat/protocol/wire/conversation";
import { StoredErasedSchema, type StoredEntry } from "./generated/fastchat/profile/v1/profile_pb.ts";
import { lifetimeOf } from "./lifetimes.ts";
import { identityOf, type MessageEntry, type ReadMessage } from "./log-page.ts";
import { keys, prefixes, put, schemas } from "./records.ts";
import { type Change, prefixRange, type Storage } from "./storage.ts";

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
  `${toHex(account)}/${toHex(device)} ${sequence}`;

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

/** [S5] The messages of one conversation that their authors deleted for everybody, as far as this device has read so: they are never shown again. */
export class Withdrawals {
  readonly #id: ConversationId;
  /** By id and by place. */
  readonly #known = new Map<string, Withdrawn>();

  constructor(id: ConversationId) {
    this.#id = id;
  }

  async load(storage: Storage): Promise<void> {
    const prefix = prefixes.withdrawals(this.#id);
    for (const { key, value } of await storage.range(prefixRange(prefix))) {
      const [account, device, id] = key.slice(prefix.length).split("/").map(fromHex);
      this.#remember({ account: account!, device: device!, id: id!, ...fromBinary(schemas.withdrawal, value) });
    }
  }

  /** What was signed is known from here on, whether these changes are stored or it is read once more. */
  note(changes: Change[], some: readonly Withdrawn[]): void {
    for (const withdrawn of some) {
      this.#remember(withdrawn);
      const { sequence, silent } = withdrawn;
      changes.push(put(keys.withdrawal(this.#id, byId(withdrawn)), schemas.withdrawal, create(schemas.withdrawal, { sequence, silent })));
    }
  }

  /** Takes an entry's message away if it was deleted, and what stands beside it likewise. Undefined: it was not, or is gone already. */
  apply(sequence: number, entry: StoredEntry): Withdrawn | undefined {
    let found: Withdrawn | undefined;
    for (const each of [entry, ...entry.others]) {
      const handle = handleOf(sequence, each);
      const withdrawn = handle === undefined ? undefined : this.#known.get(handle);
      if (withdrawn === undefined) continue;
      takeAway(each, withdrawn);
      found = withdrawn;
    }
    return found;
  }

  /** [H6] Behind this number the log is another one from now on. */
  endAt(changes: Change[], from: number): void {
    for (const [handle, withdrawn] of this.#known) {
      if (withdrawn.sequence <= from) continue;
      this.#known.delete(handle);
      this.note(changes, [{ ...withdrawn, sequence: 0 }]);
    }
  }

  #remember(withdrawn: Withdrawn): void {
    this.#known.set(byId(withdrawn), withdrawn);
    if (withdrawn.sequence > 0) this.#known.set(byPlace(withdrawn), withdrawn);
  }
}
