import { mkdtemp, readdir, rm, stat } from "node:fs/promises";
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
