import { type AccountId, type ConversationId, idBytes, type KeyId, limits } from "@fastchat/protocol";
import { type ConversationState, epochContext, type EpochState, linkBodyForDerivation } from "@fastchat/protocol/chain";
import { deriveEpochKey, equal, keyIdOf, openEpochKey } from "@fastchat/protocol/seal";
import type { SealedKey } from "@fastchat/protocol/wire/conversation";
import { breathe } from "./breathe.ts";
import { keys } from "./records.ts";
import type { Change, Storage } from "./storage.ts";

/** Secrets of the account's keys, by generation. */
export type AccountKeyOf = (generation: number) => Uint8Array | undefined;

/** The body of the link with this index, as received; undefined when it is not here. */
export type LinkBodyOf = (index: number) => Promise<Uint8Array | undefined>;

export interface OpenedKeys {
  /** To be committed; `done` is to be called afterwards. */
  readonly changes: Change[];
  readonly opened: ReadonlyMap<number, Uint8Array>;
  readonly done: () => void;
}

const OPENED_AT_ONCE = 8;

/**
 * From which epochs on the server is asked for copies, so that those missing can be opened: of a derived epoch there may be none, but one of an
 * epoch that it comes from. An answer has those of `limits.entriesPerPage` epochs; pages in which none is needed are left out.
 *
 * @param missing ascending
 */
export function pagesOfCopies(epochs: readonly Pick<EpochState, "kind">[], missing: readonly number[]): number[] {
  const pages = new Set<number>();
  let fresh = 1;
  let place = 1;
  for (const epoch of missing) {
    for (; place <= epoch; place++) if (epochs[place - 1]?.kind === "fresh") fresh = place;
    const last = Math.floor((epoch - 1) / limits.entriesPerPage);
    for (let page = Math.floor((fresh - 1) / limits.entriesPerPage); page <= last; page++) pages.add(page);
  }
  return [...pages].sort((one, other) => one - other).map((page) => page * limits.entriesPerPage + 1);
}

/** The epoch keys of one conversation [C4]. Nothing counts as a key that the chain does not commit to. */
export class EpochKeys {
  readonly #storage: Storage;
  readonly #conversation: ConversationId;
  readonly #account: AccountId;
  readonly #accountKeyOf: AccountKeyOf;
  readonly #known = new Map<number, Uint8Array>();
  /** Made here, for links that are on their way. */
  readonly #made = new Map<KeyId, Uint8Array>();

  constructor(storage: Storage, conversation: ConversationId, account: AccountId, accountKeyOf: AccountKeyOf) {
    this.#storage = storage;
    this.#conversation = conversation;
    this.#account = account;
    this.#accountKeyOf = accountKeyOf;
  }

  /** Of an epoch that is known here. */
  async get(epoch: number): Promise<Uint8Array | undefined> {
    const known = this.#known.get(epoch) ?? (await this.#storage.get(keys.epochKey(this.#conversation, epoch)));
    if (known !== undefined) this.#known.set(epoch, known);
    return known;
  }

  /** Remembers a key whose opening link is about to be sent. */
  expect(id: KeyId, key: Uint8Array): void {
    this.#made.set(id, key);
  }

  /** Its link was refused. */
  forget(id: KeyId): void {
    this.#made.delete(id);
  }

  /** Opens what it can of these epochs: from copies, or from the key of the epoch before where one is derived from it. */
  async open(
    state: ConversationState,
    epochs: Iterable<number>,
    copies: readonly SealedKey[],
    bodyOf: LinkBodyOf,
    before: ReadonlyMap<number, Uint8Array> = new Map(),
  ): Promise<OpenedKeys> {
    const wanted = [...new Set(epochs)].sort((one, other) => one - other);
    const own = Map.groupBy(
      copies.filter(({ account }) => equal(account, idBytes(this.#account))),
      ({ epoch }) => epoch,
    );
    const opened = new Map<number, Uint8Array>();
    const failed = new Set<number>();
    const known = async (number: number) => opened.get(number) ?? before.get(number) ?? (await this.get(number));
    let tried = 0;
    const open = async (number: number): Promise<Uint8Array | undefined> => {
      const epoch = state.epochs[number - 1];
      if (epoch === undefined || failed.has(number)) return undefined;
      if (++tried % OPENED_AT_ONCE === 0) await breathe();
      const key = this.#made.get(epoch.keyId) ?? (await this.#openCopies(state, epoch, own.get(number) ?? []));
      if (key !== undefined) opened.set(number, key);
      else failed.add(number);
      return key;
    };
    for (const number of wanted) {
      if ((await open(number)) !== undefined) continue;
      // Back to an epoch whose key is here, and forward from there, one-way.
      let from = number;
      while (state.epochs[from - 1]?.kind === "derived" && (await known(from)) === undefined && (await open(from)) === undefined) from -= 1;
      if ((await known(from)) === undefined) await open(from);
      for (let next = from + 1; next <= number; next++) {
        const key = await this.#derive(state, state.epochs[next - 1]!, await known(next - 1), bodyOf);
        if (key === undefined) break;
        opened.set(next, key);
      }
    }
    const changes = Array.from(opened, ([epoch, value]): Change => ({ kind: "put", key: keys.epochKey(this.#conversation, epoch), value }));
    const done = () => {
      for (const [epoch, key] of opened) {
        this.#known.set(epoch, key);
        this.#made.delete(state.epochs[epoch - 1]!.keyId);
      }
    };
    return { changes, opened, done };
  }

  /** Copies count only if they match the commitment: one of them may be a lie, so all are tried [C6]. */
  async #openCopies(state: ConversationState, epoch: EpochState, copies: readonly SealedKey[]): Promise<Uint8Array | undefined> {
    for (const copy of copies) {
      const secret = this.#accountKeyOf(copy.generation);
      if (secret === undefined) continue;
      const result = await openEpochKey(copy, epochContext(state, epoch), { account: this.#account, secret }, epoch.keyId);
      if (result.kind === "opened") return result.key;
    }
    return undefined;
  }

  /** [C4] Members compute the key of an epoch that an `add` opened. */
  async #derive(
    state: ConversationState,
    epoch: EpochState,
    previousKey: Uint8Array | undefined,
    bodyOf: LinkBodyOf,
  ): Promise<Uint8Array | undefined> {
    if (epoch.kind !== "derived" || previousKey === undefined || epoch.previousLink === undefined) return undefined;
    const body = await bodyOf(epoch.index);
    if (body === undefined) return undefined;
    const link = { previous: epoch.previousLink, bodyWithoutCommitments: linkBodyForDerivation(body) };
    const key = deriveEpochKey(previousKey, this.#conversation, link);
    return keyIdOf(epochContext(state, epoch), key) === epoch.keyId ? key : undefined;
  }
}
