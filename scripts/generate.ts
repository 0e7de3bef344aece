/** `npm run generate`: writes the code of the .proto files beside them. */
import { spawnSync } from "node:child_process";
import { globSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";

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
}

/** Files by path within a folder. */
function filesIn(folder: string): Map<string, string> {
  const paths = globSync("**/*.ts", { cwd: folder });
  return new Map(paths.map((path) => [path, readFileSync(join(folder, path), "utf8")]));
}

/** Paths of generated files that are not what their .proto file gives, are missing, or have none; relative to the root. */
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
