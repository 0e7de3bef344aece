import { setTimeout as wait } from "node:timers/promises";
import { accountId, limits } from "@fastchat/protocol";
import { reasonOf } from "../events.ts";
import { conversationsOf } from "../store/conversations.ts";
import { vaultRevisions } from "../store/vault.ts";
import { tellVaultMoved } from "./account-news.ts";
import type { ChatContext } from "./context.ts";
import { endShutOut } from "./shut-out.ts";

/** After a repair the next one waits this many times as long as it took: where the bus stays away, the database has other things to do. */
const REST = 4;
const LONGEST_REST_MS = 10_000;

/** Hints were missed: what they may have said is read from the store, once, for everybody who is connected here. */
export class MissedHints {
  readonly #chat: ChatContext;
  #repairing: Promise<void> | undefined;
  #again = false;
  readonly #ending = new AbortController();

  constructor(chat: ChatContext) {
    this.#chat = chat;
  }

  /** While one repair is under way further calls come to one more after it. */
  repair(): void {
    const { signal } = this.#ending;
    if (signal.aborted) return;
    if (this.#repairing !== undefined) {
      this.#again = true;
      return;
    }
    this.#chat.metrics.missedHints.inc();
    const since = performance.now();
    this.#repairing = this.#read()
      .then(() => Math.min(REST * (performance.now() - since), LONGEST_REST_MS))
      .catch((error: unknown) => {
        this.#chat.log.event("warn", "repair-failed", { reason: reasonOf(error) });
        this.#again = true;
        return limits.heartbeatMs;
      })
      .then((restMs) => wait(restMs, undefined, { signal }).catch(() => undefined))
      .then(() => {
        this.#repairing = undefined;
        if (!this.#again || signal.aborted) return;
        this.#again = false;
        this.repair();
      });
  }

  /** Begins no other repair; resolves when the one under way has ended. */
  async stop(): Promise<void> {
    this.#ending.abort();
    await this.#repairing;
  }

  async #read(): Promise<void> {
    const { database, delivery, log, presence } = this.#chat;
    await endShutOut(this.#chat);
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
