import { type ChildProcess, fork } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { setTimeout as wait } from "node:timers/promises";
import type { BlobId } from "@fastchat/protocol";
import { expect, test } from "vitest";
import type { Appended, BlobPlace, BlobStore, StoredBlob } from "./blob-store.ts";
import { openBlobStore } from "./open-blob-store.ts";
import { blobPieceBytes, content, inChunks, pieceAt, randomId, sha256 } from "./test-content.ts";
import type { UploadReport, UploadTask } from "./test-uploader.ts";

const MEMORY_BYTES = 200_000_000;
const LARGE = process.env["SIZE"] === "large";

/** What every blob store must pass; `place` is asked when a test begins, and may skip it. */
export function blobStoreContract(name: string, place: (skip: (why: string) => never) => BlobPlace): void {
  const contractTest = (title: string, run: (store: BlobStore, where: BlobPlace) => Promise<void>): void => {
    test(`${name}: ${title}`, { timeout: 180_000 }, async ({ skip }) => {
      const where = place(skip);
      await run(await openBlobStore(where), where);
    });
  };

  contractTest("a file of any size comes back as it was, each piece through another store", async (_, where) => {
    const seed = `${Date.now()}`;
    const random = (below: number): number => content(`${seed} size`, 0, 4).readUInt32BE() % below;
    const sizes = [
      1,
      blobPieceBytes - 1,
      blobPieceBytes,
      blobPieceBytes + 1,
      2 * blobPieceBytes,
      2 * blobPieceBytes + random(blobPieceBytes),
    ];
    console.log(`${name}: seed ${seed}`);
    for (const size of sizes) {
      const id = randomId();
      for (let offset = 0; offset < size; offset += blobPieceBytes) {
        const store = await openBlobStore(where);
        expect(await store.uploaded(id)).toBe(offset);
        if (offset > 0) {
          expect(await store.read(id, { start: 0, end: 1 })).toBe(undefined);
          expect(await store.complete(id, offset + 1)).toBe("incomplete");
        }
        const { piece, bytes } = pieceAt(seed, size, offset);
        const chunkBytes = 1 + random(200_000);
        expect(await store.append(id, piece, inChunks(bytes, { chunkBytes }))).toEqual({
          kind: "appended",
          uploaded: offset + piece.length,
        });
      }
      const store = await openBlobStore(where);
      expect(await store.complete(id, size - 1)).toBe("incomplete");
      expect(await store.complete(id, size + 1)).toBe("incomplete");
      expect(await store.complete(id, size)).toBe("complete");
      expect(await store.complete(id, size)).toBe("complete");
      expect(await store.complete(id, size + 1)).toBe("incomplete");
      expect(await store.uploaded(id)).toBe(size);
      expect(await hashOf(store, id, size)).toBe(sha256(content(seed, 0, size)).toString("hex"));
      const { piece, bytes } = pieceAt(seed, size, 0);
      expect(await store.append(id, piece, inChunks(bytes))).toEqual({ kind: "wrong-offset", uploaded: size });
      await store.remove(id);
    }
  });

  contractTest("a refused piece leaves nothing, and the right one follows", async (store) => {
    const size = blobPieceBytes + 5_000;
    const id = randomId();
    expect(await store.complete(id, 0)).toBe("incomplete");
    for (const offset of [0, blobPieceBytes]) {
      const { piece, bytes } = pieceAt("right", size, offset);
      const damaged = Buffer.from(bytes);
      damaged[damaged.length - 1]! ^= 1;
      const failing = async function* (): AsyncGenerator<Uint8Array> {
        yield bytes.subarray(0, 2_000);
        throw new Error("the connection ended");
      };
      for (const elsewhere of [offset === 0 ? blobPieceBytes : 0, 2 * blobPieceBytes]) {
        expect(await store.append(id, { ...piece, isLast: true, offset: elsewhere }, inChunks(bytes))).toEqual({
          kind: "wrong-offset",
          uploaded: offset,
        });
      }
      expect(await store.append(id, piece, inChunks(damaged))).toEqual({ kind: "wrong-digest" });
      expect(await store.append(id, piece, inChunks(Buffer.concat([bytes, damaged])))).toEqual({ kind: "wrong-digest" });
      expect(await store.append(id, piece, inChunks(bytes.subarray(0, -1)))).toEqual({ kind: "cut-short" });
      expect(await store.append(id, piece, inChunks(Buffer.alloc(0)))).toEqual({ kind: "cut-short" });
      expect(await store.append(id, piece, failing())).toEqual({ kind: "cut-short" });
      expect(await store.uploaded(id)).toBe(offset);
      expect(await store.append(id, piece, inChunks(bytes))).toEqual({ kind: "appended", uploaded: offset + bytes.length });
    }
    // Nothing follows the last piece.
    const { piece, bytes } = pieceAt("right", size, 0);
    expect(await store.append(id, piece, inChunks(bytes))).toEqual({ kind: "wrong-offset", uploaded: size });
    expect(await store.complete(id, size)).toBe("complete");
    expect(await hashOf(store, id, size)).toBe(sha256(content("right", 0, size)).toString("hex"));
    await store.remove(id);
  });

  contractTest("a piece that no upload has is refused before anything is touched", async (store) => {
    const { piece, bytes } = pieceAt("form", 100, 0);
    for (const wrong of [
      { length: 0 },
      { length: blobPieceBytes + 1 },
      { isLast: false },
      { offset: -1 },
      { offset: 0.5 },
      { sha256: bytes },
    ]) {
      await expect(store.append(randomId(), { ...piece, ...wrong }, inChunks(bytes))).rejects.toThrow(RangeError);
    }
  });

  contractTest("killed in the middle of a piece: what is there ends at a piece, and the rest goes on", async (store, where) => {
    const size = 3 * blobPieceBytes + 1_000;
    const id = randomId();
    let before = 0;
    for (const afterMs of LARGE ? [10, 40, 70, 100, 130, 160, 190, 220] : [30, 100]) {
      // Some 130 chunks of each piece: 0.3 s or more.
      await using uploader = startUploader({ place: where, id, seed: "killed", size, pauseMs: 1 });
      const begun = await uploader.report();
      if (begun.kind !== "begins") throw new Error(JSON.stringify(begun));
      expect(begun.offset).toBe(before);
      await wait(afterMs);
      await uploader.kill();
      const uploaded = await store.uploaded(id);
      expect([0, 1, 2, 3].map((count) => count * blobPieceBytes)).toContain(uploaded);
      expect(uploaded).toBeGreaterThanOrEqual(before);
      before = uploaded;
    }
    const partial = (await listed(store)).filter((blob) => blob.id === id);
    for (const { bytes, whole } of partial) expect({ bytes, whole }).toEqual({ bytes: before, whole: false });
    await using uploader = startUploader({ place: where, id, seed: "killed", size, pauseMs: 0 });
    const finished = await uploader.last();
    expect(finished).toMatchObject({ kind: "finished", sha256: sha256(content("killed", 0, size)).toString("hex") });
    expect(await hashOf(store, id, size)).toBe(sha256(content("killed", 0, size)).toString("hex"));
    await store.remove(id);
  });

  contractTest("two appends at once: each piece is one of the two, and the file is whole", async (store, where) => {
    const other = await openBlobStore(where);
    const size = blobPieceBytes + 100_000;
    const id = randomId();
    for (const offset of [0, blobPieceBytes]) {
      const [one, two] = [pieceAt("one", size, offset), pieceAt("two", size, offset)];
      const results: Appended[] = await Promise.all([
        store.append(id, one.piece, inChunks(one.bytes, { pauseMs: 1 })),
        other.append(id, two.piece, inChunks(two.bytes, { pauseMs: 1 })),
      ]);
      const uploaded = offset + one.bytes.length;
      for (const result of results)
        expect([
          { kind: "appended", uploaded },
          { kind: "wrong-offset", uploaded },
        ]).toContainEqual(result);
      expect(results.map(({ kind }) => kind)).toContain("appended");
      expect(await store.uploaded(id)).toBe(uploaded);
    }
    expect(await Promise.all([store.complete(id, size), other.complete(id, size)])).toEqual(["complete", "complete"]);
    for (const [start, end] of [
      [0, blobPieceBytes],
      [blobPieceBytes, size],
    ] as const) {
      const hash = sha256(await bytesOf(store, id, start, end)).toString("hex");
      expect(["one", "two"].map((seed) => sha256(content(seed, start, end)).toString("hex"))).toContain(hash);
    }
    await store.remove(id);
    expect(await store.uploaded(id)).toBe(0);
    expect(await store.complete(id, size)).toBe("incomplete");
  });

  contractTest("ranges at all edges", async (store) => {
    const size = blobPieceBytes + 10_000;
    const id = randomId();
    await upload(store, id, "ranges", size);
    const whole = content("ranges", 0, size);
    const edges = [0, 1, blobPieceBytes - 1, blobPieceBytes, blobPieceBytes + 1, size - 1, size, size + 1, 2 * size];
    for (const start of edges) {
      for (const end of edges.filter((edge) => edge >= start)) {
        const read = await bytesOf(store, id, start, end);
        if (!read.equals(whole.subarray(start, end))) throw new Error(`bytes ${start} to ${end} are others`);
      }
    }
    expect(await store.read(randomId(), { start: 0, end: 0 })).toBe(undefined);
    expect(await store.read(randomId(), { start: 0, end: 1 })).toBe(undefined);
    // Who stops reading holds nothing open.
    (await store.read(id, { start: 0, end: size }))!.destroy();
    await store.remove(id);
  });

  contractTest("removed: partial, whole, while it is read, while it is written; and the id is free again", async (store) => {
    const size = 2 * blobPieceBytes + 10_000;
    const id = randomId();
    await store.remove(id);
    const first = pieceAt("partial", size, 0);
    await store.append(id, first.piece, inChunks(first.bytes));
    await store.remove(id);
    expect(await store.uploaded(id)).toBe(0);

    await upload(store, id, "whole", size);
    const reader = (await store.read(id, { start: 0, end: size }))!;
    const removed = wait(5).then(() => store.remove(id));
    const read = await gather(reader, 1).catch((error: unknown) => error);
    await removed;
    if (read instanceof Buffer) expect(sha256(read)).toEqual(sha256(content("whole", 0, size)));
    else expect(read).toBeInstanceOf(Error);
    expect(await store.uploaded(id)).toBe(0);
    expect(await store.read(id, { start: 0, end: 1 })).toBe(undefined);

    const writing = store.append(id, first.piece, inChunks(first.bytes, { pauseMs: 1 }));
    writing.catch(() => undefined);
    await wait(50);
    await store.remove(id);
    // Either, or an error: that it fails is no wonder.
    await writing.catch(() => undefined);
    await store.remove(id);

    await upload(store, id, "again", size);
    expect(await hashOf(store, id, size)).toBe(sha256(content("again", 0, size)).toString("hex"));
    await store.remove(id);
  });

  contractTest("the list has whole and partial ones, their bytes and times", async (store) => {
    const since = Date.now() - 5_000;
    const [whole, small, partial, gone] = [randomId(), randomId(), randomId(), randomId()];
    await upload(store, whole, "list", blobPieceBytes + 1);
    await upload(store, small, "list", 1_000);
    const { piece, bytes } = pieceAt("list", 3 * blobPieceBytes, 0);
    await store.append(partial, piece, inChunks(bytes));
    await upload(store, gone, "list", 10);
    await store.remove(gone);
    const all = await listed(store);
    const ours = new Map(all.map((blob) => [blob.id, blob]));
    expect(ours.get(whole)).toMatchObject({ bytes: blobPieceBytes + 1, whole: true });
    expect(ours.get(small)).toMatchObject({ bytes: 1_000, whole: true });
    expect(ours.get(partial)).toMatchObject({ bytes: blobPieceBytes, whole: false });
    expect(ours.has(gone)).toBe(false);
    for (const { modified } of ours.values()) {
      expect(modified).toBeGreaterThan(since);
      expect(modified).toBeLessThan(Date.now() + 5_000);
    }
    for (const { id } of all) await store.remove(id);
    expect(await listed(store)).toEqual([]);
  });

  contractTest("200 MB pass through a process that stays below 200 MB of memory", async (store, where) => {
    await store.check();
    const id = randomId();
    const size = 200_000_000;
    await using uploader = startUploader({ place: where, id, seed: "large", size, pauseMs: 0 });
    const report = await uploader.last();
    if (report.kind !== "finished") throw new Error(JSON.stringify(report));
    console.log(`${name}: ${(report.largestBytes / 1e6).toFixed(0)} MB at most`);
    expect(report.largestBytes).toBeLessThan(MEMORY_BYTES);
    const hash = createHash("sha256");
    for (let offset = 0; offset < size; offset += blobPieceBytes) hash.update(pieceAt("large", size, offset).bytes);
    expect(report.sha256).toBe(hash.digest("hex"));
    await store.remove(id);
  });
}

export async function upload(store: BlobStore, id: BlobId, seed: string, size: number): Promise<void> {
  for (let offset = 0; offset < size; offset += blobPieceBytes) {
    const { piece, bytes } = pieceAt(seed, size, offset);
    expect(await store.append(id, piece, inChunks(bytes))).toEqual({ kind: "appended", uploaded: offset + piece.length });
  }
  expect(await store.complete(id, size)).toBe("complete");
}

/** A process that can be killed; it ends at the latest with the test. */
export function startUploader(task: UploadTask) {
  const child: ChildProcess = fork(join(import.meta.dirname, "test-uploader.ts"), [JSON.stringify(task)], { execArgv: ["--expose-gc"] });
  const reports: UploadReport[] = [];
  child.on("message", (report) => reports.push(report as UploadReport));
  const ended = once(child, "close");
  const kill = async (): Promise<void> => {
    child.kill("SIGKILL");
    await ended;
  };
  return {
    kill,
    /** The next one that comes. */
    report: async (): Promise<UploadReport> => reports.at(-1) ?? ((await once(child, "message"))[0] as UploadReport),
    /** When it has ended. */
    last: async (): Promise<UploadReport> => {
      await ended;
      return reports.at(-1) ?? { kind: "failed", reason: "it said nothing" };
    },
    [Symbol.asyncDispose]: kill,
  };
}

async function gather(stream: Readable, pauseMs = 0): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    if (pauseMs > 0) await wait(pauseMs);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

export async function bytesOf(store: BlobStore, id: BlobId, start: number, end: number): Promise<Buffer> {
  const stream = await store.read(id, { start, end });
  if (stream === undefined) throw new Error("it is not there");
  return gather(stream);
}

const hashOf = async (store: BlobStore, id: BlobId, size: number): Promise<string> =>
  sha256(await bytesOf(store, id, 0, size + 1)).toString("hex");

export async function listed(store: BlobStore): Promise<StoredBlob[]> {
  const blobs: StoredBlob[] = [];
  for await (const blob of store.list()) blobs.push(blob);
  return blobs;
}
