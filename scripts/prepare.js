/**
 * Runs before `npm start`, `npm test` and `npm run check`: installs what package-lock.json names when it is not there, then
 * bundles the terminal client when its sources changed. Plain JavaScript without any dependency, because it is what runs in a
 * fresh clone, on whatever Node (20.11 or later) the machine has.
 */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { linkPinnedNode } from "./link-node.js";

const root = join(import.meta.dirname ?? "", "..");
const modules = join(root, "node_modules");
const lockFile = join(root, "package-lock.json");
/** npm writes this as the last act of an install, so that an interrupted install lacks it or leaves the old one. */
const installedLockFile = join(modules, ".package-lock.json");
const installingFile = join(root, ".fastchat", "installing");
const oldestNodeForUs = 24;

const say = (/** @type {string} */ line) => process.stderr.write(`fastchat: ${line}\n`);
const seconds = (/** @type {number} */ since) => `${((Date.now() - since) / 1000).toFixed(1)} s`;

/** @returns {never} */
function fail(/** @type {string} */ sentence) {
  say(sentence);
  process.exit(1);
}

function isInstalled() {
  if (!existsSync(installedLockFile)) return false;
  return statSync(installedLockFile).mtimeMs >= statSync(lockFile).mtimeMs || holdsTheSame();
}

/** A checkout can give package-lock.json a new time without a change: then the versions of both lists still agree. */
function holdsTheSame() {
  const wanted = JSON.parse(readFileSync(lockFile, "utf8")).packages;
  const installed = JSON.parse(readFileSync(installedLockFile, "utf8")).packages;
  return Object.entries(wanted).every(([path, entry]) => {
    if (path === "" || entry.link || !path.includes("node_modules/")) return true;
    const found = installed[path];
    return found ? found.version === entry.version && found.integrity === entry.integrity : entry.optional === true;
  });
}

/** The npm that runs us, else the one on the path. */
function npm(/** @type {string[]} */ args) {
  const script = process.env["npm_execpath"];
  return script !== undefined && /npm-cli\.c?js$/.test(script)
    ? { command: process.execPath, args: [script, ...args] }
    : { command: "npm", args };
}

async function install() {
  say(`Installing what package-lock.json names with npm (some 200 packages). This can take a minute or two …`);
  const start = Date.now();
  const ticking = setInterval(() => say(`… still installing (${Math.round((Date.now() - start) / 1000)} s)`), 10_000);
  // Not "npm ci": it refuses a lock file without the programs for platforms that a registry did not have when it was written.
  // No package needs its install script, so none is run; production settings of the surroundings must not leave out the tools.
  const wanted = ["install", "--no-save", "--ignore-scripts", "--include=dev", "--include=optional", "--no-audit", "--no-fund"];
  const { command, args } = npm([...wanted, "--loglevel=error"]);
  const child = spawn(command, args, { cwd: root, stdio: ["ignore", "pipe", "pipe"], env: process.env });
  const output = [];
  child.stdout.on("data", (chunk) => output.push(chunk));
  child.stderr.on("data", (chunk) => output.push(chunk));
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.once(signal, () => child.kill("SIGTERM"));
  const code = await new Promise((resolve) => {
    child.once("error", (error) => {
      output.push(Buffer.from(String(error)));
      resolve(-1);
    });
    child.once("close", resolve);
  });
  clearInterval(ticking);
  if (code !== 0) {
    process.stderr.write(Buffer.concat(output));
    fail(
      "The installation failed; npm says why above. Put that right (often: no network, or no space on the disk), then run the command again.",
    );
  }
  say(`Installed in ${seconds(start)}.`);
}

/** One installation at a time in one checkout: a second command waits for the first, then finds everything there. */
async function oneAtATime(/** @type {() => Promise<void>} */ work) {
  mkdirSync(join(root, ".fastchat"), { recursive: true });
  for (let told = false; ;) {
    try {
      writeFileSync(installingFile, String(process.pid), { flag: "wx" });
      break;
    } catch (error) {
      if (error.code !== "EEXIST") throw error;
    }
    if (!isAlive(installingFile)) rmSync(installingFile, { force: true });
    else if (!told) {
      say("Another command is installing in this folder; waiting for it …");
      told = true;
    }
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
  process.once("exit", () => rmSync(installingFile, { force: true }));
  await work();
}

function isAlive(/** @type {string} */ file) {
  try {
    process.kill(Number(readFileSync(file, "utf8")) || 0x7fffffff, 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
}

/** The Node that runs FastChat: the pinned one, or the machine's where there is none for this platform and it is new enough. */
function nodeForUs() {
  const pinned = linkPinnedNode();
  if (pinned !== undefined && spawnSync(pinned, ["--version"]).status === 0) return pinned;
  if (Number(process.versions.node.split(".")[0]) >= oldestNodeForUs) return process.execPath;
  return fail(
    `There is no Node ${oldestNodeForUs} or later for ${process.platform} ${process.arch} among the packages, and this is Node ${process.versions.node}: install Node ${oldestNodeForUs} or later, then run the command again.`,
  );
}

if (process.env["FASTCHAT_PREPARING"] === undefined) {
  process.env["FASTCHAT_PREPARING"] = "1";
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  if (major < 20 || (major === 20 && minor < 11)) {
    fail(
      `This is Node ${process.versions.node}, which cannot even install FastChat: install Node 20.11 or later, then run the command again.`,
    );
  }
  try {
    if (!isInstalled()) {
      await oneAtATime(async () => {
        if (!isInstalled()) await install();
      });
    }
  } catch (error) {
    fail(`Cannot prepare this checkout (${error.message}): make ${root} writable for the user who runs this, then run the command again.`);
  }
  const bundled = spawnSync(nodeForUs(), [join(root, "scripts", "bundle-terminal.js")], { stdio: "inherit" });
  if (bundled.status !== 0) process.exit(bundled.status ?? 1);
}
