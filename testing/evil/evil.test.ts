import { afterAll, beforeAll, expect, test } from "vitest";
import { startSystem, type System } from "../system.ts";
import { Stage } from "./case.ts";
import { chainCases } from "./chain.ts";
import { peopleCases } from "./people.ts";
import { signInCases } from "./sign-in.ts";
import { streamCases } from "./stream.ts";
import { vaultCases } from "./vault.ts";

let system: System;

beforeAll(async () => {
  // All these people come from one address.
  system = await startSystem({ servers: 1 });
});

afterAll(async () => {
  await system?.[Symbol.asyncDispose]();
});

const cases = [...peopleCases, ...chainCases, ...streamCases, ...vaultCases, ...signInCases];

test.each(cases.map((each, index) => [each.rules, each.attack, each, index + 1] as const))("%s %s", async (_, __, evil, number) => {
  await using stage = await Stage.open(system, number);
  await evil.run(stage);
  expect(system.processes.filter(({ running }) => !running)).toEqual([]);
});
