import type { TakenHistogram } from "./histogram.ts";

// What a crowd's process and who started it tell each other. Ids, keys and tickets are hexadecimal.

/** How somebody comes to a chat server. */
export type Way =
  /** Once, at this server. */
  | { readonly kind: "ticket"; readonly url: string; readonly ticket: string }
  /** As clients do, as often as need be: the gateway of the plan gives a ticket for the server that its strategy chooses. */
  | { readonly kind: "gateway"; readonly device: string; readonly signingSeed: string };

export interface CrowdPlan {
  readonly people: readonly {
    /** Unique among all crowds. */
    readonly number: number;
    readonly way: Way;
    /** Conversations that it writes to, in turn. */
    readonly writesTo: readonly string[];
    /** It connects when it is told to arrive. */
    readonly isAway?: boolean;
  }[];
  /** Of a ciphertext. */
  readonly bodyBytes: number;
  /** So much is in each log already; default nothing. */
  readonly logLength?: number;
  readonly gateway?: string;
  /** The baseline is driven, which gives nobody their own messages. */
  readonly isBare?: boolean;
}

/** People with real clients, whose messages are really encrypted. Names, not ids. */
export interface EncryptedPlan {
  readonly gateway: string;
  /** A folder for their profiles. */
  readonly home: string;
  readonly people: readonly { readonly number: number; readonly name: string; readonly writesTo: readonly string[] }[];
  /** Of everybody, in all processes. */
  readonly names: readonly string[];
  readonly conversations: readonly { readonly key: string; readonly kind: "direct" | "group"; readonly members: readonly number[] }[];
  /** Of a text. */
  readonly textBytes: number;
  /** Of a picture that comes with every tenth message; 0: none does. */
  readonly pictureBytes: number;
}

export type Pace =
  /** So many unanswered messages of each writer at any time; of each so many in all, where that is said. */
  | { readonly kind: "closed"; readonly window: number; readonly each?: number }
  /** So many of this crowd's in a second, each at its time whatever happens to those before. */
  | { readonly kind: "open"; readonly perSecond: number };

export const closed = (window: number): Pace => ({ kind: "closed", window });
export const open = (perSecond: number): Pace => ({ kind: "open", perSecond });

export type Work =
  /** So many people, one after the other, lose their connection in a second, and come again at once. */
  | (Pace & { readonly leavesPerSecond?: number })
  /** Everybody fetches what is in these, as far as it is theirs: the conversation of the same place. */
  | { readonly kind: "drain"; readonly conversations: readonly string[] };

export type ParentWord =
  | { readonly kind: "plan"; readonly plan: CrowdPlan | EncryptedPlan }
  | { readonly kind: "begin"; readonly work: Work }
  | { readonly kind: "stop" }
  /** So many of those who are away connect, and fetch what they missed. */
  | { readonly kind: "arrive"; readonly count: number }
  /** Everybody loses the connection at once, and comes again. */
  | { readonly kind: "storm" }
  /** Everybody asks what there is beyond what came. */
  | { readonly kind: "catch-up" }
  /** Of clients: those who begin conversations do, and the others accept them. */
  | { readonly kind: "meet" }
  /** Of clients: all that is stored is read again. */
  | { readonly kind: "read" }
  /** Of clients: they are closed. */
  | { readonly kind: "close" }
  /** Of clients: each signs in so often, on one more device each time, which is gone at once. */
  | { readonly kind: "sign-in"; readonly times: number }
  /** Of clients: their accounts are deleted. */
  | { readonly kind: "leave-for-good" }
  | { readonly kind: "report" }
  | { readonly kind: "end" };

/** Counts since the beginning; latencies since the last report, in microseconds. */
export interface CrowdReport {
  readonly kind: "report";
  readonly sent: number;
  readonly acked: number;
  /** Messages of others. */
  readonly delivered: number;
  readonly bytesUp: number;
  readonly bytesDown: number;
  /** Connections that ended unasked. */
  readonly lost: number;
  readonly latency: TakenHistogram;
  readonly ackLatency: TakenHistogram;
  /** From the end of a connection until everything missed is there. */
  readonly backLatency: TakenHistogram;
  readonly ackedIn: readonly (readonly [conversation: string, count: number])[];
  /** By address of the chat server. */
  readonly servers: readonly (readonly [url: string, here: ServerShare])[];
  readonly faults: readonly string[];
  readonly cpuMs: number;
}

export interface ServerShare {
  /** Now. */
  readonly connections: number;
  /** Messages that it delivered. */
  readonly delivered: number;
}

export type CrowdWord =
  | CrowdReport
  /** What it was told is done. */
  | { readonly kind: "done" }
  | { readonly kind: "failed"; readonly reason: string };
