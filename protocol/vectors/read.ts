import { readFileSync } from "node:fs";

/** What a case gives, or that it throws. */
export function outcome<Value>(attempt: () => Value): Value | "refused" {
  try {
    return attempt();
  } catch {
    return "refused";
  }
}

export interface EdgeCase {
  readonly number: number;
  readonly key: string;
  readonly sig: string;
  readonly msg: string;
  readonly flags: readonly string[] | null;
}

/** CCTV's signatures on edge-case points. */
export const readEdgeCases = (): EdgeCase[] => readVectors("cctv-ed25519-edge-cases");

/** ZIP 215 hashes the points as they are encoded; a key of small order is gone after the multiplication by 8, whatever the hash. */
export const zip215Accepts = ({ flags }: EdgeCase): boolean => !flags?.includes("reencoded_k") || flags.includes("low_order_A");

/** The cases of one file of published vectors, for tests. */
export function readVectors<Case>(name: string): Case[] {
  const text = readFileSync(new URL(`./${name}.json`, import.meta.url), "utf8");
  return (JSON.parse(text) as { cases: Case[] }).cases;
}
