import type { Candidate, Strategy } from "./strategy.ts";

/** The fewest sockets, open or about to be opened; among equals any. */
export const leastConnections: Strategy = (candidates, random) => {
  const load = ({ connections, tickets }: Candidate) => connections + tickets;
  const least = Math.min(...candidates.map(load));
  const equals = candidates.filter((candidate) => load(candidate) === least).sort((one, other) => (one.name < other.name ? -1 : 1));
  return equals[Math.floor(random * equals.length)];
};
