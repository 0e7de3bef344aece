import type { Client, ConversationSummary } from "@fastchat/client";
import { ourCommand } from "../config.ts";
import { exitCodes, Failure } from "../failure.ts";
import { type FetchedFile, type FetchOptions, type ReceivedFile, fetchInto } from "../files/fetching.ts";
import { percent, sizeWords } from "../words.ts";
import { itemsAfter, newestItems, notFetched } from "./pages.ts";
import { progressLine } from "./progress-line.ts";
import { safeNameOf } from "./shapes.ts";

/** So far back a message with files is looked for, unless it is said. */
const LOOKED_THROUGH = 1_000;

export interface Wanted {
  /** Of the newest messages that have some, so many. */
  readonly last: number;
  /** Of this message alone. */
  readonly message: string | undefined;
  readonly all: boolean;
}

/** Files of a conversation, oldest first; `isShort`: older messages could not be had. Throws Failure when there are none. */
export async function receivedFiles(
  client: Client,
  conversation: ConversationSummary,
  { last, message, all }: Wanted,
): Promise<{ readonly files: readonly ReceivedFile[]; readonly isShort: boolean }> {
  const { id } = conversation;
  let isShort = false;
  const onMissing = (): void => {
    isShort = true;
  };
  const messages: (readonly ReceivedFile[])[] = [];
  const take = (items: Awaited<ReturnType<typeof newestItems>>): void => {
    for (const item of items) {
      const { sequence } = item;
      if (item.kind !== "message" || sequence === undefined || (message !== undefined && item.id !== message)) continue;
      if (item.files.length > 0) messages.push(item.files.map((file, place) => ({ file, place: { conversation: id, sequence, place } })));
    }
  };
  if (!all) take(await newestItems(client, id, LOOKED_THROUGH, onMissing));
  // One that is named is looked for everywhere.
  if (all || (message !== undefined && messages.length === 0)) for await (const page of itemsAfter(client, id, 0, onMissing)) take(page);
  const files = (all ? messages : messages.slice(-last)).flat();
  if (files.length > 0) return { files, isShort };
  if (isShort) throw notFetched();
  if (message !== undefined)
    throw new Failure(exitCodes.refused, "no-file", `There is no such message with a file here: "${ourCommand} read --json" names them.`);
  const where = `Nothing with a file was sent ${conversation.kind === "group" ? "in" : "with"} ${safeNameOf(conversation)}`;
  const within = ` among the last ${LOOKED_THROUGH.toLocaleString("en-GB")} messages: "${ourCommand} save --all" looks through everything.`;
  throw new Failure(exitCodes.refused, "no-file", `${where}${all ? "." : within}`);
}

/** The same as fetchInto, with how far it is beside it. */
export async function fetchShown(
  client: Client,
  received: ReceivedFile,
  folder: string,
  options: Pick<FetchOptions, "replace" | "otherwise"> & { readonly signal: AbortSignal },
): Promise<FetchedFile> {
  using line = progressLine();
  const shown =
    (what: string) =>
    (done: number, total: number): void =>
      line.show(`${what}: ${percent(done, total)} of ${sizeWords(total)}, ${received.file.name}`);
  return await fetchInto(client, received, folder, { ...options, onProgress: shown("Fetching"), onComparing: shown("Comparing") });
}
