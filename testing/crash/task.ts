import { join } from "node:path";
import type { KillPoint } from "./kill-points.ts";

/** What a worker process of the crash test is told to do (worker.ts). */
export interface WorkerTask {
  readonly mode: "talk" | "report";
  readonly gateway: string;
  readonly home: string;
  /** Journals and reports. */
  readonly folder: string;
  readonly seed: number;
  readonly people: readonly { readonly name: string; readonly peer: string }[];
  /** Messages that each writes at least. */
  readonly messages: number;
  readonly pauseMs: number;
  readonly killPoint: KillPoint | undefined;
}

/** Where a worker leaves the SideLog of a person. */
export const reportFile = (folder: string, name: string): string => join(folder, `${name}.report`);

export type FromWorker =
  | { readonly kind: "progress"; readonly name: string; readonly accepted: number; readonly acknowledged: number; readonly stage: string }
  | { readonly kind: "done" }
  | { readonly kind: "failed"; readonly error: string };
export type ToWorker = { readonly kind: "finish" };
