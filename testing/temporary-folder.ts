import { chmodSync, mkdtempSync, realpathSync, rmSync, statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A folder in memory is used when so much of it is free (bytes). */
const ROOMY = 4 * 2 ** 30;

/**
 * Where the folders of tests lie: in memory where there is room. Databases are made and thrown away by the dozen, and some file systems are slow
 * at making thousands of files right after as many were deleted. What a killed process wrote is kept there as well as on a disk.
 */
function placeForTests(): string {
  try {
    const { bavail, bsize } = statfsSync("/dev/shm");
    if (process.env["TMPDIR"] === undefined && bavail * bsize >= ROOMY) return "/dev/shm";
  } catch {
    // Not on this system.
  }
  return realpathSync(tmpdir());
}

/** A new folder for one test, removed with everything in it when disposed. Others may pass through it: PostgreSQL has a user of its own under root. */
export class TemporaryFolder implements Disposable {
  static readonly #open = new Set<TemporaryFolder>();
  static {
    // A test that is cut short leaves nothing behind either.
    process.on("exit", () => {
      for (const folder of TemporaryFolder.#open) folder[Symbol.dispose]();
    });
  }

  readonly path: string;

  constructor() {
    this.path = mkdtempSync(join(placeForTests(), "fastchat-test-"));
    chmodSync(this.path, 0o711);
    TemporaryFolder.#open.add(this);
  }

  [Symbol.dispose](): void {
    TemporaryFolder.#open.delete(this);
    rmSync(this.path, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  }
}
