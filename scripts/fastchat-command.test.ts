import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, expect, test } from "vitest";

const root = join(import.meta.dirname, "..");
let checkout: string;
let command: string;

/** A Node on this machine that is too old for us, as newcomers have. */
const oldNode = (process.env["PATH"] ?? "")
  .split(delimiter)
  .filter((folder) => !folder.includes("node_modules"))
  .map((folder) => join(folder, "node"))
  .find((path) => existsSync(path) && Number(/\d+/.exec(spawnSync(path, ["--version"], { encoding: "utf8" }).stdout)?.[0] ?? 99) < 24);

/** A checkout with our command, our scripts and packages, and a client of a few lines. */
beforeAll(() => {
  checkout = mkdtempSync(join(tmpdir(), "fastchat-command-"));
  for (const folder of ["protocol", "client", "server", "terminal", "bench/load", "bench/baseline"])
    mkdirSync(join(checkout, folder), { recursive: true });
  cpSync(join(root, "terminal", "bin"), join(checkout, "terminal", "bin"), { recursive: true });
  cpSync(join(root, "scripts"), join(checkout, "scripts"), { recursive: true });
  cpSync(join(root, "package.json"), join(checkout, "package.json"));
  symlinkSync(join(root, "node_modules"), join(checkout, "node_modules"));
  for (const program of ["load/crowd.ts", "load/encrypted-crowd.ts", "baseline/server.ts"])
    writeFileSync(join(checkout, "bench", program), "export {};\n");
  command = join(checkout, "terminal", "bin", "fastchat.js");
  writeFileSync(
    join(checkout, "terminal", "main.ts"),
    `const [what, ...rest] = process.argv.slice(2) as string[];
     if (what === "wait") {
       process.once("SIGTERM", () => process.exit(7));
       setInterval(() => {}, 1000);
       console.log("waiting");
     } else if (what === "die") process.kill(process.pid, "SIGKILL");
     else {
       console.log(JSON.stringify({ major: Number(process.versions.node.split(".")[0]), rest }));
       process.exitCode = 3;
     }`,
  );
});

afterAll(() => rmSync(checkout, { recursive: true, force: true }));

const run = (node: string, ...args: string[]) => spawnSync(node, [command, ...args], { encoding: "utf8" });

test("the command bundles when the sources are others than it was made of, and only then, whatever the clock says", () => {
  const bundles = (environment: NodeJS.ProcessEnv = {}) =>
    spawnSync(process.execPath, [command, "say"], { encoding: "utf8", env: { ...process.env, ...environment } }).stderr.includes("Bundled");
  expect(bundles()).toBe(true);
  expect(bundles()).toBe(false);
  const clock = `--import=${join(root, "testing", "entries", "shifted-clock.ts")}`;
  for (const shift of ["-3600000", "3600000"]) expect(bundles({ NODE_OPTIONS: clock, SHIFT_CLOCK_MS: shift })).toBe(false);
  const added = join(checkout, "client", "new.ts");
  writeFileSync(added, "export const x = 1;\n");
  const past = new Date(2020, 1);
  utimesSync(added, past, past);
  expect(bundles()).toBe(true);
  rmSync(added);
  expect(bundles()).toBe(true);
});

test("arguments reach the client and its exit code comes back", () => {
  const { stdout, status } = run(process.execPath, "say", "a b", "--json");
  expect(JSON.parse(stdout).rest).toEqual(["a b", "--json"]);
  expect(status).toBe(3);
});

test.runIf(oldNode !== undefined)("an old Node hands over to the pinned one, with arguments, exit code and signals", async () => {
  const { stdout, status } = run(oldNode!, "say", "a b");
  expect(JSON.parse(stdout)).toEqual({ major: Number(process.versions.node.split(".")[0]), rest: ["a b"] });
  expect(status).toBe(3);
  expect(run(oldNode!, "die").signal).toBe("SIGKILL");

  const child = spawn(oldNode!, [command, "wait"], { stdio: ["ignore", "pipe", "inherit"] });
  await once(createInterface({ input: child.stdout }), "line");
  child.kill("SIGTERM");
  expect(await once(child, "exit")).toEqual([7, null]);
});

test.runIf(oldNode !== undefined)("without installed packages an old Node says what to do", () => {
  const bare = mkdtempSync(join(tmpdir(), "fastchat-bare-"));
  try {
    cpSync(join(root, "terminal", "bin"), join(bare, "terminal", "bin"), { recursive: true });
    cpSync(join(root, "scripts"), join(bare, "scripts"), { recursive: true });
    writeFileSync(join(bare, "package.json"), '{ "type": "module" }');
    const { stderr, status } = spawnSync(oldNode!, [join(bare, "terminal", "bin", "fastchat.js")], { encoding: "utf8" });
    expect(stderr).toBe('fastchat: Nothing is installed here yet: run "npm install" first.\n');
    expect(status).toBe(1);
  } finally {
    rmSync(bare, { recursive: true });
  }
});
