import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { setTimeout as wait } from "node:timers/promises";
import type { BlobId } from "@fastchat/protocol";
import type { BlobPlace } from "./blob-store.ts";
import { openBlobStore } from "./open-blob-store.ts";
import { blobPieceBytes, streamedPieceAt } from "./test-content.ts";

/** A process of its own that uploads, to be killed or measured. Its first argument is the task, as JSON; it tells its parent what it did. */
export interface UploadTask {
  readonly place: BlobPlace;
  readonly id: BlobId;
  readonly seed: string;
  readonly size: number;
  /** Between the chunks of a piece. */
  readonly pauseMs: number;
  /** Another user to become; undefined: stay. */
  readonly uid?: number;
}

export type UploadReport =
  | { readonly kind: "begins"; readonly offset: number }
  | { readonly kind: "finished"; readonly sha256: string; readonly largestBytes: number }
  | { readonly kind: "failed"; readonly reason: string };

async function* paused(chunks: AsyncIterable<Uint8Array>, pauseMs: number): AsyncGenerator<Uint8Array, void> {
  for await (const chunk of chunks) {
    if (pauseMs > 0) await wait(pauseMs);
    yield chunk;
  }
}

/** The most memory that this process has had. On Linux `maxRSS` counts that of its parent as well, before the program was replaced. */
function largestBytes(): number {
  const { maxRSS } = process.resourceUsage();
  const kilobytes = process.platform === "linux" ? /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1] : undefined;
  return Number(kilobytes ?? maxRSS) * 1_024;
}

const report = (what: UploadReport): void => void process.send!(what);

try {
  const { place, id, seed, size, pauseMs, uid } = JSON.parse(process.argv[2]!) as UploadTask;
  if (uid !== undefined) process.setuid!(uid);
  const store = await openBlobStore(place);
  await store.check();
  // Once per piece garbage is collected: V8 lets some 60 MB of read chunks lie, and what is measured is what the store holds.
  for (let offset = await store.uploaded(id); offset < size;) {
    report({ kind: "begins", offset });
    globalThis.gc?.();
    const { piece, bytes } = streamedPieceAt(seed, size, offset);
    const appended = await store.append(id, piece, paused(bytes, pauseMs));
    if (appended.kind !== "appended") throw new Error(appended.kind);
    offset = appended.uploaded;
  }
  if ((await store.complete(id, size)) !== "complete") throw new Error("incomplete");
  const hash = createHash("sha256");
  let count = 0;
  for await (const chunk of (await store.read(id, { start: 0, end: size })) as AsyncIterable<Uint8Array>) {
    hash.update(chunk);
    if (count % blobPieceBytes > (count += chunk.length) % blobPieceBytes) globalThis.gc?.();
  }
  report({ kind: "finished", sha256: hash.digest("hex"), largestBytes: largestBytes() });
} catch (error) {
  report({ kind: "failed", reason: (error as Error).message });
}
process.disconnect?.();
