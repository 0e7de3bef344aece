import type { Pace } from "./plan.ts";
import type { Scenario } from "./result.ts";
import { usual, type Workload } from "./workloads.ts";

/** What somebody wants to be otherwise than usual; undefined: as usual. */
export interface Asked {
  readonly people?: number | undefined;
  readonly groupSize?: number | undefined;
  readonly pace?: Pace | undefined;
  readonly seconds?: number | undefined;
  readonly bytes?: number | undefined;
  readonly isEncrypted?: boolean;
}

const USUAL_GROUP = 50;
const USUAL_BYTES = 300;

export function scenarioOf(workload: Workload, asked: Asked): Scenario {
  const { people, pace, seconds } = usual(workload);
  return {
    workload,
    people: asked.people ?? people,
    groupSize: asked.groupSize ?? USUAL_GROUP,
    pace: asked.pace ?? pace,
    seconds: asked.seconds ?? seconds,
    bytes: asked.bytes ?? USUAL_BYTES,
    body: "opaque",
    strategy: undefined,
    isBaseline: false,
  };
}

/** What is run when nobody says what: something of everything, in some two minutes. */
export function usualSuite(asked: Asked): Scenario[] {
  const paced: readonly (readonly [Workload, Asked])[] = [
    ["pairs", {}],
    ["pairs", { pace: { kind: "open", perSecond: 1_000 } }],
    ["all-to-one", {}],
    ["all-to-all", {}],
    ["mix", {}],
    ["churn", {}],
    ["offline", {}],
    ["reconnect", {}],
    ["idle", {}],
  ];
  const usualSeconds = 6;
  return paced.map(([workload, own]) => scenarioOf(workload, { seconds: usualSeconds, ...own, ...said(asked) }));
}

const said = (asked: Asked): Asked => Object.fromEntries(Object.entries(asked).filter(([, value]) => value !== undefined));

/** Beside the measured time: people are made and connect, a pace settles, and all that was sent must arrive. */
const AROUND_SECONDS = 5;
const START_SECONDS = 8;

/** How long all will take, roughly. */
export const secondsOf = (scenarios: readonly Scenario[], baseline: boolean): number =>
  START_SECONDS + scenarios.reduce((sum, { seconds }) => sum + (seconds * 1.2 + AROUND_SECONDS) * (baseline ? 2 : 1), 0);
