import { linkSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { SmallDisk, TemporaryFolder } from "@fastchat/testing";
import { StorageFullError } from "../storage.ts";
import { takeName } from "./disk-node.ts";
import { fileSink } from "./files-node.ts";
import { nodeStaging } from "./staging-node.ts";

const LARGE = process.env["SIZE"] === "large";

describe("[S6] a disk on which there is no room for another name", () => {
  const on = (names: number, skip: (why: string) => never): SmallDisk =>
    SmallDisk.mount(1, names) ?? skip("a small disk can only be mounted as root on Linux");

  test("is a full one to whoever stages a file, from the first step on", async ({ skip }) => {
    for (const names of [0, 1]) {
      using disk = on(names, skip);
      await expect(nodeStaging(disk.path).write("name")).rejects.toThrow(StorageFullError);
    }
  });

  test("is a full one to whoever fetches a file, at its begin and at its end", async ({ skip }) => {
    for (const names of [0, 1]) {
      using disk = on(names, skip);
      const path = join(disk.path, "photo.jpg");
      const fetch = async (): Promise<void> => {
        const sink = await fileSink(path);
        await sink.write(new Uint8Array(10));
        try {
          await sink.finish();
        } finally {
          await sink.close(false);
        }
      };
      // What failed holds its name in no way.
      for (let time = 0; time < 2; time++) await expect(fetch()).rejects.toThrow(StorageFullError);
      expect(readdirSync(disk.path)).toEqual([]);
    }
  });
});

test("a finished file takes a name that is free, and leaves alone what has it", async () => {
  using folder = new TemporaryFolder();
  const [finished, path] = [join(folder.path, "finished"), join(folder.path, "name")];
  writeFileSync(finished, "new");
  writeFileSync(path, "old");
  await expect(takeName(finished, path)).rejects.toMatchObject({ code: "EEXIST" });
  expect([readFileSync(path, "utf8"), readFileSync(finished, "utf8")]).toEqual(["old", "new"]);
  await takeName(finished, join(folder.path, "another"));
  expect(readdirSync(folder.path).toSorted()).toEqual(["another", "name"]);
});

// 65,000 names of one file are as many as ext4 knows.
test.runIf(LARGE)("the same where a file can have no second name", { timeout: 300_000 }, async ({ skip }) => {
  using folder = new TemporaryFolder(tmpdir());
  const [finished, path, names] = ["finished", "name", "names"].map((name) => join(folder.path, name)) as [string, string, string];
  mkdirSync(names);
  writeFileSync(finished, "new");
  writeFileSync(path, "old");
  const fill = (): unknown => {
    try {
      for (let count = 0; count < 70_000; count++) linkSync(finished, join(names, String(count)));
    } catch (error) {
      return (error as NodeJS.ErrnoException).code;
    }
    return "none";
  };
  if (fill() !== "EMLINK") skip("this file system knows more names of a file");
  await expect(takeName(finished, path)).rejects.toMatchObject({ code: "EEXIST" });
  expect(readFileSync(path, "utf8")).toBe("old");
  await takeName(finished, join(folder.path, "another"));
  expect(readFileSync(join(folder.path, "another"), "utf8")).toBe("new");
  expect(readdirSync(folder.path).toSorted()).toEqual(["another", "name", "names"]);
});
