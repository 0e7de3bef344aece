import type { Pace } from "./plan.ts";

/** What people do, and how many of them how fast where nothing else is said. */
interface Usual {
  readonly description: string;
  readonly people: number;
  readonly pace: Pace;
  readonly seconds: number;
}

const closed = (window: number): Pace => ({ kind: "closed", window });
const open = (perSecond: number): Pace => ({ kind: "open", perSecond });

export const workloads = {
  pairs: {
    description: "two and two write to each other",
    people: 200,
    pace: closed(4),
    seconds: 10,
  },
  "all-to-one": {
    description: "all write to one",
    people: 50,
    pace: closed(4),
    seconds: 10,
  },
  "all-to-all": {
    description: "in groups, where everybody writes",
    people: 100,
    pace: closed(1),
    seconds: 10,
  },
  mix: {
    description: "each writes to one and to a group in turn",
    people: 100,
    pace: closed(1),
    seconds: 10,
  },
  churn: {
    description: "people come, write, go and come again while others write to them",
    people: 100,
    pace: open(500),
    seconds: 10,
  },
  reconnect: { description: "all lose their connections at the same moment, while they write", people: 500, pace: open(500), seconds: 10 },
  idle: { description: "sockets that are open and say nothing: what memory each takes", people: 2_000, pace: closed(1), seconds: 5 },
  offline: { description: "half write to the other half, who are away and come later", people: 200, pace: closed(4), seconds: 10 },
} as const satisfies Record<string, Usual>;

export type Workload = keyof typeof workloads;

export const workloadNames = Object.keys(workloads) as Workload[];

export const usual = (workload: Workload): Usual => workloads[workload];
