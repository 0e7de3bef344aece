import { setTimeout as wait } from "node:timers/promises";
import { create } from "@bufbuild/protobuf";
import { limits } from "@fastchat/protocol";
import { MoveSchema } from "@fastchat/protocol/wire/frames";
import type { StrategyName } from "../gateway/strategies.ts";
import { type HeardHeartbeat, isFresh, type Registry } from "../store/servers.ts";
import type { ChatContext } from "./context.ts";
import { whomToAsk } from "./rebalance.ts";
import type { Session } from "./session.ts";
import { type EncodedFrame, encodeFrame } from "./wire.ts";

/** Of the time that there is; the rest is for the last ones to go. */
const ASKED_WITHIN = 0.8;
/** Between two looks at who has gone. */
const LOOK_MS = 20;

export interface MovesOptions {
  readonly chat: ChatContext;
  /** This server's name. */
  readonly server: string;
  /** How gateways choose unless another strategy was chosen while they ran. */
  readonly strategy: StrategyName;
}

/** Asks clients to go to other servers: all of them where this one is told to stop, some that are idle where it has more than its share. */
export class Moves {
  readonly #options: MovesOptions;
  /** When each was asked that is still here; `performance.now()`. */
  readonly #asked = new Map<Session, number>();
  /** When those went that went lately. */
  #gone: number[] = [];
  /** Who takes clients, as long as that stays the same; for how many heartbeats it has. */
  #servers = "";
  #settledBeats = 0;
  /** At the last heartbeat another server took clients. */
  #isElsewhere = true;

  constructor(options: MovesOptions) {
    this.#options = options;
  }

  /** It is gone. */
  left(session: Session): void {
    if (this.#asked.delete(session)) this.#gone.push(performance.now());
  }

  /**
   * Everybody is asked to move, so many at once as are under way elsewhere: the next one when one has gone, so that they do not storm the gateways
   * together. Who takes longer than others do is not waited for, and all have been asked some time before the end. Ends when `isEmpty`, or when
   * `limits.drainMs` are over; sooner where nobody can go anywhere.
   */
  async moveAll(isEmpty: () => boolean): Promise<void> {
    const { delivery } = this.#options.chat;
    const move = moveFrame([]);
    const since = performance.now();
    const all = delivery.sessions;
    let count = 0;
    let elsewhereAt = since;
    for (let passed = 0; !isEmpty() && passed < limits.drainMs; passed = performance.now() - since) {
      if (this.#isElsewhere) elsewhereAt = performance.now();
      else if (performance.now() - elsewhereAt > limits.drainAloneMs) break;
      const due = (all * passed) / (ASKED_WITHIN * limits.drainMs);
      let leaving = this.#leaving(limits.moveMs);
      for (const session of delivery.all()) {
        if (leaving >= limits.movesAtOnce && count >= due) break;
        if (this.#asked.has(session)) continue;
        this.#ask(session, move);
        count++;
        leaving++;
      }
      await wait(LOOK_MS);
    }
  }

  /** After each heartbeat: what the others said. */
  heard({ servers }: Registry): void {
    this.#isElsewhere = servers.some((each) => each.name !== this.#options.server && takesClients(each));
  }

  /** After each heartbeat: where this server has too many clients, some idle ones are asked to go where there is room. */
  evenOut({ servers, strategy }: Registry): void {
    const { chat, server, strategy: byDefault } = this.#options;
    const taking = servers.filter(takesClients);
    // One that just came may go again at once, and where one has gone its clients are on their way.
    const runs = taking
      .map(({ run }) => run)
      .toSorted()
      .join();
    this.#settledBeats = runs === this.#servers ? this.#settledBeats + 1 : 0;
    this.#servers = runs;
    if (this.#settledBeats < limits.rebalanceSettledBeats) return;
    const oldest = Math.max(0, ...taking.filter(({ name }) => name !== server).map(({ ageMs }) => ageMs));
    const gone = this.#goneWithin(oldest);
    const loads = {
      self: server,
      leaving: this.#leaving(limits.rebalancePatienceMs),
      gone,
      servers: taking,
      strategy: strategy ?? byDefault,
    };
    const { count, avoid } = whomToAsk(loads);
    if (count === 0) return;
    this.#forgetOld();
    const move = moveFrame(avoid.slice(0, limits.avoidedServers - 1));
    let asked = 0;
    for (const session of chat.delivery.all()) {
      if (asked === count) break;
      if (this.#asked.has(session) || !session.connection.isIdle(limits.rebalanceIdleMs)) continue;
      this.#ask(session, move);
      asked++;
    }
    if (asked > 0) chat.log.event("info", "clients-asked-to-move", { clients: asked });
  }

  /** Who was asked longer ago and did not go has nowhere to go to, or does not know how. */
  #leaving(withinMs: number): number {
    const recent = performance.now() - withinMs;
    return this.#asked.values().reduce((count, at) => count + (at > recent ? 1 : 0), 0);
  }

  #goneWithin(milliseconds: number): number {
    const now = performance.now();
    this.#gone = this.#gone.filter((at) => at > now - limits.heartbeatFreshMs);
    return this.#gone.filter((at) => at > now - milliseconds).length;
  }

  /** They may be asked again. */
  #forgetOld(): void {
    const before = performance.now() - limits.rebalanceAskAgainMs;
    for (const [session, at] of this.#asked) if (at < before) this.#asked.delete(session);
  }

  #ask(session: Session, move: EncodedFrame): void {
    this.#asked.set(session, performance.now());
    session.connection.send(move);
  }
}

const takesClients = (heartbeat: HeardHeartbeat): boolean => isFresh(heartbeat) && !heartbeat.draining;

const moveFrame = (avoid: readonly string[]): EncodedFrame =>
  encodeFrame(0, { case: "move", value: create(MoveSchema, { avoid: [...avoid] }) });
