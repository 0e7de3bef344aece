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
