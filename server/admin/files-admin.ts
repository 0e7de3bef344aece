import { openBlobStore } from "../blobs/open-blob-store.ts";
import { type FileRules, readConfig } from "../config.ts";
import { silentLog } from "../events.ts";
import { BlobCleanUp, type CleanedUp } from "../gateway/blob-clean-up.ts";
import { limits } from "@fastchat/protocol";
import { countBlobs, type FilesReport } from "../store/blobs.ts";
import { openDatabase } from "../store/database.ts";
import { findDatabaseUrl, migrateInTime } from "../up/open-store.ts";

/** For whoever runs an installation, beside its running processes. */
export interface FilesAdmin extends AsyncDisposable {
  readonly rules: FileRules;
  look(accounts: number): Promise<FilesReport>;
  /** Removes what no message needs any more, as the gateways do from time to time; `dryRun`: only counts it. */
  cleanUp(options: { readonly dryRun: boolean }): Promise<CleanedUp>;
}

/** With the settings of the environment and, where it is named, of a data folder. Throws ConfigError with a sentence for people. */
export async function openFilesAdmin(folder?: string): Promise<FilesAdmin> {
  const config = readConfig(folder);
  const url = await findDatabaseUrl(config);
  await migrateInTime(url, silentLog);
  const blobs = await openBlobStore(config.blobs);
  const database = openDatabase({ url, connections: 2, onIdleError: () => undefined });
  const cleanUp = new BlobCleanUp({ database, blobs, files: config.files, log: silentLog, everyMs: limits.blobSweepMs });
  return {
    rules: config.files,
    look: (accounts) => countBlobs(database, accounts),
    cleanUp: ({ dryRun }) => (dryRun ? cleanUp.preview() : cleanUp.sweep()),
    [Symbol.asyncDispose]: () => database[Symbol.asyncDispose](),
  };
}
