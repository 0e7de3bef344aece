import { create } from "@bufbuild/protobuf";
import { type AccountId, type ConversationId, idBytes, limits } from "@fastchat/protocol";
import { newestEpoch } from "@fastchat/protocol/chain";
import { openSignal, sealSignal } from "@fastchat/protocol/seal";
import { type SealedSignal, SignalContentSchema } from "@fastchat/protocol/wire/conversation";
import type { Connection } from "./connection.ts";
import type { LinkAuthor } from "./conversation-links.ts";
import type { Conversation } from "./conversation.ts";
import { sealedAuthor } from "./sealed-author.ts";

export interface TypingParts {
  readonly author: LinkAuthor;
  readonly connection: Pick<Connection, "signal">;
  readonly onTyping: (conversation: Conversation, account: AccountId, active: boolean) => void;
}

/** What somebody said last. */
interface Other {
  active: boolean;
  readonly counter: number;
  readonly time: bigint;
  readonly timer: ReturnType<typeof setTimeout> | undefined;
}

/** [S5] Who is typing: signals, relayed to whoever is connected and stored nowhere. */
export class Typing {
  readonly #parts: TypingParts;
  readonly #others = new Map<ConversationId, Map<AccountId, Other>>();
  readonly #own = new Map<Conversation, number>();
  #counter = 0;

  constructor(parts: TypingParts) {
    this.#parts = parts;
  }

  /** Who is typing there now, the last to begin last. */
  typing(conversation: ConversationId): AccountId[] {
    return [...(this.#others.get(conversation) ?? [])].flatMap(([account, { active }]) => (active ? [account] : []));
  }

  async say(conversation: Conversation, active: boolean): Promise<void> {
    const last = this.#own.get(conversation);
    const now = performance.now();
    if (active ? last !== undefined && now - last < limits.typingRepeatMs : last === undefined) return;
    if (active) this.#own.set(conversation, now);
    else this.#own.delete(conversation);
    const { state } = conversation.chain;
    if (state === undefined || conversation.ownDevice(state) !== "active") return;
    const { epoch, openingLink } = newestEpoch(state);
    const key = await conversation.epochKeys.get(epoch);
    if (key === undefined) return;
    const content = create(SignalContentSchema, {
      time: BigInt(Date.now()),
      counter: ++this.#counter,
      kind: { case: "typing", value: { active } },
    });
    const { account, device, signingSeed } = this.#parts.author;
    const signal = await sealSignal(key, { conversation: conversation.id, account, device, epoch, openingLink }, content, signingSeed);
    this.#parts.connection.signal({ case: "sendSignal", value: { conversation: idBytes(conversation.id), signal } });
  }

  async receive(conversation: Conversation, signal: SealedSignal): Promise<void> {
    const { state } = conversation.chain;
    const sealedBy = state && sealedAuthor(state, signal);
    if (sealedBy === undefined || sealedBy.account === this.#parts.author.account) return;
    const { account } = sealedBy;
    const key = await conversation.epochKeys.get(signal.epoch);
    if (key === undefined) return;
    const opened = await openSignal(key, { conversation: conversation.id, ...sealedBy }, signal, sealedBy.signingKey);
    if (opened.kind !== "opened" || opened.content.kind.case !== "typing") return;
    const { counter, time } = opened.content;
    const others = this.#others.get(conversation.id) ?? new Map<AccountId, Other>();
    this.#others.set(conversation.id, others);
    const known = others.get(account);
    // The counter begins again with each run of a device; its clock tells the runs apart.
    if (known !== undefined && (time < known.time || (time === known.time && counter <= known.counter))) return;
    clearTimeout(known?.timer);
    const { active } = opened.content.kind.value;
    const timer = active ? setTimeout(() => this.stopped(conversation, account), limits.typingStaleMs) : undefined;
    others.delete(account);
    others.set(account, { active, counter, time, timer });
    if (active !== (known?.active ?? false)) this.#parts.onTyping(conversation, account, active);
  }

  /** Whose message arrived types no more. */
  stopped(conversation: Conversation, account: AccountId): void {
    const known = this.#others.get(conversation.id)?.get(account);
    if (known?.active !== true) return;
    clearTimeout(known.timer);
    known.active = false;
    this.#parts.onTyping(conversation, account, false);
  }

  close(): void {
    for (const others of this.#others.values()) for (const { timer } of others.values()) clearTimeout(timer);
  }
}
