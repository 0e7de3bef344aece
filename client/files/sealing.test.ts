import { fileChunkBytes } from "@fastchat/protocol/seal";
import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { type FileSource, isSealedAs, sealFile } from "./sealing.ts";
import { memoryStaging } from "./staging-memory.ts";

const sourceOf = (bytes: Uint8Array, size = bytes.length): FileSource => ({
  name: "photo.jpg",
  size,
  async *stream() {
    yield bytes;
  },
});

function withByte(bytes: Uint8Array, at: number): Uint8Array {
  const changed = Uint8Array.from(bytes);
  changed[at]! ^= 1;
  return changed;
}

test.each([0, 1, fileChunkBytes, fileChunkBytes + 1, 3 * fileChunkBytes])(
  "[S6] a file of %i bytes is known again, and no other",
  async (size) => {
    const bytes = randomBytes(size);
    const sealed = await sealFile(memoryStaging(), sourceOf(bytes));
    expect(await isSealedAs(sealed, sourceOf(bytes))).toBe(true);
    for (const at of new Set([0, size - 1].filter((each) => each >= 0 && each < size)))
      expect([at, await isSealedAs(sealed, sourceOf(withByte(bytes, at)))]).toEqual([at, false]);
    // It grew or shrank since it was looked at.
    const grown = [randomBytes(1), randomBytes(fileChunkBytes)].map((more) => Buffer.concat([bytes, more]));
    const shrunk = size === 0 ? [] : [bytes.subarray(0, size - 1)];
    for (const other of [...grown, ...shrunk])
      expect([other.length, await isSealedAs(sealed, sourceOf(other, size))]).toEqual([other.length, false]);
  },
);

test("[S6] a file of another size is not read for that, and reading ends when it is stopped", async () => {
  const bytes = randomBytes(10);
  const sealed = await sealFile(memoryStaging(), sourceOf(bytes));
  const unread: FileSource = {
    name: "photo.jpg",
    size: 11,
    stream() {
      throw new Error("It was read.");
    },
  };
  expect(await isSealedAs(sealed, unread)).toBe(false);
  await expect(isSealedAs(sealed, sourceOf(bytes), { signal: AbortSignal.abort(new Error("Stopped.")) })).rejects.toThrow("Stopped.");
});
