import type { Database } from "../store/database.ts";
import { isFresh, readHeartbeats } from "../store/servers.ts";
import type { Candidate, Strategy } from "./strategy.ts";

/** From a ticket to its socket: a heartbeat so soon after a ticket does not count its socket yet. */
const UNDER_WAY_MS = 1_000;

/** Chooses chat servers by their heartbeats and by the tickets that this gateway gave since, or just before. */
export class ServerChoice {
  readonly #database: Database;
  readonly #strategy: Strategy;
  /** When tickets were given, by server; `performance.now()`. */
  readonly #given = new Map<string, number[]>();

  constructor(database: Database, strategy: Strategy) {
    this.#database = database;
    this.#strategy = strategy;
  }

  async candidates(): Promise<Candidate[]> {
    const heartbeats = await readHeartbeats(this.#database);
    const now = performance.now();
    return heartbeats
      .filter((heartbeat) => isFresh(heartbeat) && !heartbeat.draining)
      .map(({ name, url, connections, bytesPerSecond, ageMs }) => {
        const since = (this.#given.get(name) ?? []).filter((at) => at > now - ageMs - UNDER_WAY_MS);
        this.#given.set(name, since);
        return { name, url, connections, bytesPerSecond, tickets: since.length };
      });
  }

  /** `avoid`: servers that just failed the client; they are chosen only when there is no other. */
  async choose(avoid: readonly string[]): Promise<Candidate | undefined> {
    const all = await this.candidates();
    const others = all.filter((candidate) => !avoid.includes(candidate.name));
    const chosen = this.#strategy(others.length > 0 ? others : all, Math.random());
    if (chosen !== undefined) this.#given.set(chosen.name, [...(this.#given.get(chosen.name) ?? []), performance.now()]);
    return chosen;
  }
}
