import { spawn } from "node:child_process";
import { mkdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { lookAt } from "@fastchat/client/media-node";
import { ourCommand } from "../config.ts";
import { exitCodes, Failure } from "../failure.ts";
import { catchUp } from "./catch-up.ts";
import { conversationWith } from "./destination.ts";
import { interrupts } from "./interrupts.ts";
import { fetchInto, receivedFiles } from "./received-files.ts";
import { fileObject, placeObject } from "./shapes.ts";
import { signedInCommand } from "./signed-in-command.ts";

export const open = signedInCommand({
  name: "open",
  description: "Show the newest file that was sent with the program that this machine has for it",
  args: {
    with: { type: "positional", required: true, description: "With whom" },
    message: { type: "string", valueHint: "ID", description: "Of this message, as --json names it" },
  },
  waitsFor: "nothing",
  timeout: "10s",
  async run({ client, config, output, patience, profile }, args) {
    await catchUp(client, patience, output);
    const conversation = await conversationWith(client, args.with, patience);
    using interrupted = interrupts("run it again to go on where it stopped");
    const files = await receivedFiles(client, conversation, { last: 1, message: args.message, all: false });
    const newest = files.at(-1)!;
    const { file } = newest;
    // In the profile, which is its owner's alone and goes with a sign-out.
    const folder = join(config.home, profile, "opened");
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const fetched = await fetchInto(client, newest, folder, { replace: true, signal: interrupted.signal });
    // Programs open a file by what its name says: it says what the file is, and what could do more than be shown is not opened.
    const extension = extensions[(await lookAt(fetched)).mediaType];
    if (extension === undefined) {
      await rm(fetched);
      throw new Failure(
        exitCodes.refused,
        "not-opened",
        `${file.name} is no picture, recording or PDF, and is not opened from here: "${ourCommand} save ${args.with}" writes it into a folder.`,
      );
    }
    const path = fetched.endsWith(extension) ? fetched : `${fetched}${extension}`;
    await rename(fetched, path);
    const isShown = await show(path);
    const object = { type: "opened", ...placeObject(conversation), sequence: newest.place.sequence, path, ...fileObject(file) };
    await output.print(object, isShown ? `Opened ${path}.` : `No program here opens files: it lies in ${path}.`);
  },
});

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
  "audio/opus": ".opus",
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
