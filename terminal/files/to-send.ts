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

/** A picture is made anew without what the camera wrote into it; a file goes as it is. */
export type SentAs = "image" | "file";

export interface NamedFile {
  readonly name: SentAs;
  readonly value: string;
}

/** A file as it is sent; what was made for that goes when this is disposed. */
export interface PreparedFile extends AsyncDisposable {
  readonly file: FileToSend;
  readonly sentAs: SentAs;
  /** A picture that goes as it is, with where and when it was taken. */
  readonly hasMetadata: boolean;
}

export const tooManyFiles = `One message has up to ${limits.filesPerMessage} files: send the others with another one.`;

/** What was made for them goes. */
export async function disposeFiles(files: readonly PreparedFile[]): Promise<void> {
  for (const file of files) await file[Symbol.asyncDispose]();
}

/**
 * All of them, or none.
 *
 * @param asFile how to send something as a file, in the words of where it was named
 * @throws Failure, or the signal's reason
 */
export async function prepareFiles(named: readonly NamedFile[], asFile: string, signal?: AbortSignal): Promise<readonly PreparedFile[]> {
  if (named.length > limits.filesPerMessage) throw usage(tooManyFiles);
  const files: PreparedFile[] = [];
  try {
    for (const { name, value } of named)
      files.push(await reading(value, () => (name === "image" ? picture(value, asFile, signal) : plain(value))));
    return files;
  } catch (error) {
    await disposeFiles(files);
    throw error;
  }
}

async function plain(path: string): Promise<PreparedFile> {
  const [source, { mediaType, kind }, durationMs] = await Promise.all([fileSource(path), lookAt(path), durationOf(path)]);
  const file = { source, mediaType, ...(durationMs !== undefined && { durationMs }) };
  return { file, sentAs: "file", hasMetadata: kind === "picture", [Symbol.asyncDispose]: async () => undefined };
}

async function picture(path: string, asFile: string, signal: AbortSignal | undefined): Promise<PreparedFile> {
  const folder = await mkdtemp(join(tmpdir(), "fastchat-picture-"));
  const dispose = () => rm(folder, { recursive: true, force: true });
  try {
    const to = join(folder, "picture");
    const made = await preparePicture(path, to, signal === undefined ? {} : { signal });
    if (made.kind !== "prepared")
      throw new Failure(exitCodes.refused, made.kind, `${safeLine(basename(path))}: ${pictureFaultSentence(made, asFile)}`);
    const { mediaType, width, height, thumbnail, thumbhash } = made.picture;
    const source = { ...(await fileSource(to)), name: nameForPicture(basename(path), mediaType) };
    return {
      file: { source, mediaType, width, height, thumbnail, thumbhash },
      sentAs: "image",
      hasMetadata: false,
      [Symbol.asyncDispose]: dispose,
    };
  } catch (error) {
    await dispose();
    throw error;
  }
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
