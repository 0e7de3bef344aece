import { stat } from "node:fs/promises";
import { join, parse } from "node:path";
import { type ChatFile, type Client, FileDamaged, type FilePlace, type Progress } from "@fastchat/client";
import { fileSink } from "@fastchat/client/node";
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
  const path = options.replace ? join(folder, file.name) : await freePath(folder, file.name);
  try {
    await client.files.fetch(place, await fileSink(path, options), options);
    return path;
  } catch (error) {
    throw asRefusal(error, file.name, folder, options.otherwise);
  }
}

/** With what to do. */
export function asRefusal(error: unknown, name: string, folder = "", otherwise = ""): unknown {
  const { code } = error as { code?: unknown };
  if (error instanceof FileDamaged) return new Failure(exitCodes.refused, "file-damaged", `${name}: ${error.message}`);
  if (error instanceof FastChatError && error.code === ErrorCode.NOT_FOUND)
    return new Failure(exitCodes.refused, "file-gone", `${name} is not on the server any more: ask for it to be sent again.`);
  if (code === "ENOENT" || code === "ENOTDIR") return usage(`There is no folder ${folder}: make it first.`);
  if (code === "EACCES" || code === "EROFS") return usage(`Nothing can be written into ${folder}: ${otherwise}.`);
  return error;
}

/** "photo.jpg", or "photo (2).jpg" where that is taken. */
async function freePath(folder: string, name: string): Promise<string> {
  const { name: stem, ext } = parse(name);
  for (let count = 1; ; count++) {
    const path = join(folder, count === 1 ? name : `${stem} (${count})${ext}`);
    if ((await stat(path).catch(() => undefined)) === undefined) return path;
  }
}
