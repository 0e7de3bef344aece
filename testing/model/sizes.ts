interface Size {
  /** At least so many. */
  readonly runs: number;
  /** Of one group of people, before others take their places. */
  readonly runsPerCast: number;
  /** Those with devices that come and go: every account may do few of these, and each costs a second. */
  readonly runsWithDevices: number;
  readonly timeoutMs: number;
}

export const sizes: { readonly small: Size; readonly large: Size } = {
  small: { runs: 1, runsPerCast: 3, runsWithDevices: 1, timeoutMs: 120_000 },
  large: { runs: 2_000, runsPerCast: 50, runsWithDevices: 8, timeoutMs: 2 * 3_600_000 },
};
