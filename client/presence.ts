import { type AccountId, accountId, idBytes, isHash, limits } from "@fastchat/protocol";
import type { AccountPresence } from "@fastchat/protocol/wire/frames";
import type { Connection } from "./connection.ts";
import { believableTime } from "./server-words.ts";

export interface PresenceState {
  readonly online: boolean;
  /** Milliseconds since 1970. */
  readonly lastSeen: number | undefined;
}

export interface PresenceParts {
  readonly connection: Pick<Connection, "request">;
  readonly isOnline: () => boolean;
  readonly onChanged: (accounts: readonly AccountId[]) => void;
}

/** Who of the people watched is connected, as far as the server says. */
export class Presence {
  readonly #parts: PresenceParts;
  readonly #states = new Map<AccountId, PresenceState>();
  #watched: readonly AccountId[] = [];

  constructor(parts: PresenceParts) {
    this.#parts = parts;
  }

  of(account: AccountId): PresenceState | undefined {
    return this.#states.get(account);
  }

  /** From another answer of the server. */
  note(account: AccountId, online: boolean): void {
    if (this.#states.get(account)?.online !== online) this.#states.set(account, { online, lastSeen: undefined });
  }

  /** Replaces whom one watched so far; kept over connections. */
  async watch(people: readonly AccountId[]): Promise<void> {
    this.#watched = people.slice(0, limits.watchedPresences);
    if (this.#parts.isOnline()) await this.online();
  }

  /** Watches these as well. Gives what is known of them. */
  async look(people: readonly AccountId[]): Promise<readonly (PresenceState & { readonly account: AccountId })[]> {
    const watched = new Set([...this.#watched, ...people]);
    if (watched.size > this.#watched.length) await this.watch([...watched]);
    return people.flatMap((account) => {
      const state = this.#states.get(account);
      return state === undefined ? [] : [{ account, ...state }];
    });
  }

  async online(): Promise<void> {
    if (this.#watched.length === 0) return;
    const accounts = this.#watched.map((account) => idBytes(account));
    this.receive((await this.#parts.connection.request({ case: "watchPresence", value: { accounts } }, "presence")).accounts);
  }

  /** Without a connection nobody is known to be there. */
  offline(): void {
    const gone = [...this.#states].filter(([, { online }]) => online).map(([account]) => account);
    this.#states.clear();
    if (gone.length > 0) this.#parts.onChanged(gone);
  }

  receive(presences: readonly AccountPresence[]): void {
    const changed: AccountId[] = [];
    for (const { account: bytes, online, lastSeen } of presences) {
      if (!isHash(bytes)) continue;
      const account = accountId(bytes);
      this.#states.set(account, { online, lastSeen: lastSeen === 0n ? undefined : Number(believableTime(lastSeen)) });
      changed.push(account);
    }
    if (changed.length > 0) this.#parts.onChanged(changed);
  }
}
