import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve, sep } from "node:path";

export type ImportFault = { file: string; line: number; specifier: string; reason: string };

type Folder = "protocol" | "client" | "server" | "terminal" | "web" | "testing" | "bench" | "load";

/** Which of our folders each folder may import from; itself always. */
const mayImport: Readonly<Record<Folder, readonly Folder[]>> = {
  protocol: [],
  client: ["protocol"],
  server: ["protocol"],
  terminal: ["client", "protocol"],
  web: ["client", "protocol"],
  testing: ["protocol", "client", "server", "terminal", "web"],
  bench: ["protocol", "client", "server", "terminal", "testing", "load"],
  // The load tester is shipped with the command, the rest of bench/ is not.
  load: ["protocol", "client", "server"],
};

const folders = Object.keys(mayImport) as Folder[];
/** Parts of bench/ that are a folder of their own here. */
const loadPlaces = [join("bench", "load"), join("bench", "baseline")];
const packageFolders: ReadonlyMap<string, Folder> = new Map(folders.map((folder) => [`@fastchat/${folder}`, folder]));

/** `import … from "x"`, `export … from "x"`, `import "x"`, `import("x")`, `import.meta.resolve("x")`. */
const specifiers = /(?:\bfrom\s*|\bimport\s*\(?\s*|\bimport\.meta\.resolve\(\s*)(["'])([^"'\n]+)\1/g;

/** Every import under `root` that goes against the one-way order of the folders. Paths are relative to `root`. */
export function findImportFaults(root: string): ImportFault[] {
  const faults: ImportFault[] = [];
  const terminalFilesWith = { server: new Set<string>(), load: new Set<string>() };
  for (const top of folders) {
    for (const path of sourcesUnder(join(root, top))) {
      const file = relative(root, path);
      const folder = folderAt(file) ?? top;
      // Tests, and what they share in a folder: test-people.ts, bus-contract.ts.
      const isTest = /(?:\.test\.tsx?|-contract\.ts|(?:^|\/)test-[^/]+\.ts)$/.test(file);
      const text = readFileSync(path, "utf8");
      for (const match of text.matchAll(specifiers)) {
        const specifier = match[2]!;
        const target = folderOf(specifier, path, root);
        if (target === undefined || target === folder || mayImport[folder].includes(target)) continue;
        const reason = (): string | undefined => {
          if (isTest && target === "testing") return undefined;
          if (folder === "terminal" && (target === "server" || target === "load")) {
            const files = terminalFilesWith[target];
            if (!isTest) files.add(file);
            return files.size <= 1 ? undefined : `only one file of terminal/ may import ${target === "server" ? "server/" : "bench/load/"}`;
          }
          if (target === "testing" && folder !== "load") return "testing/ is for tests and bench/ alone";
          const allowed = mayImport[folder].map((name) => `${name}/`).join(" and ");
          return `${folder}/ may import ${allowed === "" ? "nothing of ours" : `only ${allowed}`}`;
        };
        const found = reason();
        if (found !== undefined) faults.push({ file, line: text.slice(0, match.index).split("\n").length, specifier, reason: found });
      }
    }
  }
  return faults;
}

function folderOf(specifier: string, importer: string, root: string): Folder | undefined {
  if (specifier.startsWith(".")) {
    return folderAt(relative(root, resolve(dirname(importer), specifier)));
  }
  const name = specifier.startsWith("@") ? specifier.split("/").slice(0, 2).join("/") : specifier.split("/")[0]!;
  return packageFolders.get(name);
}

/** @param file relative to the root */
function folderAt(file: string): Folder | undefined {
  if (loadPlaces.some((place) => file.startsWith(place + sep))) return "load";
  const [first] = file.split(sep);
  return folders.find((folder) => folder === first);
}

function* sourcesUnder(folder: string): Generator<string> {
  let items;
  try {
    items = readdirSync(folder, { withFileTypes: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
    throw error;
  }
  for (const item of items) {
    if (item.name === "node_modules" || item.name === "dist") continue;
    const path = join(folder, item.name);
    if (item.isDirectory()) yield* sourcesUnder(path);
    else if (/\.(ts|tsx|js|mjs)$/.test(item.name)) yield path;
  }
}
