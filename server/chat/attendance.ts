import { type AccountId, type DeviceId, limits } from "@fastchat/protocol";
import { seeDevices } from "../store/accounts.ts";
import { enterPresence, leavePresence } from "../store/servers.ts";
import type { ChatContext } from "./context.ts";
import type { Session } from "./session.ts";

/**
 * Writes down which accounts have a socket on this server, and says so to those who watch. Who leaves counts as here for `limits.presenceLingerMs`,
 * so that connecting again, also elsewhere, is no news.
 */
export class Attendance {
  readonly #chat: ChatContext;
  readonly #run: string;
  /** Accounts whose last socket here ended a moment ago. */
  readonly #leaving = new Map<AccountId, NodeJS.Timeout>();
  #stopped = false;

  constructor(chat: ChatContext, run: string) {
    this.#chat = chat;
    this.#run = run;
  }

  /** To be called once `Delivery` has the session. */
  entered({ account, device }: Session): void {
    this.#saw(device);
    // The first of its account here is the only one now.
    if (this.#chat.delivery.sessionsOf(account).size !== 1) return;
    clearTimeout(this.#leaving.get(account));
    this.#leaving.delete(account);
    void enterPresence(this.#chat.database, this.#run, [account]).then(
      () => this.#changed(account),
      () => undefined,
    );
  }

  /** Takes the session off the lists of those who are there and who watch. */
  left(session: Session): void {
    const { account, device } = session;
    if (!this.#stopped) this.#saw(device);
    this.#chat.presence.unwatch(session);
    if (!this.#chat.delivery.remove(session) || this.#stopped) return;
    const leftAt = Date.now();
    clearTimeout(this.#leaving.get(account));
    this.#leaving.set(
      account,
      setTimeout(() => {
        this.#leaving.delete(account);
        void this.#away(account, leftAt).catch(() => undefined);
      }, limits.presenceLingerMs),
    );
  }

  stop(): void {
    this.#stopped = true;
    for (const timer of this.#leaving.values()) clearTimeout(timer);
  }

  /** Connected again elsewhere, the account stays online: it is while any server holds it. */
  async #away(account: AccountId, leftAt: number): Promise<void> {
    const { database, delivery } = this.#chat;
    const isBack = () => delivery.sessionsOf(account).size > 0;
    if (isBack()) return;
    await leavePresence(database, this.#run, account, leftAt);
    // It may have come back meanwhile.
    if (isBack()) await enterPresence(database, this.#run, [account]);
    this.#changed(account);
  }

  /** What fails is told by the next one. */
  #saw(device: DeviceId): void {
    void seeDevices(this.#chat.database, [device], 0).catch(() => undefined);
  }

  #changed(account: AccountId): void {
    this.#chat.presence.changed(account);
    this.#chat.hints.tell(["presence", account]);
  }
}
