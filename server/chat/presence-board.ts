import { create } from "@bufbuild/protobuf";
import { type AccountId, idBytes } from "@fastchat/protocol";
import { type AccountPresence, AccountPresenceSchema, PresenceSchema } from "@fastchat/protocol/wire/frames";
import { type Log, reasonOf } from "../events.ts";
import { Gathered } from "../gathered.ts";
import type { Database } from "../store/database.ts";
import { type PresenceOf, readPresence } from "../store/servers.ts";
import type { Session } from "./session.ts";
import { encodeFrame } from "./wire.ts";

/** Changes gather this long, so that a server that goes away with a thousand people costs its neighbours one read. */
const GATHER_MS = 50;

/** Who here watches whose presence, and telling them. The truth is in the store; word of changes comes over the bus. */
export class PresenceBoard {
  readonly #database: Database;
  readonly #log: Log;
  readonly #watchers = new Map<AccountId, Set<Session>>();
  readonly #changed: Gathered<AccountId>;

  constructor(database: Database, log: Log) {
    this.#database = database;
    this.#log = log;
    this.#changed = new Gathered({ waitMs: GATHER_MS, act: (accounts) => this.#tell([...new Set(accounts)]) });
  }

  /** Replaces what the session watched. */
  watch(session: Session, accounts: ReadonlySet<AccountId>): void {
    this.unwatch(session);
    session.watchedPresence = accounts;
    for (const account of accounts) {
      const watchers = this.#watchers.get(account) ?? new Set();
      watchers.add(session);
      this.#watchers.set(account, watchers);
    }
  }

  unwatch(session: Session): void {
    for (const account of session.watchedPresence) {
      const watchers = this.#watchers.get(account);
      watchers?.delete(session);
      if (watchers?.size === 0) this.#watchers.delete(account);
    }
    session.watchedPresence = new Set();
  }

  /** Somebody came or went, here or elsewhere. */
  changed(account: AccountId): void {
    if (this.#watchers.has(account)) this.#changed.add(account);
  }

  /** Word of some changes may have been lost, or a server is gone with all its people. */
  allChanged(): void {
    for (const account of this.#watchers.keys()) this.changed(account);
  }

  stop(): void {
    this.#changed.stop();
    this.#watchers.clear();
  }

  async #tell(accounts: readonly AccountId[]): Promise<void> {
    let presences: PresenceOf[];
    try {
      presences = await readPresence(this.#database, accounts);
    } catch (error) {
      this.#log.event("debug", "repair-failed", { reason: reasonOf(error) });
      return;
    }
    const news = new Map<Session, AccountPresence[]>();
    for (const presence of presences) {
      for (const session of this.#watchers.get(presence.account) ?? []) {
        const own = news.get(session) ?? [];
        own.push(wirePresence(presence));
        news.set(session, own);
      }
    }
    for (const [session, list] of news) {
      session.connection.send(encodeFrame(0, { case: "presence", value: create(PresenceSchema, { accounts: list }) }));
    }
  }
}

export const wirePresence = ({ account, online, lastSeen }: PresenceOf): AccountPresence =>
  create(AccountPresenceSchema, { account: idBytes(account), online, lastSeen: BigInt(lastSeen) });
