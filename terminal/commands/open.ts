import { join } from "node:path";
import { ourCommand } from "../config.ts";
import { openedWords, openFile } from "../files/opening.ts";
import { catchUp } from "./catch-up.ts";
import { conversationWith } from "./destination.ts";
import { interrupts } from "./interrupts.ts";
import { fetchShown, receivedFiles } from "./received-files.ts";
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
    const { files } = await receivedFiles(client, conversation, { last: 1, message: args.message, all: false });
    const newest = files.at(-1)!;
    const { file, place } = newest;
    const otherwise = `"${ourCommand} save ${args.with}" writes it into a folder`;
    const opened = await openFile(
      join(config.home, profile),
      file,
      async (folder) => (await fetchShown(client, newest, folder, { replace: true, signal: interrupted.signal, otherwise })).path,
      otherwise,
    );
    const object = { type: "opened", ...placeObject(conversation), sequence: place.sequence, path: opened.path, file: fileObject(file) };
    await output.print(object, openedWords(opened));
  },
});
