import { spawnSync } from "node:child_process";
import { readFileSync, readlinkSync, realpathSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { PostgresStartError } from "./start-error.ts";

/** What PostgreSQL's own lock file says: the main process, and how far it is ("starting", "ready", "stopping"). */
export type PostmasterFile = { readonly pid: number; readonly status: string };

/** Undefined when there is none, or when it is being written. */
export function readPostmasterFile(cluster: string): PostmasterFile | undefined {
  try {
    const lines = readFileSync(join(cluster, "postmaster.pid"), "utf8").split("\n");
    const pid = Number.parseInt(lines[0] ?? "", 10);
    return pid > 0 ? { pid, status: (lines[7] ?? "").trim() } : undefined;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/**
 * Ends a PostgreSQL that still runs on this cluster because whoever started it was killed, and removes a lock file whose process id
 * now belongs to somebody else (PostgreSQL would take any living process of its user for itself and never start again). The caller
 * must hold the folder's lock. Backends that outlive their main process are left to PostgreSQL, which refuses to start beside them.
 */
export async function stopOrphan(cluster: string, log: (line: string) => void, signal?: AbortSignal): Promise<void> {
  const found = readPostmasterFile(cluster);
  if (found === undefined) return;
  if (!isPostmasterOf(cluster, found.pid)) {
    if (found.pid !== process.pid && !isAlive(found.pid)) return; // PostgreSQL removes it, and looks for leftovers of it
    log(`removing the lock file of a PostgreSQL that is gone (process id ${found.pid} is another program now)`);
    rmSync(join(cluster, "postmaster.pid"), { force: true });
    return;
  }
  log(`stopping the PostgreSQL that an earlier FastChat left behind (process ${found.pid})`);
  const gone = () => !isPostmasterOf(cluster, found.pid);
  for (const step of stopSteps) {
    if (await endsAfter(found.pid, step, gone, signal)) return;
  }
  throw new PostgresStartError("failed", `The PostgreSQL with the process id ${found.pid} does not end: end it by hand, then start again.`);
}

/** PostgreSQL's fast shutdown, then the immediate one (recovers at the next start), then the system's; each with its patience in ms. */
export const stopSteps = [
  { signal: "SIGINT", patience: 15_000 },
  { signal: "SIGQUIT", patience: 5_000 },
  { signal: "SIGKILL", patience: 5_000 },
] as const;

async function endsAfter(pid: number, step: (typeof stopSteps)[number], gone: () => boolean, signal?: AbortSignal): Promise<boolean> {
  if (gone()) return true;
  sendSignal(pid, step.signal);
  for (const end = Date.now() + step.patience; Date.now() < end;) {
    if (gone()) return true;
    await wait(50, undefined, { signal });
  }
  return false;
}

/** To a process that may have ended meanwhile. */
export function sendSignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/** Whether `pid` is PostgreSQL's main process on this cluster, and not another program that got the same id later. */
export function isPostmasterOf(cluster: string, pid: number): boolean {
  const path = realpathSync(cluster);
  if (process.platform === "linux") {
    try {
      // PostgreSQL works inside its data directory; a zombie has no directory any more.
      return readlinkSync(`/proc/${pid}/cwd`) === path && statSync(`/proc/${pid}`).uid === statSync(path).uid;
    } catch {
      return false;
    }
  }
  const { stdout } = spawnSync("ps", ["-o", "stat=,command=", "-p", String(pid)], { encoding: "utf8" });
  return !stdout.trimStart().startsWith("Z") && stdout.includes("postgres") && (stdout.includes(path) || stdout.includes(cluster));
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
