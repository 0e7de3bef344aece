import { ErrorCode, FastChatError } from "@fastchat/protocol";

/** Tokens that refill evenly up to `burst`. The caller brings the time, in milliseconds of a clock that never goes back. */
export class TokenBucket {
  readonly #perMs: number;
  readonly #burst: number;
  #tokens: number;
  #at: number;

  constructor(options: { readonly perSecond: number; readonly burst: number; readonly now: number }) {
    this.#perMs = options.perSecond / 1_000;
    this.#burst = options.burst;
    this.#tokens = options.burst;
    this.#at = options.now;
  }

  /** Takes them if they are there. */
  tryTake(count: number, now: number): boolean {
    this.#refill(now);
    if (this.#tokens < count) return false;
    this.#tokens -= count;
    return true;
  }

  giveBack(count: number): void {
    this.#tokens = Math.min(this.#burst, this.#tokens + count);
  }

  /** Takes them even below zero; milliseconds until the bucket is at zero again, 0 when it is not below. */
  take(count: number, now: number): number {
    this.#refill(now);
    this.#tokens -= count;
    return this.#tokens >= 0 ? 0 : Math.ceil(-this.#tokens / this.#perMs);
  }

  /** Milliseconds until `count` tokens are there. */
  wait(count: number, now: number): number {
    this.#refill(now);
    return this.#tokens >= count ? 0 : Math.ceil((count - this.#tokens) / this.#perMs);
  }

  isFull(now: number): boolean {
    this.#refill(now);
    return this.#tokens >= this.#burst;
  }

  #refill(now: number): void {
    this.#tokens = Math.min(this.#burst, this.#tokens + Math.max(0, now - this.#at) * this.#perMs);
    this.#at = Math.max(this.#at, now);
  }
}

/** Kept at most; beyond, the one that was made first is forgotten. A key takes some hundred bytes: 20 MB in all. */
const MOST_BUCKETS = 100_000;

/** A bucket for each key; those that are full again are forgotten. Keys have a bounded length, which is the caller's duty. */
export class TokenBuckets {
  readonly #options: { readonly perSecond: number; readonly burst: number };
  readonly #buckets = new Map<string, TokenBucket>();
  readonly #now: () => number;
  #sweepAt = 1_024;

  constructor(options: { readonly perSecond: number; readonly burst: number }, now: () => number = () => performance.now()) {
    this.#options = options;
    this.#now = now;
  }

  of(key: string): TokenBucket {
    let bucket = this.#buckets.get(key);
    if (bucket === undefined) {
      if (this.#buckets.size >= this.#sweepAt) this.#sweep();
      bucket = new TokenBucket({ ...this.#options, now: this.#now() });
      this.#buckets.set(key, bucket);
    }
    return bucket;
  }

  tryTake(key: string, count = 1): boolean {
    return this.of(key).tryTake(count, this.#now());
  }

  /** Takes one. Throws RATE_LIMITED, with the time to wait, where the bucket is empty. */
  takeOrThrow(key: string): void {
    if (!this.tryTake(key)) throw new FastChatError(ErrorCode.RATE_LIMITED, { retryAfterMs: this.wait(key) });
  }

  take(key: string, count: number): number {
    return this.of(key).take(count, this.#now());
  }

  /** For what was taken and turned out to be harmless. */
  giveBack(key: string): void {
    this.#buckets.get(key)?.giveBack(1);
  }

  wait(key: string): number {
    return this.of(key).wait(1, this.#now());
  }

  get size(): number {
    return this.#buckets.size;
  }

  #sweep(): void {
    const now = this.#now();
    for (const [key, bucket] of this.#buckets) if (bucket.isFull(now)) this.#buckets.delete(key);
    // A tenth at once, so that a flood of keys does not cost a sweep for each.
    const most = 0.9 * MOST_BUCKETS;
    for (const key of this.#buckets.keys()) {
      if (this.#buckets.size <= most) break;
      this.#buckets.delete(key);
    }
    this.#sweepAt = Math.min(MOST_BUCKETS, Math.max(1_024, 2 * this.#buckets.size));
  }
}
