import { basename } from "node:path";
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

/** A file as it is sent. A picture is in memory, made anew. */
export interface PreparedFile {
  readonly file: FileToSend;
  readonly sentAs: SentAs;
  /** What goes as it is, maybe with where and when it was made; undefined: what says nothing of that, or is no picture and no recording. */
  readonly metadata: "picture" | "recording" | undefined;
}

export const tooManyFiles = `One message has up to ${limits.filesPerMessage} files: send the others with another one.`;

/**
 * All of them, or none.
 *
 * @param asFile how to send something as a file, in the words of where it was named
 * @throws Failure, or the signal's reason
 */
export async function prepareFiles(named: readonly NamedFile[], asFile: string, signal?: AbortSignal): Promise<readonly PreparedFile[]> {
  if (named.length > limits.filesPerMessage) throw usage(tooManyFiles);
  const files: PreparedFile[] = [];
  for (const { name, value } of named)
    files.push(await reading(value, () => (name === "image" ? picture(value, asFile, signal) : plain(value))));
  return files;
}

async function plain(path: string): Promise<PreparedFile> {
  const [source, { mediaType, kind }, durationMs] = await Promise.all([fileSource(path), lookAt(path), durationOf(path)]);
  const file = { source, mediaType, ...(durationMs !== undefined && { durationMs }) };
  const metadata = kind === "picture" ? "picture" : kind === "file" ? undefined : "recording";
  return { file, sentAs: "file", metadata };
}

async function picture(path: string, asFile: string, signal: AbortSignal | undefined): Promise<PreparedFile> {
  // A folder or a pipe is no picture that could be sent as a file.
  await fileSource(path);
  const made = await preparePicture(path, signal === undefined ? {} : { signal });
  if (made.kind !== "prepared")
    throw new Failure(exitCodes.refused, made.kind, `${safeLine(basename(path))}: ${pictureFaultSentence(made, asFile)}`);
  const { mediaType, bytes, width, height, thumbnail, thumbhash } = made.picture;
  const stream = async function* (): AsyncGenerator<Uint8Array> {
    yield made.data;
  };
  const source = { name: nameForPicture(basename(path), mediaType), size: bytes, stream };
  return { file: { source, mediaType, width, height, thumbnail, thumbhash }, sentAs: "image", metadata: undefined };
}

async function reading<Result>(path: string, act: () => Promise<Result>): Promise<Result> {
  try {
    return await act();
  } catch (error) {
    const shown = safeLine(path);
    const { code } = error as { code?: string };
    if (code === "ENOENT" && path === "-") throw usage("A file is named by its path: write what comes from a pipe into one first.");
    if (code === "ENOENT" || code === "ENOTDIR") throw usage(`There is no file ${shown}: check the path.`);
    if (code === "EACCES" || code === "EPERM") throw usage(`${shown} cannot be read: it is not yours to read.`);
    if (code === "EISDIR") throw usage(`${shown} is a folder: name a file, or pack the folder into one.`);
    if (code === "EINVAL") throw usage(`${shown} is a pipe or a device, and has no end: name a file.`);
    throw error;
  }
}
