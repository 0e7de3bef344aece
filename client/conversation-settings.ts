import { create } from "@bufbuild/protobuf";
import { type ConversationId, idBytes, limits } from "@fastchat/protocol";
import {
  type ConversationSettings as Content,
  ConversationSettingsSchema,
  Mute as WireMute,
  type Settings,
  SettingsSchema,
} from "@fastchat/protocol/wire/vault";
import type { Mute } from "./api.ts";
import type { Vault } from "./vault.ts";

const mutes: Readonly<Record<WireMute, Mute>> = {
  [WireMute.UNSPECIFIED]: "none",
  [WireMute.EXCEPT_MENTIONS]: "except-mentions",
  [WireMute.ALL]: "all",
};

const wireMutes: Readonly<Record<Mute, WireMute>> = {
  none: WireMute.UNSPECIFIED,
  "except-mentions": WireMute.EXCEPT_MENTIONS,
  all: WireMute.ALL,
};

/** How this person has set up conversations, the same on all devices [P4]. */
export class ConversationSettings {
  readonly #vault: Vault;

  constructor(vault: Vault) {
    this.#vault = vault;
  }

  muteOf(conversation: ConversationId): Mute {
    // What a newer software has set calls for attention here.
    return mutes[this.#of(conversation)?.mute ?? WireMute.UNSPECIFIED] ?? "none";
  }

  setMute(conversation: ConversationId, mute: Mute): Promise<void> {
    return this.#change(conversation, { mute: wireMutes[mute] });
  }

  /** Lifetime of what this person writes there, in seconds; 0: none [H4]. */
  timerOf(conversation: ConversationId): number {
    return Math.min(this.#of(conversation)?.timerSeconds ?? 0, limits.messageLifetimeSeconds);
  }

  setTimer(conversation: ConversationId, seconds: number): Promise<void> {
    return this.#change(conversation, { timerSeconds: seconds });
  }

  /** When it was pinned to the top of the list, milliseconds since 1970; undefined: it is not. */
  pinnedAt(conversation: ConversationId): number | undefined {
    const pinned = Number(this.#of(conversation)?.pinned ?? 0n);
    return pinned === 0 ? undefined : pinned;
  }

  async setPinned(conversation: ConversationId, pinned: boolean): Promise<void> {
    if (pinned === (this.pinnedAt(conversation) !== undefined)) return;
    await this.#change(conversation, { pinned: pinned ? BigInt(Date.now()) : 0n });
  }

  isAccepted(conversation: ConversationId): boolean {
    return this.#of(conversation)?.accepted ?? false;
  }

  isDeclined(conversation: ConversationId): boolean {
    return this.#of(conversation)?.declined ?? false;
  }

  accept(conversation: ConversationId): Promise<void> {
    return this.#change(conversation, { accepted: true, declined: false });
  }

  decline(conversation: ConversationId): Promise<void> {
    return this.#change(conversation, { accepted: false, declined: true });
  }

  /** Requests whose newest entry is not newer were put away: milliseconds since 1970, server's time. */
  get requestsPutAway(): number {
    return Number(this.#settings?.requestsPutAway ?? 0n);
  }

  putRequestsAway(upTo: number): Promise<void> {
    // Without an entry everything is shared: one that only says this must not say otherwise.
    const settings = this.#settings ?? create(SettingsSchema, { sharePresence: true, shareRead: true, shareTyping: true });
    return this.#vault.set({ kind: { case: "settings", value: { ...settings, requestsPutAway: BigInt(upTo) } } });
  }

  get #settings(): Settings | undefined {
    const content = this.#vault.get({ kind: "settings", key: "" });
    return content?.kind.case === "settings" ? content.kind.value : undefined;
  }

  #of(conversation: ConversationId): Content | undefined {
    const content = this.#vault.get({ kind: "conversationSettings", key: conversation });
    return content?.kind.case === "conversationSettings" ? content.kind.value : undefined;
  }

  async #change(
    conversation: ConversationId,
    change: Partial<Pick<Content, "mute" | "accepted" | "declined" | "timerSeconds" | "pinned">>,
  ): Promise<void> {
    const settings = this.#of(conversation) ?? create(ConversationSettingsSchema, { conversation: idBytes(conversation) });
    await this.#vault.set({ kind: { case: "conversationSettings", value: { ...settings, ...change } } });
  }
}
