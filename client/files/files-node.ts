import { constants, type FileHandle, lstat, open, rename, rm, stat } from "node:fs/promises";
import { basename, join, parse } from "node:path";
import { needingRoom, takeName, writeAll } from "./disk-node.ts";
import type { FileSink } from "./fetching.ts";
import type { FileSource } from "./sealing.ts";
import { bytesOf } from "./staging-node.ts";

/** A regular file. Throws Node's error where it is none, or cannot be read. */
export async function fileSource(path: string): Promise<FileSource> {
  const stats = await stat(path);
  if (!stats.isFile())
    throw Object.assign(new Error(`"${path}" is no file: name one.`), { code: stats.isDirectory() ? "EISDIR" : "EINVAL" });
  return { name: basename(path), size: stats.size, stream: () => bytesOf(path) };
}

/** Of a file that is not whole yet. */
const UNFINISHED = ".fastchat-part";

/** By device and number, what this process is writing: two writers would mix it up. */
const inUse = new Set<string>();

/** Somebody else writes to the same path at this moment. */
export class FileInUse extends Error {
  constructor(path: string) {
    super(`"${path}" is being written already: wait until it is there.`);
    this.name = "FileInUse";
  }
}

/** Where it is when it is finished. */
export interface PlacedSink extends FileSink {
  readonly path: string;
}

/**
 * An unfinished file as an earlier call left it, or a new one. A link, another's file, or one with a second name was placed there by somebody else, or by a crash
 * behind the finished file: its name is taken away, and what it leads to stays as it is.
 */
async function openUnfinished(path: string): Promise<{ readonly file: FileHandle; readonly size: number; readonly release: () => void }> {
  // Windows lacks the last two, and or-ing undefined adds nothing.
  const { O_RDWR, O_APPEND, O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK } = constants;
  for (let exclusive = 0; ; exclusive = O_EXCL) {
    const flags = O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | exclusive;
    const file = await needingRoom(() => open(path, flags, 0o600)).catch((error: unknown): undefined => {
      if ((error as NodeJS.ErrnoException).code !== "ELOOP") throw error;
    });
    const stats = await file?.stat();
    const isOurs = stats?.isFile() === true && stats.nlink === 1 && stats.uid === (process.getuid?.() ?? stats.uid);
    // A new one is ours, whatever a share or a memory card says of it.
    if (file !== undefined && stats !== undefined && (isOurs || exclusive !== 0)) {
      const id = `${stats.dev}:${stats.ino}`;
      if (inUse.has(id)) {
        await file.close();
        throw new FileInUse(path);
      }
      inUse.add(id);
      return { file, size: stats.size, release: () => void inUse.delete(id) };
    }
    await file?.close();
    await rm(path, { force: true });
  }
}

/**
 * Writes beside `path`, where it goes when it is whole; a file that is there is replaced only with `replace`. Throws Node's error, StorageFullError, or
 * FileInUse: another sink of this process is seen at once, that of another process by what it wrote between two writes of this one.
 */
export const fileSink = (path: string, { replace = false }: { readonly replace?: boolean } = {}): Promise<FileSink> =>
  openSink(path, (unfinished) => (replace ? rename(unfinished, path) : takeName(unfinished, path)));

/** "photo.jpg" in a folder, "photo (2).jpg", and so on. */
export function* namesFor(folder: string, name: string): Generator<string> {
  const { name: stem, ext } = parse(name);
  yield join(folder, name);
  for (let count = 2; ; count++) yield join(folder, `${stem} (${count})${ext}`);
}

/** The same at the first of these names that is not taken, nor on its way there, nor taken by the time it is finished. */
export async function freeFileSink(folder: string, name: string): Promise<PlacedSink> {
  const names = namesFor(folder, name);
  let path = "";
  const next = (): void => {
    path = String(names.next().value);
  };
  const finish = async (unfinished: string): Promise<void> => {
    for (; ; next()) {
      try {
        return await takeName(unfinished, path);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
      }
    }
  };
  for (;;) {
    next();
    // A link counts, wherever it leads.
    if ((await lstat(path).catch(() => undefined)) !== undefined) continue;
    try {
      const sink = await openSink(path, finish);
      return {
        ...sink,
        get path() {
          return path;
        },
      };
    } catch (error) {
      if (!(error instanceof FileInUse)) throw error;
    }
  }
}

/** @param place puts the finished file where it belongs */
async function openSink(path: string, place: (unfinished: string) => Promise<void>): Promise<FileSink> {
  const unfinished = path + UNFINISHED;
  const { file, release, ...there } = await openUnfinished(unfinished);
  let { size } = there;
  let isShared = false;
  /** Another process may have taken it up as well: it would be a part of both. */
  const check = async (): Promise<void> => {
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
      await check();
      await writeAll(file, bytes);
      size += bytes.length;
    },
    async finish() {
      await check();
      await needingRoom(async () => {
        await file.sync();
        await place(unfinished);
      });
    },
    async close(keep) {
      try {
        await file.close();
        if (!isShared && (!keep || size === 0)) await rm(unfinished, { force: true });
      } finally {
        release();
      }
    },
  };
}
