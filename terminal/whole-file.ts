import { type FileHandle, open, rename, rm, stat } from "node:fs/promises";
import { takeName } from "@fastchat/client/node";
import { exitCodes, Failure } from "./failure.ts";

/**
 * A file that appears whole under its name, or not at all. It is written under another name beside it, readable by its owner alone, which
 * is gone when this is disposed; only `kill -9` and the loss of power leave that behind.
 */
export class WholeFile implements AsyncDisposable {
  readonly #path: string;
  readonly #partial: string;
  readonly #force: boolean;
  readonly #handle: FileHandle;
  #bytes = 0;

  private constructor(path: string, partial: string, force: boolean, handle: FileHandle) {
    this.#path = path;
    this.#partial = partial;
    this.#force = force;
    this.#handle = handle;
  }

  /** @param force takes the place of a file that is there. Throws Failure. */
  static async create(path: string, force: boolean): Promise<WholeFile> {
    const there = await stat(path).catch(() => undefined);
    if (there?.isDirectory() === true) throw new Failure(exitCodes.refused, "not-written", `${path} is a folder: name a file.`);
    if (there !== undefined && !force) throw exists(path);
    const partial = `${path}.${process.pid}.partial`;
    return failing(path, async () => new WholeFile(path, partial, force, await open(partial, "wx", 0o600)));
  }

  /** Written so far. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Throws Failure. */
  async write(chunk: Uint8Array): Promise<void> {
    await failing(this.#path, () => this.#handle.appendFile(chunk));
    this.#bytes += chunk.length;
  }

  /** Gives it its name, once it would survive the loss of power. Throws Failure. */
  async keep(): Promise<void> {
    await failing(this.#path, async () => {
      await this.#handle.sync();
      if (this.#force) return rename(this.#partial, this.#path);
      await takeName(this.#partial, this.#path);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle.close();
    await rm(this.#partial, { force: true });
  }
}

const exists = (path: string): Failure =>
  new Failure(exitCodes.refused, "file-exists", `${path} is there already: name another file, or say --force to replace it.`);

async function failing<Result>(path: string, act: () => Promise<Result>): Promise<Result> {
  try {
    return await act();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST") throw exists(path);
    if (code === "ENOSPC" || code === "EDQUOT")
      throw new Failure(
        exitCodes.refused,
        "disk-full",
        `There is no room for ${path}: nothing was kept; make room, or name a file on another disk.`,
      );
    if (code === "ENOENT" || code === "ENOTDIR")
      throw new Failure(exitCodes.refused, "not-written", `${path} cannot be written: there is no such folder.`);
    if (code === "EACCES" || code === "EROFS")
      throw new Failure(exitCodes.refused, "not-written", `${path} cannot be written: this folder is not yours to write in.`);
    throw error;
  }
}
