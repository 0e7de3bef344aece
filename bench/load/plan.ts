import type { TakenHistogram } from "./histogram.ts";

/** What a crowd process is told; ids and tickets are hexadecimal. */
export interface CrowdPlan {
  readonly people: readonly {
    /** Unique among all crowds. */
    readonly number: number;
    readonly url: string;
    readonly ticket: string;
    /** Conversations that it writes to, in turn. */
    readonly writesTo: readonly string[];
  }[];
  /** Of a ciphertext. */
  readonly bodyBytes: number;
}

export type Work =
  /** So many unanswered messages of each writer at any time; of each so many in all, where that is said. */
  | { readonly kind: "closed"; readonly window: number; readonly each?: number }
  /** Everybody fetches what is in these, as far as it is theirs: the conversation of the same place. */
  | { readonly kind: "drain"; readonly conversations: readonly string[] }
  /** So many of this crowd's in a second, each at its time whatever happens to those before. */
  | { readonly kind: "open"; readonly perSecond: number };

export type ParentWord =
  | { readonly kind: "plan"; readonly plan: CrowdPlan }
  | { readonly kind: "begin"; readonly work: Work }
  | { readonly kind: "stop" }
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
  readonly latency: TakenHistogram;
  readonly ackLatency: TakenHistogram;
  readonly ackedIn: readonly (readonly [conversation: string, count: number])[];
  readonly faults: readonly string[];
  readonly cpuMs: number;
}

export type CrowdWord = CrowdReport | { readonly kind: "connected" } | { readonly kind: "failed"; readonly reason: string };
