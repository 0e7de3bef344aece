import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { PostgresStartError } from "./start-error.ts";

/**
 * Makes the caller the only holder of `folder` until disposed. SQLite's exclusive lock is the operating system's lock on a file:
 * it ends with the process, however that ends, so that it can never be stale. Throws `in-use` when somebody holds it.
 */
export function lockFolder(folder: string): Disposable {
  const holderFile = join(folder, "lock-holder");
  const database = new DatabaseSync(join(folder, "lock"));
  try {
    database.exec("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE");
  } catch (error) {
    database.close();
    if ((error as { errcode?: number }).errcode !== 5 /* SQLITE_BUSY */) {
      throw new PostgresStartError(
        "unreachable",
        `The lock in ${folder} cannot be taken (${(error as Error).message}): check the rights on that folder.`,
        {
          cause: error,
        },
      );
    }
    const holder = readHolder(holderFile);
    throw new PostgresStartError(
      "in-use",
      `Another FastChat${holder === undefined ? "" : ` (process ${holder})`} is using ${folder}: stop it first, or choose another data folder with --data.`,
      { cause: error },
    );
  }
  writeFileSync(holderFile, `${process.pid}\n`);
  return { [Symbol.dispose]: () => database.close() };
}

function readHolder(file: string): number | undefined {
  try {
    return Number.parseInt(readFileSync(file, "utf8"), 10) || undefined;
  } catch {
    return undefined;
  }
}
