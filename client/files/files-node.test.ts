import { appendFileSync, readdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { TemporaryFolder } from "@fastchat/testing";
import { FileInUse, fileSink, freeFileSink } from "./files-node.ts";

let folder: TemporaryFolder;
let path: string;
beforeEach(() => {
  folder = new TemporaryFolder();
  path = join(folder.path, "photo.jpg");
});
afterEach(() => folder[Symbol.dispose]());

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

test("[S6] two sinks at one path do not write into each other's file", async () => {
  const first = await fileSink(path);
  await first.write(bytes("one "));
  await expect(fileSink(path)).rejects.toThrow(FileInUse);
  await first.write(bytes("picture"));
  await first.finish();
  await first.close(true);
  expect(readFileSync(path, "utf8")).toBe("one picture");
  const second = await fileSink(path, { replace: true });
  await second.close(false);
  expect(readdirSync(folder.path)).toEqual(["photo.jpg"]);
});

test("[S6] a file whose name is taken while it is fetched is there beside that, and says where", async () => {
  const first = await freeFileSink(folder.path, "photo.jpg");
  const second = await freeFileSink(folder.path, "photo.jpg");
  expect([first.path, second.path]).toEqual([path, join(folder.path, "photo (2).jpg")]);
  for (const [sink, text] of [
    [first, "first"],
    [second, "second"],
  ] as const)
    await sink.write(bytes(text));
  for (const name of ["photo.jpg", "photo (2).jpg", "photo (3).jpg"]) writeFileSync(join(folder.path, name), "of another process");
  for (const sink of [second, first]) {
    await sink.finish();
    await sink.close(false);
  }
  expect([first.path, second.path]).toEqual(["photo (5).jpg", "photo (4).jpg"].map((name) => join(folder.path, name)));
  expect([readFileSync(first.path, "utf8"), readFileSync(second.path, "utf8")]).toEqual(["first", "second"]);
  expect(readFileSync(path, "utf8")).toBe("of another process");
  expect(readdirSync(folder.path)).toHaveLength(5);
});

test.each([
  ["writes", (unfinished: string) => appendFileSync(unfinished, "of another process")],
  ["begins again", (unfinished: string) => truncateSync(unfinished, 0)],
])("[S6] a file into which another process %s gets no name, and is left to it", async (_, interfere) => {
  const unfinished = `${path}.fastchat-part`;
  for (const isWhole of [false, true]) {
    const sink = await fileSink(path);
    await sink.truncate(0);
    await sink.write(bytes("one "));
    interfere(unfinished);
    await expect(isWhole ? sink.finish() : sink.write(bytes("picture"))).rejects.toThrow(FileInUse);
    await sink.close(false);
    expect(readdirSync(folder.path)).toEqual(["photo.jpg.fastchat-part"]);
  }
});
