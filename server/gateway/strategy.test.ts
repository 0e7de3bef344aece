import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Candidate } from "./strategy.ts";
import { strategies, strategyNames, type StrategyName } from "./strategies.ts";

const candidate = (name: string, changes: Partial<Candidate> = {}): Candidate => ({
  name,
  url: `ws://${name}`,
  connections: 0,
  bytesPerSecond: 0,
  tickets: 0,
  turn: 0,
  ...changes,
});

const choose = (strategy: StrategyName, candidates: readonly Candidate[], random: number) =>
  strategies[strategy].choose(candidates, random)?.name;

const count = fc.nat({ max: 5_000 });
const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
const candidates = fc.uniqueArray(
  fc.record({
    name: fc.string({ minLength: 1, maxLength: 3 }),
    url: fc.constant("ws://somewhere"),
    connections: count,
    bytesPerSecond: fc.nat({ max: 10_000_000 }),
    tickets: fc.nat({ max: 50 }),
    turn: count,
  }),
  { selector: ({ name }) => name, maxLength: 9 },
);

describe.each(strategyNames)("%s", (strategy) => {
  test("chooses one of the candidates whenever there is one, and none where there is none", () => {
    fc.assert(
      fc.property(candidates, random, (list, at) => {
        const chosen = strategies[strategy].choose(list, at);
        expect(list.length === 0 ? chosen === undefined : list.some((each) => each === chosen)).toBe(true);
      }),
    );
  });

  test("goes by the candidates, not by the order in which they are listed, and leaves that as it is", () => {
    fc.assert(
      fc.property(candidates, random, fc.nat(), (list, at, turned) => {
        const order = list.map(({ name }) => name);
        const other = list.toReversed();
        const cut = list.length === 0 ? 0 : turned % list.length;
        expect(choose(strategy, [...other.slice(cut), ...other.slice(0, cut)], at)).toBe(choose(strategy, list, at));
        expect(list.map(({ name }) => name)).toEqual(order);
      }),
    );
  });

  test("among servers of which all is equal, each is as likely as the others", () => {
    const equals = ["a", "b", "c", "d"].map((name) => candidate(name));
    const chosen = Array.from({ length: 12 }, (_, place) => choose(strategy, equals, (place + 0.5) / 12));
    expect(equals.map(({ name }) => chosen.filter((each) => each === name).length)).toEqual([3, 3, 3, 3]);
  });
});

/** From 0 up to 1: mulberry32, so that a seed says all. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

interface Simulated {
  readonly name: string;
  connections: number;
  /** Of each of its sockets. */
  readonly bytesPerSocket: number;
}

interface Gateway {
  readonly tickets: Map<string, number>;
  readonly turns: Map<string, number>;
  given: number;
}

/** So many clients come, a beat after the other so many at once, through so many gateways that know nothing of each other. */
function arrivals(
  strategy: StrategyName,
  servers: Simulated[],
  options: { readonly clients: number; readonly perBeat: number; readonly gateways?: number; readonly seed: number },
): void {
  const { clients, perBeat, gateways: gatewayCount = 1, seed } = options;
  const next = randomOf(seed);
  const gateways = Array.from({ length: gatewayCount }, (): Gateway => ({ tickets: new Map(), turns: new Map(), given: 0 }));
  let seen: Candidate[] = [];
  const beat = () => {
    seen = servers.map(({ name, connections, bytesPerSocket }) =>
      candidate(name, { connections, bytesPerSecond: connections * bytesPerSocket }),
    );
    for (const { tickets } of gateways) tickets.clear();
  };
  for (let client = 0; client < clients; client++) {
    if (client % perBeat === 0) beat();
    const gateway = gateways[Math.floor(next() * gateways.length)]!;
    const listed = seen.map((each) => ({
      ...each,
      tickets: gateway.tickets.get(each.name) ?? 0,
      turn: gateway.turns.get(each.name) ?? 0,
    }));
    const name = choose(strategy, listed, next())!;
    gateway.tickets.set(name, (gateway.tickets.get(name) ?? 0) + 1);
    gateway.turns.set(name, (gateway.given += 1));
    servers.find((server) => server.name === name)!.connections += 1;
  }
}

const fresh = (count: number): Simulated[] =>
  Array.from({ length: count }, (_, at) => ({ name: `s${at}`, connections: 0, bytesPerSocket: 1_000 }));
const sockets = (servers: readonly Simulated[]): number[] => servers.map(({ connections }) => connections);
const spread = (numbers: readonly number[]): number => Math.max(...numbers) - Math.min(...numbers);

const seed = fc.integer();
const serverCount = fc.integer({ min: 1, max: 8 });
const perBeat = fc.integer({ min: 1, max: 300 });

describe("how evenly clients come to lie", () => {
  test("least-connections: through one gateway within one of each other, however old the heartbeats", () => {
    fc.assert(
      fc.property(seed, serverCount, perBeat, (of, servers, each) => {
        const all = fresh(servers);
        arrivals("least-connections", all, { clients: 200, perBeat: each, seed: of });
        expect(spread(sockets(all))).toBeLessThanOrEqual(1);
      }),
    );
  });

  test("least-connections: what one server is behind is made up for before anybody else gets more", () => {
    fc.assert(
      fc.property(seed, fc.integer({ min: 1, max: 100 }), (of, ahead) => {
        const all = fresh(3);
        all[0]!.connections = all[1]!.connections = ahead;
        arrivals("least-connections", all, { clients: ahead, perBeat: 10, seed: of });
        expect(sockets(all)).toEqual([ahead, ahead, ahead]);
      }),
    );
  });

  test("round-robin: each server gets the same from each gateway, within one ticket", () => {
    fc.assert(
      fc.property(seed, serverCount, fc.integer({ min: 1, max: 4 }), perBeat, (of, servers, gateways, each) => {
        const all = fresh(servers);
        arrivals("round-robin", all, { clients: 300, perBeat: each, gateways, seed: of });
        expect(spread(sockets(all))).toBeLessThanOrEqual(gateways);
      }),
    );
  });

  test("round-robin: one that joins has one turn in each round, whatever it missed", () => {
    const turns = [candidate("a", { turn: 40 }), candidate("b", { turn: 41 }), candidate("new")];
    const chosen = Array.from({ length: 7 }, (_, place) => {
      const name = choose("round-robin", turns, 0.5)!;
      turns[turns.findIndex((each) => each.name === name)] = candidate(name, { turn: 42 + place });
      return name;
    });
    expect(chosen).toEqual(["new", "a", "b", "new", "a", "b", "new"]);
  });

  test("random: within six standard deviations of the mean", () => {
    fc.assert(
      fc.property(seed, serverCount, (of, servers) => {
        const all = fresh(servers);
        arrivals("random", all, { clients: 2_000, perBeat: 100, seed: of });
        const share = 1 / servers;
        const deviation = Math.sqrt(2_000 * share * (1 - share));
        for (const each of sockets(all)) expect(Math.abs(each - 2_000 * share)).toBeLessThanOrEqual(6 * deviation);
      }),
      { numRuns: 30 },
    );
  });

  test("power-of-two: the fullest has but a few more than the mean, where random leaves dozens", () => {
    const over = (strategy: StrategyName, of: number): number => {
      const all = fresh(10);
      arrivals(strategy, all, { clients: 2_000, perBeat: 20, seed: of });
      return Math.max(...sockets(all)) - 200;
    };
    // log log n / log 2 of ten servers is 1.2; the rest is room for heartbeats that are twenty tickets old.
    fc.assert(
      fc.property(seed, (of) => {
        expect(over("power-of-two", of)).toBeLessThanOrEqual(10);
      }),
      { numRuns: 30 },
    );
    const seeds = Array.from({ length: 20 }, (_, place) => place);
    const worst = (strategy: StrategyName): number => Math.max(...seeds.map((of) => over(strategy, of)));
    expect(worst("power-of-two")).toBeLessThan(worst("random") / 2);
  });

  test("power-of-two: with gateways that know nothing of each other and old heartbeats it is no worse than with one by much", () => {
    fc.assert(
      fc.property(seed, (of) => {
        const all = fresh(6);
        arrivals("power-of-two", all, { clients: 3_000, perBeat: 60, gateways: 6, seed: of });
        expect(Math.max(...sockets(all))).toBeLessThanOrEqual(500 + 60);
      }),
      { numRuns: 30 },
    );
  });

  test("least-bytes: traffic comes to be even where some servers' clients say much more than others'", () => {
    fc.assert(
      fc.property(seed, fc.integer({ min: 2, max: 10 }), (of, times) => {
        const all = fresh(3);
        all[0] = { ...all[0]!, bytesPerSocket: 1_000 * times };
        arrivals("least-bytes", all, { clients: 3_000, perBeat: 30, seed: of });
        const traffic = all.map(({ connections, bytesPerSocket }) => connections * bytesPerSocket);
        // A beat's clients, each as loud as the loudest, are what nobody can know of.
        expect(spread(traffic)).toBeLessThanOrEqual(30 * 1_000 * times);
        expect(Math.min(all[1]!.connections, all[2]!.connections)).toBeGreaterThan(all[0].connections);
      }),
      { numRuns: 50 },
    );
  });
});

test("least-bytes: the server with less traffic, and where hardly any is the one with fewer sockets", () => {
  const loud = candidate("a", { connections: 3, bytesPerSecond: 900_000 });
  const quiet = candidate("b", { connections: 300, bytesPerSecond: 20_000 });
  for (const at of [0, 0.5, 0.99]) expect(choose("least-bytes", [loud, quiet], at)).toBe("b");
  const idle = [candidate("a", { connections: 7, bytesPerSecond: 120 }), candidate("b", { connections: 3, bytesPerSecond: 900 })];
  for (const at of [0, 0.5, 0.99]) expect(choose("least-bytes", idle, at)).toBe("b");
});
