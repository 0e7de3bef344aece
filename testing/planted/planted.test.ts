import { expect, test } from "vitest";
import { TemporaryFolder } from "../temporary-folder.ts";
import { plantedBugs } from "./bugs.ts";
import { applyPatch, copySources } from "./copy.ts";
import { plant } from "./plant.ts";

const large = process.env["SIZE"] === "large";

test("every planted bug still fits the sources", () => {
  using folder = new TemporaryFolder();
  copySources(folder.path);
  for (const { patches } of plantedBugs) for (const patch of patches) applyPatch(folder.path, patch);
});

// Minutes: with SIZE=large, or `npm run test:planted`.
test.runIf(large).each(plantedBugs.map((bug) => [bug.name, bug] as const))(
  "the crash test notices: %s",
  { timeout: 400_000 },
  async (_, bug) => {
    let result = await plant(bug, 1);
    // What must break at the right moment gets a second chance.
    if (result.kind === "missed") result = await plant(bug, 2);
    expect(result).toMatchObject({ kind: "caught" });
  },
);
