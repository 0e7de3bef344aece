import { chmodSync, mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

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
    this.path = mkdtempSync(join(realpathSync(tmpdir()), "fastchat-test-"));
    chmodSync(this.path, 0o711);
    TemporaryFolder.#open.add(this);
  }

  [Symbol.dispose](): void {
    TemporaryFolder.#open.delete(this);
    rmSync(this.path, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  }
}

/** Where PostgreSQL's freshly made cluster is kept, once for all tests of this user on this machine; see `templateFolder` of the server. */
export const templateFolder = join(realpathSync(tmpdir()), `fastchat-test-template-${process.getuid?.() ?? 0}`);
