import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chmod, mkdir, open, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { type Binaries, copyBinaries, copyTree, exists } from "./binaries.ts";
import { assertReachable, giveTo, makeFolder, namedOwnerFor, type Owner, ownerOf } from "./owner.ts";
import { PostgresStartError } from "./start-error.ts";

/** A database cluster on disk, ready to be started. */
export type Cluster = {
  /** PostgreSQL's data directory. */
  readonly path: string;
  readonly owner: Owner;
  readonly binaries: Binaries;
  readonly password: string;
  /** Access rules, which lie outside the data directory so that PostgreSQL cannot change them. */
  readonly accessFile: string;
};

export const role = "fastchat";
const majorVersion = "18";

/** PostgreSQL's environment: nothing of ours, which may hold secrets; no locale but C, so that its messages are known. */
export const postgresEnvironment: NodeJS.ProcessEnv = { PATH: "/usr/local/bin:/usr/bin:/bin", LC_ALL: "C", TZ: "UTC" };

/**
 * The folder holds
 *
 *     cluster/          PostgreSQL's data directory, the only thing that its user may write
 *     password          of the role `fastchat`, for us alone
 *     pg_hba.conf       who may connect
 *     binaries-VERSION/ a copy of PostgreSQL's programs
 *     lock, lock-holder see folder-lock.ts
 *
 * What is missing is made. A new cluster appears under its name only when it is complete.
 */
export async function openCluster(dataFolder: string, templateFolder: string | undefined, signal?: AbortSignal): Promise<Cluster> {
  const path = join(dataFolder, "cluster");
  const owner = ownerOf(path);
  assertReachable(dataFolder, owner);
  if (templateFolder !== undefined) await makeTemplate(templateFolder, signal);
  const binaries = await copyBinaries(templateFolder ?? dataFolder);
  await removeLeftovers(dataFolder);

  const accessFile = join(dataFolder, "pg_hba.conf");
  await writeFile(accessFile, "host all all 127.0.0.1/32 scram-sha-256\n");
  await chmod(accessFile, 0o644);

  if (!(await exists(path))) {
    if (templateFolder === undefined) await initialise(path, owner, binaries, signal);
    else await copyCluster(templateFolder, path, owner);
  }
  const version = (await readFile(join(path, "PG_VERSION"), "utf8")).trim();
  if (version !== majorVersion) {
    throw new PostgresStartError(
      "unsupported",
      `The data in ${path} was written by PostgreSQL ${version}, and this FastChat brings PostgreSQL ${majorVersion}: restore a backup into a new data folder.`,
    );
  }
  const passwordFile = join(dataFolder, "password");
  if (!(await exists(passwordFile))) {
    if (templateFolder === undefined) await setPassword(passwordFile, { path, owner, binaries }, signal);
    else await writePrivately(passwordFile, await readFile(join(templateFolder, "password"), "utf8"));
  }
  return { path, owner, binaries, password: (await readFile(passwordFile, "utf8")).trim(), accessFile };
}

async function initialise(path: string, owner: Owner, binaries: Binaries, signal: AbortSignal | undefined): Promise<void> {
  const partial = `${path}.${process.pid}.partial`;
  await mkdir(partial, { mode: 0o700 });
  const named = namedOwnerFor(owner);
  await giveTo(named, partial);
  // Nobody can connect by the rules that initdb writes; ours are in `accessFile`.
  const args = ["-D", partial, "-U", role, "--auth=reject", "--data-checksums", "--encoding=UTF8", "--no-instructions"];
  args.push("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8");
  await runAs(named, binaries.initdb, args, "", signal);
  await runSingle(partial, owner, binaries, [`CREATE DATABASE ${role}`], signal);
  await rename(partial, path);
  await syncFolder(dirname(path));
}

/** Also what repairs a lost password file. The database knows the password before the file says it. */
async function setPassword(
  file: string,
  { path, owner, binaries }: Pick<Cluster, "path" | "owner" | "binaries">,
  signal?: AbortSignal,
): Promise<void> {
  const password = randomBytes(24).toString("base64url");
  await runSingle(path, owner, binaries, [`ALTER ROLE ${role} PASSWORD '${password}'`], signal);
  await writePrivately(file, `${password}\n`);
}

async function writePrivately(file: string, text: string): Promise<void> {
  const partial = `${file}.${process.pid}.partial`;
  await writeFile(partial, text, { mode: 0o600, flush: true });
  await rename(partial, file);
  await syncFolder(dirname(file));
}

/** Makes the template once; several processes may try at the same time, and all end with the same one. */
async function makeTemplate(folder: string, signal: AbortSignal | undefined): Promise<void> {
  if (await exists(folder)) return;
  const partial = `${folder}.${process.pid}.partial`;
  makeFolder(partial);
  try {
    await openCluster(partial, undefined, signal);
    await rename(partial, folder).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "ENOTEMPTY" && error.code !== "EEXIST") throw error;
    });
  } finally {
    await rm(partial, { recursive: true, force: true });
  }
}

async function copyCluster(templateFolder: string, path: string, owner: Owner): Promise<void> {
  const partial = `${path}.${process.pid}.partial`;
  await copyTree(join(templateFolder, "cluster"), partial, { owner, mode: 0o600 });
  await rename(partial, path);
}

/** What a start that was killed left half made. Programs it started may still write for a moment. */
async function removeLeftovers(dataFolder: string): Promise<void> {
  for (const name of await readdir(dataFolder)) {
    if (name.endsWith(".partial")) await rm(join(dataFolder, name), { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
  }
}

/**
 * Runs statements in PostgreSQL's single-user mode, which needs no password and no other process. The cluster must be stopped. Should
 * we die while it belongs to the named user, it stays that user's, and runs as well.
 */
async function runSingle(path: string, owner: Owner, binaries: Binaries, statements: string[], signal?: AbortSignal): Promise<void> {
  const args = ["--single", "-D", path, "-c", "log_min_messages=fatal", "-c", "exit_on_error=on", "postgres"];
  const named = namedOwnerFor(owner);
  await giveTo(named, path);
  await runAs(named, binaries.postgres, args, statements.map((statement) => `${statement}\n`).join(""), signal);
  await giveTo(owner, path);
}

async function runAs(owner: Owner, program: string, args: string[], input: string, signal: AbortSignal | undefined): Promise<void> {
  signal?.throwIfAborted();
  const child = spawn(program, args, { ...owner, cwd: "/", env: postgresEnvironment, stdio: ["pipe", "ignore", "pipe"] });
  const abort = () => child.kill("SIGINT");
  signal?.addEventListener("abort", abort, { once: true });
  let words = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (words += text));
  child.stdin.on("error", () => {}).end(input);
  const ended = await new Promise<string | undefined>((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("close", (code, by) => resolve(code === 0 ? undefined : `${by ?? `code ${code}`}: ${words.trim()}`));
  });
  signal?.removeEventListener("abort", abort);
  signal?.throwIfAborted();
  if (ended === undefined) return;
  throw new PostgresStartError(
    "failed",
    `The PostgreSQL that comes with FastChat could not make its database (${basename(program)} ended with ${ended}): put that right, or set DATABASE_URL to a PostgreSQL of your own.`,
  );
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
