import { type AccountId, type ConversationId, idBytes } from "@fastchat/protocol";
import type { ClientEvent } from "./api.ts";
import type { Conversation, ReadPosition } from "./conversation.ts";
import type { ServerTime } from "./server-clock.ts";
import type { Slots } from "./slots.ts";
import type { Vault } from "./vault.ts";

/** Positions within this time may reach other devices as one: what was read then counts there as read when it began, so that none keeps it longer. */
const SITTING_MS = 2_000;

export interface ReadPositionsParts {
  readonly account: AccountId;
  readonly vault: Vault;
  readonly slots: Slots;
  readonly clock: ServerTime;
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

  /** Read here, now. */
  async mark(conversation: Conversation, sequence: number): Promise<void> {
    const { vault, clock } = this.#parts;
    const upTo = Math.min(sequence, conversation.record.high);
    const from = conversation.record.readUpTo;
    const at = Math.round(clock.now());
    if (!(await this.#readUpTo(conversation, { sequence: upTo, moment: { from, at } })) || this.isUnreadLeftOut(conversation)) return;
    const read = await conversation.witnessAt(upTo);
    const before = this.readElsewhere(conversation.id);
    const isOneSitting = before?.sequence === from && before.moment.at > 0 && at - before.moment.at <= SITTING_MS;
    const told = isOneSitting ? before.moment : { from, at };
    const value = { conversation: idBytes(conversation.id), read, readFrom: told.from, readAt: BigInt(told.at) };
    await vault.set({ kind: { case: "readPosition", value } });
  }

  /**
   * [H5] Whether there is something from before this session that this person has not read anywhere: who has read only what came after it says
   * nothing, or all of it would count as read.
   */
  isUnreadLeftOut(conversation: Conversation): boolean {
    if (!conversation.isPastLeft) return false;
    return conversation.record.low > (this.#told(conversation.id)?.read?.sequence ?? 0) + 1;
  }

  /** What was read on another device is read here. */
  apply(conversation: Conversation): void {
    const { account, quietly } = this.#parts;
    const read = this.#told(conversation.id)?.read;
    const position = this.readElsewhere(conversation.id);
    if (read === undefined || position === undefined) return;
    if (!this.#compared.has(read)) {
      this.#compared.add(read);
      quietly(conversation.claimed([{ account, witness: read }]));
    }
    if (position.sequence > conversation.record.readUpTo) quietly(this.#readUpTo(conversation, position));
  }

  /** As the account's devices tell each other. */
  readElsewhere(conversation: ConversationId): ReadPosition | undefined {
    const { read, readFrom, readAt } = this.#told(conversation) ?? {};
    return read && { sequence: read.sequence, moment: { from: readFrom ?? 0, at: Number(readAt ?? 0n) } };
  }

  #told(conversation: ConversationId) {
    const content = this.#parts.vault.get({ kind: "readPosition", key: conversation });
    return content?.kind.case === "readPosition" ? content.kind.value : undefined;
  }

  async #readUpTo(conversation: Conversation, { sequence, moment }: ReadPosition): Promise<boolean> {
    if (!(await conversation.readUpTo(sequence, moment))) return false;
    this.#parts.emit({ kind: "conversations", conversations: [conversation.id] });
    this.#parts.slots.schedule(conversation);
    return true;
  }
}
