import { spawnSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { open, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { bytesInArchive, TemporaryFolder } from "../testing/index.ts";
import { ArchiveWriter } from "./export-zip.ts";
import type { FileSink } from "./files/fetching.ts";

// The ZIP file itself, its records and what other programs read of it.

let folder: TemporaryFolder;
beforeAll(() => {
  folder = new TemporaryFolder();
});
afterAll(() => folder[Symbol.dispose]());

/** More than is held in memory of an entry. */
const LARGE = 5_000_000;
const FOUR_GIB = 2 ** 32;
const CHUNK = 65_536;
const never = new AbortController().signal;

/** What a fetch does, in chunks. */
const bringing =
  (content: Uint8Array, failsAt = Infinity) =>
  async (sink: FileSink) => {
    for (let at = 0; at < content.length; at += CHUNK) {
      if (at >= failsAt) throw new Error("damaged");
      await sink.write(content.subarray(at, at + CHUNK));
    }
    await sink.finish();
  };

async function archiveOf(fill: (archive: ArchiveWriter) => Promise<void>, at = 0): Promise<Buffer> {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const read = new Response(readable as ReadableStream<Uint8Array<ArrayBuffer>>).arrayBuffer();
  const archive = new ArchiveWriter(writable, never, at);
  await fill(archive);
  await archive.close();
  return Buffer.from(await read);
}

/** An entry's local header (APPNOTE 6.3.10, 4.3.7). */
function headerOf(archive: Buffer, name: string) {
  const at = archive.indexOf(name) - 30;
  const extra = archive.subarray(at + 30 + name.length, at + 30 + name.length + archive.readUInt16LE(at + 28));
  return {
    version: archive.readUInt16LE(at + 4),
    isDescribedBehind: (archive.readUInt16LE(at + 6) & 8) !== 0,
    method: archive.readUInt16LE(at + 8),
    crc: archive.readUInt32LE(at + 14),
    compressed: archive.readUInt32LE(at + 18),
    size: archive.readUInt32LE(at + 22),
    isZip64: extra.length > 4 && extra.readUInt16LE(0) === 1,
    content: at + 30 + name.length + extra.length,
  };
}

const file = (name: string, { length: bytes }: Uint8Array, compress = false) => ({ name, bytes, compress });

/** Hashes of entries. */
const hashes = (contents: ReadonlyMap<string, Uint8Array>): Record<string, string> =>
  Object.fromEntries(Array.from(contents, ([name, content]) => [name, hashOf(content)]));

/** The same as the zipfile module of Python reads them, which goes by the directory; where there is no Python, what is `expected`. */
function hashesByPython(path: string, expected: Record<string, string>): Record<string, string> {
  const program = `
import hashlib, json, sys, zipfile
archive = zipfile.ZipFile(sys.argv[1])
print(json.dumps({name: hashlib.sha256(archive.read(name)).hexdigest() for name in archive.namelist()}))`;
  const { stdout, stderr, status, error } = spawnSync("python3", ["-c", program, path], { encoding: "utf8" });
  if (error !== undefined) {
    console.warn("!!! LEFT OUT: what another program makes of the archive can only be seen where there is a python3 !!!");
    return expected;
  }
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout) as Record<string, string>;
}

const hashOf = (content: Uint8Array): string => createHash("sha256").update(content).digest("hex");

test("a short entry says in its header what it is; the end of a long one is found without the directory, by a descriptor of 8 byte sizes where its length is not known", async () => {
  const [short, long] = [randomBytes(70_000), randomBytes(LARGE)];
  const text = "words and words ".repeat(LARGE / 16 + 1);
  const archive = await archiveOf(async (writer) => {
    await writer.file(file("short.bin", short), bringing(short));
    await writer.file(file("empty.bin", new Uint8Array(0)), bringing(new Uint8Array(0)));
    await writer.file(file("long.bin", long), bringing(long));
    await writer.text("short.txt", ["words ".repeat(100)]);
    await writer.text("long.txt", [text]);
  });
  const shortHeader = headerOf(archive, "short.bin");
  expect(shortHeader).toMatchObject({ isDescribedBehind: false, method: 0, compressed: 70_000, size: 70_000, isZip64: false });
  expect(archive.subarray(shortHeader.content, shortHeader.content + 70_000).equals(short)).toBe(true);
  expect(headerOf(archive, "empty.bin")).toMatchObject({ isDescribedBehind: false, size: 0 });
  expect(headerOf(archive, "short.txt")).toMatchObject({ isDescribedBehind: false, method: 8, size: 600, isZip64: false });
  expect(headerOf(archive, "long.bin")).toMatchObject({ isDescribedBehind: true, method: 8, version: 20, isZip64: false });
  expect(headerOf(archive, "long.txt")).toMatchObject({ isDescribedBehind: true, method: 8, version: 45, isZip64: true });
  // 4.3.9: signature, CRC and both sizes, of 8 bytes where the entry is one of ZIP64, before the directory.
  const directory = archive.indexOf("PK\x01\x02", headerOf(archive, "long.txt").content, "latin1");
  const descriptor = archive.subarray(directory - 24, directory);
  expect([descriptor.readUInt32LE(0), Number(descriptor.readBigUInt64LE(16))]).toEqual([0x08074b50, text.length]);
  expect(Number(descriptor.readBigUInt64LE(8))).toBe(directory - 24 - headerOf(archive, "long.txt").content);

  const expected = hashes(
    new Map<string, Uint8Array>([
      ["short.bin", short],
      ["empty.bin", Buffer.alloc(0)],
      ["long.bin", long],
      ["short.txt", Buffer.from("words ".repeat(100))],
      ["long.txt", Buffer.from(text)],
    ]),
  );
  expect(hashes(await bytesInArchive(archive))).toEqual(expected);
  const path = join(folder.path, "whole.zip");
  await writeFile(path, archive);
  expect(hashesByPython(path, expected)).toEqual(expected);
});

test("an entry that fails in its middle is not in the archive, whose others are whole", async () => {
  const [short, long] = [randomBytes(70_000), randomBytes(LARGE)];
  const archive = await archiveOf(async (writer) => {
    await writer.file(file("before.bin", short), bringing(short));
    const early = writer.file(file("early.bin", long), bringing(long, CHUNK));
    await expect(early).rejects.toThrow("damaged");
    for (const failsAt of [LARGE - 400_000, LARGE - CHUNK]) {
      const late = writer.file(file("late.bin", long, failsAt === LARGE - CHUNK), bringing(long, failsAt));
      await expect(late).rejects.toThrow("damaged");
    }
    await writer.file(file("after.bin", long), bringing(long));
    await writer.file(file("taken back.bin", short), bringing(short));
    writer.forget("taken back.bin");
    await writer.text("last.txt", ["words"]);
  });
  const expected = { "before.bin": hashOf(short), "after.bin": hashOf(long), "last.txt": hashOf(Buffer.from("words")) };
  expect(hashes(await bytesInArchive(archive))).toEqual(expected);
  // What was held leaves no trace.
  expect([archive.includes("early.bin"), archive.includes("late.bin")]).toEqual([false, true]);
  const path = join(folder.path, "damaged.zip");
  await writeFile(path, archive);
  expect(hashesByPython(path, expected)).toEqual(expected);
});

test("entries and a directory behind the first 4 GiB are found (ZIP64)", async () => {
  const [short, long] = [randomBytes(70_000), randomBytes(LARGE)];
  const end = await archiveOf(async (writer) => {
    await writer.file(file("short.bin", short), bringing(short));
    await writer.file(file("long.bin", long), bringing(long));
  }, FOUR_GIB);
  // 4.3.14 to 4.3.16: the end of the directory of ZIP64, where that is, and the old one, which says that it is there.
  const last = end.length - 22;
  expect(end.readUInt32LE(last + 16)).toBe(0xffffffff);
  expect(end.readUInt32LE(last - 20)).toBe(0x07064b50);
  const at = Number(end.readBigUInt64LE(last - 20 + 8)) - FOUR_GIB;
  expect([end.readUInt32LE(at), at]).toEqual([0x06064b50, last - 20 - 56]);
  const directory = Number(end.readBigUInt64LE(at + 48)) - FOUR_GIB;
  expect(end.readUInt32LE(directory)).toBe(0x02014b50);
  // A file of 4 GiB and some, of which a few MB are on the disk.
  const path = join(folder.path, "far.zip");
  await using sparse = await open(path, "w");
  await sparse.write(end, 0, end.length, FOUR_GIB);
  const expected = { "short.bin": hashOf(short), "long.bin": hashOf(long) };
  expect(hashesByPython(path, expected)).toEqual(expected);
});
