/**
 * The right to write a profile [S7]: at most one process or page holds it at a time.
 *
 * An implementation MUST let go when the holder ends, however it ends, and MUST NOT be able to be held by two.
 */
export interface ProfileLock {
  /** The held lock, or undefined while somebody else holds it. */
  tryAcquire(): Promise<HeldLock | undefined>;
  /** Resolves when this process holds it; rejects with the signal's reason when the signal aborts. */
  acquire(signal: AbortSignal): Promise<HeldLock>;
}

export interface HeldLock {
  release(): Promise<void>;
}
