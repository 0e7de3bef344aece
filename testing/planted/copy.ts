import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** A change of source text that must match exactly once. */
export interface Patch {
  /** From the root of the repository. */
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

const workspaces = ["protocol", "client", "server", "terminal", "testing"];
const root = join(import.meta.dirname, "..", "..");

/** Copies what the crash test needs into `folder`, with the installed packages linked and our own workspaces pointing into the copy. */
export function copySources(folder: string): void {
  for (const workspace of workspaces) {
    cpSync(join(root, workspace), join(folder, workspace), {
      recursive: true,
      filter: (path) => !/\/(?:node_modules|dist|vectors)$/.test(path) && !path.endsWith(".test.ts"),
    });
    const own = join(root, workspace, "node_modules");
    if (existsSync(own)) symlinkSync(realpathSync(own), join(folder, workspace, "node_modules"));
  }
  for (const path of ["package.json", "package-lock.json", "scripts", "bench/load", "bench/baseline"])
    cpSync(join(root, path), join(folder, path), { recursive: true });
  const modules = join(folder, "node_modules");
  mkdirSync(join(modules, "@fastchat"), { recursive: true });
  const installed = realpathSync(join(root, "node_modules"));
  for (const name of readdirSync(installed)) {
    if (name !== "@fastchat") symlinkSync(join(installed, name), join(modules, name));
  }
  for (const workspace of workspaces) {
    symlinkSync(join(folder, workspace), join(modules, "@fastchat", workspace));
  }
}

/** @throws when the text to change is not there exactly once: the source has moved on, and the patch must follow. */
export function applyPatch(folder: string, { file, find, replace }: Patch): void {
  const path = join(folder, file);
  const text = readFileSync(path, "utf8");
  const places = text.split(find).length - 1;
  if (places !== 1) throw new Error(`the patch of ${file} matches ${places} times instead of once: ${JSON.stringify(find)}`);
  writeFileSync(
    path,
    text.replace(find, () => replace),
  );
}
