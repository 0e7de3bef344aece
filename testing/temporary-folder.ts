import { chmodSync, mkdtempSync, readFileSync, realpathSync, rmSync, statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const MEMORY = "/dev/shm";
/** It is used when so much of it is free (bytes). */
const ROOMY = 4 * 2 ** 30;

/**
 * Where the folders of tests lie: in memory where there is room. Databases are made and thrown away by the dozen, and some file systems are slow
 * at making thousands of files right after as many were deleted. What a killed process wrote is kept there as well as on a disk.
 */
function placeForTests(): string {
  try {
    const { bavail, bsize } = statfsSync(MEMORY);
    // PostgreSQL's programs are copied there too, and must run.
    const mount = readFileSync("/proc/self/mounts", "utf8")
      .split("\n")
      .find((line) => line.split(" ")[1] === MEMORY);
    const runs = mount?.split(" ")[3]?.split(",").includes("noexec") === false;
    if (runs && process.env["TMPDIR"] === undefined && bavail * bsize >= ROOMY) return MEMORY;
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

  /** @param parent whoever removes that one removes this one too, should this process be killed */
  constructor(parent = process.env["FASTCHAT_TEST_FOLDER"] ?? placeForTests()) {
    this.path = mkdtempSync(join(parent, "fastchat-test-"));
    chmodSync(this.path, 0o711);
    TemporaryFolder.#open.add(this);
  }

  [Symbol.dispose](): void {
    TemporaryFolder.#open.delete(this);
    rmSync(this.path, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  }
}
