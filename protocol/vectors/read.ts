import { readFileSync } from "node:fs";

/** What a case gives, or that it throws. */
export function outcome<Value>(attempt: () => Value): Value | "refused" {
  try {
    return attempt();
  } catch {
    return "refused";
  }
}

/** The cases of one file of published vectors, for tests. */
export function readVectors<Case>(name: string): Case[] {
  const text = readFileSync(new URL(`./${name}.json`, import.meta.url), "utf8");
  return (JSON.parse(text) as { cases: Case[] }).cases;
}
