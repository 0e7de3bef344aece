import { create } from "@bufbuild/protobuf";
import { type AccountId, clientMessageId, type ConversationId, idBytes } from "@fastchat/protocol";
import {
  applyAccountLinks,
  applyConversationLink,
  type ConversationChange,
  type ConversationState,
  draftLink,
  finishLink,
  newestEpoch,
} from "@fastchat/protocol/chain";
import { keyIdOf, newEpochKey, random, sealedKeysHash, sealEpochKey, sealMessage } from "@fastchat/protocol/seal";
import type { SignedLink } from "@fastchat/protocol/wire/account";
import { type Entry, EntrySchema, MessageContentSchema, type SealedKey } from "@fastchat/protocol/wire/conversation";
import type { Person } from "../person.ts";
import { bodyOf, type ProxiedConnection } from "../proxy.ts";
import type { FakeAccount } from "./fake-account.ts";

/** An account as the author of a link knows it, with the key that copies are sealed to. */
export interface Sealable {
  readonly links: readonly SignedLink[];
  readonly publicKey: Uint8Array;
}

/** The account of somebody real, asked through their own connection. */
export async function accountOf(person: Person, connection: ProxiedConnection): Promise<Sealable> {
  const asked = { by: { case: "account" as const, value: idBytes(person.me.account) }, after: 0 };
  const { links, accountPublicKey } = bodyOf(await connection.ask({ case: "fetchAccount", value: asked }), "account");
  // The proxy decodes from a Buffer, whose slices share memory.
  return { links, publicKey: Uint8Array.from(accountPublicKey) };
}

/** A conversation that a false account writes, link by link, and that no honest server ever had. */
export class FalseConversation {
  readonly entries: Entry[] = [];
  copies: SealedKey[] = [];
  #state: ConversationState | undefined;
  #key = new Uint8Array(0);
  readonly #author: FakeAccount;
  readonly #members: ReadonlyMap<AccountId, Sealable>;

  /** @param members who is named in it, the author too */
  constructor(author: FakeAccount, members: ReadonlyMap<AccountId, Sealable>) {
    this.#author = author;
    this.#members = members;
  }

  get id(): ConversationId {
    return this.#state!.conversation;
  }

  /** Writes a link that opens an epoch. */
  async open(change: ConversationChange): Promise<void> {
    const known = new Map(
      [...this.#members].map(([account, { links, publicKey }]) => {
        const result = applyAccountLinks(undefined, links);
        if (result.kind !== "valid") throw new Error("not a valid account chain");
        return [account, { state: result.state, links, publicKey }] as const;
      }),
    );
    const drafted = draftLink({ state: this.#state, author: this.#who(), known, change, opening: { kind: "fresh" } });
    if (drafted.kind !== "drafted") throw new Error(drafted.reason);
    const opening = drafted.draft.opening!;
    this.#key = newEpochKey() as Uint8Array<ArrayBuffer>;
    this.copies = [];
    for (const { account, generation } of opening.recipients) {
      const recipient = { account, generation, publicKey: known.get(account)!.publicKey };
      this.copies.push((await sealEpochKey(this.#key, opening.context, opening.epoch, recipient))!);
    }
    const commitments = { keyId: keyIdOf(opening.context, this.#key), sealedKeysHash: sealedKeysHash(this.copies) };
    const link = finishLink(drafted.draft, this.#author.device.seed, commitments);
    const applied = applyConversationLink(this.#state, link);
    if (applied.kind !== "valid") throw new Error("the link is not valid");
    this.#state = applied.state;
    this.#append({ case: "link", value: link });
  }

  async say(text: string): Promise<void> {
    const { epoch, openingLink } = newestEpoch(this.#state!);
    const context = { conversation: this.id, ...this.#who(), epoch, openingLink };
    const content = create(MessageContentSchema, {
      time: BigInt(Date.now()),
      counter: this.entries.length,
      kind: { case: "text", value: { text } },
    });
    const envelope = { clientMessageId: clientMessageId(random(16)) };
    this.#append({ case: "message", value: await sealMessage(this.#key, context, envelope, content, this.#author.device.seed) });
  }

  /** Shows somebody all of it. */
  show(connection: ProxiedConnection): void {
    const value = { conversation: idBytes(this.id), head: this.entries.length, entries: this.entries, sealedKeys: this.copies };
    connection.push({ case: "entries", value });
  }

  #who() {
    const result = applyAccountLinks(undefined, this.#author.links);
    if (result.kind !== "valid") throw new Error("not a valid account chain");
    return { account: this.#author.account, device: [...result.state.devices.keys()][0]! };
  }

  #append(body: Entry["body"]): void {
    const { account, device } = this.#who();
    const place = { sequence: this.entries.length + 1, time: BigInt(Date.now()) };
    this.entries.push(create(EntrySchema, { ...place, account: idBytes(account), device: idBytes(device), body }));
  }
}
