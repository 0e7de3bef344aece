import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Owner } from "./owner.ts";

/**
 * A shell of a few hundred kilobytes stands between us and PostgreSQL. Its standard input is a pipe of which we hold the other end
 * and never write to: when we end, however we end, the pipe closes, `read` returns, and PostgreSQL gets its fast shutdown. The
 * reader and the waiter are two processes, so that the loss of one of them does not lose the duty.
 *
 * Background commands of a shell have /dev/null as input, hence descriptor 3; PostgreSQL must not hold it. They also ignore SIGINT until
 * they say otherwise, which PostgreSQL does.
 */
const watch = `
exec 3<&0
"$@" 3<&- &
program=$!
echo "$program"
( read -r nothing <&3; kill -INT "$program" ) >/dev/null 2>&1 &
reader=$!
exec 3<&- </dev/null
wait "$program"
status=$?
kill "$reader"
wait "$reader" 2>/dev/null
exit "$status"
`;

export type WatchedProcess = {
  /** Resolves with the program's process id once it runs, undefined when it could not be started. */
  readonly pid: Promise<number | undefined>;
  /** Resolves when the program has ended (or its waiter was killed: then the program is told to end, but may still run). */
  readonly ended: Promise<{ readonly how: string }>;
};

/**
 * Starts `program` as `owner` in a session of its own, so that Ctrl-C reaches us and not it. Each line it writes goes to `log`. It is
 * told to end by SIGINT when this process ends.
 */
export function startWatched(
  program: string,
  args: string[],
  owner: Owner,
  env: NodeJS.ProcessEnv,
  log: (line: string) => void,
): WatchedProcess {
  const child: ChildProcess = spawn("/bin/sh", ["-c", watch, "watch", program, ...args], {
    ...owner,
    cwd: "/",
    env,
    detached: true,
    stdio: ["pipe", "pipe", "pipe"],
  });
  child.stdin!.on("error", () => {});
  createInterface({ input: child.stderr! }).on("line", log);
  const pid = new Promise<number | undefined>((resolve) => {
    const lines = createInterface({ input: child.stdout! });
    lines.once("line", (line) => resolve(Number(line)));
    lines.once("close", () => resolve(undefined));
  });
  const ended = new Promise<{ how: string }>((resolve) => {
    child.once("error", (error) => resolve({ how: error.message }));
    child.once("exit", (code, signal) => {
      child.stdin!.destroy();
      resolve({ how: signal ?? `code ${code}` });
    });
  });
  return { pid, ended };
}
