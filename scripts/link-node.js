/**
 * Puts the pinned Node at node_modules/.bin/node, where npm scripts find it first. npm should do this, but does not: the packages for
 * other platforms have a program of the same name, and npm removes the link again when it drops them. Runs after every install.
 */
import { existsSync, lstatSync, mkdirSync, rmSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const modules = join(dirname(dirname(fileURLToPath(import.meta.url))), "node_modules");
const names = [`node-${process.platform}-${process.arch}`, `node-bin-${process.platform}-${process.arch}`];

/** @returns {string | undefined} the pinned Node's path, undefined where there is none for this platform. */
export function linkPinnedNode() {
  const link = join(modules, ".bin", "node");
  const name = names.find((candidate) => existsSync(join(modules, candidate, "bin", "node")));
  if (existsSync(link)) return link;
  if (name === undefined) return undefined;
  mkdirSync(dirname(link), { recursive: true });
  if (lstatSync(link, { throwIfNoEntry: false })) rmSync(link);
  symlinkSync(join("..", name, "bin", "node"), link);
  return link;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) linkPinnedNode();
