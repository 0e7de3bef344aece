import { type AccountId, type ConversationId, ErrorCode, FastChatError } from "@fastchat/protocol";
import type { SealedKey } from "@fastchat/protocol/wire/conversation";
import { Conversation, type ConversationParts } from "./conversation.ts";
import { prefixes } from "./records.ts";
import { prefixRange } from "./storage.ts";

/** What comes ahead is kept for so many conversations, so many copies each: whoever misses one asks for it. */
const HELD_CONVERSATIONS = 64;
const HELD_COPIES = 64;

/** The conversations of this device: those that are stored, and those that were heard of since. Each is in memory once. */
export class Conversations {
  readonly #parts: ConversationParts;
  readonly #loaded = new Map<ConversationId, Conversation>();
  readonly #copies = new Map<ConversationId, readonly SealedKey[]>();

  constructor(parts: ConversationParts) {
    this.#parts = parts;
  }

  async load(): Promise<void> {
    for (const { key } of await this.#parts.storage.range(prefixRange(prefixes.conversations))) {
      const id = key.slice(prefixes.conversations.length) as ConversationId;
      const conversation = await Conversation.load(this.#parts, id);
      if (conversation !== undefined) this.#loaded.set(id, conversation);
    }
  }

  get all(): Conversation[] {
    return [...this.#loaded.values()];
  }

  get(id: ConversationId): Conversation | undefined {
    return this.#loaded.get(id);
  }

  /** Also one that this device never heard of: its log will tell what it is. */
  known(id: ConversationId): Conversation {
    return this.#loaded.get(id) ?? this.#keep(id, Conversation.begin(this.#parts, id));
  }

  /** Also one that only another process knew so far. Throws NOT_FOUND. */
  async need(id: ConversationId): Promise<Conversation> {
    const conversation = this.#loaded.get(id) ?? (await Conversation.load(this.#parts, id));
    if (conversation === undefined) throw new FastChatError(ErrorCode.NOT_FOUND);
    return this.#keep(id, conversation);
  }

  /** One that is not here yet, with this account. */
  async begin(id: ConversationId, peer: AccountId): Promise<Conversation> {
    const conversation = this.#keep(id, Conversation.begin(this.#parts, id, peer));
    await conversation.update(() => undefined);
    return conversation;
  }

  /** Copies of keys that came ahead of the link that opens their epoch, of a conversation that is not here yet. */
  holdCopies(id: ConversationId, copies: readonly SealedKey[]): void {
    const held = [...(this.#copies.get(id) ?? []), ...copies].slice(-HELD_COPIES);
    this.#copies.delete(id);
    this.#copies.set(id, held);
    for (const oldest of this.#copies.keys()) {
      if (this.#copies.size <= HELD_CONVERSATIONS) break;
      this.#copies.delete(oldest);
    }
  }

  takeCopies(id: ConversationId): readonly SealedKey[] {
    const held = this.#copies.get(id) ?? [];
    this.#copies.delete(id);
    return held;
  }

  /** One that was never stored: what should have begun it was refused. */
  forget(id: ConversationId): void {
    this.#loaded.delete(id);
  }

  #keep(id: ConversationId, conversation: Conversation): Conversation {
    this.#loaded.set(id, conversation);
    return conversation;
  }
}
