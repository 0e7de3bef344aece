import { resolve } from "node:path";
import type { Client, ExportLock, ExportOptions, ExportProgress, ExportResult, ExportSummary, MissingFile } from "@fastchat/client";
import { weakPassword, withSecrets } from "../ask.ts";
import { ourCommand } from "../config.ts";
import { usage } from "../failure.ts";
import type { Output } from "../output.ts";
import { WholeFile } from "../whole-file.ts";
import { andWords, percent, plural, sizeWords } from "../words.ts";
import { passwordOptions } from "./command.ts";
import { conversationWith } from "./destination.ts";
import { interrupts } from "./interrupts.ts";
import { signedInCommand } from "./signed-in-command.ts";
import { progressLine } from "./progress-line.ts";

export const exportCommand = signedInCommand({
  name: "export",
  description: "Write everything of your account into one archive, encrypted, with a viewer",
  example: "alice.zip.age",
  args: {
    file: { type: "positional", required: true, description: "The file to write" },
    to: { type: "string", valueHint: "TO…", description: "Only conversations with these people and groups" },
    "without-files": { type: "boolean", description: "Leave out the pictures and files of messages" },
    plain: { type: "boolean", description: "Do not encrypt it" },
    recipient: { type: "string", valueHint: "age1…", description: "Encrypt it for this key of age, with no passphrase" },
    force: { type: "boolean", description: "Take the place of a file that is there" },
    ...passwordOptions,
  },
  manyWords: true,
  waitsFor: "news",
  timeout: "10s",
  async run({ client, config, output, patience, words }, args) {
    const [file = "", ...more] = words;
    if (args.plain === true && args.recipient !== undefined) throw usage("--plain and --recipient exclude each other: choose one.");
    if (args.to === undefined && more.length > 0)
      throw usage(`"${more[0]}" is one word too many: say --to before the conversations that you mean.`);
    const named = args.to === undefined ? undefined : [args.to, ...more];
    const conversations = named && (await Promise.all(named.map(async (each) => (await conversationWith(client, each, patience)).id)));
    using interrupted = interrupts("nothing was written");
    await using whole = await WholeFile.create(resolve(file), args.force === true);
    if (args.plain === true) output.remark(`Whoever gets hold of ${file} can read everything in it: keep it where only you can.`);
    using line = progressLine();
    const options: Omit<ExportOptions, "lock"> = {
      ...(conversations !== undefined && { conversations }),
      files: args["without-files"] !== true,
      onProgress: (progress) => line.show(`Exporting: ${progressWords(progress)}`),
    };
    const source = { fromStdin: args["password-stdin"] === true, given: config.exportPassphrase, output };
    const { kind, archive } = await locked(client, options, args.plain === true ? { kind: "plain" } : args.recipient, source);
    await write(archive.stream, whole, interrupted.signal);
    const summary = await archive.summary;
    await whole.keep();
    line.show("");
    const { bytes } = whole;
    const files = summary.files === 0 ? [] : [plural(summary.files, "file")];
    const counted = `${plural(summary.conversations, "conversation")} with ${andWords([plural(summary.messages, "message"), ...files])}`;
    await output.print({ type: "exported", file, bytes, locked: kind, ...summary }, `Exported ${counted} to ${file}, ${sizeWords(bytes)}.`);
    remarkMissing(output, summary);
    if (kind !== "plain")
      output.remark(
        `It is opened with "age --decrypt --output archive.zip ${file}" (age-encryption.org); unpack that, and open index.html.`,
      );
  },
});

/** "34 %", "100 %, files: 12 % of 3.4 GB". */
const progressWords = ({ done, total, fileBytes }: ExportProgress): string =>
  [
    percent(done, total),
    ...(fileBytes.total === 0 ? [] : [`files: ${percent(fileBytes.done, fileBytes.total)} of ${sizeWords(fileBytes.total)}`]),
  ].join(", ");

type Archive = Extract<ExportResult, { kind: "archive" }>;

interface Locked {
  readonly kind: ExportLock["kind"];
  readonly archive: Archive;
}

/** @param how a recipient, or nothing: a passphrase, which is asked for. Throws Failure. */
async function locked(
  client: Client,
  options: Omit<ExportOptions, "lock">,
  how: Extract<ExportLock, { kind: "plain" }> | string | undefined,
  { given, ...source }: { readonly fromStdin: boolean; readonly given: string | undefined; readonly output: Output },
): Promise<Locked> {
  const start = async (lock: ExportLock): Promise<Locked> => {
    const result = await client.export({ ...options, lock });
    switch (result.kind) {
      case "archive":
        return { kind: lock.kind, archive: result };
      case "weak-password":
        throw weakPassword(result.suggestion, "passphrase");
      case "no-recipient":
        throw usage("That is no recipient of age: it begins with age1, and age-keygen prints it as the public key.");
      default:
        return result satisfies never;
    }
  };
  if (typeof how === "object") return start(how);
  if (how !== undefined) return start({ kind: "recipient", recipient: how });
  return withSecrets([{ words: "Passphrase for the archive: ", given, again: true }], source, ([passphrase = ""]) =>
    start({ kind: "passphrase", passphrase }),
  );
}

/** Files that are named one by one. */
const NAMED_AT_MOST = 10;

const whyWords: Readonly<Record<MissingFile["missing"], string>> = {
  gone: "the server does not have it any more",
  damaged: "what the server has is damaged; ask for it to be sent again",
  "not-given": `the server did not give it; run "${ourCommand} export" again while it answers`,
  "not-sent": "it waits to be sent",
};

const missingWords = ({ name, bytes, from, title, missing }: MissingFile): string =>
  `Not in it: ${name} (${sizeWords(bytes)}) from ${from} in "${title}": ${whyWords[missing]}.`;

function remarkMissing(output: Output, summary: ExportSummary): void {
  const { unreadable, disappearing, filesNotFetched, missingFiles, notFetched, requestsNotRead, withoutDevices } = summary;
  if (notFetched > 0)
    output.remark(
      `${plural(notFetched, "entry", "entries")} could not be fetched from the server: run "${ourCommand} export" again while it answers.`,
    );
  for (const file of missingFiles.slice(0, NAMED_AT_MOST)) output.remark(missingWords(file));
  if (filesNotFetched > NAMED_AT_MOST)
    output.remark(
      `${plural(filesNotFetched - NAMED_AT_MOST, "more file is", "more files are")} not in it; each message in it says which and why.`,
    );
  if (disappearing > 0)
    output.remark(`${plural(disappearing, "message")} that ${disappearing === 1 ? "disappears was" : "disappear were"} left out.`);
  if (unreadable > 0)
    output.remark(`${plural(unreadable, "message")} could not be opened, and ${unreadable === 1 ? "is" : "are"} only named in it.`);
  if (requestsNotRead > 0)
    output.remark(
      `${plural(requestsNotRead, "conversation")} that strangers began ${requestsNotRead === 1 ? "was" : "were"} never read, and not exported: see "${ourCommand} requests".`,
    );
  if (withoutDevices) output.remark("The list of your devices could not be asked for.");
}

/** Throws Failure, and the signal's reason; the stream is given up then. */
async function write(stream: Archive["stream"], whole: WholeFile, signal: AbortSignal): Promise<void> {
  const reader = stream.getReader();
  const giveUp = (): Promise<void> => reader.cancel(signal.reason).catch(() => undefined);
  const abort = (): void => void giveUp();
  signal.addEventListener("abort", abort, { once: true });
  try {
    for (;;) {
      signal.throwIfAborted();
      const { done, value } = await reader.read();
      if (done) break;
      await whole.write(value);
    }
    signal.throwIfAborted();
  } finally {
    signal.removeEventListener("abort", abort);
    await giveUp();
  }
}
