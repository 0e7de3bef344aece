interface Size {
  /** At least so many. */
  readonly runs: number;
  /** Groups of people in one system: the first one with devices that come and go. */
  readonly casts: number;
  /** Of one group of people, before others take their places. */
  readonly runsPerCast: number;
  /** Every account may do few of these, and each costs a second. */
  readonly runsWithDevices: number;
  readonly timeoutMs: number;
}

export const sizes: { readonly small: Size; readonly large: Size } = {
  small: { runs: 1, casts: 2, runsPerCast: 5, runsWithDevices: 1, timeoutMs: 120_000 },
  large: { runs: 2_000, casts: 3, runsPerCast: 50, runsWithDevices: 8, timeoutMs: 2 * 3_600_000 },
};
