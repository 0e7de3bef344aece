import { setTimeout as wait } from "node:timers/promises";
import { accountId, limits } from "@fastchat/protocol";
import { reasonOf } from "../events.ts";
import { conversationsOf } from "../store/conversations.ts";
import { shutOutAmong } from "../store/sessions.ts";
import { vaultRevisions } from "../store/vault.ts";
import { tellVaultMoved } from "./account-news.ts";
import type { ChatContext } from "./context.ts";

/** Hints were missed: what they may have said is read from the store, once, for everybody who is connected here. */
export class MissedHints {
  readonly #chat: ChatContext;
  #repairing: Promise<void> | undefined;
  #again = false;
  #stopped = false;

  constructor(chat: ChatContext) {
    this.#chat = chat;
  }

  /** While one repair is under way further calls come to one more after it. */
  repair(): void {
    if (this.#stopped) return;
    if (this.#repairing !== undefined) {
      this.#again = true;
      return;
    }
    this.#chat.metrics.missedHints.inc();
    this.#repairing = this.#read()
      .catch((error: unknown) => {
        this.#chat.log.event("warn", "repair-failed", { reason: reasonOf(error) });
        this.#again = true;
        return wait(limits.heartbeatMs);
      })
      .then(() => {
        this.#repairing = undefined;
        if (!this.#again || this.#stopped) return;
        this.#again = false;
        this.repair();
      });
  }

  /** Begins no other repair; resolves when the one under way has ended. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#repairing;
  }

  async #read(): Promise<void> {
    const { database, delivery, log, presence } = this.#chat;
    const devices = new Set([...delivery.all()].map((session) => session.device));
    for (const { device, why } of await shutOutAmong(database, [...devices])) delivery.endDevice(device, why);
    const accounts = delivery.accounts();
    const heads = await conversationsOf(database, accounts);
    for (const { account, conversation, sequence } of heads) {
      // One that began meanwhile, or that somebody was added to: from its beginning, if that is not far.
      const from = Math.max(0, sequence - limits.entriesPerPage);
      for (const session of delivery.sessionsOf(accountId(account))) {
        if (!session.conversations.has(conversation)) delivery.watch(session, conversation, from);
      }
      delivery.known(conversation, sequence);
    }
    for (const { account, revision } of await vaultRevisions(database, accounts)) {
      tellVaultMoved(delivery, { account: accountId(account), revision });
    }
    presence.allChanged();
    log.event("info", "hints-missed", { conversations: heads.length });
  }
}
