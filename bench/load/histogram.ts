/** Counts by bucket; each bucket is some 2 % wide. */
export type TakenHistogram = readonly (readonly [bucket: number, count: number])[];

const PER_DOUBLING = 32;

const bucketOf = (value: number): number => (value < 1 ? 0 : Math.round(Math.log2(value) * PER_DOUBLING));
const valueOf = (bucket: number): number => 2 ** (bucket / PER_DOUBLING);

/** Positive numbers, counted with a relative error of some 1 %. */
export class Histogram {
  #counts = new Map<number, number>();

  add(value: number): void {
    const bucket = bucketOf(value);
    this.#counts.set(bucket, (this.#counts.get(bucket) ?? 0) + 1);
  }

  merge(taken: TakenHistogram): void {
    for (const [bucket, count] of taken) this.#counts.set(bucket, (this.#counts.get(bucket) ?? 0) + count);
  }

  /** What was added since this was asked last. */
  taken(): TakenHistogram {
    const taken = [...this.#counts];
    this.#counts = new Map();
    return taken;
  }

  get count(): number {
    return this.#counts.values().reduce((sum, count) => sum + count, 0);
  }

  /** @param share from 0 to 1; NaN where nothing was added */
  quantile(share: number): number {
    const sorted = [...this.#counts].sort(([one], [other]) => one - other);
    let left = Math.ceil(this.count * share);
    for (const [bucket, count] of sorted) if ((left -= count) <= 0) return valueOf(bucket);
    return Number.NaN;
  }
}
