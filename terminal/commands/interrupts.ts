import { exitCodes, Failure } from "../failure.ts";

const ENDINGS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

function onEnding(listener: (signal: NodeJS.Signals) => void): Disposable {
  for (const signal of ENDINGS) process.on(signal, listener);
  return {
    [Symbol.dispose]: () => {
      for (const signal of ENDINGS) process.off(signal, listener);
    },
  };
}

/** Ctrl-C, and other wishes that this ends: what is half done is taken back or kept first. @param so "nothing was written" */
export function interrupts(so: string): { readonly signal: AbortSignal } & Disposable {
  const end = new AbortController();
  const listening = onEnding(() => end.abort(new Failure(exitCodes.refused, "cancelled", `Cancelled: ${so}.`)));
  return { signal: end.signal, [Symbol.dispose]: () => listening[Symbol.dispose]() };
}

/**
 * The same for what only follows: what was shown is noted first, then the process ends by that signal, as whoever sent it expects (which is
 * why it is disposed last). A second one ends it at once.
 */
export function endsGently(): { readonly signal: AbortSignal } & Disposable {
  const end = new AbortController();
  let by: NodeJS.Signals | undefined;
  const listening = onEnding((signal) => {
    listening[Symbol.dispose]();
    by = signal;
    end.abort();
  });
  return {
    signal: end.signal,
    [Symbol.dispose]: () => {
      listening[Symbol.dispose]();
      if (by !== undefined) process.kill(process.pid, by);
    },
  };
}
