import { chmodSync, existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { GroupCommit } from "./group-commit.ts";
import { type Change, type Item, type KeyRange, type Storage, StorageFullError } from "./storage.ts";

/** In the folder of a profile. */
const profileFile = "profile.sqlite";
const FOREIGN_CHANGE_POLL_MS = 40;
/** How long a commit waits for that of another process of the profile. */
const BUSY_MS = 10_000;
/** How long scrubbing waits for others: it is tried again. */
const SCRUB_BUSY_MS = 50;
/** SQLITE_FULL, and SQLITE_IOERR_WRITE, which some file systems give instead. */
const FULL_CODES = new Set([13, 778]);

/**
 * Keeps a profile in one SQLite file. WAL with synchronous=FULL: a commit is on the disk when it returns, and readers never
 * wait. The folder is made 0700 and the files 0600 [S7].
 *
 * @param maximumBytes refuses to grow beyond this, for devices with a quota; undefined: as large as the disk allows
 */
export function openSqliteStorage(folder: string, maximumBytes?: number): Storage {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  chmodSync(folder, 0o700);
  const path = join(folder, profileFile);
  const previousMask = process.umask(0o077);
  const database = new DatabaseSync(path, { timeout: BUSY_MS });
  try {
    database.exec(
      `PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON;
       CREATE TABLE IF NOT EXISTS items (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;`,
    );
    if (maximumBytes !== undefined) database.exec(`PRAGMA max_page_count = ${Math.ceil(maximumBytes / 4_096)}`);
  } catch (error) {
    database.close();
    throw isFull(error) ? new StorageFullError(error) : error;
  } finally {
    process.umask(previousMask);
  }
  const select = database.prepare("SELECT value FROM items WHERE key = ?");
  const ascending = database.prepare("SELECT key, value FROM items WHERE key >= ? AND key < ? ORDER BY key LIMIT ?");
  const descending = database.prepare("SELECT key, value FROM items WHERE key >= ? AND key < ? ORDER BY key DESC LIMIT ?");
  const put = database.prepare("INSERT INTO items (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value");
  const remove = database.prepare("DELETE FROM items WHERE key = ?");
  // Changes exactly when another connection committed (https://sqlite.org/pragma.html#pragma_data_version).
  const dataVersion = database.prepare("PRAGMA data_version");
  // https://sqlite.org/pragma.html#pragma_wal_checkpoint
  const truncate = database.prepare("PRAGMA wal_checkpoint(TRUNCATE)");

  const listeners = new Set<() => void>();
  let seenVersion = versionNow();
  let poll: NodeJS.Timeout | undefined;

  function versionNow(): unknown {
    return dataVersion.get()?.["data_version"];
  }

  function read(key: string): Uint8Array | undefined {
    return select.get(key)?.["value"] as Uint8Array | undefined;
  }

  function look(): void {
    const version = versionNow();
    if (version === seenVersion) return;
    seenVersion = version;
    for (const listener of listeners) listener();
  }

  async function commit(changes: readonly Change[]): Promise<void> {
    try {
      database.exec("BEGIN IMMEDIATE");
      for (const change of changes) {
        if (change.kind === "put") put.run(change.key, change.value);
        else remove.run(change.key);
      }
      database.exec("COMMIT");
    } catch (error) {
      if (database.isTransaction) database.exec("ROLLBACK");
      throw isFull(error) ? new StorageFullError(error) : error;
    }
  }
  const commits = new GroupCommit(commit);

  return {
    async get(key) {
      return read(key);
    },

    async getMany(keys) {
      return keys.map(read);
    },

    async range({ from, to, limit = -1, reverse = false }: KeyRange) {
      const rows = (reverse ? descending : ascending).all(from, to, limit);
      return rows as unknown as Item[];
    },

    commit: (changes) => commits.commit(changes),

    // What is deleted is overwritten (secure_delete), but the log of changes still has the pages as they were before.
    async scrub() {
      database.exec(`PRAGMA busy_timeout = ${SCRUB_BUSY_MS}`);
      try {
        return truncate.get()?.["busy"] === 0;
      } finally {
        database.exec(`PRAGMA busy_timeout = ${BUSY_MS}`);
      }
    },

    onForeignChange(listener) {
      listeners.add(listener);
      if (poll === undefined) {
        seenVersion = versionNow();
        poll = setInterval(look, FOREIGN_CHANGE_POLL_MS);
        poll.unref();
      }
      return () => {
        listeners.delete(listener);
        if (listeners.size > 0) return;
        clearInterval(poll);
        poll = undefined;
      };
    },

    async close() {
      clearInterval(poll);
      listeners.clear();
      await commits.idle();
      if (database.isOpen) database.close();
    },
  };
}

/** Whether the profile in a folder keeps something under a key; makes nothing, and what is no profile keeps nothing. */
export function sqliteStorageHas(folder: string, key: string): boolean {
  const path = join(folder, profileFile);
  if (!existsSync(path)) return false;
  try {
    const database = new DatabaseSync(path, { timeout: BUSY_MS });
    try {
      return database.prepare("SELECT 1 FROM items WHERE key = ?").get(key) !== undefined;
    } finally {
      database.close();
    }
  } catch {
    return false;
  }
}

function isFull(error: unknown): boolean {
  const { errcode, code } = error as { errcode?: number; code?: string };
  return (errcode !== undefined && FULL_CODES.has(errcode)) || code === "ENOSPC";
}
