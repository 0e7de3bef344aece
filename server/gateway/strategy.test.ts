import fc from "fast-check";
import { expect, test } from "vitest";
import type { Candidate } from "./strategy.ts";
import { leastConnections } from "./strategy-least-connections.ts";

const candidate = (name: string, connections: number, tickets = 0): Candidate => ({
  name,
  url: `ws://${name}`,
  connections,
  bytesPerSecond: 0,
  tickets,
});

test("the fewest sockets, open or about to be opened", () => {
  expect(leastConnections([candidate("a", 5), candidate("b", 3), candidate("c", 4)], 0.5)?.name).toBe("b");
  expect(leastConnections([candidate("a", 5), candidate("b", 3, 4), candidate("c", 4)], 0.5)?.name).toBe("c");
  expect(leastConnections([], 0.5)).toBe(undefined);
});

test("tickets alone, with no heartbeat in between, keep servers within one of each other", () => {
  fc.assert(
    fc.property(
      fc.array(fc.double({ min: 0, max: 0.999_999, noNaN: true }), { minLength: 1, maxLength: 100 }),
      fc.integer({ min: 1, max: 7 }),
      (randoms, count) => {
        const given = Array.from({ length: count }, () => 0);
        for (const random of randoms) {
          const chosen = leastConnections(
            given.map((tickets, index) => candidate(`${index}`, 10, tickets)),
            random,
          );
          given[Number(chosen!.name)]! += 1;
        }
        expect(Math.max(...given) - Math.min(...given)).toBeLessThanOrEqual(1);
      },
    ),
  );
});

test("the order in which candidates are listed changes nothing", () => {
  const servers = [candidate("a", 1), candidate("b", 1), candidate("c", 1), candidate("d", 2)];
  for (const random of [0, 0.34, 0.67, 0.99]) {
    expect(leastConnections(servers.toReversed(), random)).toEqual(leastConnections(servers, random));
  }
});
