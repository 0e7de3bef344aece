import type { Strategy } from "./strategy.ts";
import { leastBytes } from "./strategy-least-bytes.ts";
import { leastConnections } from "./strategy-least-connections.ts";
import { powerOfTwo } from "./strategy-power-of-two.ts";
import { anyAtRandom } from "./strategy-random.ts";
import { roundRobin } from "./strategy-round-robin.ts";

/** How a gateway can choose a chat server; the first is the default. */
export const strategyNames = ["least-connections", "round-robin", "random", "least-bytes", "power-of-two"] as const;
export type StrategyName = (typeof strategyNames)[number];

export const isStrategyName = (text: string): text is StrategyName => strategyNames.some((name) => name === text);

export const strategies: Readonly<Record<StrategyName, { readonly choose: Strategy; readonly meaning: string }>> = {
  "least-connections": { choose: leastConnections, meaning: "the server with the fewest sockets" },
  "round-robin": { choose: roundRobin, meaning: "each server in its turn, whatever its load" },
  random: { choose: anyAtRandom, meaning: "any server, whatever its load" },
  "least-bytes": { choose: leastBytes, meaning: "the server with the least traffic; with as little, the fewest sockets" },
  "power-of-two": { choose: powerOfTwo, meaning: "of two servers at random the one with fewer sockets" },
};
