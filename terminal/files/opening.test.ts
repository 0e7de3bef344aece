import { mkdirSync, readdirSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { TemporaryFolder } from "../../testing/index.ts";
import { forgetOpened } from "./opened-folder.ts";
import { openFile } from "./opening.ts";

let profile: TemporaryFolder;
beforeEach(() => {
  profile = new TemporaryFolder();
});
afterEach(() => profile[Symbol.dispose]());

const refusal = { code: "not-opened" };

test("[S6] what is not opened by its sender's own word is not fetched; what its name alone says, or says wrongly, is judged by its bytes", async () => {
  let fetched = 0;
  const fetch = async (folder: string): Promise<string> => {
    fetched++;
    const path = join(folder, "it");
    writeFileSync(path, "PK\u0003\u0004, an archive");
    return path;
  };
  const opening = (mediaType: string, name = "it") => openFile(profile.path, { name, mediaType }, fetch, "s saves it");
  for (const claim of ["application/zip", "text/html", "image/svg+xml", "image/tiff", "video/x-matroska"])
    await expect(opening(claim)).rejects.toMatchObject(refusal);
  await expect(opening("application/octet-stream", "it.bin")).rejects.toMatchObject(refusal);
  expect(fetched).toBe(0);
  for (const [claim, name] of [["application/octet-stream", "It.PDF"], ["application/pdf"], ["video/mp4"]] as const)
    await expect(opening(claim, name)).rejects.toMatchObject(refusal);
  expect(fetched).toBe(3);
  expect(readdirSync(join(profile.path, "opened"))).toEqual([]);
});

test("[S6] what was opened a while ago goes, and what was opened just now stays for the program that shows it", async () => {
  await forgetOpened(profile.path);
  const folder = join(profile.path, "opened");
  mkdirSync(folder);
  const ago = (minutes: number): Date => new Date(Date.now() - minutes * 60_000);
  for (const [name, minutes] of [
    ["old.pdf", 90],
    ["begun.mp4.fastchat-part", 90],
    ["new.pdf", 30],
  ] as const) {
    writeFileSync(join(folder, name), "");
    utimesSync(join(folder, name), ago(minutes), ago(minutes));
  }
  await forgetOpened(profile.path);
  expect(readdirSync(folder)).toEqual(["new.pdf"]);
});
