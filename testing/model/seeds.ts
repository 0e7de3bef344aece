/** Seeds and paths of scenarios that once failed, by what was wrong then; they are played in every run. */
export const seedsThatFailed: readonly { readonly why: string; readonly seed: number; readonly path: string; readonly devices: boolean }[] =
  [
    {
      why: "an add that brought copies of epochs that the account had before was never taken",
      seed: 404_742_127,
      path: "18",
      devices: false,
    },
    { why: "nobody let in who had asked before somebody else became the only admin", seed: 876_768_813, path: "40", devices: false },
  ];
