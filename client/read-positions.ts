import { type AccountId, idBytes } from "@fastchat/protocol";
import type { ClientEvent } from "./api.ts";
import type { Conversation } from "./conversation.ts";
import type { Slots } from "./slots.ts";
import type { Vault } from "./vault.ts";

export interface ReadPositionsParts {
  readonly account: AccountId;
  readonly vault: Vault;
  readonly slots: Slots;
  readonly emit: (event: ClientEvent) => void;
  readonly quietly: (work: Promise<unknown>) => void;
}

/** How far this person has read, the same on all devices [P4] [S5]. */
export class ReadPositions {
  readonly #parts: ReadPositionsParts;
  /** Those of the vault that were held against the log. */
  readonly #compared = new WeakSet<object>();

  constructor(parts: ReadPositionsParts) {
    this.#parts = parts;
  }

  /** Read here. */
  async mark(conversation: Conversation, sequence: number): Promise<void> {
    const upTo = Math.min(sequence, conversation.record.high);
    if (!(await this.#readUpTo(conversation, upTo)) || this.isUnreadLeftOut(conversation)) return;
    const read = await conversation.witnessAt(upTo);
    await this.#parts.vault.set({ kind: { case: "readPosition", value: { conversation: idBytes(conversation.id), read } } });
  }

  /**
   * [H5] Whether there is something from before this session that this person has not read anywhere: who has read only what came after it says
   * nothing, or all of it would count as read.
   */
  isUnreadLeftOut(conversation: Conversation): boolean {
    if (!conversation.isPastLeft) return false;
    const content = this.#parts.vault.get({ kind: "readPosition", key: conversation.id });
    const read = content?.kind.case === "readPosition" ? (content.kind.value.read?.sequence ?? 0) : 0;
    return conversation.record.low > read + 1;
  }

  /** What was read on another device is read here. */
  apply(conversation: Conversation): void {
    const { account, vault, quietly } = this.#parts;
    const content = vault.get({ kind: "readPosition", key: conversation.id });
    if (content?.kind.case !== "readPosition") return;
    const { read } = content.kind.value;
    if (read === undefined) return;
    if (!this.#compared.has(read)) {
      this.#compared.add(read);
      quietly(conversation.claimed(account, [read]));
    }
    if (read.sequence > conversation.record.readUpTo) quietly(this.#readUpTo(conversation, read.sequence));
  }

  async #readUpTo(conversation: Conversation, upTo: number): Promise<boolean> {
    if (!(await conversation.readUpTo(upTo))) return false;
    this.#parts.emit({ kind: "conversations", conversations: [conversation.id] });
    this.#parts.slots.schedule(conversation);
    return true;
  }
}
