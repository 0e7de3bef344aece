import { chmodSync, mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A new folder for one test, removed with everything in it when disposed. Others may pass through it: PostgreSQL has a user of its own under root. */
export class TemporaryFolder implements Disposable {
  readonly path: string;

  constructor() {
    this.path = mkdtempSync(join(realpathSync(tmpdir()), "fastchat-test-"));
    chmodSync(this.path, 0o711);
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  }
}

/** Where PostgreSQL's freshly made cluster is kept, once for all tests of this user on this machine; see `templateFolder` of the server. */
export const templateFolder = join(realpathSync(tmpdir()), `fastchat-test-template-${process.getuid?.() ?? 0}`);
