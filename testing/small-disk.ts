import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { TemporaryFolder } from "./temporary-folder.ts";

/** A file system in memory of a given size (Linux, as root), which can be filled up. */
export class SmallDisk implements Disposable {
  readonly path: string;
  readonly #folder: TemporaryFolder;

  private constructor(folder: TemporaryFolder, path: string) {
    this.#folder = folder;
    this.path = path;
  }

  /** Undefined where this process may not mount. @param names how many files, folders and second names of files there is room for */
  static mount(megabytes: number, names?: number): SmallDisk | undefined {
    const folder = new TemporaryFolder();
    const path = join(folder.path, "disk");
    mkdirSync(path);
    const options = `size=${megabytes}m,mode=0711${names === undefined ? "" : `,nr_inodes=${names + 1}`}`;
    if (process.platform !== "linux" || spawnSync("mount", ["-t", "tmpfs", "-o", options, "tmpfs", path]).status !== 0) {
      folder[Symbol.dispose]();
      return undefined;
    }
    chmodSync(path, 0o711);
    return new SmallDisk(folder, path);
  }

  /** Leaves so many bytes free. */
  fill(leave: number): void {
    const { bavail, bsize } = statfsSync(this.path);
    writeFileSync(join(this.path, "filler"), Buffer.alloc(Math.max(0, bavail * bsize - leave)));
  }

  empty(): void {
    rmSync(join(this.path, "filler"), { force: true });
  }

  [Symbol.dispose](): void {
    // Lazily: a process that was just killed may hold a file for a moment longer.
    spawnSync("umount", ["-l", this.path]);
    this.#folder[Symbol.dispose]();
  }
}
