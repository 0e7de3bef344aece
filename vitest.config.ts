import { join } from "node:path";
import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/**
 * Those that take longest, most of it waiting: they begin first, so that no worker is left alone with one at the end. Vitest knows by itself only
 * where it has run before.
 */
const longest = [
  "terminal/group-commands",
  "scripts/pack",
  "testing/deploy/move",
  "testing/files/interrupted",
  "testing/crash/crash",
  "testing/evil/stolen",
  "server/bus/bus-nats",
  "testing/cluster/nats",
  "testing/evil/group-roles",
  "terminal/commands",
  "testing/disk-full",
  "testing/model/model",
  "server/blobs/blob-store-bucket",
  "server/up/up",
  "terminal/screens",
  "client/export-files",
  "testing/files/in-a-bucket",
  "testing/deletion",
  "testing/balance/moving",
];

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification): number => {
      const place = longest.findIndex((name) => moduleId.endsWith(`/${name}.test.ts`));
      return place === -1 ? longest.length : place;
    };
    return (await super.sort(files)).toSorted((one, other) => rank(one) - rank(other));
  }
}

export default defineConfig({
  test: {
    environment: "node",
    include: ["{protocol,client,server,terminal,testing,scripts,web,bench}/**/*.test.ts"],
    exclude: ["**/node_modules/**", "**/dist/**"],
    // Tests start real servers and kill processes: a third of the time a worker waits for others.
    pool: "forks",
    isolate: false,
    maxWorkers: 3,
    sequence: { sequencer: LongestFirst },
    globalSetup: "testing/shared/global-setup.ts",
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // Other processes do what is waited for; a busy machine takes its time.
    expect: { poll: { timeout: 30_000, interval: 40 } },
    env: {
      // How far the tests that can grow do grow: SIZE=large for the long versions.
      SIZE: process.env["SIZE"] === "large" ? "large" : "small",
      // Most tests start processes that run TypeScript: each file is compiled once.
      NODE_COMPILE_CACHE: join(import.meta.dirname, "node_modules", ".cache", "compile"),
    },
  },
});
