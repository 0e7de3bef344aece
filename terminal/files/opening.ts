import { spawn } from "node:child_process";
import { mkdir, rename, rm } from "node:fs/promises";
import { extname } from "node:path";
import type { ChatFile } from "@fastchat/client";
import { UNKNOWN_TYPE } from "@fastchat/client/media";
import { lookAt } from "@fastchat/client/media-node";
import { exitCodes, Failure } from "../failure.ts";
import { openedFolder } from "./opened-folder.ts";

export interface Opened {
  readonly path: string;
  /** False: no program here could show it. */
  readonly isShown: boolean;
}

/**
 * Shows a file with the program that this machine has for it. It lies in the profile then, which is its owner's alone, until it is forgotten.
 * @param file as its sender calls it
 * @param fetch writes it into a folder and says where it is
 * @param otherwise what a person does with a file that is not opened, as a sentence's end
 * @throws Failure, or what `fetch` throws
 */
export async function openFile(
  profileFolder: string,
  { name, mediaType }: Pick<ChatFile, "name" | "mediaType">,
  fetch: (folder: string) => Promise<string>,
  otherwise: string,
): Promise<Opened> {
  const refusal = new Failure(
    exitCodes.refused,
    "not-opened",
    `${name} is no picture, recording or PDF, and is not opened from here: ${otherwise}.`,
  );
  // What is none by its sender's own word, or by its name where that says nothing, is not fetched for that.
  const mayBe =
    mediaType === UNKNOWN_TYPE ? Object.values(extensions).includes(extname(name).toLowerCase()) : extensions[mediaType] !== undefined;
  if (!mayBe) throw refusal;
  const folder = openedFolder(profileFolder);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const fetched = await fetch(folder);
  // Programs open a file by what its name says: it says what the file is, and what could do more than be shown is not opened.
  const extension = extensions[(await lookAt(fetched)).mediaType];
  if (extension === undefined) {
    await rm(fetched);
    throw refusal;
  }
  const path = fetched.endsWith(extension) ? fetched : `${fetched}${extension}`;
  await rename(fetched, path);
  return { path, isShown: await show(path) };
}

export const openedWords = ({ path, isShown }: Opened): string =>
  isShown ? `Opened ${path}.` : `No program here opens files: it lies in ${path}.`;

/** What is opened, and how its name ends. */
const extensions: Readonly<Record<string, string>> = {
  "image/jpeg": ".jpg",
  "image/png": ".png",
  "image/webp": ".webp",
  "image/gif": ".gif",
  "image/avif": ".avif",
  "video/mp4": ".mp4",
  "video/webm": ".webm",
  "video/quicktime": ".mov",
  "audio/mpeg": ".mp3",
  "audio/ogg": ".ogg",
  "audio/flac": ".flac",
  "audio/wav": ".wav",
  "audio/mp4": ".m4a",
  "application/pdf": ".pdf",
};

/** What opens a file by its type, with the arguments before it. */
const openers: Readonly<Partial<Record<NodeJS.Platform, readonly [program: string, ...args: string[]]>>> = {
  darwin: ["open"],
  win32: ["explorer.exe"],
};

/** False: there is none, or it could not. */
function show(path: string): Promise<boolean> {
  const [program, ...before] = openers[process.platform] ?? ["xdg-open"];
  return new Promise((resolve) => {
    const child = spawn(program, [...before, path], { stdio: "ignore", detached: true });
    child.once("error", () => resolve(false));
    child.once("exit", (code) => resolve(code === 0));
    child.once("spawn", () => {
      // One that stays open is a program that shows it.
      setTimeout(() => {
        child.unref();
        resolve(true);
      }, OPENER_MS).unref();
    });
  });
}

/** An opener that fails does so within this time, milliseconds. */
const OPENER_MS = 2_000;
