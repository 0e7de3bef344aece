import { anyOfLeast, socketsOf, type Strategy } from "./strategy.ts";

/** The fewest sockets, open or about to be opened; among equals any. */
export const leastConnections: Strategy = (candidates, random) => anyOfLeast(candidates, socketsOf, random);
