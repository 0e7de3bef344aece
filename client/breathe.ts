interface Scheduler {
  readonly yield?: () => Promise<void>;
}

/** Lets everything else that waits have its turn: between the pieces of work that would hold up a screen. */
export async function breathe(): Promise<void> {
  const { scheduler } = globalThis as { readonly scheduler?: Scheduler };
  if (typeof setImmediate === "function") return new Promise((resolve) => void setImmediate(resolve));
  if (scheduler?.yield !== undefined) return scheduler.yield();
  return new Promise((resolve) => void setTimeout(resolve));
}
