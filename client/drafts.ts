import { type ConversationId, idBytes } from "@fastchat/protocol";
import type { Vault } from "./vault.ts";

/** Somebody who types does not want a write for every letter. */
const DEBOUNCE_MS = 400;

/** What is written and not sent yet, on all devices of the account. */
export class Drafts {
  readonly #vault: Vault;
  readonly #onChanged: (conversation: ConversationId) => void;
  readonly #typed = new Map<ConversationId, string>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(vault: Vault, onChanged: (conversation: ConversationId) => void) {
    this.#vault = vault;
    this.#onChanged = onChanged;
  }

  get(conversation: ConversationId): string {
    const typed = this.#typed.get(conversation);
    if (typed !== undefined) return typed;
    const content = this.#vault.get({ kind: "draft", key: conversation });
    return content?.kind.case === "draft" ? content.kind.value.text : "";
  }

  set(conversation: ConversationId, text: string): void {
    if (this.get(conversation) === text) return;
    this.#typed.set(conversation, text);
    this.#onChanged(conversation);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.flush(), DEBOUNCE_MS);
  }

  async flush(): Promise<void> {
    clearTimeout(this.#timer);
    for (const [conversation, text] of Array.from(this.#typed)) {
      const time = BigInt(Date.now());
      await this.#vault.set({ kind: { case: "draft", value: { conversation: idBytes(conversation), text, time } } });
      if (this.#typed.get(conversation) === text) this.#typed.delete(conversation);
    }
  }
}
