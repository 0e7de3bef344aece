/** `npm run generate`: writes the code of the .proto files beside them, and the offline viewer of exports as text. */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join, resolve } from "node:path";
import { transformSync } from "esbuild";

const root = join(import.meta.dirname, "..");
const programs = join(root, "node_modules", ".bin");
const workspaces = ["protocol", "client"] as const;
const generated = "generated";

/** Runs a workspace's buf.gen.yaml; its `generated` folder comes to lie in `folder`. Throws where a .proto file is wrong, or buf is missing. */
function generate(workspace: string, folder: string): void {
  const { status, error } = spawnSync(join(programs, "buf"), ["generate", "--clean", "--output", folder], {
    cwd: join(root, workspace),
    // buf looks for its plugin there.
    env: { ...process.env, PATH: `${programs}${delimiter}${process.env["PATH"] ?? ""}` },
    stdio: "inherit",
  });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`buf could not generate the code of ${workspace}/`);
  if (workspace === "client") writeFileSync(join(resolve(root, workspace, folder), generated, "viewer.ts"), viewerCode());
}

/** The viewer's script and style as they stand in its page, with what the page's policy knows them by (CSP3, 2.3.1). */
function viewerCode(): string {
  const source = (name: string) => readFileSync(join(root, "client", "viewer", name), "utf8");
  const script = transformSync(source("viewer.ts"), { loader: "ts", format: "iife", target: "es2022" }).code;
  const style = source("viewer.css");
  const hashOf = (text: string) => `sha256-${createHash("sha256").update(text).digest("base64")}`;
  const viewer = { script, scriptHash: hashOf(script), style, styleHash: hashOf(style) };
  return `// Generated from client/viewer/ by "npm run generate".\nexport const viewer = ${JSON.stringify(viewer, undefined, 2)} as const;\n`;
}

/** Files by path within a folder. */
function filesIn(folder: string): Map<string, string> {
  const paths = globSync("**/*.ts", { cwd: folder });
  return new Map(paths.map((path) => [path, readFileSync(join(folder, path), "utf8")]));
}

/** Paths of generated files that are not what their source gives, are missing, or have none; relative to the root. */
export function findStaleCode(): string[] {
  const folder = mkdtempSync(join(tmpdir(), "fastchat-generate-"));
  try {
    return workspaces.flatMap((workspace) => {
      generate(workspace, join(folder, workspace));
      const fresh = filesIn(join(folder, workspace, generated));
      const present = filesIn(join(root, workspace, generated));
      const paths = new Set([...fresh.keys(), ...present.keys()]);
      return [...paths].filter((path) => fresh.get(path) !== present.get(path)).map((path) => join(workspace, generated, path));
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

if (import.meta.main) for (const workspace of workspaces) generate(workspace, ".");
