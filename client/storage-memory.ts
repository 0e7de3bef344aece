import type { Change, Item, KeyRange, Storage } from "./storage.ts";

/** What lies in memory alone; everybody who opens it sees the same. */
export class MemoryPlace {
  readonly values = new Map<string, Uint8Array>();
  /** Ascending; looked up from `values` when it is undefined. */
  #keys: string[] | undefined;
  readonly opened = new Set<() => void>();

  get keys(): readonly string[] {
    // Mostly in order already, which makes sorting cheap.
    return (this.#keys ??= [...this.values.keys()].sort());
  }

  apply(changes: readonly Change[]): void {
    const isNew = changes.some((change) => (change.kind === "put") !== this.values.has(change.key));
    for (const change of changes) {
      if (change.kind === "put") this.values.set(change.key, change.value.slice());
      else this.values.delete(change.key);
    }
    if (isNew) this.#keys = undefined;
  }
}

/**
 * Storage that leaves nothing behind, in Node and in browsers. Of the duties of storage.ts one is left out on purpose: no commit outlives the
 * process [H5].
 */
export function openMemoryStorage(place = new MemoryPlace()): Storage {
  const foreign = new Set<() => void>();
  const tell = (): void => foreign.forEach((listener) => listener());
  place.opened.add(tell);
  const get = (key: string): Uint8Array | undefined => place.values.get(key)?.slice();
  return {
    get: async (key) => get(key),
    getMany: async (keys) => keys.map(get),
    range: async (range) => rangeOf(place, range),
    async commit(changes) {
      for (const change of changes) {
        if (change.kind === "put" && !(change.value instanceof Uint8Array)) throw new TypeError("a value is bytes");
      }
      place.apply(changes);
      for (const other of place.opened) if (other !== tell) queueMicrotask(other);
    },
    // What is deleted here lies nowhere.
    scrub: async () => true,
    onForeignChange(listener) {
      foreign.add(listener);
      return () => foreign.delete(listener);
    },
    async close() {
      place.opened.delete(tell);
      foreign.clear();
    },
  };
}

function rangeOf({ keys, values }: MemoryPlace, { from, to, limit = Infinity, reverse = false }: KeyRange): Item[] {
  const start = firstFrom(keys, from);
  const end = Math.max(start, firstFrom(keys, to));
  const size = Math.min(limit, end - start);
  const chosen = reverse ? keys.slice(end - size, end).reverse() : keys.slice(start, start + size);
  return chosen.map((key) => ({ key, value: values.get(key)!.slice() }));
}

/** Index of the first key that is not below this one. */
function firstFrom(keys: readonly string[], key: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (keys[middle]! < key) low = middle + 1;
    else high = middle;
  }
  return low;
}
