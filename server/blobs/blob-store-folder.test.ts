import { chmodSync, mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { SmallDisk, TemporaryFolder } from "@fastchat/testing";
import { afterAll, expect, test } from "vitest";
import { ConfigError } from "../config.ts";
import { blobStoreContract, bytesOf, listed, startUploader, upload } from "./blob-store-contract.ts";
import { openBlobStore } from "./open-blob-store.ts";
import { blobPieceBytes, content, inChunks, pieceAt, randomId } from "./test-content.ts";

const folder = new TemporaryFolder();
afterAll(() => folder[Symbol.dispose]());
const place = (name: string) => ({ kind: "folder", path: join(folder.path, name) }) as const;

blobStoreContract("folder", () => place("contract"));

test("a full disk takes no piece, keeps what is there, and goes on when there is room", async ({ skip }) => {
  using disk = SmallDisk.mount(16);
  if (disk === undefined) {
    console.warn("!!! LEFT OUT: a full disk can only be tested as root on Linux, where a small one can be mounted !!!");
    return skip("not root on Linux");
  }
  const store = await openBlobStore({ kind: "folder", path: join(disk.path, "blobs") });
  await store.check();
  const size = blobPieceBytes + 1_000_000;
  const id = randomId();
  const first = pieceAt("full", size, 0);
  const second = pieceAt("full", size, blobPieceBytes);
  await store.append(id, first.piece, inChunks(first.bytes));
  disk.fill(500_000);
  expect(await store.append(id, second.piece, inChunks(second.bytes))).toEqual({ kind: "full" });
  disk.empty();
  disk.fill(0);
  expect(await store.append(id, second.piece, inChunks(second.bytes))).toEqual({ kind: "full" });
  expect(await store.append(randomId(), { ...first.piece, isLast: true }, inChunks(first.bytes))).toEqual({ kind: "full" });
  await store.check();
  expect(await store.uploaded(id)).toBe(blobPieceBytes);
  disk.empty();
  expect(await store.append(id, second.piece, inChunks(second.bytes))).toEqual({ kind: "appended", uploaded: size });
  expect(await store.complete(id, size)).toBe("complete");
  expect(await bytesOf(store, id, 0, size)).toEqual(content("full", 0, size));
  await store.remove(id);
});

test("a folder that may not be written is refused with a sentence at the start, and with an error later", async () => {
  const { path } = place("refused");
  mkdirSync(path, { mode: 0o755 });
  chmodSync(path, 0o555);
  // Root may write everywhere.
  const uid = process.getuid?.() === 0 ? { uid: 65_534 } : {};
  await using uploader = startUploader({ place: place("refused"), id: randomId(), seed: "refused", size: 100, pauseMs: 0, ...uid });
  const report = await uploader.last();
  expect(report).toMatchObject({ kind: "failed" });
  expect(JSON.stringify(report)).toMatch(/Files cannot be stored in .*refused .*permission denied.*BLOB_URL/);

  writeFileSync(join(folder.path, "a-file"), "");
  const store = await openBlobStore(place("a-file"));
  await expect(store.check()).rejects.toThrow(ConfigError);
  const { piece, bytes } = pieceAt("refused", 100, 0);
  await expect(store.append(randomId(), piece, inChunks(bytes))).rejects.toThrow(/ENOTDIR|EEXIST/);
});

test("others on the machine see nothing, and nothing of an upload is left beside its pieces", async () => {
  const { path } = place("private");
  const store = await openBlobStore(place("private"));
  await store.check();
  expect(readdirSync(path)).toEqual([]);
  const id = randomId();
  await upload(store, id, "private", blobPieceBytes + 1);
  const blob = join(path, id.slice(0, 2), id);
  expect(readdirSync(join(blob, ".."))).toEqual([id]);
  expect(readdirSync(blob)).toEqual(["00000", "00001"]);
  expect([path, join(blob, ".."), blob, join(blob, "00000")].map((each) => statSync(each).mode & 0o777)).toEqual([
    0o700, 0o700, 0o700, 0o600,
  ]);
});

test("what killed processes left goes with the upload's end, and a removal that was cut short is finished by the next", async () => {
  const { path } = place("left");
  const store = await openBlobStore(place("left"));
  const [id, gone] = [randomId(), randomId()];
  const { piece, bytes } = pieceAt("left", 2 * blobPieceBytes, 0);
  await store.append(id, piece, inChunks(bytes));
  const shard = join(path, id.slice(0, 2));
  writeFileSync(join(shard, `${id}.part`, "0123456789abcdef.new"), "torn");
  expect(await store.uploaded(id)).toBe(blobPieceBytes);
  expect(await store.complete(id, blobPieceBytes)).toBe("complete");
  expect(readdirSync(join(shard, id))).toEqual(["00000"]);

  const left = join(path, gone.slice(0, 2), `${gone}.gone`);
  mkdirSync(left, { recursive: true });
  writeFileSync(join(left, "00001"), "left");
  expect(await store.uploaded(gone)).toBe(0);
  expect((await listed(store)).filter((blob) => blob.id === gone).map(({ whole }) => whole)).toEqual([false]);
  await store.remove(gone);
  expect(readdirSync(join(left, ".."))).not.toContain(`${gone}.gone`);
});

test("a blob that lost bytes is read as an error, not as a shorter one", async () => {
  const { path } = place("damaged");
  const store = await openBlobStore(place("damaged"));
  const id = randomId();
  await upload(store, id, "damaged", blobPieceBytes + 100);
  writeFileSync(join(path, id.slice(0, 2), id, "00000"), "short");
  await expect(bytesOf(store, id, 0, blobPieceBytes + 100)).rejects.toThrow(/shorter than it was/);
});
