import { open, type Pace } from "./plan.ts";
import type { Scenario } from "./result.ts";
import { isAlwaysEncrypted, usual, type Workload } from "./workloads.ts";

/** What somebody wants to be otherwise than usual; undefined: as usual. */
export interface Asked {
  readonly people?: number | undefined;
  readonly groupSize?: number | undefined;
  readonly pace?: Pace | undefined;
  readonly seconds?: number | undefined;
  readonly bytes?: number | undefined;
  readonly isEncrypted?: boolean | undefined;
}

const USUAL_GROUP = 50;
const USUAL_BYTES = 300;

export function scenarioOf(workload: Workload, asked: Asked): Scenario {
  const isEncrypted = asked.isEncrypted === true || isAlwaysEncrypted(workload);
  const { seconds, encrypted, ...opaque } = usual(workload);
  const { people, pace } = isEncrypted && encrypted !== undefined ? encrypted : opaque;
  return {
    workload,
    people: asked.people ?? people,
    groupSize: asked.groupSize ?? USUAL_GROUP,
    pace: asked.pace ?? pace,
    seconds: asked.seconds ?? seconds,
    bytes: asked.bytes ?? USUAL_BYTES,
    body: isEncrypted ? "encrypted" : "opaque",
    strategy: undefined,
    isBaseline: false,
  };
}

/** Of a text, which padding and seal make larger. */
const ENCRYPTED_BYTES = 100;
const SUITE_SECONDS = 6;

/** What is run when nobody says what: something of everything, in some two minutes. */
export function usualSuite(asked: Asked): Scenario[] {
  const paced: readonly (readonly [Workload, Asked])[] = [
    // First: what a load leaves behind in the servers' memory would hide what a socket takes.
    ["idle", {}],
    ["pairs", {}],
    ["pairs", { pace: open(1_000) }],
    ["all-to-one", {}],
    ["all-to-all", {}],
    ["mix", {}],
    ["churn", {}],
    ["offline", {}],
    ["reconnect", {}],
    ["pairs", { isEncrypted: true, bytes: ENCRYPTED_BYTES }],
  ];
  const suite = paced.map(([workload, own]) => scenarioOf(workload, { seconds: SUITE_SECONDS, ...own, ...said(asked) }));
  return asked.isEncrypted === true ? suite.filter(({ workload }) => usual(workload).encrypted !== undefined) : suite;
}

const said = (asked: Asked): Asked => Object.fromEntries(Object.entries(asked).filter(([, value]) => value !== undefined));

/** Beside the measured time: people are made and connect, a pace settles, and all that was sent must arrive. */
const AROUND_SECONDS = 5;
const START_SECONDS = 8;

/** How long all will take, roughly. */
export const secondsOf = (scenarios: readonly Scenario[], baseline: boolean): number =>
  START_SECONDS + scenarios.reduce((sum, { seconds }) => sum + (seconds * 1.2 + AROUND_SECONDS) * (baseline ? 2 : 1), 0);
