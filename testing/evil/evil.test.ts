import { afterAll, beforeAll, expect, test } from "vitest";
import { startSystem, type System } from "../system.ts";
import { HonestPeople, Stage } from "./case.ts";
import { chainCases } from "./chain.ts";
import { logCases } from "./log.ts";
import { membershipCases } from "./membership.ts";
import { peopleCases } from "./people.ts";
import { signInCases } from "./sign-in.ts";
import { signedOutCases } from "./signed-out.ts";
import { stolenCases } from "./stolen.ts";
import { streamCases } from "./stream.ts";
import { vaultCases } from "./vault.ts";
import { wordsCases } from "./words.ts";

let system: System;
let honest: HonestPeople;

beforeAll(async () => {
  system = await startSystem({ servers: 1 });
  honest = new HonestPeople(system);
});

afterAll(async () => {
  await honest?.[Symbol.asyncDispose]();
  await system?.[Symbol.asyncDispose]();
});

const cases = [
  ...peopleCases,
  ...membershipCases,
  ...stolenCases,
  ...signedOutCases,
  ...chainCases,
  ...streamCases,
  ...vaultCases,
  ...signInCases,
  ...wordsCases,
  ...logCases,
];

test.each(cases.map((each, index) => [each.rules, each.attack, each, index + 1] as const))("%s %s", async (_, __, evil, number) => {
  await using stage = await Stage.open(system, honest, number);
  await evil.run(stage);
  expect(system.processes.filter(({ running }) => !running)).toEqual([]);
});
