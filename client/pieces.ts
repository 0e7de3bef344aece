/** What one request can carry of something long. */
export interface PieceLimits {
  readonly bytes: number;
  readonly count: number;
}

/** These in order, in as few pieces as they fit into; one that is too large is a piece by itself. */
export function inPieces<Item>(items: readonly Item[], sizeOf: (item: Item) => number, most: PieceLimits): Item[][] {
  const pieces: Item[][] = [];
  let bytes = 0;
  for (const item of items) {
    const last = pieces.at(-1);
    bytes += sizeOf(item);
    if (last !== undefined && last.length < most.count && bytes <= most.bytes) {
      last.push(item);
      continue;
    }
    pieces.push([item]);
    bytes = sizeOf(item);
  }
  return pieces;
}
