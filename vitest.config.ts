import { join } from "node:path";
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    environment: "node",
    include: ["{protocol,client,server,terminal,testing,scripts,web,bench}/**/*.test.ts"],
    exclude: ["**/node_modules/**", "**/dist/**"],
    // Tests start real servers and kill processes. Half of the time a worker waits for others.
    pool: "forks",
    isolate: false,
    maxWorkers: 4,
    globalSetup: "testing/shared/global-setup.ts",
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Other processes do what is waited for; a busy machine takes its time.
    expect: { poll: { timeout: 15_000, interval: 40 } },
    env: {
      // How far the tests that can grow do grow: SIZE=large for the long versions.
      SIZE: process.env["SIZE"] === "large" ? "large" : "small",
      // Most tests start processes that run TypeScript: each file is compiled once.
      NODE_COMPILE_CACHE: join(import.meta.dirname, "node_modules", ".cache", "compile"),
    },
  },
});
