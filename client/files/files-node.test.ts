import { appendFileSync, readdirSync, readFileSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { TemporaryFolder } from "@fastchat/testing";
import { FileInUse, fileSink } from "./files-node.ts";

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
