import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

const root = join(import.meta.dirname, "..", "..");
const read = (path: string): string => readFileSync(join(root, path), "utf8");

/** Ours, and those that our configuration reads by the names which others gave them. */
const variables = /\b(?:FASTCHAT|NATS|AWS)_[A-Z_]+\b|\b(?:DATABASE|BLOB)_URL\b/g;
const files = globSync("deploy/**/*", { cwd: root, withFileTypes: true })
  .filter((item) => item.isFile())
  .map((item) => join(item.parentPath, item.name).slice(root.length + 1));

test("every variable that deploy/ names is read by the server's configuration", () => {
  const known = new Set(
    [...read("server/config.ts").matchAll(variables), ...read("protocol/local.ts").matchAll(variables)].map(([name]) => name),
  );
  const named = files.flatMap((file) => [...read(file).matchAll(variables)].map(([name]) => ({ file, name })));
  expect(named.length).toBeGreaterThan(8);
  expect(named.filter(({ name }) => !known.has(name))).toEqual([]);
});
