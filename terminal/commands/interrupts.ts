import { exitCodes, Failure } from "../failure.ts";

const ENDINGS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Ctrl-C, and other wishes that this ends: what is half done is taken back or kept first. @param so "nothing was written" */
export function interrupts(so: string): { readonly signal: AbortSignal } & Disposable {
  const end = new AbortController();
  const interrupt = (): void => end.abort(new Failure(exitCodes.refused, "cancelled", `Cancelled: ${so}.`));
  for (const signal of ENDINGS) process.on(signal, interrupt);
  return {
    signal: end.signal,
    [Symbol.dispose]: () => {
      for (const signal of ENDINGS) process.off(signal, interrupt);
    },
  };
}

/**
 * The same for what only follows: what was shown is noted first, then the process ends by that signal, as whoever sent it expects (which is
 * why it is disposed last). A second one ends it at once.
 */
export function endsGently(): { readonly signal: AbortSignal } & Disposable {
  const end = new AbortController();
  let by: NodeJS.Signals | undefined;
  const leaveSignals = (): void => {
    for (const signal of ENDINGS) process.off(signal, note);
  };
  const note = (signal: NodeJS.Signals): void => {
    leaveSignals();
    by = signal;
    end.abort();
  };
  for (const signal of ENDINGS) process.on(signal, note);
  return {
    signal: end.signal,
    [Symbol.dispose]: () => {
      leaveSignals();
      if (by !== undefined) process.kill(process.pid, by);
    },
  };
}
