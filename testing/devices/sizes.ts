interface Size {
  readonly runs: number;
  readonly timeoutMs: number;
}

export const sizes: { readonly small: Size; readonly large: Size } = {
  small: { runs: 1, timeoutMs: 120_000 },
  large: { runs: 500, timeoutMs: 3 * 3_600_000 },
};
