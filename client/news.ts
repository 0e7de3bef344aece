import { type AccountId, accountId, type ConversationId } from "@fastchat/protocol";
import type { VaultPlace } from "@fastchat/protocol/seal";
import type { ChatItem, ClientEvent } from "./api.ts";
import type { Contacts } from "./contacts.ts";
import type { Came, Conversation } from "./conversation.ts";
import type { Conversations } from "./conversations.ts";
import type { Outgoing } from "./outbox.ts";
import type { People } from "./people.ts";
import type { ReadPositions } from "./read-positions.ts";
import type { Requests } from "./requests.ts";
import type { Slots } from "./slots.ts";
import { beginningOf } from "./standing.ts";
import type { Typing } from "./typing.ts";
import type { Views } from "./views.ts";

export interface NewsParts {
  readonly conversations: Conversations;
  readonly contacts: Contacts;
  readonly people: People;
  readonly requests: Requests;
  readonly readPositions: ReadPositions;
  readonly slots: Slots;
  readonly typing: Typing;
  readonly views: Views;
  readonly emit: (event: ClientEvent) => void;
}

/** By these it is judged who is a stranger, and what waits to be accepted. */
const JUDGED_BY: ReadonlySet<VaultPlace["kind"]> = new Set(["contact", "settings", "conversationSettings"]);

/** Tells whoever uses the SDK what changed, and does what follows from it here. */
export class News {
  readonly #parts: NewsParts;

  constructor(parts: NewsParts) {
    this.#parts = parts;
  }

  async stored(conversation: Conversation, sequences: readonly number[], came: Came): Promise<void> {
    const { emit, people, requests, views, typing } = this.#parts;
    requests.stored(conversation);
    // Without a valid beginning it is nobody's conversation, and not shown.
    if (!conversation.isOwn) return;
    if (conversation.peer !== undefined) await people.meet(conversation.peer);
    // What is older is given to who asks for it.
    if (came !== "older") {
      const items = await views.itemsAt(conversation.id, sequences);
      for (const item of items) if (item.kind === "message" && !item.mine) typing.stopped(conversation, item.from.account);
      emit({ kind: "items", conversation: conversation.id, items, live: came === "live" && !requests.isQuiet(conversation) });
    }
    emit({ kind: "conversations", conversations: [conversation.id] });
    this.#answer(conversation);
  }

  /** What was read elsewhere is read here, and the others hear what arrived: but not those whom this person does not know [C8]. */
  #answer(conversation: Conversation): void {
    const { requests, readPositions, slots } = this.#parts;
    if (requests.isQuiet(conversation)) return;
    readPositions.apply(conversation);
    slots.schedule(conversation);
  }

  async itemsChanged({ id }: Conversation, sequences: readonly number[]): Promise<void> {
    this.#items(id, await this.#parts.views.itemsAt(id, sequences));
  }

  /** The others have or have read own messages between these places. */
  async othersMoved({ id }: Conversation, from: number, to: number): Promise<void> {
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

  async vaultChanged(places: readonly VaultPlace[]): Promise<void> {
    const { conversations, contacts, requests, readPositions, views, emit } = this.#parts;
    const concerned = new Set<ConversationId>();
    const people = new Set<AccountId>();
    for (const { kind, key } of places) {
      const contact = kind === "contact" ? contacts.byName(key) : undefined;
      if (contact !== undefined) people.add(accountId(contact.account));
      if (kind === "draft" || kind === "conversationSettings") concerned.add(key as ConversationId);
      const conversation = kind === "readPosition" ? conversations.get(key as ConversationId) : undefined;
      if (conversation !== undefined && !requests.isQuiet(conversation)) readPositions.apply(conversation);
    }
    if (places.some(({ kind }) => JUDGED_BY.has(kind))) requests.changed();
    if (people.size > 0) {
      for (const { id, record } of conversations.all) {
        const { by } = beginningOf(id, record);
        if (by !== undefined && people.has(by)) concerned.add(id);
      }
      emit({ kind: "presence", people: await Promise.all(Array.from(people, (account) => views.person(account))) });
    }
    for (const id of concerned) {
      const conversation = conversations.get(id);
      if (conversation?.isOwn === true) this.#answer(conversation);
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
    this.#parts.emit({ kind: "presence", people: [await this.#parts.views.person(account)] });
    this.#conversations(this.#with(account));
  }

  /** The direct conversation with somebody; a group shows its members by themselves. */
  #with(account: AccountId): ConversationId[] {
    return this.#parts.conversations.all.filter(({ peer }) => peer === account).map(({ id }) => id);
  }

  #conversations(concerned: readonly ConversationId[]): void {
    if (concerned.length > 0) this.#parts.emit({ kind: "conversations", conversations: concerned });
  }
}
