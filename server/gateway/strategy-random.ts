import { byName, type Strategy } from "./strategy.ts";

/** Any one, whatever its load. */
export const anyAtRandom: Strategy = (candidates, random) => byName(candidates)[Math.floor(random * candidates.length)];
