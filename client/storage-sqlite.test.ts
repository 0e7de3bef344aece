import { mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openSqliteStorage } from "./storage-sqlite.ts";
import { StorageFullError } from "./storage.ts";
import { storageContract } from "./storage-contract.ts";

let home: string;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), "fastchat-storage-"));
});
afterAll(() => rm(home, { recursive: true, force: true }));

describe("storage contract, SQLite", () => {
  test.each(storageContract.map(({ title }, index) => ({ title, index })))("$title", ({ index }) =>
    storageContract[index]!.run({ open: async (place) => openSqliteStorage(place) }, join(home, `contract-${index}`)),
  );
});

test("[S7] the profile is private to its user", async () => {
  const folder = join(home, "private");
  const storage = openSqliteStorage(folder);
  await storage.commit([{ kind: "put", key: "a", value: Uint8Array.of(1) }]);
  expect((await stat(folder)).mode & 0o777).toBe(0o700);
  for (const file of await readdir(folder)) expect((await stat(join(folder, file))).mode & 0o777).toBe(0o600);
  await storage.close();
});

test("a full disk is said plainly, and nothing is lost", async () => {
  const storage = openSqliteStorage(join(home, "full"), 256 * 1_024);
  const block = new Uint8Array(8_192).fill(7);
  let stored = 0;
  const fill = async () => {
    for (; stored < 1_000; stored++) {
      await storage.commit([
        { kind: "put", key: `block/${stored}`, value: block },
        { kind: "put", key: "count", value: Uint8Array.of(stored + 1) },
      ]);
    }
  };
  await expect(fill()).rejects.toThrow(StorageFullError);
  expect(stored).toBeGreaterThan(5);
  expect(await storage.get("count")).toEqual(Uint8Array.of(stored));
  expect(await storage.get(`block/${stored - 1}`)).toEqual(block);
  expect(await storage.get(`block/${stored}`)).toBeUndefined();
  await storage.commit([{ kind: "delete", key: "block/0" }]);
  await storage.commit([{ kind: "put", key: "again", value: Uint8Array.of(1) }]);
  await storage.close();
});

test("[H4] what was deleted or replaced is in none of the files once they are scrubbed, while others have them open, too", async () => {
  const folder = join(home, "scrubbed");
  const storage = openSqliteStorage(folder);
  const beside = openSqliteStorage(folder);
  const words = (text: string, times: number) => new TextEncoder().encode(text.repeat(times));
  const isInFiles = async (text: string) => {
    const files = (await readdir(folder)).map((file) => readFile(join(folder, file)));
    return (await Promise.all(files)).some((content) => content.includes(text));
  };
  for (let round = 0; round < 50; round++)
    await storage.commit([
      { kind: "put", key: `short/${round}`, value: words("burn this. ", 1) },
      { kind: "put", key: `long/${round}`, value: words("burn this, too. ", 2_000) },
    ]);
  await beside.getMany(["short/1", "long/1"]);
  expect(await isInFiles("burn this")).toBe(true);
  const changes = Array.from({ length: 50 }, (_, round) => [
    { kind: "put", key: `short/${round}`, value: words("ash", 1) } as const,
    { kind: "delete", key: `long/${round}` } as const,
  ]);
  await storage.commit(changes.flat());
  expect(await isInFiles("burn this")).toBe(true);
  await expect.poll(() => storage.scrub()).toBe(true);
  expect([await isInFiles("burn this"), await isInFiles("ash")]).toEqual([false, true]);
  expect(await beside.getMany(["short/1", "long/1"])).toEqual([words("ash", 1), undefined]);
  await beside.close();
  await storage.close();
});
