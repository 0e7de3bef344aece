import type { Database } from "../store/database.ts";
import { AskedTogether } from "../asked-together.ts";
import { isFresh, readRegistry, type Registry } from "../store/servers.ts";
import type { Log } from "../events.ts";
import { isStrategyName, strategies, type StrategyName } from "./strategies.ts";
import type { Candidate } from "./strategy.ts";

/** From a ticket to its socket: a heartbeat so soon after a ticket does not count its socket yet. */
const UNDER_WAY_MS = 1_000;

export interface ServerChoiceOptions {
  readonly database: Database;
  /** Unless whoever runs the installation chose another one while it ran. */
  readonly strategy: StrategyName;
  readonly log: Log;
}

/**
 * Chooses chat servers by their heartbeats and by the tickets that this gateway gave since, or just before. The strategy is read together with the
 * heartbeats, so that another one counts from the next ticket on, at every gateway.
 */
export class ServerChoice {
  readonly #options: ServerChoiceOptions;
  readonly #registry: AskedTogether<void, Registry>;
  #strategy: StrategyName;
  /** When tickets were given, by server; `performance.now()`. */
  readonly #given = new Map<string, number[]>();
  /** The last ticket of each server. */
  readonly #turns = new Map<string, number>();
  #tickets = 0;

  constructor(options: ServerChoiceOptions) {
    this.#options = options;
    this.#registry = new AskedTogether({
      most: Number.POSITIVE_INFINITY,
      act: async (asked) => {
        const registry = await readRegistry(options.database);
        return asked.map(() => registry);
      },
    });
    this.#strategy = options.strategy;
  }

  async candidates(): Promise<Candidate[]> {
    return this.#candidatesOf(await this.#registry.ask());
  }

  /** `avoid`: servers that just failed the client, or that it leaves; they are chosen only when there is no other. */
  async choose(avoid: readonly string[]): Promise<Candidate | undefined> {
    const registry = await this.#registry.ask();
    // From here on without a wait: of many that read it together, each must see whom the others got.
    const all = this.#candidatesOf(registry);
    const others = all.filter((candidate) => !avoid.includes(candidate.name));
    const chosen = strategies[this.#strategy].choose(others.length > 0 ? others : all, Math.random());
    if (chosen === undefined) return undefined;
    this.#given.get(chosen.name)!.push(performance.now());
    this.#turns.set(chosen.name, (this.#tickets += 1));
    return chosen;
  }

  /** What a newer FastChat may have written, and this one does not know, counts as nothing. */
  #follow(chosen: string | undefined): void {
    const { strategy: byDefault, log } = this.#options;
    const strategy = chosen !== undefined && isStrategyName(chosen) ? chosen : byDefault;
    if (strategy === this.#strategy) return;
    log.event("info", "strategy-changed", { from: this.#strategy, to: strategy });
    this.#strategy = strategy;
  }

  #candidatesOf({ servers, strategy }: Registry): Candidate[] {
    // Without a server nobody says which strategy counts.
    if (servers.length > 0) this.#follow(strategy);
    const now = performance.now();
    for (const name of this.#turns.keys()) {
      if (servers.some((server) => server.name === name)) continue;
      this.#turns.delete(name);
      this.#given.delete(name);
    }
    return servers
      .filter((heartbeat) => isFresh(heartbeat) && !heartbeat.draining)
      .map(({ name, url, connections, bytesPerSecond, ageMs }) => {
        const given = this.#given.get(name) ?? [];
        // Oldest first: what a heartbeat has counted by now goes, however many a storm asks for.
        const counted = given.findIndex((at) => at > now - ageMs - UNDER_WAY_MS);
        given.splice(0, counted === -1 ? given.length : counted);
        this.#given.set(name, given);
        return { name, url, connections, bytesPerSecond, tickets: given.length, turn: this.#turns.get(name) ?? 0 };
      });
  }
}
