import { lstat } from "node:fs/promises";
import { join } from "node:path";
import { type ChatFile, type Client, FileDamaged, type FilePlace, type Progress } from "@fastchat/client";
import { FileInUse, fileSink, fileSource, freeFileSink, namesFor } from "@fastchat/client/node";
import { ErrorCode, FastChatError } from "@fastchat/protocol";
import { exitCodes, Failure, usage } from "../failure.ts";
import { plural, sizeWords } from "../words.ts";

export interface ReceivedFile {
  readonly file: ChatFile;
  readonly place: FilePlace;
}

export interface FetchOptions extends Progress {
  /** Takes the place of a file that is there; else it gets a name beside that, unless it is the same. */
  readonly replace: boolean;
  /** While a file that is there is compared with it: bytes. */
  readonly onComparing?: Progress["onProgress"];
  /** How a person names another folder. */
  readonly otherwise: string;
}

/** Where a file is; `already`: it was there, and nothing was fetched. */
export interface FetchedFile {
  readonly path: string;
  readonly already: boolean;
}

/** What became of files of one message, in a sentence; undefined: it has none. */
export function savedWords(fetched: readonly FetchedFile[], files: readonly ChatFile[], folder: string): string | undefined {
  const [first, ...others] = fetched;
  if (first === undefined) return undefined;
  if (others.length === 0) return first.already ? `${first.path} is there already.` : `Saved ${first.path}, ${sizeWords(files[0]!.bytes)}.`;
  const already = fetched.filter((each) => each.already).length;
  if (already === fetched.length) return `All ${plural(already, "file")} are there already, in ${folder}.`;
  const rest = already === 0 ? "" : ` The ${already === 1 ? "other was" : "others were"} there already.`;
  return `Saved ${plural(fetched.length - already, "file")} in ${folder}.${rest}`;
}

/** Fetches a file into a folder; what was begun is taken up, and what is there is left. Throws Failure, or the signal's reason. */
export async function fetchInto(client: Client, received: ReceivedFile, folder: string, options: FetchOptions): Promise<FetchedFile> {
  const { file, place } = received;
  try {
    if (options.replace) {
      const path = join(folder, file.name);
      await client.files.fetch(place, await fileSink(path, options), options);
      return { path, already: false };
    }
    const there = await alreadyIn(folder, file.name, (path) => isThere(client, received, path, options));
    if (there !== undefined) return { path: there, already: true };
    const sink = await freeFileSink(folder, file.name);
    await client.files.fetch(place, sink, options);
    return { path: sink.path, already: false };
  } catch (error) {
    throw asRefusal(error, file.name, folder, options.otherwise);
  }
}

async function isThere(client: Client, { place }: ReceivedFile, path: string, { signal, onComparing }: FetchOptions): Promise<boolean> {
  try {
    const progress = { ...(signal !== undefined && { signal }), ...(onComparing !== undefined && { onProgress: onComparing }) };
    return await client.files.isThere(place, await fileSource(path), progress);
  } catch (error) {
    // What cannot be read is not known to be the same.
    if (error instanceof Error && "syscall" in error) return false;
    throw error;
  }
}

/** With what to do. */
function asRefusal(error: unknown, name: string, folder: string, otherwise: string): unknown {
  const { code } = error as { code?: unknown };
  if (error instanceof FileInUse)
    return new Failure(exitCodes.refused, "file-in-use", `${name} is being fetched already: wait until it is there.`);
  if (error instanceof FileDamaged) return new Failure(exitCodes.refused, "file-damaged", `${name}: ${error.message}`);
  if (error instanceof FastChatError && error.code === ErrorCode.NOT_FOUND)
    return new Failure(exitCodes.refused, "file-gone", `${name} is not on the server any more: ask for it to be sent again.`);
  if (code === "ENOENT" || code === "ENOTDIR") return usage(`There is no folder ${folder}: make it first.`);
  if (code === "EACCES" || code === "EROFS") return usage(`Nothing can be written into ${folder}: ${otherwise}.`);
  return error;
}

/** This file cannot be had any more; another one may be. */
export const isLost = (error: unknown): error is Failure =>
  error instanceof Failure && (error.code === "file-gone" || error.code === "file-damaged");

/** What is said in the end, where some of several files are lost; undefined: none is. */
export function notAllSaved(lost: readonly Failure[], count: number): Failure | undefined {
  const [first] = lost;
  if (first === undefined) return undefined;
  const words =
    lost.length === count
      ? `None of ${count} files could be saved.`
      : `${lost.length} of ${count} files could not be saved, and the others were.`;
  return new Failure(exitCodes.refused, first.code, words);
}

/** Where it lies already, under one of the names that it would be given; undefined: nowhere. */
async function alreadyIn(folder: string, name: string, isSame: (path: string) => Promise<boolean>): Promise<string | undefined> {
  for (const path of namesFor(folder, name)) {
    // A link counts, wherever it leads.
    const stats = await lstat(path).catch(() => undefined);
    if (stats === undefined) return undefined;
    if (stats.isFile() && (await isSame(path))) return path;
  }
  return undefined;
}
