import { stat } from "node:fs/promises";
import { basename } from "node:path";
import { lookAt } from "@fastchat/client/media-node";
import type { ChatMessage } from "@fastchat/client";
import { exitCodes, Failure } from "../failure.ts";
import { type FetchedFile, fetchInto, isLost, notAllSaved, savedWords } from "../files/fetching.ts";
import { readFolder, saveFolder, startFolder } from "../files/folders.ts";
import { openedWords, openFile } from "../files/opening.ts";
import { pastedPaths } from "../files/paths.ts";
import { type NamedFile, type PreparedFile, prepareFiles } from "../files/to-send.ts";
import { plural } from "../words.ts";
import type { Performing } from "./perform-groups.ts";
import type { Effect } from "./state.ts";
import type { Transfers } from "./transfers.ts";

/** What concerns pictures and files. */
export type FileEffect = Extract<
  Effect,
  {
    readonly kind: "attach" | "look-for-files" | "list-folder" | "save-files" | "open-file" | "cancel-transfer" | "cancel-upload";
  }
>;

type Sending = Extract<Effect, { readonly kind: "send" }>;

export interface PerformingFiles extends Performing {
  readonly transfers: Transfers;
  /** Where what is opened lies; undefined: a QuickChat session leaves nothing on this machine. */
  readonly profileFolder: string | undefined;
}

/** Carries out an effect; rejects with what the person should hear. */
export async function performFiles(performing: PerformingFiles, effect: FileEffect): Promise<void> {
  const { client, dispatch, say, transfers } = performing;
  switch (effect.kind) {
    case "attach":
      return dispatch({ kind: "attached", id: effect.id, files: await attach(transfers, effect) });
    case "look-for-files": {
      const files = await filesAt(pastedPaths(effect.text));
      if (files.length > 0) dispatch({ kind: "files-found", id: effect.id, text: effect.text, files });
      return;
    }
    case "list-folder": {
      const path = effect.path ?? (await startFolder(effect.sentAs));
      const entries = await readFolder(path).catch((error: unknown) => {
        dispatch({ kind: "folder", asked: effect.path, path, entries: [] });
        throw error;
      });
      return dispatch({ kind: "folder", asked: effect.path, path, entries });
    }
    case "save-files":
      return say(await save(performing, effect.message));
    case "open-file":
      return say(await open(performing, effect.message, effect.place));
    case "cancel-transfer":
      return transfers.stop(effect.transfer);
    case "cancel-upload":
      return say((await client.files.cancel(effect.message)) ? "Taken back: it was not sent." : "It is sent already.");
    default:
      return effect satisfies never;
  }
}

/** Resolves when what is sent stands in the outbox; the files are not needed then. */
export async function sendFiles({ client, transfers }: PerformingFiles, { id, text, files = [], expiresAfter }: Sending): Promise<void> {
  const words = `Encrypting ${wordsOf(files.map(({ file }) => file.source.name))}`;
  await transfers.run({ words, stopped: "Stopped: nothing was sent." }, (progress) =>
    client.files.send(
      id,
      files.map(({ file }) => file),
      { ...progress, text, ...(expiresAfter !== undefined && { expiresAfter }) },
    ),
  );
}

const wordsOf = (names: readonly string[]): string => (names.length === 1 ? names[0]! : plural(names.length, "file"));

/** All of them, or none. */
async function attach(transfers: Transfers, { id, files }: Extract<Effect, { readonly kind: "attach" }>): Promise<readonly PreparedFile[]> {
  const words = `Reading ${wordsOf(files.map(({ value }) => basename(value)))}`;
  return transfers.run({ words, stopped: "Stopped: nothing was added.", holds: id }, ({ signal }) =>
    prepareFiles(files, "as a file with /file", signal),
  );
}

/** The first way to read it in which all that is named is there. */
async function filesAt(ways: readonly (readonly string[])[]): Promise<readonly NamedFile[]> {
  for (const paths of ways) {
    const files = await Promise.all(paths.map(fileAt));
    if (files.every((file) => file !== undefined)) return files;
  }
  return [];
}

async function fileAt(path: string): Promise<NamedFile | undefined> {
  const stats = await stat(path).catch(() => undefined);
  if (stats?.isFile() !== true) return undefined;
  const looked = await lookAt(path).catch(() => undefined);
  return { name: looked?.kind === "picture" ? "image" : "file", value: path };
}

/** What is said then. */
async function save({ client, say, transfers }: PerformingFiles, message: ChatMessage): Promise<string> {
  const folder = await saveFolder();
  const fetched: FetchedFile[] = [];
  const lost: Failure[] = [];
  for (const [index, file] of message.files.entries()) {
    const received = { file, place: placeIn(message, index) };
    const about = { words: `Fetching ${file.name}`, stopped: "Stopped: s goes on where it was." };
    const options = { replace: false, otherwise: "give yourself the right to, or save it by command" };
    try {
      fetched.push(await transfers.run(about, (progress) => fetchInto(client, received, folder, { ...progress, ...options })));
    } catch (error) {
      if (message.files.length === 1 || !isLost(error)) throw error;
      say(error.message, "error");
      lost.push(error);
    }
  }
  const failure = notAllSaved(lost, message.files.length);
  if (failure !== undefined) throw failure;
  const words = savedWords(fetched, message.files, folder);
  if (words === undefined) throw new Failure(exitCodes.refused, "no-file", "No file came with this message.");
  return words;
}

async function open({ client, transfers, profileFolder }: PerformingFiles, message: ChatMessage, index: number): Promise<string> {
  if (profileFolder === undefined)
    throw new Failure(exitCodes.refused, "not-opened", "QuickChat leaves nothing on this machine: s saves it where you find it again.");
  const file = message.files[index]!;
  const received = { file, place: placeIn(message, index) };
  const about = { words: `Fetching ${file.name}`, stopped: "Stopped: o goes on where it was." };
  const fetch = async (folder: string): Promise<string> => {
    const options = { replace: true, otherwise: "s saves it elsewhere" };
    const { path } = await transfers.run(about, (progress) => fetchInto(client, received, folder, { ...progress, ...options }));
    return path;
  };
  return openedWords(await openFile(profileFolder, file, fetch, "s saves it"));
}

function placeIn({ conversation, sequence }: ChatMessage, place: number) {
  if (sequence === undefined) throw new Failure(exitCodes.refused, "not-sent", "It is not sent yet: one moment.");
  return { conversation, sequence, place };
}
