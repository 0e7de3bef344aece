import type { AccountId, ConversationId, KeyId } from "@fastchat/protocol";
import type { ConversationState } from "@fastchat/protocol/chain";
import { openEpochKey } from "@fastchat/protocol/seal";
import type { SealedKey } from "@fastchat/protocol/wire/conversation";
import { idBytes } from "@fastchat/protocol";
import { equal } from "@fastchat/protocol/seal";
import { keys } from "./records.ts";
import type { Change, Storage } from "./storage.ts";

/** Secrets of the account's keys, by generation. */
export type AccountKeyOf = (generation: number) => Uint8Array | undefined;

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

  /** Opens what it can of these epochs; the changes are to be committed, `done` called afterwards. */
  async open(
    state: ConversationState,
    epochs: Iterable<number>,
    copies: readonly SealedKey[],
  ): Promise<{ changes: Change[]; opened: ReadonlyMap<number, Uint8Array>; done: () => void }> {
    const opened = new Map<number, Uint8Array>();
    for (const number of epochs) {
      const epoch = state.epochs[number - 1];
      if (epoch === undefined) continue;
      const key = this.#made.get(epoch.keyId) ?? (await this.#openCopies(number, epoch.keyId, copies));
      if (key !== undefined) opened.set(number, key);
    }
    const changes = Array.from(opened, ([epoch, value]): Change => ({ kind: "put", key: keys.epochKey(this.#conversation, epoch), value }));
    const done = () => {
      for (const [epoch, key] of opened) this.#known.set(epoch, key);
    };
    return { changes, opened, done };
  }

  /** Copies count only if they match the commitment: one of them may be a lie, so all are tried [C6]. */
  async #openCopies(epoch: number, expected: KeyId, copies: readonly SealedKey[]): Promise<Uint8Array | undefined> {
    for (const copy of copies) {
      if (copy.epoch !== epoch || !equal(copy.account, idBytes(this.#account))) continue;
      const secret = this.#accountKeyOf(copy.generation);
      if (secret === undefined) continue;
      const result = await openEpochKey(copy, this.#conversation, { account: this.#account, secret }, expected);
      if (result.kind === "opened") return result.key;
    }
    return undefined;
  }
}
