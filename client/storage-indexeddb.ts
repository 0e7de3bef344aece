import { deleteDB, openDB } from "idb";
import { GroupCommit } from "./group-commit.ts";
import { type Change, type Item, type KeyRange, type Storage, StorageFullError } from "./storage.ts";

const STORE = "items";

const databaseName = (profile: string) => `fastchat-${profile}`;

/**
 * Keeps a profile in one IndexedDB database. `durability: strict` asks the browser to flush before it says "done". Other
 * pages of the profile learn of a commit through a BroadcastChannel.
 */
export async function openIndexedDbStorage(profile: string): Promise<Storage> {
  const database = await openDB<{ [STORE]: { key: string; value: Uint8Array } }>(databaseName(profile), 1, {
    upgrade(opened) {
      opened.createObjectStore(STORE);
    },
  });
  // Another page wants to erase the profile: do not stand in its way.
  database.addEventListener("versionchange", () => database.close());
  const channel = new BroadcastChannel(databaseName(profile));
  const listeners = new Set<() => void>();
  channel.addEventListener("message", () => {
    for (const listener of listeners) listener();
  });

  async function commit(changes: readonly Change[]): Promise<void> {
    const transaction = database.transaction(STORE, "readwrite", { durability: "strict" });
    // The transaction's own end carries the error; that of a single request would be reported twice.
    const ignored = () => undefined;
    try {
      for (const change of changes) {
        const request =
          change.kind === "put" ? transaction.store.put(tight(change.value), change.key) : transaction.store.delete(change.key);
        request.catch(ignored);
      }
    } catch (error) {
      // Without this the requests made so far would be committed.
      transaction.done.catch(ignored);
      transaction.abort();
      throw error;
    }
    try {
      await transaction.done;
    } catch (error) {
      throw isFull(error) ? new StorageFullError(error) : error;
    }
    channel.postMessage("changed");
  }
  const commits = new GroupCommit(commit);

  let shared: ReturnType<typeof begun> | undefined;
  const begun = () => database.transaction(STORE, "readonly").store;
  /** What is read in one turn is read in one transaction: each costs as much as some values. */
  const reading = () => {
    if (shared === undefined) {
      shared = begun();
      queueMicrotask(() => (shared = undefined));
    }
    return shared;
  };

  return {
    // Rejects, too, where the storage is closed.
    get: async (key) => reading().get(key),

    async getMany(keys) {
      const store = reading();
      return Promise.all(keys.map((key) => store.get(key)));
    },

    async range({ from, to, limit = Infinity, reverse = false }: KeyRange) {
      if (limit <= 0 || from >= to) return [];
      const store = reading();
      let bounds = IDBKeyRange.bound(from, to, false, true);
      if (reverse && limit !== Infinity) {
        // Where the last ones begin: a cursor that gives them one by one costs several times as much.
        const cursor = await store.openKeyCursor(bounds, "prev");
        const first = limit === 1 || cursor === null ? cursor : await cursor.advance(limit - 1);
        if (first !== null) bounds = IDBKeyRange.bound(first.key, to, false, true);
      }
      const count = reverse || limit === Infinity ? undefined : limit;
      const [keys, values] = await Promise.all([store.getAllKeys(bounds, count), store.getAll(bounds, count)]);
      const items = keys.map((key, index): Item => ({ key, value: values[index]! }));
      return reverse ? items.reverse() : items;
    },

    commit: (changes) => commits.commit(changes),

    // Browsers overwrite what was deleted when they see fit, and cannot be asked to.
    scrub: () => Promise.resolve(true),

    onForeignChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },

    async close() {
      listeners.clear();
      await commits.idle();
      channel.close();
      database.close();
    },
  };
}

/** Erases everything of a profile. Its storage must be closed. */
export const eraseIndexedDbStorage = (profile: string): Promise<void> => deleteDB(databaseName(profile));

export async function existsIndexedDbStorage(profile: string): Promise<boolean> {
  return (await indexedDB.databases()).some(({ name }) => name === databaseName(profile));
}

/** A view is stored with all of the memory behind it: not so a copy. */
function tight(bytes: Uint8Array): Uint8Array {
  return bytes.byteLength === bytes.buffer.byteLength ? bytes : bytes.slice();
}

function isFull(error: unknown): boolean {
  return error instanceof DOMException && error.name === "QuotaExceededError";
}
