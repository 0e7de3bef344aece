import { closed, open, type Pace } from "./plan.ts";

/** What people do, and how many of them how fast where nothing else is said. */
interface Usual {
  readonly description: string;
  readonly people: number;
  readonly pace: Pace;
  readonly seconds: number;
  /** The same where every message is really encrypted, by clients of the SDK; where there is none, they cannot. */
  readonly encrypted?: { readonly people: number; readonly pace: Pace };
}

export const workloads = {
  pairs: {
    description: "two and two write to each other",
    people: 200,
    pace: closed(4),
    seconds: 10,
    encrypted: { people: 8, pace: closed(4) },
  },
  "all-to-one": {
    description: "all write to one",
    people: 50,
    pace: closed(4),
    seconds: 10,
    encrypted: { people: 6, pace: closed(2) },
  },
  "all-to-all": {
    description: "in groups, where everybody writes",
    people: 100,
    pace: closed(1),
    seconds: 10,
    encrypted: { people: 6, pace: closed(1) },
  },
  mix: {
    description: "each writes to one and to a group in turn",
    people: 100,
    pace: closed(1),
    seconds: 10,
    encrypted: { people: 6, pace: closed(1) },
  },
  pictures: {
    description: "pairs, and every tenth message brings a picture of 3.5 MB, which is fetched; always encrypted",
    people: 6,
    pace: open(20),
    seconds: 10,
    encrypted: { people: 6, pace: open(20) },
  },
  "sign-ins": {
    description: "people sign in with their passwords, on one more device each time; really encrypted",
    people: 10,
    pace: closed(1),
    seconds: 15,
    encrypted: { people: 10, pace: closed(1) },
  },
  churn: {
    description: "people come, write, go and come again while others write to them",
    people: 100,
    pace: open(500),
    seconds: 10,
  },
  reconnect: {
    description: "all lose their connections at the same moment, while they write",
    people: 500,
    pace: open(500),
    seconds: 10,
  },
  idle: {
    description: "sockets that are open and say nothing: what memory each takes",
    people: 2_000,
    pace: closed(1),
    seconds: 5,
  },
  offline: {
    description: "half write to the other half, who are away and come later",
    people: 200,
    pace: closed(4),
    seconds: 10,
  },
} as const satisfies Record<string, Usual>;

export type Workload = keyof typeof workloads;

export const workloadNames = Object.keys(workloads) as Workload[];

/** Real clients alone can: what is encrypted needs no database. */
export const isAlwaysEncrypted = (workload: Workload): boolean => workload === "pictures" || workload === "sign-ins";

export const usual = (workload: Workload): Usual => workloads[workload];
