/**
 * Ids of sealed states that were used, each kept until its state cannot be opened any more. At most `most`: beyond, the one that was used first is
 * forgotten.
 */
export class UsedStates {
  readonly #lifetimeMs: number;
  readonly #most: number;
  readonly #now: () => number;
  /** When each was used, in that order. */
  readonly #used = new Map<string, number>();

  constructor(options: { readonly lifetimeMs: number; readonly most: number }, now: () => number = () => performance.now()) {
    this.#lifetimeMs = options.lifetimeMs;
    this.#most = options.most;
    this.#now = now;
  }

  /** False: it was used before. */
  use(id: string): boolean {
    const now = this.#now();
    for (const [old, at] of this.#used) {
      if (at > now - this.#lifetimeMs) break;
      this.#used.delete(old);
    }
    if (this.#used.has(id)) return false;
    this.#used.set(id, now);
    for (const [oldest] of this.#used) {
      if (this.#used.size <= this.#most) break;
      this.#used.delete(oldest);
    }
    return true;
  }

  get size(): number {
    return this.#used.size;
  }
}
