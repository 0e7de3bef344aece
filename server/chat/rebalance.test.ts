import fc from "fast-check";
import { limits } from "@fastchat/protocol";
import { expect, test } from "vitest";
import { strategies, type StrategyName, strategyNames } from "../gateway/strategies.ts";
import { toleranceOf, whomToAsk } from "./rebalance.ts";

interface Simulated {
  readonly name: string;
  connections: number;
  /** Moves that ended here, and that began here. */
  came: number;
  went: number;
}

/**
 * Heartbeats of servers that see each other as they were a beat ago and themselves as they are, with a gateway that places each client that is asked
 * by the strategy. Ends when nobody was asked for ten beats.
 */
function settle(sockets: readonly number[], strategy: StrategyName, random: () => number): { servers: Simulated[]; beats: number } {
  const servers = sockets.map((connections, at): Simulated => ({ name: `s${at}`, connections, came: 0, went: 0 }));
  let told = servers.map(({ name, connections }) => ({ name, connections, bytesPerSecond: 0 }));
  let wentBefore: number[] = [];
  let turn = 0;
  const turns = new Map<string, number>();
  for (let beats = 0, quiet = 0; ; beats++) {
    if (beats > 5_000) throw new Error("it does not come to an end");
    const heard = told;
    const tickets = new Map<string, number>();
    const gone = servers.map(({ went }, place) => went - (wentBefore[place] ?? 0));
    wentBefore = servers.map(({ went }) => went);
    const asked = servers.map((server, place) => {
      const own = { name: server.name, connections: server.connections, bytesPerSecond: 0 };
      const seen = heard.map((each) => (each.name === server.name ? own : each));
      return whomToAsk({ self: server.name, leaving: 0, gone: gone[place]!, servers: seen, strategy });
    });
    told = servers.map(({ name, connections }) => ({ name, connections, bytesPerSecond: 0 }));
    for (const [place, { count, avoid }] of asked.entries()) {
      const from = servers[place]!;
      for (let client = 0; client < count; client++) {
        const candidates = heard
          .filter(({ name }) => name !== from.name && !avoid.includes(name))
          .map((each) => ({ ...each, url: "", tickets: tickets.get(each.name) ?? 0, turn: turns.get(each.name) ?? 0 }));
        const { name } = strategies[strategy].choose(candidates, random())!;
        tickets.set(name, (tickets.get(name) ?? 0) + 1);
        turns.set(name, (turn += 1));
        const to = servers.find((each) => each.name === name)!;
        from.connections -= 1;
        from.went += 1;
        to.connections += 1;
        to.came += 1;
      }
    }
    quiet = asked.every(({ count }) => count === 0) ? quiet + 1 : 0;
    if (quiet === 10) return { servers, beats };
  }
}

const sockets = fc.array(fc.nat({ max: 600 }), { minLength: 2, maxLength: 9 });

test.each(strategyNames)(
  "by %s it comes to an end with everybody within what is tolerated, by no more moves than that takes, and nobody moves twice",
  (strategy) => {
    fc.assert(
      fc.property(sockets, fc.infiniteStream(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })), (before, stream) => {
        const { servers } = settle(before, strategy, () => stream.next().value as number);
        const share = before.reduce((sum, each) => sum + each, 0) / before.length;
        const most = share + toleranceOf(share);
        for (const [place, server] of servers.entries()) {
          expect(server.connections).toBeLessThanOrEqual(Math.ceil(most));
          // Exactly what was too much has gone, and from where others came nobody went.
          expect(server.went).toBe(Math.max(0, Math.ceil(before[place]! - most)));
          expect(server.came === 0 || server.went === 0).toBe(true);
        }
      }),
      { numRuns: 100 },
    );
  },
);

const server = (name: string, connections: number, bytesPerSecond = 0) => ({ name, connections, bytesPerSecond });

test("a second server joins: a few at each heartbeat, and none to speak of while all is even", () => {
  const loads = { self: "a", leaving: 0, gone: 0, strategy: "least-connections" };
  expect(whomToAsk({ ...loads, servers: [server("a", 60), server("b", 0)] })).toEqual({ count: limits.rebalancePerBeat, avoid: [] });
  expect(whomToAsk({ ...loads, servers: [server("a", 37), server("b", 23)] }).count).toBe(2);
  expect(whomToAsk({ ...loads, servers: [server("a", 35), server("b", 25)] }).count).toBe(0);
  expect(whomToAsk({ ...loads, servers: [server("a", 5_400), server("b", 4_600)] }).count).toBe(0);
  // Those that were asked and have not gone yet count as gone.
  expect(whomToAsk({ ...loads, leaving: 8, servers: [server("a", 45), server("b", 15)] }).count).toBe(2);
  expect(whomToAsk({ ...loads, leaving: 10, servers: [server("a", 45), server("b", 15)] }).count).toBe(0);
});

test("alone, or where nobody else takes clients, nobody is asked", () => {
  expect(whomToAsk({ self: "a", leaving: 0, gone: 0, strategy: "random", servers: [server("a", 500)] }).count).toBe(0);
  expect(whomToAsk({ self: "a", leaving: 0, gone: 0, strategy: "random", servers: [server("b", 500), server("c", 0)] }).count).toBe(0);
});

test("clients are spared those servers that have no room for them", () => {
  const servers = [server("a", 300), server("b", 295), server("c", 200), server("d", 5)];
  expect(whomToAsk({ self: "a", leaving: 0, gone: 0, strategy: "random", servers })).toEqual({ count: 10, avoid: ["b", "c"] });
});

test("by least-bytes a server with many sockets and little traffic keeps them", () => {
  const loads = { self: "a", leaving: 0, gone: 0, strategy: "least-bytes" };
  expect(whomToAsk({ ...loads, servers: [server("a", 90, 1_000), server("b", 10, 900_000)] }).count).toBe(0);
  expect(whomToAsk({ ...loads, servers: [server("a", 90, 900_000), server("b", 10, 1_000)] }).count).toBe(10);
});
