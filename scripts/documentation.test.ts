import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

const read = (path: string): string => readFileSync(join(import.meta.dirname, "..", path), "utf8");

test.each([
  ["server/config.ts", "docs/operations.md"],
  ["terminal/config.ts", "docs/commands.md"],
])("every variable that %s reads is explained in %s", (code, page) => {
  const variables = new Set([...read(code).matchAll(/"((?:(?:FASTCHAT|NATS)_[A-Z_]+|DATABASE_URL|NO_COLOR))"/g)].map(([, name]) => name!));
  expect(variables.size).toBeGreaterThan(3);
  const text = read(page);
  expect([...variables].filter((name) => !text.includes(`\`${name}\``))).toEqual([]);
});

test("every script that README.md and docs/ name is in package.json", () => {
  const { scripts } = JSON.parse(read("package.json")) as { scripts: Record<string, string> };
  const pages = ["README.md", "docs/operations.md", "docs/commands.md", "docs/security.md", "bench/README.md"].map(read).join("\n");
  const named = new Set([...pages.matchAll(/\bnpm run ([a-z:]+)/g)].map(([, name]) => name!));
  expect([...named].filter((name) => !Object.hasOwn(scripts, name))).toEqual([]);
});
