import type { CrashOptions } from "./run.ts";

type Size = Pick<CrashOptions, "pairs" | "messages" | "freezeMs" | "hintlessMs" | "pauseMs">;

/** The small one freezes a server for longer than its heartbeat stays fresh: shorter, and nobody would notice. */
export const sizes: Readonly<Record<"small" | "large" | "cluster", Size>> = {
  small: { pairs: 2, messages: 600, freezeMs: 5_000, hintlessMs: 1_500, pauseMs: 75 },
  large: { pairs: 20, messages: 20_000, freezeMs: 10_000, hintlessMs: 10_000, pauseMs: 40 },
  /** Of a cluster, some quarter of an hour. */
  cluster: { pairs: 20, messages: 200_000, freezeMs: 10_000, hintlessMs: 10_000, pauseMs: 20 },
};
