import { afterAll, beforeAll, expect, test } from "vitest";
import { silentLog } from "../events.ts";
import { beat } from "../store/servers.ts";
import { type OpenTestDatabase, TestDatabase } from "../store/test-database.ts";
import { ServerChoice } from "./server-choice.ts";
import type { StrategyName } from "./strategies.ts";

const names = ["a", "b", "c", "d"];
let store: OpenTestDatabase;
beforeAll(async () => {
  store = await TestDatabase.open();
  for (const name of names) {
    const url = `ws://${name}`;
    await beat(store.database, { name, run: name, url, connections: 0, bytesPerSecond: 0, hints: 0, draining: false });
  }
});
afterAll(() => store?.[Symbol.asyncDispose]());

test.each<StrategyName>(["least-connections", "round-robin", "least-bytes"])(
  "%s: of many who ask at once each server gets as many, though the registry is read once for all of them",
  async (strategy) => {
    const choice = new ServerChoice({ database: store.database, strategy, log: silentLog });
    for (let storm = 1; storm <= 2; storm++) {
      const chosen = await Promise.all(Array.from({ length: 100 }, () => choice.choose([])));
      const counts = names.map((name) => chosen.filter((each) => each?.name === name).length);
      expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
    }
  },
);
