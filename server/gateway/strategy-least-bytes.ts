import { anyOfLeast, type Candidate, socketsOf, type Strategy } from "./strategy.ts";

/** Bytes a second below which a difference says nothing: a few clients that connect make that much. */
const NOISE = 4_096;

/**
 * The least traffic; among those with the same the fewest sockets, among these any. A client that is about to come brings, as far as anybody can
 * know, what a client has on the average. So a burst of tickets between two heartbeats does not all go to one server, and where hardly anything is
 * said this is the same as the fewest sockets.
 */
export const leastBytes: Strategy = (candidates, random) => {
  const connections = sum(candidates, (candidate) => candidate.connections);
  const average = connections === 0 ? 0 : sum(candidates, (candidate) => candidate.bytesPerSecond) / connections;
  const traffic = ({ bytesPerSecond, tickets }: Candidate) => Math.floor((bytesPerSecond + tickets * average) / NOISE);
  const least = Math.min(...candidates.map(traffic));
  return anyOfLeast(
    candidates.filter((candidate) => traffic(candidate) === least),
    socketsOf,
    random,
  );
};

const sum = (candidates: readonly Candidate[], of: (candidate: Candidate) => number): number =>
  candidates.reduce((all, candidate) => all + of(candidate), 0);
