/** A chat server that may be chosen: its heartbeat is fresh, it does not drain. */
export interface Candidate {
  readonly name: string;
  /** WebSocket address. */
  readonly url: string;
  /** By its last heartbeat. */
  readonly connections: number;
  /** By its last heartbeat, in both directions. */
  readonly bytesPerSecond: number;
  /** Tickets given since that heartbeat. */
  readonly tickets: number;
}

/**
 * Chooses a chat server: a function of its arguments alone. `random` is a number from 0 up to, not including, 1. MUST choose one when there is one,
 * and MUST NOT depend on the order of the candidates but through `random`.
 */
export type Strategy = (candidates: readonly Candidate[], random: number) => Candidate | undefined;
