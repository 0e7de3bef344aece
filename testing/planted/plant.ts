import { spawn } from "node:child_process";
import { join } from "node:path";
import type { CrashOptions, CrashResult } from "../crash/run.ts";
import { TemporaryFolder } from "../temporary-folder.ts";
import type { PlantedBug } from "./bugs.ts";
import { applyPatch, copySources } from "./copy.ts";

export type PlantResult =
  | { readonly kind: "caught"; readonly kinds: Readonly<Record<string, number>>; readonly seed: number }
  | { readonly kind: "missed"; readonly seed: number; readonly output: string };

const WITHIN_MS = 120_000;

/** Runs the crash test on a copy of the sources into which the bug was planted. */
export async function plant(bug: PlantedBug, seed: number): Promise<PlantResult> {
  using folder = new TemporaryFolder();
  copySources(folder.path);
  for (const patch of bug.patches) applyPatch(folder.path, patch);
  const options: Partial<CrashOptions> = { seed, ...bug.options };
  const { output, errors } = await run(join(folder.path, "testing", "crash", "main.ts"), options);
  const line = output.split("\n").find((text) => text.startsWith("{"));
  if (line === undefined) return { kind: "missed", seed, output: errors.slice(-3_000) };
  const { kinds } = JSON.parse(line) as CrashResult & { kinds: Record<string, number> };
  const caught = bug.caughtAs.some((kind) => (kinds[kind] ?? 0) > 0);
  return caught ? { kind: "caught", kinds, seed } : { kind: "missed", seed, output: `${line}\n${errors.slice(-2_000)}` };
}

async function run(program: string, options: Partial<CrashOptions>): Promise<{ output: string; errors: string }> {
  const child = spawn(process.execPath, [program, JSON.stringify(options)], { stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  let errors = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (errors += text));
  // SIGTERM: the run ends its own processes; they would outlive a killed one.
  const timer = setTimeout(() => child.kill("SIGTERM"), WITHIN_MS);
  await new Promise((resolve) => child.once("close", resolve));
  clearTimeout(timer);
  return { output, errors };
}
