import type { ChatItem } from "@fastchat/client";

/** An item at its place among those of its conversation. */
export interface Entry {
  readonly key: string;
  /** Sequence number it stands at or behind; Infinity while queued. */
  readonly place: number;
  readonly item: ChatItem;
}

export function keyOf(item: ChatItem): string {
  return item.kind === "message" ? item.id : `${item.notice}:${item.sequence ?? ""}:${item.time}`;
}

/** Newest sequence number among entries; 0: none. */
export function newestSequence(entries: readonly Entry[]): number {
  for (let index = entries.length - 1; index >= 0; index--) {
    const { place } = entries[index]!;
    if (place !== Infinity) return place;
  }
  return 0;
}

export function oldestSequence(entries: readonly Entry[]): number | undefined {
  return entries.find(({ item }) => item.sequence !== undefined)?.item.sequence;
}

const rank = (item: ChatItem): number => (item.kind === "message" ? 0 : 1);

function before(a: Entry, b: Entry): boolean {
  return a.place < b.place || (a.place === b.place && rank(a.item) < rank(b.item));
}

/** Adds items, or puts them in the place of their older selves. In the order of the log; what is queued comes last, as it was written. */
export function merge(entries: readonly Entry[], items: readonly ChatItem[]): readonly Entry[] {
  if (items.length === 0) return entries;
  const merged = [...entries];
  const indices = new Map<string, number>();
  // Statuses change near the end: whoever looks for one message need not know where all others are.
  if (items.length === 1) {
    const key = keyOf(items[0]!);
    const index = merged.findLastIndex((entry) => entry.key === key);
    if (index >= 0) indices.set(key, index);
  } else for (const [index, entry] of merged.entries()) indices.set(entry.key, index);
  let newest = newestSequence(entries);
  let sorted = true;
  for (const item of items) {
    const key = keyOf(item);
    const known = indices.get(key);
    const now = item.kind === "message" ? Infinity : known === undefined ? newest : merged[known]!.place;
    const entry: Entry = { key, place: item.sequence ?? now, item };
    if (entry.place !== Infinity) newest = Math.max(newest, entry.place);
    const at = known ?? merged.length;
    merged[at] = entry;
    indices.set(key, at);
    const [above, below] = [merged[at - 1], merged[at + 1]];
    if ((above !== undefined && before(entry, above)) || (below !== undefined && before(below, entry))) sorted = false;
  }
  // Array sorting is stable: equal places keep the order in which they came.
  if (!sorted) merged.sort((a, b) => (before(a, b) ? -1 : before(b, a) ? 1 : 0));
  return merged;
}
