import { join } from "node:path";
import { ourCommand } from "../config.ts";
import { parseCount } from "../durations.ts";
import { exitCodes, Failure } from "../failure.ts";
import { openedWords, openFile } from "../files/opening.ts";
import { plural } from "../words.ts";
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
    file: { type: "string", valueHint: "N", description: "Of its files this one; 1 is the first (the last)" },
  },
  waitsFor: "nothing",
  timeout: "10s",
  async run({ client, config, output, patience, profile }, args) {
    const number = args.file === undefined ? undefined : parseCount(args.file, "file");
    await catchUp(client, patience, output);
    const conversation = await conversationWith(client, args.with, patience);
    using interrupted = interrupts("run it again to go on where it stopped");
    const { files } = await receivedFiles(client, conversation, { last: 1, message: args.message, all: false });
    const wanted = files.at(number === undefined ? -1 : number - 1);
    if (wanted === undefined) {
      const sentence = `That message has ${plural(files.length, "file")}: say one of them with --file.`;
      throw new Failure(exitCodes.refused, "no-file", sentence);
    }
    const { file, place } = wanted;
    const otherwise = `"${ourCommand} save ${args.with}" writes it into a folder`;
    const opened = await openFile(
      join(config.home, profile),
      file,
      async (folder) => (await fetchShown(client, wanted, folder, { replace: true, signal: interrupted.signal, otherwise })).path,
      otherwise,
    );
    const object = { type: "opened", ...placeObject(conversation), sequence: place.sequence, path: opened.path, file: fileObject(file) };
    await output.print(object, openedWords(opened));
  },
});
