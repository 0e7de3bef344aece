import { join, resolve } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { type Cluster, openCluster, postgresEnvironment, role } from "./cluster.ts";
import { lockFolder } from "./folder-lock.ts";
import { findFreePort } from "./free-port.ts";
import { makeFolder } from "./owner.ts";
import { isPostmasterOf, readPostmasterFile, sendSignal, stopOrphan, stopSteps } from "./postmaster.ts";
import { settingsFor } from "./settings.ts";
import { PostgresStartError } from "./start-error.ts";
import { startWatched, type WatchedProcess } from "./watched-process.ts";

export type EmbeddedPostgresOptions = {
  /** Holds the cluster, its password and a copy of the programs; made when missing. Nothing else may live in it. */
  readonly dataFolder: string;
  /** The first port to try on 127.0.0.1; a taken one means the next free one. 0 takes any. Default 5432. */
  readonly port?: number;
  /** Receives each line that PostgreSQL or its supervision has to say. No line holds statements, parameters or keys. */
  readonly log: (line: string) => void;
  /** Called each time PostgreSQL answers again after it died. Open connections are gone by then. */
  readonly onRestart?: () => void;
  /** Ends a start that is under way; a PostgreSQL that runs is ended by disposing it. */
  readonly signal?: AbortSignal;
  /**
   * For tests that start many: a folder to make once and copy every new cluster from, programs included. Any path beside the
   * data folders; several processes may name the same one. Clusters from one template have one password.
   */
  readonly templateFolder?: string;
};

export type EmbeddedPostgres = AsyncDisposable & {
  /** `postgres://` with the password; stays the same when PostgreSQL is restarted. */
  readonly url: string;
  readonly port: number;
  /** PostgreSQL's main process; undefined while it is down. */
  readonly processId: number | undefined;
};

/** Restarts wait this long (ms), doubling from the first to the last while PostgreSQL does not stay up. */
const backOff = { first: 100, last: 10_000, settledAfter: 30_000 };
/** The first start is tried this often when leftovers of an earlier PostgreSQL (its backends, a port) are in the way. */
const firstAttempts = 40;

/**
 * Starts PostgreSQL 18 on `dataFolder` and keeps it running until disposed. As root it runs as an unprivileged user.
 *
 * Who can die, and what then:
 * - a backend: PostgreSQL restarts itself, connections break
 * - PostgreSQL's main process: it is started again on the same port, after a back-off, for ever
 * - this process: a pipe closes, and the watching shell ends PostgreSQL (watched-process.ts)
 * - this process and the shells: the next start ends the orphan first (`stopOrphan`)
 * Two that start at once: the folder's lock, which dies with its process, lets one in (folder-lock.ts).
 *
 * Throws `PostgresStartError`, or the signal's reason.
 */
export async function startPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const { log, signal } = options;
  const dataFolder = resolve(options.dataFolder);
  signal?.throwIfAborted();
  makeFolder(dataFolder);
  using undo = new DisposableStack();
  undo.use(lockFolder(dataFolder));
  await stopOrphan(join(dataFolder, "cluster"), log, signal);
  const cluster = await openCluster(dataFolder, options.templateFolder === undefined ? undefined : resolve(options.templateFolder), signal);

  let port = await findFreePort(options.port ?? 5432);
  let running: Running | undefined;
  for (let attempt = 1; running === undefined; attempt++) {
    const started = await run(cluster, port, log, signal);
    switch (started.kind) {
      case "ready":
        running = started;
        break;
      case "ended": {
        const portTaken = /could not bind|could not create any TCP\/IP sockets/.test(started.lastLines.join("\n"));
        const leftover = /shared memory block|lock file/.test(started.lastLines.join("\n"));
        if (attempt >= firstAttempts || !(portTaken || leftover)) {
          throw new PostgresStartError(
            "failed",
            `PostgreSQL does not start on ${cluster.path} (${started.how}): ${started.lastLines.join(" ")}`,
          );
        }
        if (portTaken) port = await findFreePort(options.port === 0 ? 0 : port + 1);
        else await wait(250, undefined, { signal });
        break;
      }
      default:
        started satisfies never;
    }
  }

  const stopping = new AbortController();
  const supervision = supervise(cluster, port, running, stopping.signal, log, options.onRestart, (next) => (running = next));
  const held = undo.move();
  let disposed: Promise<void> | undefined;
  return {
    url: `postgres://${role}:${cluster.password}@127.0.0.1:${port}/${role}`,
    port,
    get processId() {
      return running?.pid;
    },
    [Symbol.asyncDispose]() {
      disposed ??= (async () => {
        stopping.abort();
        await supervision.finally(() => held.dispose());
      })();
      return disposed;
    },
  };
}

type Running = { readonly kind: "ready"; readonly pid: number; readonly process: WatchedProcess };
type Ended = { readonly kind: "ended"; readonly how: string; readonly lastLines: readonly string[] };

/** Starts PostgreSQL once and waits until it accepts connections, however long its recovery takes. Throws when aborted. */
async function run(cluster: Cluster, port: number, log: (line: string) => void, signal: AbortSignal | undefined): Promise<Running | Ended> {
  const lastLines: string[] = [];
  const hear = (line: string) => {
    if (!/^(LOG: {2}(?!could not)|HINT|DETAIL)/.test(line)) lastLines.push(line);
    if (lastLines.length > 5) lastLines.shift();
    log(line);
  };
  const args = ["-D", cluster.path, ...settingsFor(port, cluster.accessFile)];
  const process = startWatched(cluster.binaries.postgres, args, cluster.owner, postgresEnvironment, hear);
  const pid = await process.pid;
  let ended: { how: string } | undefined;
  void process.ended.then((end) => (ended = end));
  while (pid !== undefined) {
    const file = readPostmasterFile(cluster.path);
    if (file?.pid === pid && file.status === "ready") return { kind: "ready", pid, process };
    if (ended !== undefined) break;
    if (signal?.aborted === true) {
      await stop(cluster, pid, process);
      signal.throwIfAborted();
    }
    await wait(20);
  }
  const { how } = await process.ended;
  return { kind: "ended", how, lastLines };
}

/** Restarts what died until told to stop, then stops what runs. `now` hears of each PostgreSQL that answers, and of its end. */
async function supervise(
  cluster: Cluster,
  port: number,
  first: Running,
  stopping: AbortSignal,
  log: (line: string) => void,
  onRestart: (() => void) | undefined,
  now: (running: Running | undefined) => void,
): Promise<void> {
  const told = new Promise<"told">((done) => stopping.addEventListener("abort", () => done("told"), { once: true }));
  let delay = backOff.first;
  for (let running: Running | undefined = first; ;) {
    if (running !== undefined) {
      const since = Date.now();
      const end = await Promise.race([running.process.ended, told]);
      now(undefined);
      if (end === "told") return stop(cluster, running.pid, running.process);
      log(`PostgreSQL ended (${end.how}); starting it again`);
      if (Date.now() - since > backOff.settledAfter) delay = backOff.first;
      running = undefined;
    }
    try {
      await wait(delay, undefined, { signal: stopping });
      delay = Math.min(delay * 2, backOff.last);
      // Only its waiter may have been killed: then PostgreSQL was told to end, and has not yet.
      await stopOrphan(cluster.path, log, stopping);
      const next = await run(cluster, port, log, stopping);
      if (next.kind === "ready") {
        running = next;
        now(next);
        onRestart?.();
      }
    } catch (error) {
      if (stopping.aborted) return;
      log(`PostgreSQL could not be started again: ${(error as Error).message}`);
    }
  }
}

async function stop(cluster: Cluster, pid: number, process: WatchedProcess): Promise<void> {
  for (const step of stopSteps) {
    if (!isPostmasterOf(cluster.path, pid)) break;
    sendSignal(pid, step.signal);
    const patience = new AbortController();
    const outcome = await Promise.race([process.ended, wait(step.patience, "late" as const, { signal: patience.signal })]);
    patience.abort();
    if (outcome !== "late") return;
  }
  await process.ended;
}
