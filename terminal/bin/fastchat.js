#!/usr/bin/env node
/**
 * The `fastchat` command, on any Node from 20.11: runs the bundled client in this process when this Node is new enough, and
 * hands over to the pinned Node when it is not. In a source checkout it bundles first when sources changed.
 */
import { existsSync } from "node:fs";
import module from "node:module";
import { constants } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const oldestNodeForUs = 24;
const here = fileURLToPath(import.meta.url);
const terminal = dirname(dirname(here));
const bundle = join(terminal, "dist", "main.js");
const bundler = join(terminal, "..", "scripts", "bundle-terminal.js");

/** @returns {never} */
function fail(/** @type {string} */ sentence) {
  process.stderr.write(`fastchat: ${sentence}\n`);
  process.exit(1);
}

/** The pinned Node in the nearest node_modules upwards that has one for this platform. */
function findPinnedNode() {
  const names = [`node-${process.platform}-${process.arch}`, `node-bin-${process.platform}-${process.arch}`];
  for (let folder = terminal; ; folder = dirname(folder)) {
    const candidates = names.map((name) => join(folder, "node_modules", name, "bin", "node"));
    const found = candidates.find((candidate) => existsSync(candidate));
    if (found !== undefined || folder === dirname(folder)) return found;
  }
}

/** Signals sent to us alone go on to the child; those of the terminal reach it anyway. We end the way it ended. */
async function handOver(/** @type {string} */ node) {
  const { spawn } = await import("node:child_process");
  const child = spawn(node, [...process.execArgv, here, ...process.argv.slice(2)], {
    stdio: "inherit",
    env: { ...process.env, FASTCHAT_HANDED_OVER: "1" },
  });
  for (const signal of ["SIGTERM", "SIGHUP", "SIGUSR2", "SIGCONT", "SIGWINCH"]) process.on(signal, () => child.kill(signal));
  // Ctrl-C goes to the whole foreground group: the child hears it itself, and a second one from us would say "at once".
  for (const signal of ["SIGINT", "SIGQUIT"]) process.on(signal, () => process.stdin.isTTY || child.kill(signal));
  child.once("error", (error) => fail(`The pinned Node does not run (${error.message}): remove node_modules and run "npm install".`));
  child.once("exit", (code, signal) => {
    if (signal === null) process.exit(code ?? 1);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
    // Signals that do not end this process (a blocked or ignored one) still become the shell's usual exit code.
    setTimeout(() => process.exit(128 + (constants.signals[signal] ?? 0)), 100);
  });
}

async function run() {
  if (existsSync(bundler)) {
    const { bundleTerminal, isBundleStale } = await import(pathToFileURL(bundler).href);
    if (isBundleStale()) {
      await bundleTerminal().catch((/** @type {any} */ error) => {
        const why = error.code === "ERR_MODULE_NOT_FOUND" ? 'nothing is installed here yet: run "npm install" first' : error.message;
        if (!existsSync(bundle)) fail(`The client cannot be bundled: ${why}.`);
        process.stderr.write(`fastchat: Using the older bundle, since bundling failed: ${why}.\n`);
      });
    }
  }
  if (!existsSync(bundle)) fail(`${bundle} is missing: install FastChat again.`);
  module.enableCompileCache?.(join(terminal, "dist", ".compile-cache"));
  await import(pathToFileURL(bundle).href);
}

if (Number(process.versions.node.split(".")[0]) >= oldestNodeForUs) await run();
else {
  const pinned = process.env["FASTCHAT_HANDED_OVER"] === undefined ? findPinnedNode() : undefined;
  if (pinned === undefined) {
    fail(
      existsSync(join(terminal, "..", "scripts", "prepare.js")) && !existsSync(join(terminal, "..", "node_modules"))
        ? 'Nothing is installed here yet: run "npm install" first.'
        : `This is Node ${process.versions.node}: FastChat needs Node ${oldestNodeForUs} or later.`,
    );
  }
  await handOver(pinned);
}
