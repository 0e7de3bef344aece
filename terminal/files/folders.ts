import { readdir, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { exitCodes, Failure } from "../failure.ts";
import { safeLine } from "../safe-text.ts";
import type { SentAs } from "./to-send.ts";

export interface FolderEntry {
  readonly name: string;
  readonly kind: "folder" | "file";
  /** Of a file. */
  readonly bytes: number;
  /** Milliseconds since 1970. */
  readonly modified: number;
}

/** Of a folder with more, the others are found by typing their path. */
const MOST_ENTRIES = 5_000;

/** Folders by name, then files, newest first. Throws Failure. */
export async function readFolder(path: string): Promise<readonly FolderEntry[]> {
  const found = await readdir(path, { withFileTypes: true }).catch(() => {
    throw new Failure(exitCodes.refused, "not-read", `The folder ${safeLine(path)} cannot be read: choose another.`);
  });
  const isKind = (each: (typeof found)[number]): boolean => each.isDirectory() || each.isFile() || each.isSymbolicLink();
  const entries = await Promise.all(
    found
      .filter(isKind)
      .slice(0, MOST_ENTRIES)
      .map((each) => entryOf(path, each.name)),
  );
  return entries.filter((entry) => entry !== undefined).toSorted(inOrder);
}

async function entryOf(folder: string, name: string): Promise<FolderEntry | undefined> {
  // Of a link, what it points to.
  const stats = await stat(join(folder, name)).catch(() => undefined);
  if (stats === undefined || !(stats.isDirectory() || stats.isFile())) return undefined;
  return { name, kind: stats.isDirectory() ? "folder" : "file", bytes: stats.size, modified: stats.mtimeMs };
}

function inOrder(one: FolderEntry, other: FolderEntry): number {
  if (one.kind !== other.kind) return one.kind === "folder" ? -1 : 1;
  return one.kind === "folder" ? one.name.localeCompare(other.name) : other.modified - one.modified;
}

const hasFolder = async (path: string): Promise<boolean> => (await stat(path).catch(() => undefined))?.isDirectory() === true;

async function firstOf(...folders: readonly string[]): Promise<string> {
  for (const folder of folders) if (await hasFolder(folder)) return folder;
  return homedir();
}

/** Where a file is looked for first. */
export const startFolder = (sentAs: SentAs): Promise<string> =>
  sentAs === "image" ? firstOf(join(homedir(), "Pictures")) : firstOf(join(homedir(), "Downloads"), join(homedir(), "Documents"));

/** Where a file that was sent is saved, unless somebody says where. */
export const saveFolder = (): Promise<string> => firstOf(join(homedir(), "Downloads"));

const PICTURE_NAME = /\.(?:jpe?g|png|gif|webp|avif|tiff?)$/iu;

/** Whether it could be chosen there. What begins with a dot is hidden unless it is asked for. */
export const isOffered = ({ name, kind }: FolderEntry, sentAs: SentAs, typed: string): boolean =>
  (typed.startsWith(".") || !name.startsWith(".")) && (kind === "folder" || sentAs === "file" || PICTURE_NAME.test(name));
