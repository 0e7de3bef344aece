// Where values lie on an axis, and which of them are written beside it.

export interface Scale {
  /** From 0, where the axis begins, to 1. */
  readonly place: (value: number) => number;
  readonly ticks: readonly number[];
}

/** 1, 2 or 5 times a power of ten. */
const STEPS = [1, 2, 5, 10] as const;

/** From 0 to what holds `most`. */
export function linear(most: number): Scale {
  const rough = (most > 0 ? most : 1) / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = STEPS.map((each) => each * power).find((each) => each >= rough * 0.999)!;
  const count = Math.max(1, Math.ceil((most > 0 ? most : 1) / step - 1e-9));
  return { place: (value) => value / (count * step), ticks: Array.from({ length: count + 1 }, (_, index) => index * step) };
}

/** Powers of ten that hold both; both are above 0. */
export function logarithmic(least: number, most: number): Scale {
  const from = Math.floor(Math.log10(least));
  const to = Math.max(from + 1, Math.ceil(Math.log10(most) - 1e-9));
  return {
    place: (value) => (Math.log10(Math.max(value, 10 ** from)) - from) / (to - from),
    ticks: Array.from({ length: to - from + 1 }, (_, index) => 10 ** (from + index)),
  };
}

/** Shares of all, spread so that the slowest thousandth has its room: each step right is a tenth of those before. */
export function percentiles(most: number): Scale {
  const nines = (share: number) => -Math.log10(1 - share);
  return {
    place: (share) => Math.min(most, nines(share)) / most,
    ticks: [0, 0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999].filter((share) => nines(share) <= most),
  };
}
