import { expect, test } from "vitest";
import { fileChunkBytes } from "@fastchat/protocol/seal";
import type { Blobs } from "./blobs.ts";
import { fetchFile, type FileSink } from "./fetching.ts";
import { MemorySink } from "./memory-sink.ts";
import { sealFile } from "./sealing.ts";
import { memoryStaging } from "./staging-memory.ts";

const CHUNKS = 50;
const SIZE = CHUNKS * fileChunkBytes;

/** A sealed file, the server that has it, and what an earlier attempt left: all but its last chunk. */
async function begun() {
  const staging = memoryStaging();
  const whole = new Uint8Array(SIZE).fill(7);
  const stream = async function* (): AsyncGenerator<Uint8Array> {
    yield whole;
  };
  const file = await sealFile(staging, { name: "begun", size: SIZE, stream });
  const asked: number[] = [];
  const blobs = {
    async *from(_blob: Uint8Array, { offset, size }: { readonly offset: number; readonly size: number }) {
      asked.push(offset);
      yield new Uint8Array(await (await staging.part(file.staged, offset, size)).bytes.arrayBuffer());
    },
  } as Partial<Blobs> as Blobs;
  const sink = new MemorySink(SIZE);
  await sink.write(whole.subarray(0, SIZE - 1));
  return { file, blobs, asked, sink };
}

test("[S6] taking up a file is told as far as it is, before anything is fetched", async () => {
  const { file, blobs, asked, sink } = await begun();
  const told: number[] = [];
  await fetchFile(blobs, file, sink, {
    onProgress: (done) => {
      if (asked.length === 0) told.push(done);
    },
  });
  expect(told.length).toBeGreaterThan(CHUNKS / 2);
  expect([told[0], told.at(-1)]).toEqual([0, SIZE - fileChunkBytes]);
  expect(Buffer.alloc(SIZE, 7).equals(sink.bytes)).toBe(true);
});

test("[S6] who gives up while a file is taken up does not wait for its end, and what is there stays", async () => {
  const { file, blobs, asked, sink: there } = await begun();
  const giving = new AbortController();
  const kept: boolean[] = [];
  let read = 0;
  const sink: FileSink = {
    size: there.size,
    async *stream() {
      for (; read < CHUNKS; read++) yield there.bytes.subarray(read * fileChunkBytes, (read + 1) * fileChunkBytes);
    },
    truncate: (size) => there.truncate(size),
    write: (bytes) => there.write(bytes),
    finish: () => there.finish(),
    close: async (keep) => void kept.push(keep),
  };
  const onProgress = (done: number): void => {
    if (done > 0) giving.abort(new Error("enough"));
  };
  await expect(fetchFile(blobs, file, sink, { signal: giving.signal, onProgress })).rejects.toThrow("enough");
  expect(read).toBeLessThan(5);
  expect([asked, kept, there.size]).toEqual([[], [true], SIZE - 1]);
});
