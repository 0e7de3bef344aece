import { limits } from "@fastchat/protocol";
import type { HeardHeartbeat } from "../store/servers.ts";

/** What a server sees when it considers whether it has more than its share: the last heartbeats, its own among them. */
export interface Loads {
  readonly self: string;
  /** Clients that were asked to move and are still here. */
  readonly leaving: number;
  /** Clients that went since the others' heartbeats, which do not count them yet. */
  readonly gone: number;
  /** Those that take clients: fresh, and not draining. */
  readonly servers: readonly Pick<HeardHeartbeat, "name" | "connections" | "bytesPerSecond">[];
  /** How gateways choose, which is where a client goes that moves. */
  readonly strategy: string;
}

export interface Rebalance {
  /** Clients to ask now. */
  readonly count: number;
  /** Servers that they are to be spared. */
  readonly avoid: readonly string[];
}

const nothing: Rebalance = { count: 0, avoid: [] };

/** How many sockets more than the share a server may have: a tenth of it, and no fewer than a handful. */
export const toleranceOf = (share: number): number => Math.max(limits.rebalanceToleratedSockets, share * limits.rebalanceToleratedShare);

/**
 * Whom a server asks to move so that sockets become even, whatever the strategy: those that are idle cost memory, and that goes by their number.
 * Each server decides for itself, and all from the same heartbeats, so that their decisions fit together:
 *   - Who has no more than its share and what is tolerated asks nobody; who has more asks for no more than that is, a few at each heartbeat.
 *   - Clients are sent to where there is room for twice what all together ask for, since heartbeats are a beat old. Where nowhere is, the fullest alone
 *     asks, for the emptiest. So nobody becomes too full by it, and no client has to move twice.
 * By `least-bytes` a server that has more sockets but less traffic than the mean keeps them: that is what was asked for.
 */
export function whomToAsk({ self, leaving, gone, servers, strategy }: Loads): Rebalance {
  const me = servers.find(({ name }) => name === self);
  if (me === undefined || servers.length < 2) return nothing;
  const share = (sum(servers, ({ connections }) => connections) + gone) / servers.length;
  const most = share + toleranceOf(share);
  const over = (connections: number): number => Math.max(0, Math.ceil(connections - most));
  const mine = Math.min(over(me.connections - leaving), limits.rebalancePerBeat);
  if (mine === 0) return nothing;
  const traffic = ({ bytesPerSecond }: Server): number => bytesPerSecond;
  if (strategy === "least-bytes" && traffic(me) < sum(servers, traffic) / servers.length) return nothing;

  const asked = sum(servers, ({ connections }) => Math.min(over(connections), limits.rebalancePerBeat));
  const roomy = servers.filter(({ connections }) => share - connections >= 2 * asked);
  if (roomy.length > 0) return { count: mine, avoid: allBut(servers, [me, ...roomy]) };
  const [fullest] = servers.toSorted(byFullness);
  const emptiest = servers.toSorted(byFullness).at(-1)!;
  if (fullest!.name !== self) return nothing;
  const room = Math.max(1, Math.floor((share - emptiest.connections) / 2));
  return { count: Math.min(mine, room), avoid: allBut(servers, [me, emptiest]) };
}

type Server = Loads["servers"][number];

const sum = (servers: readonly Server[], of: (server: Server) => number): number => servers.reduce((all, server) => all + of(server), 0);

const byFullness = (one: Server, other: Server): number => other.connections - one.connections || (one.name < other.name ? -1 : 1);

/** The fullest first: a gateway takes so many names and no more. */
const allBut = (servers: readonly Server[], some: readonly Server[]): string[] =>
  servers
    .filter((server) => !some.includes(server))
    .toSorted(byFullness)
    .map(({ name }) => name);
