import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import type { FileToSend } from "@fastchat/client";
import { nameForPicture, pictureFaultSentence } from "@fastchat/client/media";
import { durationOf, lookAt, preparePicture } from "@fastchat/client/media-node";
import { fileSource } from "@fastchat/client/node";
import { limits } from "@fastchat/protocol";
import { exitCodes, Failure, usage } from "../failure.ts";
import { safeLine } from "../safe-text.ts";

export interface NamedFile {
  /** A picture is made anew without what the camera wrote into it; a file goes as it is. */
  readonly name: "image" | "file";
  readonly value: string;
}

/** Files as they are sent, and the folder in which pictures were made anew, which goes when this is disposed. */
export interface PreparedFiles extends AsyncDisposable {
  readonly files: readonly FileToSend[];
  /** Pictures among them that go as they are, with where and when they were taken. */
  readonly withMetadata: readonly string[];
}

/** Throws Failure. */
export async function prepareFiles(named: readonly NamedFile[]): Promise<PreparedFiles> {
  if (named.length > limits.filesPerMessage)
    throw usage(`One message has up to ${limits.filesPerMessage} files: send the others with another one.`);
  const folder = await mkdtemp(join(tmpdir(), "fastchat-pictures-"));
  const dispose = () => rm(folder, { recursive: true, force: true });
  try {
    const files: FileToSend[] = [];
    const withMetadata: string[] = [];
    for (const [index, { name, value }] of named.entries()) {
      const made = await reading(value, () => (name === "image" ? picture(value, join(folder, String(index))) : plain(value)));
      files.push(made);
      if (name === "file" && made.mediaType?.startsWith("image/") === true) withMetadata.push(value);
    }
    return { files, withMetadata, [Symbol.asyncDispose]: dispose };
  } catch (error) {
    await dispose();
    throw error;
  }
}

async function plain(path: string): Promise<FileToSend> {
  const [source, { mediaType }, durationMs] = await Promise.all([fileSource(path), lookAt(path), durationOf(path)]);
  return { source, mediaType, ...(durationMs !== undefined && { durationMs }) };
}

async function picture(path: string, to: string): Promise<FileToSend> {
  const made = await preparePicture(path, to);
  if (made.kind !== "prepared")
    throw new Failure(exitCodes.refused, made.kind, `${safeLine(basename(path))}: ${pictureFaultSentence(made, "as a file with --file")}`);
  const { mediaType, width, height, thumbnail, thumbhash } = made.picture;
  return {
    source: { ...(await fileSource(to)), name: nameForPicture(basename(path), mediaType) },
    mediaType,
    width,
    height,
    thumbnail,
    thumbhash,
  };
}

async function reading<Result>(path: string, act: () => Promise<Result>): Promise<Result> {
  try {
    return await act();
  } catch (error) {
    const shown = safeLine(path);
    const { code } = error as { code?: string };
    if (code === "ENOENT" || code === "ENOTDIR") throw usage(`There is no file ${shown}: check the path.`);
    if (code === "EACCES" || code === "EPERM") throw usage(`${shown} cannot be read: it is not yours to read.`);
    if (code === "EISDIR") throw usage(`${shown} is a folder: name a file, or pack the folder into one.`);
    if (code === "EINVAL") throw usage(`${shown} is no file that has an end: name a file.`);
    throw error;
  }
}
