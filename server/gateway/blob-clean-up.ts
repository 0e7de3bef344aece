import { type BlobId, blobId, limits } from "@fastchat/protocol";
import type { BlobStore, StoredBlob } from "../blobs/blob-store.ts";
import type { FileRules } from "../config.ts";
import { type Log, reasonOf } from "../events.ts";
import { countForgettable, type ForgetReason, forgetBlobs, unknownBlobs } from "../store/blobs.ts";
import type { Database } from "../store/database.ts";
import { Sweeper } from "../sweeper.ts";

/** Between two steps, milliseconds: what people wait for goes first. */
const PAUSE_MS = 20;
/** Ids of the store that are compared with the table at once. */
const COMPARED_AT_ONCE = 500;

export interface BlobCleanUpOptions {
  readonly database: Database;
  readonly blobs: BlobStore;
  readonly files: FileRules;
  readonly log: Log;
  /** From one sweep to the next, milliseconds. */
  readonly everyMs: number;
}

export type CleanUpReason =
  | ForgetReason
  /** Bytes in the store that no row knows: a process was killed in between. */
  | "unknown";

export interface CleanedUp {
  readonly blobs: number;
  readonly bytes: number;
  /** Each reason that there is. */
  readonly by: Readonly<Partial<Record<CleanUpReason, { readonly blobs: number; readonly bytes: number }>>>;
}

class Sum implements CleanedUp {
  blobs = 0;
  bytes = 0;
  readonly by: Partial<Record<CleanUpReason, { blobs: number; bytes: number }>> = {};

  add(reason: CleanUpReason, blobs: number, bytes: number): void {
    const sums = (this.by[reason] ??= { blobs: 0, bytes: 0 });
    for (const sum of [this, sums]) {
      sum.blobs += blobs;
      sum.bytes += bytes;
    }
  }
}

/**
 * Removes encrypted files that no message names: of messages that were deleted, of uploads that were given up, and those that are older than this
 * installation keeps files. Each gateway does; they take turns. The row goes first: what is left in the store when that ends in between has none, and
 * goes at a later sweep.
 */
export class BlobCleanUp extends Sweeper {
  readonly #options: BlobCleanUpOptions;

  constructor(options: BlobCleanUpOptions) {
    super(options.everyMs);
    this.#options = options;
  }

  async sweep(): Promise<CleanedUp> {
    const { database } = this.#options;
    const now = Date.now();
    const sum = new Sum();
    for (;;) {
      const forgotten = await forgetBlobs(database, now, this.#tooOld(now));
      if (forgotten === undefined) return sum;
      for (const { blob, size, reason } of forgotten.blobs) if (await this.#remove(blobId(blob))) sum.add(reason, 1, size);
      if (forgotten.isLast || this.isEnding) break;
      await this.pause(PAUSE_MS);
    }
    for await (const { id, bytes } of this.#unknown(now - limits.unnamedBlobMs)) if (await this.#remove(id)) sum.add("unknown", 1, bytes);
    return sum;
  }

  /** Many go before it, and it may have been begun anew meanwhile: then it stays. */
  async #remove(id: BlobId): Promise<boolean> {
    const { database, blobs } = this.#options;
    const [unknown] = await unknownBlobs(database, [Buffer.from(id, "hex")]);
    if (unknown === undefined) return false;
    await blobs.remove(id);
    return true;
  }

  /** What a sweep would remove now. */
  async preview(): Promise<CleanedUp> {
    const now = Date.now();
    const sum = new Sum();
    for (const { reason, blobs, bytes } of await countForgettable(this.#options.database, now, this.#tooOld(now)))
      sum.add(reason, blobs, bytes);
    for await (const { bytes } of this.#unknown(now - limits.unnamedBlobMs)) sum.add("unknown", 1, bytes);
    return sum;
  }

  #tooOld(now: number): number {
    const { retentionMs } = this.#options.files;
    return retentionMs === 0 ? 0 : now - retentionMs;
  }

  /** In the store and in no row. @param before of which changed last before this time: a row comes ahead of its bytes */
  async *#unknown(before: number): AsyncGenerator<StoredBlob, void> {
    const { database, blobs } = this.#options;
    let some = new Map<string, StoredBlob>();
    const unknown = async (): Promise<StoredBlob[]> => {
      const ids = Array.from(some.keys(), (id) => Buffer.from(id, "hex"));
      const found = (await unknownBlobs(database, ids)).flatMap((id) => some.get(blobId(id)) ?? []);
      some = new Map();
      return found;
    };
    for await (const stored of blobs.list()) {
      if (this.isEnding) return;
      if (stored.modified < before) some.set(stored.id, stored);
      if (some.size >= COMPARED_AT_ONCE) yield* await unknown();
    }
    yield* await unknown();
  }

  protected async turn(): Promise<void> {
    const { log } = this.#options;
    try {
      const removed = await this.sweep();
      if (removed.blobs > 0) log.event("info", "files-removed", { files: removed.blobs, bytes: removed.bytes });
    } catch (error) {
      log.event("warn", "clean-up-failed", { reason: reasonOf(error) });
    }
  }
}
