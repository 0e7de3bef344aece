import { limits } from "@fastchat/protocol";
import { reasonOf } from "../events.ts";
import { seeDevices } from "../store/accounts.ts";
import {
  beat,
  enterPresence,
  forgetDeadServers,
  type HeardHeartbeat,
  type Heartbeat,
  isFresh,
  readRegistry,
  type Registry,
} from "../store/servers.ts";
import type { ChatContext } from "./context.ts";
import { endShutOut } from "./shut-out.ts";

/** How often something is done beside the beat that need not be at every one. */
const BEATS = { betweenLooks: 5, betweenCleanUps: 30 };

/** What changes from one heartbeat to the next. */
export type Load = Pick<Heartbeat, "connections" | "bytesPerSecond" | "draining">;

/**
 * Tells the registry once a heartbeat that this server is there and how busy, and looks what the others said: whether hints of theirs were missed,
 * and whether servers came or went with their people.
 */
export class Heart {
  readonly #chat: ChatContext;
  readonly #self: Pick<Heartbeat, "name" | "run" | "url">;
  readonly #load: () => Load;
  readonly #onHeard: (registry: Registry) => void;
  #fresh: ReadonlySet<string>;
  #beats = 0;
  #beating: Promise<void> | undefined;

  /** `heard`: the others before this server began; what they had said is in the heads that sessions begin with. */
  constructor(
    chat: ChatContext,
    self: Pick<Heartbeat, "name" | "run" | "url">,
    options: { readonly load: () => Load; readonly heard: readonly HeardHeartbeat[]; readonly onHeard: (registry: Registry) => void },
  ) {
    this.#chat = chat;
    this.#self = self;
    this.#load = options.load;
    this.#onHeard = options.onHeard;
    this.#fresh = freshRuns(options.heard);
  }

  /** Beats, unless the last one is still under way: a database that hangs must not make beats pile up. */
  tick(): void {
    if (this.#beating === undefined) void this.beat();
  }

  /** One more after the one under way. Resolves also when the database does not answer: the next beat is soon. */
  beat(): Promise<void> {
    const mine = (this.#beating ?? Promise.resolve())
      .then(() => this.#once())
      .finally(() => {
        if (this.#beating === mine) this.#beating = undefined;
      });
    this.#beating = mine;
    return mine;
  }

  async #once(): Promise<void> {
    const { database, delivery, hints, log } = this.#chat;
    try {
      const { known } = await beat(database, { ...this.#self, ...this.#load(), hints: hints.numberToTell() });
      if (!known) await enterPresence(database, this.#self.run, delivery.accounts());
      const registry = await readRegistry(database);
      this.#compare(registry.servers);
      this.#onHeard(registry);
      this.#beats += 1;
      if (this.#beats % BEATS.betweenLooks === 0) void endShutOut(this.#chat).catch(() => undefined);
      if (this.#beats % BEATS.betweenCleanUps !== 0) return;
      // Beside the beat, which must not be late for it; what fails is told by the next one.
      void seeDevices(database, delivery.devices(), limits.deviceSeenEveryMs).catch(() => undefined);
      await forgetDeadServers(database);
    } catch (error) {
      log.event("warn", "heartbeat-failed", { reason: reasonOf(error) });
    }
  }

  /** Resolves when no beat is under way. */
  async settled(): Promise<void> {
    await this.#beating;
  }

  #compare(heard: readonly HeardHeartbeat[]): void {
    this.#chat.hints.compare(heard);
    const fresh = freshRuns(heard);
    if (fresh.symmetricDifference(this.#fresh).size > 0) this.#chat.presence.allChanged();
    this.#fresh = fresh;
  }
}

const freshRuns = (heard: readonly HeardHeartbeat[]): Set<string> => new Set(heard.filter(isFresh).map(({ run }) => run));
