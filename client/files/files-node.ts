import { type FileHandle, link, open, rename, rm, stat } from "node:fs/promises";
import { basename, resolve } from "node:path";
import type { FileSink } from "./fetching.ts";
import type { FileSource } from "./sealing.ts";
import { bytesOf, writeAll } from "./staging-node.ts";

/** A regular file. Throws Node's error where it is none, or cannot be read. */
export async function fileSource(path: string): Promise<FileSource> {
  const stats = await stat(path);
  if (!stats.isFile())
    throw Object.assign(new Error(`"${path}" is no file: name one.`), { code: stats.isDirectory() ? "EISDIR" : "EINVAL" });
  return { name: basename(path), size: stats.size, stream: () => bytesOf(path) };
}

/** Of a file that is not whole yet. */
const UNFINISHED = ".fastchat-part";

/** Gives a finished file its name. Fails where something is there, also when that came a moment ago. */
async function moveBeside(finished: string, path: string): Promise<void> {
  try {
    await link(finished, path);
  } catch (error) {
    // Memory cards and shares of other machines may know no second name of a file: the place is taken first.
    if (!["EPERM", "ENOTSUP", "ENOSYS", "EMLINK"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
    await (await open(path, "wx", 0o600)).close();
    return rename(finished, path);
  }
  await rm(finished);
}

/** Unfinished files that this process writes. */
const written = new Set<string>();

/** Somebody else writes to the same path at this moment. */
export class FileInUse extends Error {
  constructor(path: string) {
    super(`"${path}" is being fetched already: wait until it is there.`);
    this.name = "FileInUse";
  }
}

/**
 * Writes beside `path`, where it goes when it is whole; a file that is there is replaced only with `replace`. Throws Node's error, or FileInUse: another
 * sink of this process is seen at once, that of another process by what it wrote between two writes of this one.
 */
export async function fileSink(path: string, { replace = false }: { readonly replace?: boolean } = {}): Promise<FileSink> {
  const unfinished = resolve(path) + UNFINISHED;
  if (written.has(unfinished)) throw new FileInUse(path);
  written.add(unfinished);
  let file: FileHandle;
  let size: number;
  try {
    file = await open(unfinished, "a+", 0o600);
    ({ size } = await file.stat());
  } catch (error) {
    written.delete(unfinished);
    throw error;
  }
  let isShared = false;
  const checkAlone = async (): Promise<void> => {
    isShared ||= (await file.stat()).size !== size;
    if (isShared) throw new FileInUse(path);
  };
  return {
    size,
    stream: () => bytesOf(unfinished),
    async truncate(kept) {
      await file.truncate(kept);
      size = kept;
    },
    async write(bytes) {
      await checkAlone();
      await writeAll(file, bytes);
      size += bytes.length;
    },
    async finish() {
      await checkAlone();
      await file.sync();
      return replace ? rename(unfinished, path) : moveBeside(unfinished, path);
    },
    async close(keep) {
      try {
        await file.close();
        if (!isShared && (!keep || size === 0)) await rm(unfinished, { force: true });
      } finally {
        written.delete(unfinished);
      }
    },
  };
}
