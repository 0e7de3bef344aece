import type { ExportOptions, ExportSummary, MissingFile } from "./api-export.ts";
import { ExportedFiles, type WantedFile } from "./export-files.ts";
import { fetchLog, type Log, LogReader } from "./export-log.ts";
import { viewerPage } from "./export-page.ts";
import { ExportSteps } from "./export-progress.ts";
import {
  type ExportedAccount,
  type ExportedConversation,
  exportedDevice,
  exportedGroup,
  type ExportedItem,
  exportedList,
  exportedPerson,
  type ExportOverview,
  isoTime,
} from "./export-shapes.ts";
import type { ExportSource } from "./export-source.ts";
import type { ArchiveWriter } from "./export-zip.ts";
import type { StandingConversation } from "./standing.ts";

/** Files that could not be had and stand in the summary: with a server that went away they may be many. */
const MISSING_NAMED = 1_000;

/**
 * Writes all parts of an archive. Every log is read from its oldest place on: for the files of its messages, which come before it because a message says
 * whether its files are there, for its own part, and once more, from this device's storage, for the viewer, which has to hold all texts itself because a page from
 * the disk can read no other file. What is written while that goes on is in none of it.
 */
export async function writeAccount(
  source: ExportSource,
  { conversations: wanted, files: isWithFiles = true, onProgress }: Omit<ExportOptions, "lock">,
  archive: ArchiveWriter,
): Promise<ExportSummary> {
  const all = (await source.conversations()).filter(({ conversation: { id } }) => wanted?.includes(id) !== false);
  const places = all.reduce((sum, { conversation: { head } }) => sum + head, 0);
  const progress = new ExportSteps((isWithFiles ? 4 : 3) * places, onProgress);
  const logs: Log[] = [];
  for (const each of all) logs.push(await fetchLog(source, each, progress));
  const files = new ExportedFiles(source, isWithFiles, (bytes) => progress.bytes(bytes));
  const reader = new LogReader(source, files, progress);
  const found: (readonly WantedFile[])[] = [];
  if (isWithFiles) for (const log of logs) found.push(await reader.filesOf(log));
  progress.expect(found.flat().reduce((sum, { bytes }) => sum + bytes, 0));
  const written: ExportedConversation[] = [];
  const missingFiles: MissingFile[] = [];
  for (const [index, log] of logs.entries()) {
    for (const each of found[index] ?? []) await files.write(archive, each);
    const counted = { messages: 0, unreadable: 0, disappearing: 0, files: 0, fileBytes: 0, filesMissing: 0 };
    const file = `conversations/${log.id}.jsonl`;
    const { conversation } = all[index]!;
    const miss = (missing: Omit<MissingFile, "conversation" | "title">): void => {
      if (missingFiles.length < MISSING_NAMED) missingFiles.push({ conversation: log.id, title: conversation.title, ...missing });
    };
    await archive.text(
      file,
      linesOf(
        counting(
          reader.items(log, () => counted.disappearing++),
          counted,
          miss,
        ),
      ),
    );
    files.forgetUnnamed(archive);
    written.push(await conversationObject(source, all[index]!, { ...counted, notFetched: log.from - 1, file }));
  }
  const devices = await source.devices();
  const sum = (of: keyof Counted | "notFetched") => written.reduce((total, each) => total + each[of], 0);
  const filesMissing = sum("filesMissing");
  const summary: ExportSummary = {
    conversations: written.length,
    messages: sum("messages"),
    unreadable: sum("unreadable"),
    disappearing: sum("disappearing"),
    files: sum("files"),
    fileBytes: sum("fileBytes"),
    filesNotFetched: isWithFiles ? filesMissing : 0,
    missingFiles,
    filesLeftOut: isWithFiles ? 0 : filesMissing,
    notFetched: sum("notFetched"),
    requestsNotRead: wanted === undefined ? await source.requestsNotRead() : 0,
    withoutDevices: devices === undefined,
  };
  const overview: ExportOverview = {
    account: accountObject(source, summary),
    contacts: (await source.contacts()).map(exportedPerson),
    devices: (devices ?? []).map(exportedDevice),
    lists: (await source.broadcastLists()).map(exportedList),
    conversations: written,
  };
  await archive.text("account.json", [`${JSON.stringify(overview.account, undefined, 2)}\n`]);
  await archive.text("contacts.jsonl", overview.contacts.map(lineOf));
  await archive.text("devices.jsonl", overview.devices.map(lineOf));
  await archive.text("broadcast-lists.jsonl", overview.lists.map(lineOf));
  await archive.text("conversations.jsonl", written.map(lineOf));
  await archive.text("README.txt", [README]);
  const again = logs.map((log) => reader.items(log));
  await archive.text("index.html", viewerPage(overview, again));
  return summary;
}

const README = `Messages of FastChat, exported by their owner.

index.html            opens in any browser, without a network, and shows everything
account.json          whose they are, when they were exported, and what is missing
conversations.jsonl   one conversation a line, with its members and where its messages are
conversations/        one file for each conversation, one message or notice a line, oldest first
files/                pictures and files that came with messages, which name them, by conversation
contacts.jsonl, devices.jsonl, broadcast-lists.jsonl

All files are UTF-8; .jsonl files are JSON Lines (jsonlines.org). Times are ISO 8601 in UTC.
`;

type Counted = Pick<ExportedConversation, "messages" | "unreadable" | "disappearing" | "files" | "fileBytes" | "filesMissing">;

async function* counting(
  pages: AsyncIterable<readonly ExportedItem[]>,
  counted: { -readonly [Field in keyof Counted]: Counted[Field] },
  miss: (file: Omit<MissingFile, "conversation" | "title">) => void,
): AsyncGenerator<readonly ExportedItem[]> {
  for await (const page of pages) {
    for (const item of page) {
      if (item.type === "message") {
        counted.messages++;
        for (const { name, bytes, missing } of item.files) {
          if (missing === null) {
            counted.files++;
            counted.fileBytes += bytes;
            continue;
          }
          counted.filesMissing++;
          if (missing !== "left-out") miss({ sequence: item.sequence, from: item.from, name, bytes, missing });
        }
      } else if (item.notice === "unreadable") counted.unreadable++;
    }
    yield page;
  }
}

async function* linesOf(pages: AsyncIterable<readonly ExportedItem[]>): AsyncGenerator<string> {
  for await (const page of pages) yield page.map(lineOf).join("");
}

const lineOf = (value: object): string => `${JSON.stringify(value)}\n`;

function accountObject({ me }: ExportSource, summary: ExportSummary): ExportedAccount {
  return {
    type: "account",
    format: 1,
    name: me.name,
    account: me.account,
    device: me.device,
    gateway: me.gateway,
    exported: isoTime(Date.now()),
    conversations: summary.conversations,
    messages: summary.messages,
    files: summary.files,
    missing: missingIn(summary),
    missingFiles: summary.missingFiles,
  };
}

async function conversationObject(
  source: ExportSource,
  { standing, conversation }: StandingConversation,
  counted: Counted & Pick<ExportedConversation, "notFetched" | "file">,
): Promise<ExportedConversation> {
  const { id, kind, title, time, readUpTo, mute, draft, peer } = conversation;
  const group = kind === "group" ? await source.group(id) : undefined;
  return {
    type: "conversation",
    conversation: id,
    kind,
    title,
    standing,
    with: peer === undefined ? null : { name: peer.name, account: peer.account, verification: peer.verification },
    ...(group !== undefined && { group: exportedGroup(group) }),
    time: isoTime(time),
    readUpTo,
    mute,
    draft,
    ...counted,
  };
}

function missingIn(summary: ExportSummary): string[] {
  const { unreadable, disappearing, filesNotFetched, filesLeftOut, notFetched, requestsNotRead, withoutDevices } = summary;
  const counted = (count: number, one: string, many: string) => (count === 0 ? [] : [count === 1 ? one : `${count} ${many}`]);
  return [
    ...counted(
      notFetched,
      "One entry of a log could not be fetched from the server.",
      "entries of logs could not be fetched from the server.",
    ),
    ...counted(unreadable, "One message could not be opened.", "messages could not be opened."),
    ...counted(filesNotFetched, "One file could not be had.", "files could not be had."),
    ...counted(filesLeftOut, "One file was left out, as it was wanted.", "files were left out, as it was wanted."),
    ...counted(disappearing, "One message that disappears was left out.", "messages that disappear were left out."),
    ...counted(
      requestsNotRead,
      "One conversation that a stranger began was never read, and is not in it.",
      "conversations that strangers began were never read, and are not in it.",
    ),
    ...(withoutDevices ? ["The list of devices could not be asked for."] : []),
  ];
}
