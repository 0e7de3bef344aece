import { type AccountId, type DeviceId, limits } from "@fastchat/protocol";
import { seeDevices } from "../store/accounts.ts";
import { enterPresence, leavePresence } from "../store/servers.ts";
import { Gathered } from "../gathered.ts";
import { shutOutAmong } from "../store/sessions.ts";
import type { ChatContext } from "./context.ts";
import type { Session } from "./session.ts";

interface Beginning {
  readonly session: Session;
  /** Of its account here. */
  readonly isFirst: boolean;
}

/** Many come at once when a server went away. */
const GATHER_MS = 20;

/**
 * Writes down which accounts have a socket on this server, and says so to those who watch. Who leaves counts as here for `limits.presenceLingerMs`,
 * so that connecting again, also elsewhere, is no news.
 */
export class Attendance {
  readonly #chat: ChatContext;
  readonly #run: string;
  /** Accounts whose last socket here ended a moment ago. */
  readonly #leaving = new Map<AccountId, NodeJS.Timeout>();
  /** Sessions that have just begun. */
  readonly #begun: Gathered<Beginning>;
  /** Devices that were here a moment ago. */
  readonly #seen: Gathered<DeviceId>;
  #stopped = false;

  constructor(chat: ChatContext, run: string) {
    this.#chat = chat;
    this.#run = run;
    this.#begun = new Gathered({ waitMs: GATHER_MS, act: (beginnings) => this.#judge(beginnings) });
    // What fails is told by the next one.
    this.#seen = new Gathered({ waitMs: GATHER_MS, act: (devices) => seeDevices(chat.database, devices, 0).catch(() => undefined) });
  }

  /** To be called once `Delivery` has the session. */
  entered(session: Session): void {
    this.#seen.add(session.device);
    this.#begun.add({ session, isFirst: this.#chat.delivery.sessionsOf(session.account).size === 1 });
    clearTimeout(this.#leaving.get(session.account));
    this.#leaving.delete(session.account);
  }

  /** Takes the session off the lists of those who are there and who watch. */
  left(session: Session): void {
    const { account, device } = session;
    if (!this.#stopped) this.#seen.add(device);
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
    this.#begun.stop();
    this.#seen.stop();
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

  /** Accounts that have their first session here are there from now on; and a revocation between the ticket and the session found nothing to close. */
  async #judge(beginnings: readonly Beginning[]): Promise<void> {
    const { database, delivery } = this.#chat;
    const firsts = beginnings.filter(({ session, isFirst }) => isFirst && delivery.sessionsOf(session.account).size > 0);
    const accounts = new Set(firsts.map(({ session }) => session.account));
    const devices = new Set(beginnings.map(({ session }) => session.device));
    await Promise.all([
      enterPresence(database, this.#run, [...accounts]).then(
        () => accounts.forEach((account) => this.#changed(account)),
        () => undefined,
      ),
      shutOutAmong(database, [...devices]).then(
        (shutOut) => shutOut.forEach(({ device, why }) => delivery.endDevice(device, why)),
        () => undefined,
      ),
    ]);
  }

  #changed(account: AccountId): void {
    this.#chat.presence.changed(account);
    this.#chat.hints.tell(["presence", account]);
  }
}
