import { readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";

/** What was opened so long ago is not on its way to the program that shows it, milliseconds. */
const OPENING_MS = 3_600_000;

/** What is opened lies there. */
export const openedFolder = (profileFolder: string): string => join(profileFolder, "opened");

/** Removes what was opened, and what was fetched of it, more than `OPENING_MS` ago: it may be of a message that is gone. What cannot be removed stays. */
export async function forgetOpened(profileFolder: string): Promise<void> {
  const folder = openedFolder(profileFolder);
  for (const name of await readdir(folder).catch(() => [])) {
    const path = join(folder, name);
    const modified = (await stat(path).catch(() => undefined))?.mtimeMs;
    if (modified !== undefined && modified < Date.now() - OPENING_MS)
      await rm(path, { recursive: true, force: true }).catch(() => undefined);
  }
}
