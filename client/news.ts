import { type AccountId, accountId, type ConversationId } from "@fastchat/protocol";
import type { ChatItem, ClientEvent } from "./api.ts";
import type { Contacts } from "./contacts.ts";
import type { Conversation } from "./conversation.ts";
import type { Conversations } from "./conversations.ts";
import type { Outgoing } from "./outbox.ts";
import type { People } from "./people.ts";
import type { ReadPositions } from "./read-positions.ts";
import type { Slots } from "./slots.ts";
import type { Typing } from "./typing.ts";
import type { Views } from "./views.ts";

export interface NewsParts {
  readonly conversations: Conversations;
  readonly contacts: Contacts;
  readonly people: People;
  readonly readPositions: ReadPositions;
  readonly slots: Slots;
  readonly typing: Typing;
  readonly views: Views;
  readonly emit: (event: ClientEvent) => void;
}

/** Tells whoever uses the SDK what changed, and does what follows from it here. */
export class News {
  readonly #parts: NewsParts;

  constructor(parts: NewsParts) {
    this.#parts = parts;
  }

  async stored(conversation: Conversation, sequences: readonly number[], live: boolean): Promise<void> {
    // Without a valid beginning it is nobody's conversation, and not shown.
    if (conversation.peer === undefined) return;
    const { emit, people, views, typing, readPositions, slots } = this.#parts;
    await people.pinPeer(conversation.peer);
    const items = await views.itemsAt(conversation.id, sequences);
    for (const item of items) if (item.kind === "message" && !item.mine) typing.stopped(conversation, item.from.account);
    emit({ kind: "items", conversation: conversation.id, items, live });
    emit({ kind: "conversations", conversations: [conversation.id] });
    readPositions.apply(conversation);
    slots.schedule(conversation);
  }

  async itemsChanged({ id }: Conversation, sequences: readonly number[]): Promise<void> {
    this.#items(id, await this.#parts.views.itemsAt(id, sequences));
  }

  /** The other one has or has read own messages between these places. */
  async peerMoved({ id }: Conversation, from: number, to: number): Promise<void> {
    this.#items(id, await this.#parts.views.ownItems(id, from, to));
  }

  outgoing(id: ConversationId, outgoing: readonly Outgoing[]): void {
    this.#items(
      id,
      outgoing.map((each) => this.#parts.views.outgoingItem(each)),
    );
  }

  #items(id: ConversationId, items: readonly ChatItem[]): void {
    if (items.length > 0) this.#parts.emit({ kind: "items", conversation: id, items, live: false });
    this.#parts.emit({ kind: "conversations", conversations: [id] });
  }

  async vaultChanged(places: readonly { readonly kind: string; readonly key: string }[]): Promise<void> {
    const { conversations, contacts, readPositions } = this.#parts;
    const concerned = new Set<ConversationId>();
    for (const { kind, key } of places) {
      if (kind === "contact") {
        const contact = contacts.byName(key);
        if (contact === undefined) continue;
        const account = accountId(contact.account);
        for (const id of this.#with(account)) concerned.add(id);
        await this.#person(account);
      }
      if (kind === "draft") concerned.add(key as ConversationId);
      const conversation = kind === "readPosition" ? conversations.get(key as ConversationId) : undefined;
      if (conversation !== undefined) readPositions.apply(conversation);
    }
    this.#conversations([...concerned]);
  }

  async presenceChanged(accounts: readonly AccountId[]): Promise<void> {
    const people = await this.#parts.views.named(accounts);
    if (people.length > 0) this.#parts.emit({ kind: "presence", people });
    for (const account of accounts) this.#conversations(this.#with(account));
  }

  /** The chain of somebody's account has grown. */
  async accountMoved(account: AccountId): Promise<void> {
    await this.#person(account);
    this.#conversations(this.#with(account));
  }

  async #person(account: AccountId): Promise<void> {
    this.#parts.emit({ kind: "presence", people: [await this.#parts.views.person(account)] });
  }

  #with(account: AccountId): ConversationId[] {
    return this.#parts.conversations.all.filter(({ peer }) => peer === account).map(({ id }) => id);
  }

  #conversations(concerned: readonly ConversationId[]): void {
    if (concerned.length > 0) this.#parts.emit({ kind: "conversations", conversations: concerned });
  }
}
