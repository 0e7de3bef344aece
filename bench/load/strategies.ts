/** How a gateway can choose chat servers: what `--strategy all` compares. The first is the one that it has when nobody says. */
export const strategies = ["least-connections"] as const;
