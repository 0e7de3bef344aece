import { join } from "node:path";
import { type ChatFile, type Client, FileDamaged, type FilePlace, type Progress } from "@fastchat/client";
import { FileInUse, fileSink, freeFileSink } from "@fastchat/client/node";
import { ErrorCode, FastChatError } from "@fastchat/protocol";
import { exitCodes, Failure, usage } from "../failure.ts";

export interface ReceivedFile {
  readonly file: ChatFile;
  readonly place: FilePlace;
}

export interface FetchOptions extends Progress {
  /** Takes the place of a file that is there; else it gets a name beside that. */
  readonly replace: boolean;
  /** How a person names another folder. */
  readonly otherwise: string;
}

/** Fetches a file into a folder; what was begun is taken up. Where it is then. Throws Failure, or the signal's reason. */
export async function fetchInto(client: Client, { file, place }: ReceivedFile, folder: string, options: FetchOptions): Promise<string> {
  try {
    if (options.replace) {
      const path = join(folder, file.name);
      await client.files.fetch(place, await fileSink(path, options), options);
      return path;
    }
    const sink = await freeFileSink(folder, file.name);
    await client.files.fetch(place, sink, options);
    return sink.path;
  } catch (error) {
    throw asRefusal(error, file.name, folder, options.otherwise);
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
