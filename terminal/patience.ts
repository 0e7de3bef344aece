/** A signal that aborts after so long. Unlike AbortSignal.timeout it keeps the process waiting for it, until it is disposed. */
export function patience(milliseconds: number): { readonly signal: AbortSignal } & Disposable {
  const end = new AbortController();
  const timer = setTimeout(() => end.abort(new DOMException("The time is up.", "TimeoutError")), milliseconds);
  return { signal: end.signal, [Symbol.dispose]: () => clearTimeout(timer) };
}
