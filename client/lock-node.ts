import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as delay } from "node:timers/promises";
import type { HeldLock, ProfileLock } from "./lock.ts";

const FILE = "lock.sqlite";
const RETRY_MS = 100;
const SQLITE_BUSY = 5;

/**
 * An exclusive transaction that is never committed, on a file of its own: SQLite holds it as a lock of the operating
 * system, which ends with the process, also with a killed one, and leaves nothing stale behind.
 */
export function nodeLock(folder: string): ProfileLock {
  async function tryAcquire(): Promise<HeldLock | undefined> {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const previousMask = process.umask(0o077);
    const database = new DatabaseSync(join(folder, FILE), { timeout: 0 });
    try {
      database.exec("PRAGMA journal_mode = DELETE; BEGIN EXCLUSIVE");
    } catch (error) {
      database.close();
      // Primary result code: the extended one says more in its higher bits.
      if (((error as { errcode?: number }).errcode ?? 0) % 256 === SQLITE_BUSY) return undefined;
      throw error;
    } finally {
      process.umask(previousMask);
    }
    return {
      async release() {
        if (database.isOpen) database.close();
      },
    };
  }

  return {
    tryAcquire,
    async acquire(signal) {
      for (;;) {
        signal.throwIfAborted();
        const held = await tryAcquire();
        if (held !== undefined) return held;
        await delay(RETRY_MS, undefined, { signal, ref: false });
      }
    },
  };
}
