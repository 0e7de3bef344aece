import { setTimeout as wait } from "node:timers/promises";
import { ConfigError } from "./config.ts";

/** How long what does not answer at the start is waited for. */
const PATIENCE_MS = 20_000;
const AGAIN_MS = 250;

export interface Patience {
  readonly patienceMs?: number | undefined;
  /** What will not change by waiting, in a sentence for people; undefined: it may. */
  readonly refusal: (error: unknown) => string | undefined;
  /** It was waited for long enough. */
  readonly late: (error: unknown) => string;
  /** It failed, and is tried again. */
  readonly onFailure: (error: unknown) => void;
}

/** Tries until it is done. Throws ConfigError: what the attempt throws as such, a refusal, or that it took too long. */
export async function untilDone<Result>(
  attempt: () => Promise<Result>,
  { patienceMs = PATIENCE_MS, refusal, late, onFailure }: Patience,
): Promise<Result> {
  const until = performance.now() + patienceMs;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (error instanceof ConfigError) throw error;
      const sentence = refusal(error) ?? (performance.now() > until ? late(error) : undefined);
      if (sentence !== undefined) throw new ConfigError(sentence);
      onFailure(error);
      await wait(AGAIN_MS);
    }
  }
}
