/** How a gateway can choose chat servers: what `--strategy all` compares. */
export const strategies = ["least-connections"] as const;

export type StrategyName = (typeof strategies)[number];
