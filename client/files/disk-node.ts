import { type FileHandle, link, open, rename, rm } from "node:fs/promises";
import { StorageFullError } from "../storage.ts";

/** What file systems say that know no second name of this file, as those of memory cards and shares of other machines. */
const NO_LINKS: ReadonlySet<string | undefined> = new Set(["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EMLINK", "EXDEV"]);

/**
 * Gives a finished file a name beside it. Throws Node's error: EEXIST where something has that name, also since a moment ago, which a rename would
 * replace.
 */
export async function takeName(finished: string, path: string): Promise<void> {
  try {
    await link(finished, path);
  } catch (error) {
    if (!NO_LINKS.has((error as NodeJS.ErrnoException).code)) throw error;
    // The place is taken first.
    await (await open(path, "wx", 0o600)).close();
    try {
      return await rename(finished, path);
    } catch (failed) {
      await rm(path, { force: true });
      throw failed;
    }
  }
  await rm(finished);
}

/** Throws StorageFullError where the disk or its quota is full, and else what `act` throws. */
export async function needingRoom<Result>(act: () => Promise<Result>): Promise<Result> {
  try {
    return await act();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw code === "ENOSPC" || code === "EDQUOT" ? new StorageFullError(error) : error;
  }
}

/** Throws StorageFullError. */
export const writeAll = (file: FileHandle, bytes: Uint8Array): Promise<void> =>
  needingRoom(async () => {
    for (let at = 0; at < bytes.length;) at += (await file.write(bytes, at)).bytesWritten;
  });
