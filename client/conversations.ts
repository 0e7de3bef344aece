import { type AccountId, type ConversationId, ErrorCode, FastChatError } from "@fastchat/protocol";
import { Conversation, type ConversationParts } from "./conversation.ts";
import { prefixes } from "./records.ts";
import { prefixRange } from "./storage.ts";

/** The conversations of this device: those that are stored, and those that were heard of since. Each is in memory once. */
export class Conversations {
  readonly #parts: ConversationParts;
  readonly #loaded = new Map<ConversationId, Conversation>();

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

  /** One that was never stored: what should have begun it was refused. */
  forget(id: ConversationId): void {
    this.#loaded.delete(id);
  }

  #keep(id: ConversationId, conversation: Conversation): Conversation {
    this.#loaded.set(id, conversation);
    return conversation;
  }
}
