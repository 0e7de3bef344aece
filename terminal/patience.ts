/** A signal that aborts after so long. Unlike AbortSignal.timeout it keeps the process waiting for it, until it is disposed. */
export function patience(milliseconds: number): { readonly signal: AbortSignal } & Disposable {
  const end = new AbortController();
  const timer = setTimeout(() => end.abort(new DOMException("The time is up.", "TimeoutError")), milliseconds);
  return { signal: end.signal, [Symbol.dispose]: () => clearTimeout(timer) };
}

/** Resolves with the work, or without it after so long; what fails later is nobody's concern then. */
export async function within(milliseconds: number, work: Promise<void>): Promise<void> {
  using limit = patience(milliseconds);
  const over = new Promise<void>((resolve) => limit.signal.addEventListener("abort", () => resolve(), { once: true }));
  await Promise.race([work, over]);
}

const LONGEST_TIMER_MS = 2_147_483_647;

/** Keeps the process until it is disposed, also while it only waits for another process of the profile. */
export function staying(): Disposable {
  const timer = setInterval(() => undefined, LONGEST_TIMER_MS);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
