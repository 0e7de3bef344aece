import { parseCount } from "../durations.ts";
import { type Failure, usage } from "../failure.ts";
import { isLost, notAllSaved } from "../files/fetching.ts";
import { sizeWords } from "../words.ts";
import { catchUp } from "./catch-up.ts";
import { conversationWith } from "./destination.ts";
import { interrupts } from "./interrupts.ts";
import { notFetched } from "./pages.ts";
import { fetchShown, receivedFiles } from "./received-files.ts";
import { fileObject, placeObject } from "./shapes.ts";
import { signedInCommand } from "./signed-in-command.ts";

export const save = signedInCommand({
  name: "save",
  description: "Write files that were sent into a folder: those of the newest message that has some",
  args: {
    with: { type: "positional", required: true, description: "With whom" },
    to: { type: "string", valueHint: "DIR", description: "The folder (.)", default: "." },
    last: { type: "string", valueHint: "N", description: "Of so many messages" },
    all: { type: "boolean", description: "Of all messages" },
    message: { type: "string", valueHint: "ID", description: "Of this message, as --json names it" },
    force: { type: "boolean", description: "Take the place of files that are there" },
  },
  waitsFor: "nothing",
  timeout: "10s",
  async run({ client, output, patience }, args) {
    if ([args.last, args.message, args.all].filter((option) => option !== undefined && option !== false).length > 1)
      throw usage("--last, --message and --all exclude each other: choose one.");
    await catchUp(client, patience, output);
    const conversation = await conversationWith(client, args.with, patience);
    const last = args.last === undefined ? 1 : parseCount(args.last, "last");
    using interrupted = interrupts("run it again to go on where it stopped");
    const { files, isShort } = await receivedFiles(client, conversation, { last, message: args.message, all: args.all === true });
    const lost: Failure[] = [];
    for (const each of files) {
      const options = { replace: args.force === true, signal: interrupted.signal, otherwise: "name another folder with --to" };
      const fetched = await fetchShown(client, each, args.to, options).catch((error: unknown) => {
        if (files.length === 1 || !isLost(error)) throw error;
        output.remark(error.message);
        lost.push(error);
      });
      if (fetched === undefined) continue;
      const { path, already } = fetched;
      const { sequence } = each.place;
      await output.print(
        { type: "saved", ...placeObject(conversation), sequence, path, already, file: fileObject(each.file) },
        already ? `${path} is there already.` : `Saved ${path}, ${sizeWords(each.file.bytes)}.`,
      );
    }
    if (isShort && args.all === true) throw notFetched();
    const failure = notAllSaved(lost, files.length);
    if (failure !== undefined) throw failure;
  },
});
