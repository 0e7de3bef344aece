import { type FileHandle, mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { StorageFullError } from "../storage.ts";
import type { Staging, StagingWriter } from "./staging.ts";

/** Of one that is being written. */
const UNFINISHED = ".part";

/** In the folder of a profile, which is its user's alone (0700). */
export function nodeStaging(profileFolder: string): Staging {
  const folder = join(profileFolder, "outgoing");
  const pathOf = (name: string) => join(folder, name);
  return {
    async write(name): Promise<StagingWriter> {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      const unfinished = pathOf(name + UNFINISHED);
      const file = await open(unfinished, "wx", 0o600);
      const abort = async () => {
        await file.close().catch(() => undefined);
        await rm(unfinished, { force: true });
      };
      return {
        write: async (bytes) => {
          await writeAll(file, bytes);
        },
        async close() {
          await file.sync();
          await file.close();
          await rename(unfinished, pathOf(name));
        },
        abort,
      };
    },
    async read(name, start, end) {
      await using file = await open(pathOf(name), "r");
      const bytes = new Uint8Array(end - start);
      for (let at = 0; at < bytes.length;) {
        const { bytesRead } = await file.read(bytes, at, bytes.length - at, start + at);
        if (bytesRead === 0) throw new RangeError("a staged file is shorter than it was");
        at += bytesRead;
      }
      return bytes;
    },
    remove: (name) => rm(pathOf(name), { force: true }),
    async list() {
      const names = await readdir(folder).catch(() => []);
      const all = names.map(async (name) => {
        const stats = await stat(pathOf(name)).catch(() => undefined);
        return stats === undefined ? [] : [{ name, modified: stats.mtimeMs }];
      });
      return (await Promise.all(all)).flat();
    },
  };
}

/** Throws StorageFullError. */
export async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  try {
    for (let at = 0; at < bytes.length;) at += (await file.write(bytes, at)).bytesWritten;
  } catch (error) {
    const { code } = error as { code?: string };
    throw code === "ENOSPC" || code === "EDQUOT" ? new StorageFullError(error) : error;
  }
}
