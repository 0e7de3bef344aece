import { anyOfLeast, type Strategy } from "./strategy.ts";

/**
 * Each in its turn, whatever its load: the one for which this gateway has given no ticket for the longest time. A server that joins is the next one
 * and has one turn in each round from then on, and so has one that clients had asked to be spared for a while: what it missed is not made up for.
 *
 * Each gateway goes round by itself, and begins anywhere when it is started. Every server gets the same share from each, within one ticket, and so
 * from all of them together within as many as there are gateways: they need not agree on whose turn it is.
 */
export const roundRobin: Strategy = (candidates, random) => anyOfLeast(candidates, ({ turn }) => turn, random);
