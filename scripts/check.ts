/** `npm run check`: everything that can be judged without running the system. Shows each step's time and all that is wrong. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { findStaleCode } from "./generate.ts";
import { findImportFaults } from "./import-rules.ts";

const root = join(import.meta.dirname, "..");

function runTool(name: string, ...args: string[]): boolean {
  const { status, error } = spawnSync(join(root, "node_modules", ".bin", name), args, { cwd: root, stdio: "inherit" });
  if (error !== undefined) console.error(`${name}: ${error.message}`);
  return status === 0;
}

function checkImports(): boolean {
  const faults = findImportFaults(root);
  for (const fault of faults) console.error(`${fault.file}:${fault.line} imports ${fault.specifier}: ${fault.reason}`);
  return faults.length === 0;
}

function checkGenerated(): boolean {
  const stale = findStaleCode();
  for (const path of stale) console.error(`${path} is not what its source gives`);
  return stale.length === 0;
}

const steps: readonly (readonly [what: string, passes: () => boolean])[] = [
  ["types (tsc)", () => runTool("tsc", "--noEmit")],
  ["lint (oxlint)", () => runTool("oxlint")],
  ["format (oxfmt; repair with: npm run format)", () => runTool("oxfmt", "--check")],
  ["imports go one way", checkImports],
  ["generated code is that of its sources (repair with: npm run generate)", checkGenerated],
  ["dead code (knip)", () => runTool("knip")],
];

const failed: string[] = [];
for (const [what, passes] of steps) {
  const since = performance.now();
  const passed = passes();
  console.log(`${passed ? "ok    " : "FAILED"} ${what}, ${((performance.now() - since) / 1000).toFixed(1)} s`);
  if (!passed) failed.push(what);
}
if (failed.length > 0) {
  console.error(`check: ${failed.length} of ${steps.length} failed: ${failed.join("; ")}`);
  process.exitCode = 1;
}
