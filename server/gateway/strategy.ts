/** A chat server that may be chosen: its heartbeat is fresh, it does not drain. */
export interface Candidate {
  readonly name: string;
  /** WebSocket address. */
  readonly url: string;
  /** By its last heartbeat. */
  readonly connections: number;
  /** By its last heartbeat, in both directions. */
  readonly bytesPerSecond: number;
  /** Tickets that this gateway gave for it since that heartbeat. */
  readonly tickets: number;
  /** Place of the last of them among all that this gateway gave, from 1; 0: it gave none yet. */
  readonly turn: number;
}

/**
 * Chooses a chat server: a function of its arguments alone. `random` is a number from 0 up to, not including, 1. MUST choose one when there is one,
 * and MUST NOT depend on the order of the candidates but through `random`.
 */
export type Strategy = (candidates: readonly Candidate[], random: number) => Candidate | undefined;

/** The same candidates in an order of their own, so that `random` means the same one however they were listed. */
export const byName = (candidates: readonly Candidate[]): Candidate[] =>
  candidates.toSorted((one, other) => (one.name < other.name ? -1 : 1));

/** Sockets, open or about to be opened. */
export const socketsOf = ({ connections, tickets }: Candidate): number => connections + tickets;

/** Of those for which this is least any one. */
export function anyOfLeast(
  candidates: readonly Candidate[],
  load: (candidate: Candidate) => number,
  random: number,
): Candidate | undefined {
  const least = Math.min(...candidates.map(load));
  const equals = byName(candidates.filter((candidate) => load(candidate) === least));
  return equals[Math.floor(random * equals.length)];
}
