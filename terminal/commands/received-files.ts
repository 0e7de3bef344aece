import { stat } from "node:fs/promises";
import { join, parse } from "node:path";
import type { ChatFile, Client, ConversationSummary, FilePlace } from "@fastchat/client";
import { FileDamaged } from "@fastchat/client";
import { fileSink } from "@fastchat/client/node";
import { ErrorCode, FastChatError } from "@fastchat/protocol";
import { exitCodes, Failure, usage } from "../failure.ts";
import { percent, sizeWords } from "../words.ts";
import { newestItems, itemsAfter } from "./pages.ts";
import { progressLine } from "./progress-line.ts";
import { safeNameOf } from "./shapes.ts";

export interface ReceivedFile {
  readonly file: ChatFile;
  readonly place: FilePlace;
}

/** So far back a message with files is looked for, unless it is said. */
const LOOKED_THROUGH = 1_000;

export interface Wanted {
  /** Of the newest messages that have some, so many. */
  readonly last: number;
  /** Of this message alone. */
  readonly message: string | undefined;
  readonly all: boolean;
}

/** Files of a conversation, oldest first. Throws Failure when there are none. */
export async function receivedFiles(
  client: Client,
  conversation: ConversationSummary,
  { last, message, all }: Wanted,
): Promise<readonly ReceivedFile[]> {
  const { id } = conversation;
  const messages: (readonly ReceivedFile[])[] = [];
  const take = (items: Awaited<ReturnType<typeof newestItems>>): void => {
    for (const item of items) {
      const { sequence } = item;
      if (item.kind !== "message" || sequence === undefined || (message !== undefined && item.id !== message)) continue;
      if (item.files.length > 0) messages.push(item.files.map((file, place) => ({ file, place: { conversation: id, sequence, place } })));
    }
  };
  if (all) for await (const page of itemsAfter(client, id, 0)) take(page);
  else take(await newestItems(client, id, LOOKED_THROUGH));
  const found = (all ? messages : messages.slice(-last)).flat();
  if (found.length > 0) return found;
  const where =
    message === undefined
      ? `Nothing with a file was sent ${conversation.kind === "group" ? "in" : "with"} ${safeNameOf(conversation)}`
      : "There is no such message with a file here";
  throw new Failure(
    exitCodes.refused,
    "no-file",
    `${where}${all ? "." : ` among the last ${LOOKED_THROUGH.toLocaleString("en-GB")} messages: --all looks through everything.`}`,
  );
}

/** Fetches a file into a folder, under its name or one beside that; what was begun is taken up. Where it is then. Throws Failure. */
export async function fetchInto(
  client: Client,
  { file, place }: ReceivedFile,
  folder: string,
  options: { readonly replace: boolean; readonly signal: AbortSignal },
): Promise<string> {
  const path = options.replace ? join(folder, file.name) : await freePath(folder, file.name);
  using line = progressLine();
  const onProgress = (done: number, total: number): void => line.show(`${file.name}: ${percent(done, total)} of ${sizeWords(total)}`);
  try {
    await client.files.fetch(place, await fileSink(path, options), { onProgress, signal: options.signal });
    return path;
  } catch (error) {
    throw asRefusal(error, file.name, folder);
  }
}

function asRefusal(error: unknown, name: string, folder: string): unknown {
  const { code } = error as { code?: unknown };
  if (error instanceof FileDamaged) return new Failure(exitCodes.refused, "file-damaged", `${name}: ${error.message}`);
  if (error instanceof FastChatError && error.code === ErrorCode.NOT_FOUND)
    return new Failure(exitCodes.refused, "file-gone", `${name} is not on the server any more: ask for it to be sent again.`);
  if (code === "ENOENT" || code === "ENOTDIR") return usage(`There is no folder ${folder}: make it first.`);
  if (code === "EACCES" || code === "EROFS") return usage(`Nothing can be written into ${folder}: name another folder with --to.`);
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
