import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { TemporaryFolder } from "../../testing/temporary-folder.ts";
import { photo } from "../../testing/pictures.ts";
import { prepareFiles } from "./to-send.ts";

test("[S6] what may tell where it was made, and goes as it is, is told apart", async () => {
  using folder = new TemporaryFolder();
  const files = {
    "photo.jpg": await photo(64, 48),
    "film.mp4": Buffer.from("\0\0\0\x18ftypisom\0\0\x02\0isommp42", "latin1"),
    "memo.m4a": Buffer.from("\0\0\0\x18ftypM4A \0\0\x02\0isommp42", "latin1"),
    "words.txt": "words",
  };
  for (const [name, bytes] of Object.entries(files)) writeFileSync(join(folder.path, name), bytes);
  const named = Object.keys(files).map((name) => ({ name: "file" as const, value: join(folder.path, name) }));
  const asImage = { name: "image" as const, value: join(folder.path, "photo.jpg") };
  const prepared = await prepareFiles([...named, asImage], "as a file");
  expect(prepared.map(({ metadata }) => metadata)).toEqual(["picture", "recording", "recording", undefined, undefined]);
});
